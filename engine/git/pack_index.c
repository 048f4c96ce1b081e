/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The index of a pack (gitformat-pack(5), version 2), for a .git that git is to read. Runs in the
 * unpack role. Must never be made of a pack that was not read whole.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include "engine/git/pack_parts.h"
#include "lib/own.h"

enum { INDEX_BLOCK = 32 << 10 };

static const struct git_pack *sorting; /* one process, one pack at a time */

static int by_name(const void *a, const void *b)
{
	return memcmp(&sorting->objects[*(const uint32_t *)a].oid,
		      &sorting->objects[*(const uint32_t *)b].oid, sizeof(struct git_oid));
}

static void put_be32(struct buf *out, uint32_t value)
{
	value = htobe32(value);
	(void)buf_add(out, &value, sizeof(value));
}

static int crc_of(const struct git_pack *pack, uint32_t index, uint32_t *ret, struct err *err)
{
	static unsigned char block[INDEX_BLOCK];
	uint64_t at = pack->objects[index].at;
	uint64_t end = index + 1 < pack->count ? pack->objects[index + 1].at : pack->end;
	uLong crc = crc32(0, NULL, 0);

	while (at < end) {
		size_t n = end - at < sizeof(block) ? (size_t)(end - at) : sizeof(block);
		int r = git_pack_read(pack, at, block, n, err);

		if (r < 0)
			return r;
		crc = crc32(crc, block, (unsigned)n);
		at += n;
	}
	*ret = (uint32_t)crc;
	return 0;
}

/* Names sorted, checksums, offsets; a pack above 2 GiB would need a fourth table. */
static int put_tables(struct git_pack *pack, const uint32_t *order, struct buf *out,
		      struct err *err)
{
	uint32_t below = 0, crc = 0;
	int r = 0;

	put_be32(out, 0xff744f63);
	put_be32(out, 2);
	for (unsigned first = 0; first < 256; first++) {
		while (below < pack->count && pack->objects[order[below]].oid.bytes[0] <= first)
			below++;
		put_be32(out, below);
	}
	for (uint32_t i = 0; i < pack->count; i++)
		(void)buf_add(out, pack->objects[order[i]].oid.bytes, GIT_OID_SIZE);
	for (uint32_t i = 0; r == 0 && i < pack->count; i++) {
		r = crc_of(pack, order[i], &crc, err);
		put_be32(out, crc);
	}
	for (uint32_t i = 0; i < pack->count; i++)
		put_be32(out, (uint32_t)pack->objects[order[i]].at);
	(void)buf_add(out, pack->sum.bytes, GIT_OID_SIZE);
	return r;
}

int git_pack_index(struct git_pack *pack, struct buf *out, char ret_name[GIT_OID_TEXT],
		   struct err *err)
{
	uint32_t *order OWN_FREE = calloc(pack->count + 1U, sizeof(*order));
	unsigned char sum[GIT_OID_SIZE];
	int r;

	if (!order)
		return err_set(err, -ENOMEM, "git: no memory for an index");
	if (pack->end > INT32_MAX)
		return err_set(err, -EFBIG, "git: --keep-git-dir of more than 2 GiB");
	for (uint32_t i = 0; i < pack->count; i++)
		order[i] = i;
	sorting = pack;
	qsort(order, pack->count, sizeof(*order), by_name);
	r = put_tables(pack, order, out, err);
	(void)mbedtls_sha1((const unsigned char *)out->data, out->len, sum);
	(void)buf_add(out, sum, sizeof(sum));
	str_hex(pack->sum.bytes, GIT_OID_SIZE, ret_name);
	return r == 0 && buf_error(out) ? err_set(err, -EFBIG, "git: the pack's index is too large")
					: r;
}
