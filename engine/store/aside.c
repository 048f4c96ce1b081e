/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the bytes of refs/aside: what may be lost without losing an image (format at the head of
 * store.c). Runs in the store role. Pure: must never do I/O; must never take a file whose checksum
 * does not fit.
 */
#include <errno.h>
#include <string.h>
#include "engine/store/refs.h"
#include "lib/own.h"

enum { ASIDE_HEAD = 40, ASIDE_SUM = 8 };

static const char aside_magic[8] = { 'H', 'O', 'Y', 'A', 'S', 'I', 'D', 'E' };

static void sum_of(const void *data, size_t len, struct digest *ret_digest)
{
	struct sha256 hash;
	sha256_init(&hash);
	sha256_add(&hash, data, len);
	sha256_end(&hash, ret_digest);
}

static bool has_aside(const struct refs_image *image)
{
	return image->before.len > 0 || image->idle_s > 0;
}

int refs_aside_encode(const struct refs *refs, struct buf *out, struct err *err)
{
	struct digest sum = { 0 };
	uint32_t count = 0;
	for (uint32_t i = 0; i < refs->image_count; i++)
		count += has_aside(refs->images[i]);
	buf_clear(out);
	wire_put_bytes(out, aside_magic, sizeof(aside_magic));
	wire_put_bytes(out, sum.bytes, sizeof(sum.bytes));
	wire_put_u32(out, count);
	for (uint32_t i = 0; i < refs->image_count; i++) {
		const struct refs_image *image = refs->images[i];
		if (!has_aside(image))
			continue;
		wire_put_text(out, image->reference);
		wire_put_u64(out, image->idle_s);
		wire_put_str(out, buf_str(&image->before));
	}
	if (buf_error(out) < 0)
		return err_set(err, buf_error(out), "refs/aside is over %u MiB",
			       (unsigned)REFS_BYTES_MAX >> 20);
	sum_of(out->data + ASIDE_HEAD, out->len - ASIDE_HEAD, &sum);
	memcpy(out->data + ASIDE_SUM, sum.bytes, sizeof(sum.bytes));
	return 0;
}

static int take_row(struct refs *refs, struct wire *in, struct err *err)
{
	char reference[STORE_REFERENCE_MAX];
	wire_text(in, reference, sizeof(reference));
	uint64_t idle_s = wire_u64(in);
	struct str before = wire_blob(in, STORE_RECORD_MAX);
	int64_t at = in->error ? -1 : refs_find(refs, reference);
	if (at < 0)
		return 0;
	struct refs_image *image = refs->images[at];
	image->idle_s = idle_s;
	/* The same as now: the power went between this file and the table. */
	if (str_eq(before, buf_str(&image->record)))
		return 0;
	buf_clear(&image->before);
	return buf_add_str(&image->before, before) < 0
		       ? err_set(err, -ENOMEM, "out of memory for image %s", reference)
		       : 0;
}

int refs_aside_decode(struct refs *refs, struct str file, struct err *err)
{
	struct digest said, is;
	struct wire in;
	int r = 0;
	if (file.len < ASIDE_HEAD || memcmp(file.ptr, aside_magic, sizeof(aside_magic)) != 0)
		return err_set(err, -EBADMSG, "is no file of the store");
	wire_init(&in, file.ptr + ASIDE_SUM, file.len - ASIDE_SUM);
	wire_bytes(&in, said.bytes, sizeof(said.bytes));
	sum_of(in.ptr, in.left, &is);
	if (memcmp(&said, &is, sizeof(is)) != 0)
		return err_set(err, -EBADMSG, "has a wrong checksum");
	uint32_t count = wire_count(&in, REFS_IMAGES_MAX);
	for (uint32_t i = 0; r == 0 && i < count && in.error == 0; i++)
		r = take_row(refs, &in, err);
	if (r == 0 && wire_end(&in) < 0)
		r = err_set(err, -EBADMSG, "has a malformed content");
	return r;
}
