/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A generation file and a layer's trailer. As they come they must have their checksums; with the
 * checksum put right, any content is refused or encodes to a table that reads as itself.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "engine/store/refs.h"
#include "engine/store/trailer.h"
#include "lib/own.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool good)
{
	if (!good)
		abort();
}

static void check_table(struct str file)
{
	struct buf first OWN(buf_done) = { 0 }, second OWN(buf_done) = { 0 };
	struct refs refs OWN(refs_done) = { 0 }, again OWN(refs_done) = { 0 };
	struct err err = { 0 };
	int r = refs_decode(&refs, file, &err);
	require((r == 0) == (err.code == 0));
	if (r < 0)
		return;
	buf_init(&first, REFS_BYTES_MAX + 4096);
	buf_init(&second, REFS_BYTES_MAX + 4096);
	require(refs_encode(&refs, &first, NULL) == 0);
	require(refs_decode(&again, buf_str(&first), NULL) == 0);
	require(refs_encode(&again, &second, NULL) == 0);
	require(str_eq(buf_str(&first), buf_str(&second)));
}

/* The same bytes as the body of a file whose head is right. */
static void check_body(const uint8_t *data, size_t size)
{
	struct buf file OWN(buf_done) = { 0 };
	struct digest digest;
	struct sha256 hash;
	buf_init(&file, 1 << 20);
	wire_put_bytes(&file, "HOYREFS1", 8);
	wire_put_u64(&file, 7);
	wire_put_u32(&file, (uint32_t)size);
	wire_put_u32(&file, 0);
	sha256_init(&hash);
	sha256_add(&hash, file.data, file.len);
	sha256_add(&hash, data, size);
	sha256_end(&hash, &digest);
	wire_put_bytes(&file, digest.bytes, sizeof(digest.bytes));
	wire_put_bytes(&file, data, size);
	if (buf_error(&file) == 0)
		check_table(buf_str(&file));
}

static void check_trailer(const uint8_t *data, size_t size)
{
	static uint8_t block[TRAILER_SIZE], copy[TRAILER_SIZE];
	struct trailer trailer;
	memset(block, 0, sizeof(block));
	memcpy(block, data, size < sizeof(block) ? size : sizeof(block));
	if (trailer_decode(block, &trailer, NULL) == 0) {
		trailer_encode(&trailer, copy);
		require(memcmp(block, copy, 152) == 0);
	}
}

/* As refs/aside of a table that has the image "x": what it keeps reads as itself. */
static void check_aside(const uint8_t *data, size_t size)
{
	struct buf file OWN(buf_done) = { 0 }, second OWN(buf_done) = { 0 };
	struct refs refs OWN(refs_done) = { 0 };
	struct refs_image *old = NULL;
	struct digest digest;
	struct sha256 hash;
	buf_init(&file, 1 << 20);
	buf_init(&second, REFS_BYTES_MAX);
	wire_put_bytes(&file, "HOYASIDE", 8);
	sha256_init(&hash);
	sha256_add(&hash, data, size);
	sha256_end(&hash, &digest);
	wire_put_bytes(&file, digest.bytes, sizeof(digest.bytes));
	wire_put_bytes(&file, data, size);
	if (buf_error(&file) < 0)
		return;
	require(refs_aside_decode(&refs, str_make(data, size), NULL) < 0 || size > 40);
	require(refs_swap(&refs, "x", refs_image_new(STR("x"), STR("now"), NULL), &old, NULL) == 0);
	if (refs_aside_decode(&refs, buf_str(&file), NULL) < 0)
		return;
	buf_clear(&file);
	require(refs_aside_encode(&refs, &file, NULL) == 0);
	require(refs_aside_decode(&refs, buf_str(&file), NULL) == 0);
	require(refs_aside_encode(&refs, &second, NULL) == 0);
	require(str_eq(buf_str(&file), buf_str(&second)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_table(str_make(data, size));
	check_trailer(data, size);
	if (size < 1 << 19) {
		check_body(data, size);
		check_aside(data, size);
	}
	return 0;
}
