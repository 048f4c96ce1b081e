/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_LIB_ARENA_H
#define HOY_LIB_ARENA_H

#include <stddef.h>
#include "lib/str.h"

/*
 * Memory that lives and dies together: one arena per request, parse or configuration. Blocks come
 * from malloc in steps; the sum never exceeds max. Allocations are zeroed and 16-byte aligned.
 */
struct arena_block;
struct arena {
	struct arena_block *blocks;
	size_t used;
	size_t max;
};

void arena_init(struct arena *arena, size_t max_bytes);
void arena_done(struct arena *arena); /* accepts NULL and zeroed */

/* NULL when the cap or the memory is exhausted. */
void *arena_alloc(struct arena *arena, size_t size);
void *arena_array(struct arena *arena, size_t count, size_t size);
/* A NUL-terminated copy. */
char *arena_text(struct arena *arena, struct str s);
char *arena_printf(struct arena *arena, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
