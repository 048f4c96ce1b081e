/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that is freed at once, within its cap. */
#include <stdint.h>
#include "lib/arena.h"
#include "lib/own.h"
#include "tests/unit/tap.h"

static void test_alloc(void)
{
	OWN(arena_done) struct arena arena;
	bool aligned = true, zeroed = true, apart = true;
	unsigned char *last = NULL;

	arena_init(&arena, 1 << 20);
	for (size_t size = 0; size < 500; size++) {
		unsigned char *at = arena_alloc(&arena, size);

		if (!at) {
			aligned = false;
			break;
		}
		aligned = aligned && (uintptr_t)at % 16 == 0;
		for (size_t i = 0; i < size; i++)
			zeroed = zeroed && at[i] == 0;
		apart = apart && at != last;
		memset(at, 0xff, size);
		last = at;
	}
	ok(aligned, "all is aligned");
	ok(zeroed, "all is zeroed");
	ok(apart, "even nothing has a place of its own");
	ok(arena_alloc(&arena, 100000) != NULL, "a piece larger than a block");
	is_text(arena_text(&arena, STR("web")), "web", "a copy has a NUL");
	is_text(arena_printf(&arena, "%s-%d", "web", 1), "web-1", "a printed text");
}

static void test_cap(void)
{
	OWN(arena_done) struct arena arena;
	unsigned n = 0;

	arena_init(&arena, 1000);
	while (n < 1000 && arena_alloc(&arena, 100))
		n++;
	is_int(n, 8, "eight pieces of 112 bytes fit into 1,000");
	ok(arena.used <= arena.max, "the cap holds");
	ok(arena_alloc(&arena, 100) == NULL, "and goes on to hold");
	ok(arena_alloc(&arena, 16) != NULL, "what fits is still given");
	ok(arena_alloc(&arena, SIZE_MAX) == NULL, "a size that would wrap");
	ok(arena_array(&arena, SIZE_MAX / 2, 3) == NULL, "a product that would wrap");
	ok(arena_text(&arena, str_make("", SIZE_MAX)) == NULL, "a text that would wrap");
	arena_done(&arena);
	ok(arena_alloc(&arena, 900) != NULL, "after done it can be filled again");
	arena_done(NULL);
}

int main(void)
{
	test_alloc();
	test_cap();
	return tap_done();
}
