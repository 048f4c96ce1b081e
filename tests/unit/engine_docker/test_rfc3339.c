/* SPDX-License-Identifier: Apache-2.0 */
/* Times of images: the calendar, zones, and what is no time. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include "engine/docker/rfc3339.h"
#include "lib/own.h"
#include "tests/unit/tap.h"

static void test_times(void)
{
	static const struct {
		const char *text;
		long long seconds;
	} rows[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "1970-01-01T00:00:00.999999999Z", 0 },
		{ "1969-12-31T23:59:59Z", -1 },
		{ "2000-02-29T12:00:00Z", 951825600 },
		{ "2026-01-02T03:04:05+02:00", 1767315845 },
		{ "2026-01-02t03:04:05-00:30", 1767324845 },
		{ "2016-12-31T23:59:60Z", 1483228800 },
		{ "9999-12-31T23:59:59Z", 253402300799 },
		{ "0001-01-01T00:00:00Z", -62135596800 },
	};
	int64_t seconds = 0;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int r = rfc3339_parse(str_from(rows[i].text), &seconds);

		ok(r == 0 && seconds == rows[i].seconds, "%s: %lld", rows[i].text,
		   (long long)seconds);
	}
}

static void test_refused(void)
{
	static const char *const rows[] = {
		"",
		"2026",
		"2026-13-01T00:00:00Z",
		"2026-00-01T00:00:00Z",
		"2026-02-29T00:00:00Z",
		"1900-02-29T00:00:00Z",
		"2026-04-31T00:00:00Z",
		"2026-01-01T24:00:00Z",
		"2026-01-01T00:60:00Z",
		"2026-01-01T00:00:61Z",
		"2026-01-01T00:00:00",
		"2026-01-01T00:00:00.Z",
		"2026-01-01T00:00:00+2:00",
		"2026-01-01T00:00:00+0200",
		"2026-01-01T00:00:00Zx",
		"0000-01-01T00:00:00Z",
		"-026-01-01T00:00:00Z",
		"2026-01-01_00:00:00Z",
	};
	int64_t seconds = 42;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		is_int(rfc3339_parse(str_from(rows[i]), &seconds), -EINVAL, "refused: '%s'",
		       rows[i]);
	is_int(seconds, 42, "the result is untouched");
}

/* Every day of 400 years and more against the C library. */
static void test_calendar(void)
{
	unsigned wrong = 0, days = 0;

	for (time_t at = -11676096000LL; at < 13569465600LL; at += 86400, days++) {
		int64_t seconds = 0;
		char text[32];
		struct tm tm;

		if (!gmtime_r(&at, &tm) || !strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm))
			abort();
		wrong += rfc3339_parse(str_from(text), &seconds) < 0 || seconds != at;
	}
	is_int(wrong, 0, "%u days in a row", days);
}

int main(void)
{
	test_times();
	test_refused();
	test_calendar();
	return tap_done();
}
