/* SPDX-License-Identifier: Apache-2.0 */
/* Keys by which a terminal is left: their words, and what is held back while they are pressed. */
#include <errno.h>
#include "engine/docker/detach.h"
#include "lib/own.h"
#include "tests/unit/tap.h"

static void test_words(void)
{
	static const char *const wrong[] = { "ctrl-", "ctrl-1",	 "ctrl-A", "ab",
					     "a,,b",  "ctrl-p,", ",a" };
	struct docker_detach detach;

	is_int(docker_detach_parse(STR(""), &detach), 0, "none are said");
	ok(detach.count == 2 && detach.keys[0] == 16 && detach.keys[1] == 17, "ctrl-p,ctrl-q");
	is_int(docker_detach_parse(str_from(NULL), &detach), 0, "nothing at all");
	is_int(detach.count, 2, "the same");
	is_int(docker_detach_parse(STR("a,ctrl-@,ctrl-[,ctrl-_,DEL,ctrl-z"), &detach), 0, "many");
	ok(detach.keys[0] == 'a' && detach.keys[1] == 0 && detach.keys[2] == 27 &&
		   detach.keys[3] == 31 && detach.keys[4] == 127 && detach.keys[5] == 26,
	   "each of them");
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		is_int(docker_detach_parse(str_from(wrong[i]), &detach), -EINVAL, "'%s'", wrong[i]);
	is_int(docker_detach_parse(STR("a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a"), &detach), -EINVAL,
	       "too many");
}

/* Feeds the text in pieces of `step` bytes, as a client that keeps what is held back. */
static void feed(const char *text, size_t step, size_t passes, bool leaves)
{
	struct str all = str_from(text);
	struct docker_detach detach;
	size_t scanned = 0, fit = 0;
	bool seen = false;

	(void)docker_detach_parse(STR("x,y,x,z"), &detach);
	for (size_t end = step; !seen && scanned < all.len; end += step) {
		end = end < all.len ? end : all.len;
		fit = docker_detach_scan(&detach, str_head(all, end), scanned, &seen);
		scanned = end;
	}
	ok(fit == passes && seen == leaves, "'%s' by %zu: %zu pass%s", text, step, fit,
	   seen ? ", then it leaves" : "");
}

static void test_scan(void)
{
	for (size_t step = 1; step < 8; step++) {
		feed("abxyxzcd", step, 2, true);
		feed("abxyx", step, 2, false);
		feed("xyab", step, 4, false);
		feed("abc", step, 3, false);
		feed("aaaxyxz", step, 3, true);
	}
}

int main(void)
{
	test_words();
	test_scan();
	return tap_done();
}
