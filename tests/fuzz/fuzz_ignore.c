/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first line is a path, the rest a .dockerignore. A pattern without wildcards matches exactly
 * itself; what an exception may bring back is never cut off above it.
 */
#include <stdint.h>
#include <stdlib.h>
#include "engine/dockerfile/ignore.h"
#include "lib/own.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool good)
{
	if (!good)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct files_ignore list[FILES_IGNORE_MAX];
	struct str text = str_make(data, size), path = { 0 };
	struct err err = { 0 };
	if (size > 8192 || !str_cut(&text, '\n', &path))
		return 0;
	struct arena arena OWN(arena_done) = { 0 };
	arena_init(&arena, 1 << 20);
	int count = ignore_parse(text, &arena, list, ARRAY_LEN(list), &err);
	require((count >= 0) == (err.code == 0));
	for (int i = 0; i < count; i++) {
		struct str pattern = list[i].pattern;
		require(pattern.len > 0 && (pattern.ptr[0] != '/' || pattern.len == 1));
		if (!ignore_is_glob(pattern))
			require(ignore_glob(pattern, path) == str_eq(pattern, path));
	}
	if (count <= 0)
		return 0;
	bool ignored = ignore_match(list, (uint32_t)count, path);
	/* Every directory above a path that is not ignored must be one that is walked into. */
	for (size_t i = 0; !ignored && i < path.len; i++) {
		struct str dir = str_head(path, i);
		if (path.ptr[i] == '/' && i > 0 && ignore_match(list, (uint32_t)count, dir))
			require(ignore_may_except(list, (uint32_t)count, dir));
	}
	return 0;
}
