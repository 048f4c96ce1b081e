/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the table of references and build cache entries, and its bytes. Runs in the store role.
 * Pure: must never do I/O; must never take a file whose checksum does not fit.
 */
#include "engine/store/refs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "lib/own.h"

enum { REFS_HEAD = 56, REFS_SUMMED_HEAD = 24 };

static const char refs_magic[8] = { 'H', 'O', 'Y', 'R', 'E', 'F', 'S', '1' };

void refs_init(struct refs *refs)
{
	*refs = (struct refs){ 0 };
}

void refs_image_free(struct refs_image *image)
{
	if (!image)
		return;
	free(image->reference);
	buf_done(&image->record);
	buf_done(&image->before);
	free(image);
}

void refs_done(struct refs *refs)
{
	if (!refs)
		return;
	for (uint32_t i = 0; i < refs->image_count; i++)
		refs_image_free(refs->images[i]);
	free(refs->images);
	free(refs->cache);
	*refs = (struct refs){ 0 };
}

struct refs_image *refs_image_new(struct str reference, struct str record, struct err *err)
{
	struct refs_image *image = calloc(1, sizeof(*image));
	if (image) {
		image->reference = strndup(reference.ptr ? reference.ptr : "", reference.len);
		buf_init(&image->record, STORE_RECORD_MAX);
		buf_init(&image->before, STORE_RECORD_MAX);
		if (image->reference && buf_add_str(&image->record, record) == 0)
			return image;
	}
	refs_image_free(image);
	err_set(err, -ENOMEM, "out of memory for image %.*s", STR_ARG(reference));
	return NULL;
}

