/* SPDX-License-Identifier: Apache-2.0 */
/* The log ring: order, wrap-around, readers that fall behind. */
#include <stdlib.h>
#include "init/unit/ring.h"
#include "tests/unit/tap.h"

static struct ring ring;

static void test_few(void)
{
	struct ring_cursor cursor;
	struct ring_line line;
	uint64_t lost = 0;

	ring_init(&ring);
	cursor = ring_begin(&ring);
	ok(!ring_read(&ring, &cursor, &line, &lost), "an empty ring has no line");
	is_int((long long)ring_add(&ring, 12, 6, 3, STR("one")), 1, "the first number");
	ring_add(&ring, 13, 4, 2, STR(""));
	ok(ring_read(&ring, &cursor, &line, &lost), "a cursor made before sees it");
	is_text(line.text, "one", "its text");
	is_int(line.uptime_ms, 12, "its time");
	is_int(line.prio, 6, "its priority");
	is_int(line.unit, 3, "its unit");
	ok(ring_read(&ring, &cursor, &line, &lost) && line.len == 0, "an empty line");
	ok(!ring_read(&ring, &cursor, &line, &lost), "the end");
	is_int((long long)lost, 0, "nothing lost");
}

/* Text of line n: its length and bytes follow from n. */
static size_t fill(uint64_t n, char *text)
{
	size_t len = (size_t)(n * 37 % (RING_TEXT_MAX + 1));

	for (size_t i = 0; i < len; i++)
		text[i] = (char)('a' + (n + i) % 26);
	text[len] = '\0';
	return len;
}

static void test_many(void)
{
	struct ring_cursor slow, quick;
	char text[RING_TEXT_MAX + 1];
	struct ring_line line;
	uint64_t lost = 0, seen = 0, wrong = 0, behind = 0;

	ring_init(&ring);
	slow = quick = ring_begin(&ring);
	for (uint64_t n = 1; n <= 20000; n++) {
		size_t len = fill(n, text);

		ring_add(&ring, (int64_t)n, 6, 0, str_make(text, len));
		behind += !ring_read(&ring, &quick, &line, &lost);
		wrong += line.number != n || line.len != len || strcmp(line.text, text) != 0;
		if (n % 1000 != 0)
			continue;
		while (ring_read(&ring, &slow, &line, &lost)) {
			seen++;
			fill(line.number, text);
			wrong += strcmp(line.text, text) != 0 ||
				 line.uptime_ms != (int64_t)line.number;
		}
	}
	is_int((long long)wrong, 0, "every line reads as it was written");
	is_int((long long)behind, 0, "a quick reader misses nothing");
	is_int((long long)(seen + lost), 20000, "a slow one knows how many it missed");
	ok(lost > 0 && seen > 1000, "it missed some (%llu) and saw many", (unsigned long long)lost);
}

static void test_long(void)
{
	static char text[RING_TEXT_MAX * 2];
	struct ring_cursor cursor;
	struct ring_line line;

	memset(text, 'x', sizeof(text));
	ring_init(&ring);
	cursor = ring_begin(&ring);
	ring_add(&ring, 0, 6, 0, str_make(text, sizeof(text)));
	ok(ring_read(&ring, &cursor, &line, NULL) && line.len == RING_TEXT_MAX, "too long is cut");
}

int main(void)
{
	test_few();
	test_many();
	test_long();
	return tap_done();
}
