/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the entries of the build cache: found, kept, listed, forgotten. Runs in the store role. Must
 * never answer before the table is on disk, nor forget what a running build works with.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "engine/store/save.h"
#include "engine/store/store.h"
#include "lib/own.h"

/* The moment of its last use is the layer's: best effort. */
static void touch_layer(const struct store *store, const struct refs_cached *entry)
{
	const struct timespec times[2] = { { .tv_nsec = UTIME_NOW }, { .tv_nsec = UTIME_OMIT } };
	char name[STORE_NAME_MAX];
	store_layer_name(&entry->value.layer.digest, name);
	if (entry->value.has_layer)
		(void)utimensat(store->layers, name, times, AT_SYMLINK_NOFOLLOW);
}

int store_cache_get(struct store *store, const struct digest *key, bool *ret_found,
		    struct store_cached *ret_cached, struct err *err)
{
	struct refs_cached *entry = refs_cache_find(&store->refs, key);
	*ret_found = false;
	*ret_cached = (struct store_cached){ 0 };
	if (!entry)
		return 0;
	if (entry->value.has_layer) {
		struct store_layer layer;
		OWN_FD int fd = store_layer_open(store, &entry->value.layer.digest, &layer, err);
		/* Gone or damaged: as if it had never been cached. */
		if (fd < 0)
			return fd == -ENOENT || fd == -EBADMSG ? 0 : fd;
	}
	entry->used = store->refs.generation; /* written with the next change; losing it is fine */
	touch_layer(store, entry);
	*ret_found = true;
	*ret_cached = entry->value;
	return 0;
}

int store_cache_set(struct store *store, const struct digest *key,
		    const struct store_cached *cached, struct err *err)
{
	int r = refs_cache_put(&store->refs, key, cached, err);
	if (r == 0)
		r = store_save(store, err);
	if (r < 0)
		refs_cache_remove(&store->refs, key);
	return r;
}

/* What the table was before a change that may fail: one process, one loop. */
static struct refs_cached before[REFS_CACHE_MAX];
static struct store_cache_row rows[REFS_CACHE_MAX];

/* The table of now is on disk, or it is again what it was with `count` entries. */
static int save_or_restore(struct store *store, uint32_t count, struct err *err)
{
	int r = store_save(store, err);
	if (r == 0)
		return 0;
	memcpy(store->refs.cache, before, count * sizeof(*before));
	store->refs.cache_count = count;
	return r;
}

/* Steps that changed no file, and those whose layer an image has, give no room back: what was built
 * from an unchanged context would be made again for nothing. */
int store_cache_clear(struct store *store, struct err *err)
{
	uint32_t count;
	int r = store_cache_rows(store, rows, &count, err);
	if (r < 0 || count == 0)
		return r;
	memcpy(before, store->refs.cache, count * sizeof(*before));
	for (uint32_t i = 0; i < count; i++)
		if (before[i].value.has_layer && !rows[i].shared)
			refs_cache_remove(&store->refs, &before[i].key);
	return store->refs.cache_count < count ? save_or_restore(store, count, err) : 0;
}

static int oldest_first(const void *a, const void *b)
{
	const struct store_cache_row *x = a, *y = b;
	return x->number < y->number ? -1 : x->number > y->number;
}

int store_cache_prune(struct store *store, const struct store_cache_prune *prune,
		      void (*gone)(void *owner, const struct store_cache_row *row), void *owner,
		      struct err *err)
{
	uint64_t left = 0;
	uint32_t count, went = 0;
	int r = store_cache_rows(store, rows, &count, err);
	if (r < 0 || count == 0)
		return r;
	memcpy(before, store->refs.cache, count * sizeof(*before));
	qsort(rows, count, sizeof(*rows), oldest_first);
	for (uint32_t i = 0; i < count; i++)
		left += rows[i].bytes;
	for (uint32_t i = 0; i < count && (prune->keep_bytes == 0 || left > prune->keep_bytes);
	     i++) {
		const struct store_cache_row row = rows[i];
		if (row.in_use || (row.shared && !prune->shared) ||
		    (prune->before_s > 0 && row.used_s >= prune->before_s))
			continue;
		refs_cache_remove(&store->refs, &row.key);
		left -= row.bytes;
		rows[went++] = row;
	}
	r = went > 0 ? save_or_restore(store, count, err) : 0;
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < went; i++)
		gone(owner, &rows[i]);
	return 0;
}