/* First index whose reference is not below the given one. */
static uint32_t lower_bound(const struct refs *refs, const char *reference)
{
	uint32_t low = 0, high = refs->image_count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (strcmp(refs->images[middle]->reference, reference) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int64_t refs_find(const struct refs *refs, const char *reference)
{
	uint32_t at = lower_bound(refs, reference);
	if (at < refs->image_count && strcmp(refs->images[at]->reference, reference) == 0)
		return at;
	return -1;
}

static int insert_image(struct refs *refs, uint32_t at, struct refs_image *image, struct err *err)
{
	if (refs->image_count >= REFS_IMAGES_MAX)
		return err_set(err, -ENOSPC, "store has %u images already; remove some",
			       refs->image_count);
	void *bigger = realloc(refs->images, (refs->image_count + 1) * sizeof(*refs->images));
	if (!bigger)
		return err_set(err, -ENOMEM, "out of memory for image %s", image->reference);
	refs->images = bigger;
	memmove(refs->images + at + 1, refs->images + at,
		(refs->image_count - at) * sizeof(*refs->images));
	refs->images[at] = image;
	refs->image_count++;
	return 0;
}

int refs_swap(struct refs *refs, const char *reference, struct refs_image *image,
	      struct refs_image **ret_old, struct err *err)
{
	uint32_t at = lower_bound(refs, reference);
	bool there = at < refs->image_count && strcmp(refs->images[at]->reference, reference) == 0;
	*ret_old = there ? refs->images[at] : NULL;
	if (there && image) {
		refs->images[at] = image;
	} else if (there) {
		refs->image_count--;
		memmove(refs->images + at, refs->images + at + 1,
			(refs->image_count - at) * sizeof(*refs->images));
	} else if (image) {
		return insert_image(refs, at, image, err);
	}
	return 0;
}

bool refs_is_unnamed(const char *reference)
{
	return str_starts(str_from(reference), STR("sha256:")) &&
	       strlen(reference) == DIGEST_TEXT_MAX - 1;
}

struct refs_cached *refs_cache_find(struct refs *refs, const struct digest *key)
{
	for (uint32_t i = 0; i < refs->cache_count; i++)
		if (memcmp(&refs->cache[i].key, key, sizeof(*key)) == 0)
			return &refs->cache[i];
	return NULL;
}

static struct refs_cached *longest_unused(struct refs *refs)
{
	struct refs_cached *oldest = &refs->cache[0];
	for (uint32_t i = 1; i < refs->cache_count; i++)
		if (refs->cache[i].used < oldest->used)
			oldest = &refs->cache[i];
	return oldest;
}

int refs_cache_put(struct refs *refs, const struct digest *key, const struct store_cached *value,
		   struct err *err)
{
	struct refs_cached *entry = refs_cache_find(refs, key);
	if (!entry && refs->cache_count >= REFS_CACHE_MAX)
		entry = longest_unused(refs);
	if (!entry) {
		void *bigger = realloc(refs->cache, (refs->cache_count + 1) * sizeof(*entry));
		if (!bigger)
			return err_set(err, -ENOMEM, "out of memory for a build cache entry");
		refs->cache = bigger;
		entry = &refs->cache[refs->cache_count++];
	}
	*entry = (struct refs_cached){ .key = *key, .value = *value, .used = refs->generation };
	return 0;
}

void refs_cache_remove(struct refs *refs, const struct digest *key)
{
	struct refs_cached *entry = refs_cache_find(refs, key);
	if (entry)
		*entry = refs->cache[--refs->cache_count];
}

/* ---- the file ---- */

static void put_body(const struct refs *refs, struct buf *out)
{
	wire_put_u32(out, refs->image_count);
	for (uint32_t i = 0; i < refs->image_count; i++) {
		wire_put_text(out, refs->images[i]->reference);
		wire_put_str(out, buf_str(&refs->images[i]->record));
	}
	wire_put_u32(out, refs->cache_count);
	for (uint32_t i = 0; i < refs->cache_count; i++) {
		store_digest_put(out, &refs->cache[i].key);
		store_cached_put(out, &refs->cache[i].value);
		wire_put_u64(out, refs->cache[i].used);
	}
}

static void checksum(struct str file, struct digest *ret_digest)
{
	struct sha256 hash;
	sha256_init(&hash);
	sha256_add(&hash, file.ptr, REFS_SUMMED_HEAD);
	sha256_add(&hash, file.ptr + REFS_HEAD, file.len - REFS_HEAD);
	sha256_end(&hash, ret_digest);
}

int refs_encode(const struct refs *refs, struct buf *out, struct err *err)
{
	struct buf body OWN(buf_done) = { 0 };
	struct digest digest = { 0 };
	buf_init(&body, REFS_BYTES_MAX);
	put_body(refs, &body);
	buf_clear(out);
	wire_put_bytes(out, refs_magic, sizeof(refs_magic));
	wire_put_u64(out, refs->generation);
	wire_put_u32(out, (uint32_t)body.len);
	wire_put_u32(out, 0);
	wire_put_bytes(out, digest.bytes, sizeof(digest.bytes));
	wire_put_bytes(out, body.data, body.len);
	int r = buf_error(&body) < 0 ? buf_error(&body) : buf_error(out);
	if (r < 0)
		return err_set(err, r, "the store's table of images is over %u MiB; remove some",
			       (unsigned)REFS_BYTES_MAX >> 20);
	checksum(buf_str(out), &digest);
	memcpy(out->data + REFS_SUMMED_HEAD, digest.bytes, sizeof(digest.bytes));
	return 0;
}

static int get_images(struct refs *refs, struct wire *in, struct err *err)
{
	uint32_t count = wire_count(in, REFS_IMAGES_MAX);
	for (uint32_t i = 0; i < count && in->error == 0; i++) {
		struct str reference = wire_str(in, STORE_REFERENCE_MAX - 1);
		struct str record = wire_blob(in, STORE_RECORD_MAX);
		if (in->error != 0)
			break;
		struct refs_image *image = refs_image_new(reference, record, err), *old = NULL;
		if (!image)
			return -ENOMEM;
		int r = refs_swap(refs, image->reference, image, &old, err);
		refs_image_free(old);
		if (r < 0) {
			refs_image_free(image);
			return r;
		}
	}
	return 0;
}

static int get_cache(struct refs *refs, struct wire *in, struct err *err)
{
	uint32_t count = wire_count(in, REFS_CACHE_MAX);
	for (uint32_t i = 0; i < count && in->error == 0; i++) {
		struct refs_cached entry;
		store_digest_get(in, &entry.key);
		store_cached_get(in, &entry.value);
		uint64_t used = wire_u64(in);
		if (in->error != 0)
			break;
		int r = refs_cache_put(refs, &entry.key, &entry.value, err);
		if (r < 0)
			return r;
		refs_cache_find(refs, &entry.key)->used = used;
	}
	return 0;
}

int refs_decode(struct refs *refs, struct str file, struct err *err)
{
	struct digest said, is;
	struct wire in;
	if (file.len < REFS_HEAD || memcmp(file.ptr, refs_magic, sizeof(refs_magic)) != 0)
		return err_set(err, -EBADMSG, "is no table of images");
	wire_init(&in, file.ptr + sizeof(refs_magic), file.len - sizeof(refs_magic));
	refs->generation = wire_u64(&in);
	uint32_t len = wire_u32(&in);
	uint32_t zero = wire_u32(&in);
	wire_bytes(&in, said.bytes, sizeof(said.bytes));
	if (zero != 0 || len != file.len - REFS_HEAD)
		return err_set(err, -EBADMSG, "has %zu bytes, not the %u it should have", file.len,
			       len + REFS_HEAD);
	checksum(file, &is);
	if (memcmp(&said, &is, sizeof(is)) != 0)
		return err_set(err, -EBADMSG, "has a wrong checksum");
	int r = get_images(refs, &in, err);
	if (r == 0)
		r = get_cache(refs, &in, err);
	if (r == 0 && wire_end(&in) < 0)
		r = err_set(err, -EBADMSG, "has a malformed content");
	return r;
}
