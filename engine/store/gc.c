/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the decision what in the store is still used, and the way out for the rest. Runs in the
 * store role. Must never drop what an image, a build cache entry or a lease names, also when a
 * record cannot be read: then nothing is dropped.
 */
#include <errno.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include "engine/oci/image.h"
#include "engine/store/store.h"
#include "lib/arena.h"
#include "lib/fs.h"
#include "lib/own.h"

enum { GC_ARENA = 16 << 20, GC_DIGESTS_MAX = 4 << 20 };

/* Digests in use: blobs and layers alike, so a shared name keeps both. */
struct used {
	struct digest *items;
	size_t count, room;
};

static void used_done(struct used *used)
{
	free(used->items);
}

static int used_add(struct used *used, const struct digest *digest, struct err *err)
{
	if (used->count == used->room) {
		size_t room = used->room == 0 ? 256 : used->room * 2;
		struct digest *bigger =
			room > GC_DIGESTS_MAX ? NULL : realloc(used->items, room * sizeof(*bigger));
		if (!bigger)
			return err_set(err, -ENOMEM, "out of memory for %zu digests in use",
				       used->count);
		used->items = bigger;
		used->room = room;
	}
	used->items[used->count++] = *digest;
	return 0;
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct digest));
}

static int add_image(struct used *used, struct str record, struct err *err)
{
	struct arena arena OWN(arena_done) = { 0 };
	struct image image;
	struct wire in;
	arena_init(&arena, GC_ARENA);
	wire_init(&in, record.ptr, record.len);
	int r = image_decode(&in, &arena, &image, err);
	if (r == 0)
		r = used_add(used, &image.source, err);
	if (r == 0)
		r = used_add(used, &image.manifest, err);
	if (r == 0)
		r = used_add(used, &image.config, err);
	for (uint32_t i = 0; r == 0 && i < image.layer_count; i++)
		r = used_add(used, &image.layers[i].blob, err);
	return r;
}

static int collect_images(const struct store *store, bool before, struct used *used,
			  struct err *err)
{
	int r = 0;
	for (uint32_t i = 0; r == 0 && i < store->refs.image_count; i++) {
		const struct refs_image *image = store->refs.images[i];
		r = add_image(used, buf_str(&image->record), err);
		if (r == 0 && before && image->before.len > 0)
			r = add_image(used, buf_str(&image->before), err);
		if (r < 0)
			(void)err_prefix(err, "image %s", store->refs.images[i]->reference);
	}
	return r;
}

static int collect_used(const struct store *store, struct used *used, struct err *err)
{
	int r = collect_images(store, true, used, err);
	for (uint32_t i = 0; r == 0 && i < store->refs.cache_count; i++)
		if (store->refs.cache[i].value.has_layer)
			r = used_add(used, &store->refs.cache[i].value.layer.digest, err);
	return r;
}

static int collect_leased(const struct store *store, struct used *used, struct err *err)
{
	int r = 0;
	for (const struct store_lease *lease = store->leases; lease; lease = lease->next)
		for (uint32_t i = 0; r == 0 && i < lease->count; i++)
			r = used_add(used, &lease->digests[i], err);
	return r;
}

static void used_sort(struct used *used)
{
	if (used->count > 0)
		qsort(used->items, used->count, sizeof(*used->items), compare);
}

struct sweep {
	struct store *store;
	struct used used, leased;
	struct store_collected sum;
	bool look; /* counts only */
};

static void sweep_done(struct sweep *sweep)
{
	used_done(&sweep->used);
	used_done(&sweep->leased);
}

static bool has_digest(const struct used *used, const struct digest *digest)
{
	return used->count > 0 &&
	       bsearch(digest, used->items, used->count, sizeof(*digest), compare) != NULL;
}

/* A name that is no digest was not made by us: it goes too. */
static bool is_used(const struct used *used, const char *name)
{
	struct digest digest;
	if (str_unhex(str_head(str_from(name), 64), digest.bytes, sizeof(digest.bytes)) < 0)
		return false;
	return has_digest(used, &digest);
}

static int sweep_one(int dirfd, const char *name, unsigned char type, void *owner, struct err *err)
{
	struct sweep *sweep = owner;
	char number[24];
	struct stat st;
	(void)type;
	if (is_used(&sweep->used, name))
		return 0;
	if (is_used(&sweep->leased, name)) {
		sweep->sum.leased++;
		return 0;
	}
	if (fs_stat(dirfd, name, FS_BENEATH, &st, NULL) == 0)
		sweep->sum.bytes += (uint64_t)st.st_blocks * 512;
	if (sweep->look) {
		sweep->sum.objects++;
		return 0;
	}
	(void)snprintf(number, sizeof(number), "%llu",
		       (unsigned long long)sweep->store->trash_number++);
	sweep->sum.objects++;
	return fs_rename(dirfd, name, sweep->store->trash, number, err);
}

