/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container's state file. As it comes it must have its sum; with the sum put right, any content
 * is refused or encodes to the very bytes it was read from.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "engine/container/def.h"
#include "lib/own.h"

enum { HEAD = 8 + SHA256_SIZE };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool good)
{
	if (!good)
		abort();
}

static void check_file(struct str file)
{
	struct arena arena OWN(arena_done) = { 0 };
	struct buf again OWN(buf_done) = { 0 };
	struct container_def def;
	struct err err = { 0 };
	int64_t created_s;
	int r;

	arena_init(&arena, DEF_BYTES_MAX * 4);
	r = container_state_decode(file, &arena, &created_s, &def, &err);
	require(r == 0 || r == -EBADMSG || r == -ENOMEM);
	require((r == 0) == (err.code == 0));
	if (r < 0)
		return;
	buf_init(&again, DEF_BYTES_MAX);
	require(container_state_encode(&def, created_s, &again, NULL) == 0);
	require(str_eq(file, buf_str(&again)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf file OWN(buf_done) = { 0 };
	struct digest digest;
	struct sha256 hash;

	if (size > DEF_BYTES_MAX - HEAD)
		return 0;
	check_file(str_make(data, size));
	if (size < HEAD)
		return 0;
	sha256_init(&hash);
	sha256_add(&hash, data + HEAD, size - HEAD);
	sha256_end(&hash, &digest);
	buf_init(&file, DEF_BYTES_MAX);
	(void)buf_add(&file, "hoycont1", 8);
	(void)buf_add(&file, digest.bytes, sizeof(digest.bytes));
	(void)buf_add(&file, data + HEAD, size - HEAD);
	check_file(buf_str(&file));
	return 0;
}
