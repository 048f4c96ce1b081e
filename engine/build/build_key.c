/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a step is known by: its key, which a cache in a registry may say something of, and the one
 * that the store keeps it under. Runs in engine main. Must never let a step that stands upon what a
 * registry said have the same key in the store as one that stands upon what was made here.
 */
#include <string.h>
#include "engine/build/build_state.h"

void build_mix(struct digest *digest, const struct digest *more)
{
	struct sha256 hash;
	sha256_init(&hash);
	sha256_add(&hash, digest->bytes, sizeof(digest->bytes));
	sha256_add(&hash, more->bytes, sizeof(more->bytes));
	sha256_end(&hash, digest);
}

/* The stages whose files the operation sees: its own, what it copies from, what it mounts. */
static uint32_t inputs(const struct build *build, const struct build_track *track,
		       const struct stage_result *ret[DOCKERFILE_MOUNTS_MAX + 2])
{
	const struct build_op *op = build_current_op(build, track);
	uint32_t count = 0;
	ret[count++] = &build->results[track->stage];
	if (op->from >= 0)
		ret[count++] = &build->results[op->from];
	for (uint32_t i = 0; i < op->mount_count && i < DOCKERFILE_MOUNTS_MAX; i++)
		if (op->mounts[i].from >= 0)
			ret[count++] = &build->results[op->mounts[i].from];
	return count;
}

static void add_layers(struct sha256 *hash, const struct stage_result *result)
{
	sha256_add(hash, &result->count, sizeof(result->count));
	for (uint32_t i = 0; i < result->count; i++)
		sha256_add(hash, result->layers[i].blob.bytes, SHA256_SIZE);
}

/* Who stands upon a registry's word shares with those that stand upon the very same layers. */
static void store_key(const struct build *build, struct build_track *track)
{
	const struct stage_result *list[DOCKERFILE_MOUNTS_MAX + 2];
	uint32_t count = inputs(build, track, list);
	struct sha256 hash;
	track->foreign = false;
	for (uint32_t i = 0; i < count; i++)
		track->foreign |= list[i]->foreign;
	track->store_key = track->key;
	if (!track->foreign)
		return;
	sha256_init(&hash);
	sha256_add(&hash, "foreign", sizeof("foreign"));
	sha256_add(&hash, track->key.bytes, SHA256_SIZE);
	for (uint32_t i = 0; i < count; i++)
		add_layers(&hash, list[i]);
	sha256_end(&hash, &track->store_key);
}

void build_track_keys(struct build *build, struct build_track *track)
{
	const struct build_op *op = build_current_op(build, track);
	/* Stages that a RUN mounts count by their keys. */
	for (uint32_t i = 0; i < op->mount_count; i++)
		if (op->mounts[i].from >= 0)
			build_mix(&track->files, &build->results[op->mounts[i].from].key);
	if (op->remote_count > 0)
		build_mix(&track->files, &track->remotes);
	build_key_next(&build->results[track->stage].key, op, &track->files, &track->key);
	/* The times of its files are none behind it. */
	if (*build->params.created) {
		struct digest epoch;
		struct sha256 hash;
		sha256_init(&hash);
		sha256_add(&hash, build->params.created, strlen(build->params.created));
		sha256_end(&hash, &epoch);
		build_mix(&track->key, &epoch);
	}
	store_key(build, track);
}

bool build_cache_seed(const struct build *build, unsigned lane, const struct build_mount *mount,
		      struct digest *ret_seed)
{
	const struct build_track *track = &build->tracks[lane];
	const struct build_op *op = build_current_op(build, track);
	struct sha256 hash;
	int32_t from;
	for (uint32_t i = 0; mount->from <= BUILD_NAMED && build_context_of(op, i, &from); i++) {
		*ret_seed = track->contexts[i];
		if (from == mount->from)
			return true;
	}
	if (mount->from < 0)
		return false;
	sha256_init(&hash);
	add_layers(&hash, &build->results[mount->from]);
	sha256_end(&hash, ret_seed);
	return true;
}

bool build_is_foreign(const struct build *build, unsigned lane)
{
	return build->tracks[lane].foreign;
}