static int sweep_all(struct sweep *sweep, struct err *err)
{
	int r = collect_used(sweep->store, &sweep->used, err);
	if (r == 0)
		r = collect_leased(sweep->store, &sweep->leased, err);
	if (r < 0)
		return r;
	used_sort(&sweep->used);
	used_sort(&sweep->leased);
	r = fs_each(sweep->store->blobs, sweep_one, sweep, err);
	return r == 0 ? fs_each(sweep->store->layers, sweep_one, sweep, err) : r;
}

int store_orphans(struct store *store, struct store_collected *ret_orphans, struct err *err)
{
	struct sweep sweep OWN(sweep_done) = { .store = store, .look = true };
	int r = sweep_all(&sweep, err);
	if (r == 0)
		*ret_orphans = sweep.sum;
	return r;
}

int store_gc(struct store *store, struct store_collected *ret_collected, struct err *err)
{
	struct sweep sweep OWN(sweep_done) = { .store = store };
	int r = sweep_all(&sweep, err);
	/* Also after a failure: what was moved so far shall be moved for good. */
	const int dirs[3] = { store->trash, store->blobs, store->layers };
	for (int i = 0; i < 3 && sweep.sum.objects > 0; i++) {
		int synced = fs_sync_dir(dirs[i], r < 0 ? NULL : err);
		if (r == 0)
			r = synced;
	}
	if (r == 0 && sweep.sum.objects > 0)
		r = store_index_write(store, err);
	if (r == 0)
		*ret_collected = sweep.sum;
	return r;
}

/* What cannot go must not keep the others: the first reason is kept in `owner`. */
static int unlink_first(int dirfd, const char *name, unsigned char type, void *owner,
			struct err *err)
{
	struct err *first = owner, why = { 0 };
	(void)type;
	(void)err;
	if (fs_remove_tree(dirfd, name, &why) >= 0)
		return 1;
	if (!first->code)
		*first = why;
	return 0;
}

int store_trash_step(struct store *store, struct err *err)
{
	struct err why = { 0 };
	int r = fs_each(store->trash, unlink_first, &why, err);
	return r == 0 && why.code ? err_set(err, why.code, "%s", err_text(&why)) : r;
}

/* ---- the build cache, entry by entry ---- */

/* One whose layer is gone takes nothing. */
static int cache_row(const struct store *store, const struct refs_cached *entry,
		     const struct sweep *users, struct store_cache_row *ret_row, struct err *err)
{
	const struct digest *layer = &entry->value.layer.digest;
	char name[STORE_NAME_MAX];
	struct stat st;
	*ret_row = (struct store_cache_row){ .key = entry->key, .number = entry->used };
	if (!entry->value.has_layer)
		return 0;
	store_layer_name(layer, name);
	int r = fs_stat(store->layers, name, FS_BENEATH, &st, err);
	if (r == 0) {
		ret_row->bytes = (uint64_t)st.st_blocks * 512;
		ret_row->made_s = st.st_mtim.tv_sec;
		ret_row->used_s = st.st_atim.tv_sec > st.st_mtim.tv_sec ? st.st_atim.tv_sec
									: st.st_mtim.tv_sec;
	}
	ret_row->shared = has_digest(&users->used, layer);
	ret_row->in_use = has_digest(&users->leased, layer);
	return r == -ENOENT ? 0 : r;
}

int store_cache_rows(struct store *store, struct store_cache_row *rows, uint32_t *ret_count,
		     struct err *err)
{
	struct sweep users OWN(sweep_done) = { .store = store };
	int r = collect_images(store, false, &users.used, err);
	if (r == 0)
		r = collect_leased(store, &users.leased, err);
	if (r < 0)
		return r;
	used_sort(&users.used);
	used_sort(&users.leased);
	*ret_count = store->refs.cache_count;
	for (uint32_t i = 0; r == 0 && i < *ret_count; i++) {
		const struct digest *layer = &store->refs.cache[i].value.layer.digest;
		r = cache_row(store, &store->refs.cache[i], &users, &rows[i], err);
		/* Two steps with one result take its room once. */
		for (uint32_t k = 0; k < i && rows[i].bytes > 0; k++)
			if (memcmp(&store->refs.cache[k].value.layer.digest, layer,
				   sizeof(*layer)) == 0)
				rows[i].bytes = 0;
	}
	return r;
}
