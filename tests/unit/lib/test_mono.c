/* SPDX-License-Identifier: Apache-2.0 */
/* The clock, its seam, and back-off. */
#include <stdint.h>
#include "lib/mono.h"
#include "lib/own.h"
#include "tests/unit/tap.h"

static void test_clock(void)
{
	struct mono first = mono_now(), second = mono_now(), fixed = { 5000000 };

	ok(!mono_before(second, first), "time does not go back");
	mono_fake(&fixed);
	is_int(mono_now().ns, 5000000, "a fake clock stands still");
	fixed.ns = 7000000;
	is_int(mono_now().ns, 7000000, "until it is moved");
	mono_fake(NULL);
	ok(mono_now().ns != 7000000, "and can be taken away");
	ok(wall_now_s() > 1700000000, "wall time is not the time since boot");
}

static void test_sums(void)
{
	struct mono zero = { 0 }, late = { INT64_MAX }, early = { INT64_MIN };

	is_int(mono_add_ms(zero, 2).ns, 2000000, "two milliseconds");
	is_int(mono_add_ms(zero, -2).ns, -2000000, "back");
	ok(mono_add_ms(zero, INT64_MAX).ns == INT64_MAX, "the sum saturates");
	ok(mono_add_ms(late, 1).ns == INT64_MAX, "at the end of time");
	ok(mono_add_ms(early, -1).ns == INT64_MIN, "and at its beginning");
	is_int(mono_diff_ms(mono_add_ms(zero, 1500), zero), 1500, "a difference");
	is_int(mono_diff_ms(late, early), INT64_MAX / 1000000, "it saturates too");
}

static void test_backoff(void)
{
	static const uint32_t chances[] = { 0, 1, 0x7fffffff, 0x80000000, 0xffffffff };
	bool bounded = true, grows = true;
	int64_t last = 0;

	for (unsigned attempt = 0; attempt < 200; attempt++) {
		int64_t middle = backoff_ms(attempt, 1000, 60000, 0x80000000);

		for (size_t i = 0; i < sizeof(chances) / sizeof(chances[0]); i++) {
			int64_t delay = backoff_ms(attempt, 1000, 60000, chances[i]);

			bounded = bounded && delay >= 500 && delay <= 60000;
		}
		grows = grows && middle >= last;
		last = middle;
	}
	ok(bounded, "never below half the base, never above the cap");
	ok(grows, "never shorter than before");
	is_int(backoff_ms(0, 1000, 60000, 0), 875, "the jitter shortens by an eighth");
	is_int(backoff_ms(0, 1000, 60000, UINT32_MAX), 1125, "and lengthens by one");
	is_int(backoff_ms(3, 1000, 60000, UINT32_MAX), 9000,
	       "the fourth waits eight times as long");
	is_int(backoff_ms(UINT32_MAX, 1000, 60000, UINT32_MAX), 60000, "the cap is reached");
	ok(backoff_ms(9, 1000, 60000, 0) < 60000, "at the cap a herd spreads too");
	ok(backoff_ms(0, 0, 0, 7) >= 1, "it never spins");
	ok(backoff_ms(5, INT64_MAX / 2, INT64_MAX, 7) > 0, "huge delays do not wrap");
}

static void test_spans(void)
{
	static const struct {
		int64_t seconds;
		const char *text;
	} rows[] = {
		{ -1, "0 s" },	    { 0, "0 s" },	  { 119, "119 s" },
		{ 120, "2 min" },   { 7199, "119 min" },  { 7200, "2 h" },
		{ 172799, "47 h" }, { 172800, "2 days" }, { INT64_MAX, "106751991167300 days" },
	};
	char text[SPAN_TEXT_MAX];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		is_text(span_text(rows[i].seconds, text), rows[i].text, "%lld seconds",
			(long long)rows[i].seconds);
}

int main(void)
{
	test_clock();
	test_spans();
	test_sums();
	test_backoff();
	return tap_done();
}
