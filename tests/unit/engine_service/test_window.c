/* SPDX-License-Identifier: Apache-2.0 */
/* update_window: what is taken, since when it is open, when it opens. */
#include "engine/service/window.h"
#include <errno.h>
#include <stdio.h>
#include "lib/own.h"
#include "tests/unit/tap.h"

enum { MIN = 60, HOUR = 3600, DAY = 86400 };

static struct tm moment(int wday, int hour, int minute)
{
	return (struct tm){ .tm_wday = wday, .tm_hour = hour, .tm_min = minute };
}

static void test_parse(void)
{
	static const char *const good[] = { "02:00-04:00", "mon-fri 22:00-23:30", "sun 00:00-24:00",
					    "sat-mon,wed 23:00-01:00" };
	static const char *const bad[] = { "",
					   "2:00-4:00",
					   "02:00",
					   "24:00-02:00",
					   "02:00-02:00",
					   "02:60-03:00",
					   "24:01-25:00",
					   "mon02:00-03:00",
					   "day 02:00-03:00",
					   "mon- 02:00-03:00",
					   "mon, 02:00-03:00" };
	struct update_window window = { 0 };
	struct err err = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		ok(update_window_parse(str_from(good[i]), &window, NULL) == 0, "taken: %s",
		   good[i]);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ok(update_window_parse(str_from(bad[i]), &window, &err) == -EINVAL &&
			   err.code == -EINVAL,
		   "refused: %s", bad[i]);
	ok(window.days == 0x4b && window.begin_min == 23 * MIN && window.length_min == 2 * MIN,
	   "a range over the end of the week, a window over midnight");
}

static void test_open(void)
{
	static const struct {
		const char *text;
		int wday, hour, minute;
		int64_t since_s, wait_s;
	} cases[] = {
		{ "02:00-04:00", 3, 2, 0, 0, 0 },
		{ "02:00-04:00", 3, 3, 59, HOUR + 59 * MIN, 0 },
		{ "02:00-04:00", 3, 4, 0, -1, 22 * HOUR },
		{ "02:00-04:00", 3, 1, 30, -1, 30 * MIN },
		{ "23:00-01:00", 3, 0, 30, 90 * MIN, 0 },
		{ "sat 23:00-01:00", 0, 0, 30, 90 * MIN, 0 },
		{ "sat 23:00-01:00", 6, 0, 30, -1, 22 * HOUR + 30 * MIN },
		{ "sun 02:00-03:00", 0, 3, 0, -1, 7 * DAY - HOUR },
		{ "mon-fri 02:00-03:00", 5, 12, 0, -1, 2 * DAY + 14 * HOUR },
		{ "00:00-24:00", 2, 12, 0, 12 * HOUR, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct tm now = moment(cases[i].wday, cases[i].hour, cases[i].minute);
		struct update_window window = { 0 };

		(void)update_window_parse(str_from(cases[i].text), &window, NULL);
		is_int(update_window_since_s(&window, &now), cases[i].since_s, "%s: open since",
		       cases[i].text);
		is_int(update_window_wait_s(&window, &now), cases[i].wait_s, "%s: opens in",
		       cases[i].text);
	}
}

int main(void)
{
	test_parse();
	test_open();
	return tap_done();
}
