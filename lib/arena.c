/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns memory that is freed at once: one arena per request, parse or configuration. Every role runs
 * it but PID 1 after boot. It must never hand out more than its owner's cap.
 */
#include "lib/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_ALIGN = 16, ARENA_BLOCK = 4096 };

struct arena_block {
	struct arena_block *next;
	size_t size, used; /* of data */
	_Alignas(ARENA_ALIGN) unsigned char data[];
};

void arena_init(struct arena *arena, size_t max_bytes)
{
	*arena = (struct arena){ .max = max_bytes };
}

void arena_done(struct arena *arena)
{
	struct arena_block *block, *next;

	if (!arena)
		return;
	for (block = arena->blocks; block; block = next) {
		next = block->next;
		free(block);
	}
	*arena = (struct arena){ .max = arena->max };
}

void *arena_alloc(struct arena *arena, size_t size)
{
	struct arena_block *block = arena->blocks;
	size_t want, room;
	void *at;

	if (size > SIZE_MAX - ARENA_ALIGN)
		return NULL;
	want = (size + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
	if (want == 0)
		want = ARENA_ALIGN;
	if (want > arena->max - arena->used)
		return NULL;
	if (!block || block->size - block->used < want) {
		room = want > ARENA_BLOCK / 2 ? want : ARENA_BLOCK - sizeof(*block);
		if (room > SIZE_MAX - sizeof(*block))
			return NULL;
		block = calloc(1, sizeof(*block) + room);
		if (!block)
			return NULL;
		block->size = room;
		/* A block made for one big piece is full: keep filling the one before it. */
		if (room == want && arena->blocks) {
			block->next = arena->blocks->next;
			arena->blocks->next = block;
		} else {
			block->next = arena->blocks;
			arena->blocks = block;
		}
	}
	at = block->data + block->used;
	block->used += want;
	arena->used += want;
	return at;
}

void *arena_array(struct arena *arena, size_t count, size_t size)
{
	if (size > 0 && count > SIZE_MAX / size)
		return NULL;
	return arena_alloc(arena, count * size);
}

char *arena_text(struct arena *arena, struct str s)
{
	char *copy;

	if (s.len == SIZE_MAX)
		return NULL;
	copy = arena_alloc(arena, s.len + 1);
	if (copy && s.len > 0)
		memcpy(copy, s.ptr, s.len);
	return copy;
}

char *arena_printf(struct arena *arena, const char *fmt, ...)
{
	char *text;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return NULL;
	text = arena_alloc(arena, (size_t)n + 1);
	if (!text)
		return NULL;
	va_start(ap, fmt);
	(void)vsnprintf(text, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return text;
}
