/* SPDX-License-Identifier: Apache-2.0 */
/* Schedules: what is taken, and when it is due. */
#include "engine/service/cron.h"
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include "lib/own.h"
#include "tests/unit/tap.h"

/* "2026-11-21 18:00" in the process's zone. */
static int64_t at(const char *text)
{
	struct tm tm = { .tm_isdst = -1 };

	return strptime(text, "%Y-%m-%d %H:%M", &tm) ? (int64_t)mktime(&tm) : -1;
}

static const char *next(const char *schedule, const char *now)
{
	static char text[40];
	struct cron cron;
	int64_t due_s;
	time_t due;
	struct tm tm;

	if (cron_parse(str_from(schedule), &cron, NULL) < 0)
		return "refused";
	if (cron_next(&cron, at(now), &due_s, NULL) < 0)
		return "never";
	due = (time_t)due_s;
	if (!localtime_r(&due, &tm) || !strftime(text, sizeof(text), "%Y-%m-%d %H:%M", &tm))
		return "?";
	return text;
}

static void test_next(void)
{
	static const struct {
		const char *schedule, *now, *due;
	} cases[] = {
		{ "* * * * *", "2026-11-21 18:00", "2026-11-21 18:01" },
		{ "*/5 * * * *", "2026-11-21 18:01", "2026-11-21 18:05" },
		{ "0 * * * *", "2026-11-21 18:00", "2026-11-21 19:00" },
		{ "30 3 * * *", "2026-11-21 18:00", "2026-11-22 03:30" },
		{ "0 0 1 * *", "2026-12-15 00:00", "2027-01-01 00:00" },
		{ "0 9-17/4 * * mon-fri", "2026-11-20 18:00", "2026-11-23 09:00" },
		{ "0 12 * * 7", "2026-11-21 18:00", "2026-11-22 12:00" },
		{ "0 12 * * Sun", "2026-11-21 18:00", "2026-11-22 12:00" },
		{ "0 0 13 * fri", "2026-11-21 18:00", "2026-11-27 00:00" },
		{ "0 0 29 feb *", "2026-11-21 18:00", "2028-02-29 00:00" },
		{ "5,10,15 1 * jan,jul *", "2026-11-21 18:00", "2027-01-01 01:05" },
		{ "59 23 31 12 *", "2026-12-31 23:59", "2027-12-31 23:59" },
		{ "10/20 * * * *", "2026-11-21 18:31", "2026-11-21 18:50" },
		{ "@daily", "2026-11-21 18:00", "2026-11-22 00:00" },
		{ "@hourly", "2026-11-21 18:00", "2026-11-21 19:00" },
		{ "@weekly", "2026-11-21 18:00", "2026-11-22 00:00" },
		{ "10m", "2026-11-21 18:00", "2026-11-21 18:10" },
		{ "@every 1h30m", "2026-11-21 18:00", "2026-11-21 19:30" },
		{ "0 0 30 2 *", "2026-11-21 18:00", "never" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		is_text(next(cases[i].schedule, cases[i].now), cases[i].due, "%s after %s",
			cases[i].schedule, cases[i].now);
}

static void test_refused(void)
{
	static const char *const bad[] = { "",
					   "* * * *",
					   "* * * * * *",
					   "60 * * * *",
					   "* 24 * * *",
					   "* * 0 * *",
					   "* * 32 * *",
					   "* * * 13 *",
					   "* * * * 8",
					   "a * * * *",
					   "5-1 * * * *",
					   "*/0 * * * *",
					   "1,,2 * * * *",
					   "1, * * * *",
					   "-1 * * * *",
					   "@often",
					   "0s",
					   "@every",
					   "* * * * mo",
					   "1-2-3 * * * *" };
	struct cron cron;
	struct err err = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		is_int(cron_parse(str_from(bad[i]), &cron, NULL), -EINVAL, "refused: '%s'", bad[i]);
	(void)cron_parse(STR("* 24 * * *"), &cron, &err);
	ok(strstr(err_text(&err), "hour is 0 to 23") != NULL, "the message names the field");
}

/* Berlin: the clocks go from 02:00 to 03:00 on 2027-03-28, and from 03:00 to 02:00 on 2026-10-25.
 */
static void test_summer_time(void)
{
	(void)setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	tzset();
	is_text(next("30 3 * * *", "2027-03-27 12:00"), "2027-03-28 03:30",
		"a time behind the change is met on that day");
	is_text(next("30 2 * * *", "2027-03-27 12:00"), "2027-03-29 02:30",
		"a time that the change leaves out is met on the next day");
	is_text(next("0 4 * * *", "2026-10-24 12:00"), "2026-10-25 04:00",
		"an hour that comes twice holds nothing up");
	(void)setenv("TZ", "UTC0", 1);
	tzset();
}

int main(void)
{
	(void)setenv("TZ", "UTC0", 1);
	tzset();
	test_next();
	test_refused();
	test_summer_time();
	return tap_done();
}
