/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When images may be renewed: the times of update_window. Runs in engine main on the operator's own
 * files. Pure: must never ask for the time itself.
 */
#include "engine/service/window.h"
#include <errno.h>
#include "lib/own.h"

enum { DAYS = 7, MIN_S = 60, HOUR_MIN = 60 };

static int syntax(struct err *err)
{
	return err_set(err, -EINVAL, "[DAY[-DAY],...] HH:MM-HH:MM such as mon-fri 02:00-04:30");
}

static int parse_day(struct str text)
{
	static const char *const names[DAYS] = { "sun", "mon", "tue", "wed", "thu", "fri", "sat" };

	for (int i = 0; i < DAYS; i++)
		if (str_is(text, names[i]))
			return i;
	return -EINVAL;
}

static int parse_days(struct str text, uint8_t *ret_days)
{
	struct str part;
	uint8_t days = 0;

	while (str_cut(&text, ',', &part)) {
		ptrdiff_t dash = str_find(part, '-');
		int first = parse_day(dash < 0 ? part : str_head(part, (size_t)dash));
		int last = dash < 0 ? first : parse_day(str_skip(part, (size_t)dash + 1));

		if (first < 0 || last < 0)
			return -EINVAL;
		for (int day = first;; day = (day + 1) % DAYS) {
			days = (uint8_t)(days | 1U << day);
			if (day == last)
				break;
		}
	}
	*ret_days = days;
	return days ? 0 : -EINVAL;
}

/* "HH:MM" to minutes of the day. */
static int parse_time(struct str text, uint16_t *ret_min)
{
	uint64_t hour, minute;

	if (text.len != 5 || text.ptr[2] != ':' ||
	    str_to_u64(str_head(text, 2), 0, 24, &hour) < 0 ||
	    str_to_u64(str_skip(text, 3), 0, 59, &minute) < 0 || (hour == 24 && minute > 0))
		return -EINVAL;
	*ret_min = (uint16_t)(hour * HOUR_MIN + minute);
	return 0;
}

int update_window_parse(struct str text, struct update_window *ret_window, struct err *err)
{
	struct update_window window = { .days = WINDOW_ALL_DAYS };
	ptrdiff_t blank = str_find(text, ' ');
	struct str times = str_trim(text);
	ptrdiff_t dash;
	uint16_t end;

	if (blank >= 0) {
		times = str_trim(str_skip(text, (size_t)blank));
		if (parse_days(str_head(text, (size_t)blank), &window.days) < 0)
			return syntax(err);
	}
	dash = str_find(times, '-');
	if (dash < 0 || parse_time(str_head(times, (size_t)dash), &window.begin_min) < 0 ||
	    parse_time(str_skip(times, (size_t)dash + 1), &end) < 0 ||
	    window.begin_min == WINDOW_DAY_MIN)
		return syntax(err);
	if (end == window.begin_min)
		return err_set(err, -EINVAL,
			       "it ends when it begins; 00:00-24:00 is the whole day");
	window.length_min =
		(uint16_t)(end > window.begin_min ? end - window.begin_min
						  : WINDOW_DAY_MIN - window.begin_min + end);
	*ret_window = window;
	return 0;
}

static int64_t second_of_day(const struct tm *now)
{
	return (int64_t)now->tm_hour * HOUR_MIN * MIN_S + (int64_t)now->tm_min * MIN_S +
	       now->tm_sec;
}

/* Seconds from now to its begin on the day that is so many days away; false: not on that day. */
static bool begin_in_s(const struct update_window *window, const struct tm *now, int away,
		       int64_t *ret_s)
{
	int day = (now->tm_wday + away + DAYS) % DAYS;

	*ret_s = (int64_t)away * WINDOW_DAY_MIN * MIN_S + (int64_t)window->begin_min * MIN_S -
		 second_of_day(now);
	return window->days & 1U << day;
}

int64_t update_window_since_s(const struct update_window *window, const struct tm *now)
{
	int64_t in_s;

	for (int away = 0; away >= -1; away--)
		if (begin_in_s(window, now, away, &in_s) && in_s <= 0 &&
		    -in_s < (int64_t)window->length_min * MIN_S)
			return -in_s;
	return -1;
}

int64_t update_window_wait_s(const struct update_window *window, const struct tm *now)
{
	int64_t in_s;

	if (update_window_since_s(window, now) >= 0)
		return 0;
	for (int away = 0; away <= DAYS; away++)
		if (begin_in_s(window, now, away, &in_s) && in_s > 0)
			return in_s;
	return (int64_t)DAYS * WINDOW_DAY_MIN * MIN_S;
}
