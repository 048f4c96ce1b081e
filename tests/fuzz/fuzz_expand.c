/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a word, a list of words, a here-document's body or a --mount value. What comes out
 * is bounded; what is refused has a reason.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "engine/dockerfile/dockerfile.h"
#include "engine/dockerfile/mount.h"
#include "lib/own.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool good)
{
	if (!good)
		abort();
}

static const char *lookup(const void *owner, struct str name)
{
	(void)owner;
	if (name.len == 0)
		abort();
	return str_is(name, "w") ? "usr/x y/\xc3\xa4.tar" : str_is(name, "e") ? "" : NULL;
}

static void check_mount(const char *text, struct arena *arena)
{
	struct dockerfile_mount mount;
	struct err err = { 0 };
	int r = dockerfile_mount_parse(text, '\\', lookup, NULL, arena, &mount, &err);
	require((r == 0) == (err.code == 0));
	if (r < 0)
		return;
	require(mount.type <= DOCKERFILE_MOUNT_SSH && mount.sharing <= DOCKERFILE_SHARING_LOCKED);
	require(mount.mode <= 07777 && mount.target && mount.source && mount.id && mount.env);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena OWN(arena_done) = { 0 };
	struct image_texts words = { 0 };
	const char *out = NULL;
	struct err err = { 0 };
	if (size < 1 || size > 8192)
		return 0;
	arena_init(&arena, 64 << 20);
	const char *text = arena_text(&arena, str_make(data + 1, size - 1));
	if (!text)
		abort();
	int r = 0;
	if (data[0] == '1')
		r = dockerfile_expand_words(text, '`', lookup, NULL, &arena, &words, &err);
	else if (data[0] == '2')
		r = dockerfile_expand_body(text, lookup, NULL, &arena, &out, &err);
	else if (data[0] == '3')
		check_mount(text, &arena);
	else
		r = dockerfile_expand(text, '\\', lookup, NULL, &arena, &out, &err);
	require((r == 0) == (err.code == 0));
	require(!out || strlen(out) <= DOCKERFILE_BYTES_MAX);
	for (uint32_t i = 0; i < words.count; i++)
		require(*words.items[i] && strlen(words.items[i]) <= DOCKERFILE_WORD_MAX);
	return 0;
}
