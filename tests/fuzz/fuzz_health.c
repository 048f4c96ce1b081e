/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The value of healthcheck.test. What is taken can be done: a program to run, or an address, a port
 * and a path that cannot break a request line; what is refused says why.
 */
#include "engine/health/test.h"
#include <stdlib.h>
#include <string.h>
#include "lib/own.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool good)
{
	if (!good)
		abort();
}

static void check_path(struct str path)
{
	require(path.len && path.ptr[0] == '/');
	for (size_t i = 0; i < path.len; i++)
		require((unsigned char)path.ptr[i] > ' ' && (unsigned char)path.ptr[i] < 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena OWN(arena_done) = { 0 };
	struct image_texts words;
	struct health_test test;
	struct err err = { 0 };
	int r;

	/* An INI value has no NUL and a line's length. */
	if (size > 8192 || (size && memchr(data, 0, size)))
		return 0;
	arena_init(&arena, 4 << 20);
	r = health_test_parse(&arena, str_make(data, size), &words, &err);
	require((r == 0) == (err.code == 0));
	if (r < 0)
		return 0;
	require(words.count > 0 && health_test_make(&arena, &words, &test, &err) == 0);
	switch (test.kind) {
	case HEALTH_KIND_NONE:
		require(words.count == 1);
		break;
	case HEALTH_KIND_EXEC:
		require(test.argv.count > 0);
		break;
	case HEALTH_KIND_HTTP:
		check_path(test.path);
		require(test.port > 0);
		break;
	case HEALTH_KIND_TCP:
		require(test.port > 0);
		break;
	}
	return 0;
}
