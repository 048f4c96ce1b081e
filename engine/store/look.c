/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns what image records tell of the files that they name: what those take, which are missing.
 * Runs in the store role. Must never change anything.
 */
#include <errno.h>
#include <string.h>
#include "engine/oci/image.h"
#include "engine/store/store.h"
#include "lib/arena.h"
#include "lib/fs.h"
#include "lib/own.h"

enum { LOOK_ARENA = 16 << 20 };

int store_record_decode(struct arena *arena, struct str record, struct image *ret_image,
			struct err *err)
{
	struct wire in;
	wire_init(&in, record.ptr, record.len);
	int r = image_decode(&in, arena, ret_image, err);
	if (r == 0 && wire_end(&in) < 0)
		r = err_set(err, -EBADMSG, "image record has bytes behind its end");
	return r;
}

/* written_s is moved on to when the file was written, where that is later. */
static uint64_t disk_bytes(int dirfd, const char *name, int64_t *written_s)
{
	struct stat st;
	if (fs_stat(dirfd, name, FS_BENEATH, &st, NULL) < 0)
		return 0;
	if (*written_s < st.st_mtim.tv_sec)
		*written_s = st.st_mtim.tv_sec;
	return (uint64_t)st.st_blocks * 512;
}

uint64_t store_image_disk(const struct store *store, struct str record, int64_t *ret_made_s)
{
	int64_t made_s = 0, other_s = 0;
	struct arena arena OWN(arena_done) = { 0 };
	char name[STORE_NAME_MAX];
	struct image image;
	uint64_t bytes = 0;
	arena_init(&arena, LOOK_ARENA);
	*ret_made_s = 0;
	if (store_record_decode(&arena, record, &image, NULL) < 0)
		return 0;
	const struct digest *const heads[2] = { &image.manifest, &image.config };
	for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
		store_blob_name(heads[i], name);
		bytes += disk_bytes(store->blobs, name, &other_s);
	}
	for (uint32_t i = 0; i < image.layer_count; i++) {
		const struct image_layer *layer = &image.layers[i];
		bool plain = memcmp(&layer->blob, &layer->diff, sizeof(layer->blob)) == 0;
		store_layer_name(&layer->blob, name);
		bytes += disk_bytes(store->layers, name, plain ? &made_s : &other_s);
		store_blob_name(&layer->blob, name);
		bytes += disk_bytes(store->blobs, name, &other_s);
	}
	*ret_made_s = made_s;
	return bytes;
}

static bool is_gone(const struct digest *gone, uint32_t count, const struct digest *digest)
{
	for (uint32_t i = 0; i < count; i++) {
		if (memcmp(&gone[i], digest, sizeof(*digest)) == 0)
			return true;
	}
	return false;
}

/* What of the image is not there, NULL = nothing. */
static const char *lacks(const struct store *store, const struct image *image,
			 const struct digest *gone, uint32_t count,
			 const struct digest **ret_digest)
{
	*ret_digest = &image->manifest;
	if (is_gone(gone, count, &image->manifest))
		return "manifest";
	*ret_digest = &image->config;
	if (is_gone(gone, count, &image->config))
		return "config";
	for (uint32_t i = 0; i < image->layer_count; i++) {
		struct store_layer layer;
		*ret_digest = &image->layers[i].blob;
		OWN_FD int fd = store_layer_open(store, *ret_digest, &layer, NULL);
		if (fd < 0)
			return "layer";
		if (is_gone(gone, count, *ret_digest))
			return "blob";
	}
	return NULL;
}

void store_lacking(const struct store *store, const struct digest *gone, uint32_t gone_count,
		   store_lacking_fn *each, void *owner)
{
	for (uint32_t i = 0; i < store->refs.image_count; i++) {
		struct arena arena OWN(arena_done) = { 0 };
		const struct digest *digest;
		struct image image;
		arena_init(&arena, LOOK_ARENA);
		if (store_record_decode(&arena, buf_str(&store->refs.images[i]->record), &image,
					NULL) < 0)
			continue;
		const char *what = lacks(store, &image, gone, gone_count, &digest);
		if (what)
			each(owner, store->refs.images[i]->reference, what, digest);
	}
}
