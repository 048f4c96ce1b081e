/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times as images write them. Runs in the api role, on foreign bytes. Pure; must never take a date
 * that the calendar does not have.
 */
#include <errno.h>
#include "engine/docker/rfc3339.h"

/* The next n digits as a number within its bounds, and the byte behind them ('\0' = none wanted).
 */
static int take(struct str *rest, size_t digits, uint64_t min, uint64_t max, char behind,
		int64_t *ret)
{
	uint64_t value = 0;

	if (rest->len < digits + (behind != '\0') ||
	    str_to_u64(str_head(*rest, digits), min, max, &value) < 0 ||
	    (behind && rest->ptr[digits] != behind))
		return -EINVAL;
	*rest = str_skip(*rest, digits + (behind != '\0'));
	*ret = (int64_t)value;
	return 0;
}

static int64_t month_days(int64_t year, int64_t month)
{
	static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return days[month - 1] + (month == 2 && leap);
}

/* Days from 1970-01-01, counted in years of 400-year cycles that begin in March. */
static int64_t days_since_1970(int64_t year, int64_t month, int64_t day)
{
	int64_t y = month > 2 ? year : year - 1;
	int64_t in_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

	return y * 365 + y / 4 - y / 100 + y / 400 + in_year - 719468;
}

/* "Z", "+02:00", "-0330" is none. */
static int take_zone(struct str *rest, int64_t *ret_seconds)
{
	int64_t hours, minutes, sign;

	*ret_seconds = 0;
	if (rest->len < 1)
		return -EINVAL;
	sign = rest->ptr[0] == '-' ? -1 : 1;
	if (rest->ptr[0] == 'Z' || rest->ptr[0] == 'z') {
		*rest = str_skip(*rest, 1);
		return 0;
	}
	if (rest->ptr[0] != '+' && rest->ptr[0] != '-')
		return -EINVAL;
	*rest = str_skip(*rest, 1);
	if (take(rest, 2, 0, 23, ':', &hours) < 0 || take(rest, 2, 0, 59, '\0', &minutes) < 0)
		return -EINVAL;
	*ret_seconds = sign * (hours * 3600 + minutes * 60);
	return 0;
}

int rfc3339_parse(struct str text, int64_t *ret_seconds)
{
	int64_t year, month, day, hour, minute, second, zone;
	struct str rest = text;

	if (take(&rest, 4, 1, 9999, '-', &year) < 0 || take(&rest, 2, 1, 12, '-', &month) < 0 ||
	    take(&rest, 2, 1, (uint64_t)month_days(year, month), '\0', &day) < 0 || rest.len < 1 ||
	    (rest.ptr[0] != 'T' && rest.ptr[0] != 't' && rest.ptr[0] != ' '))
		return -EINVAL;
	rest = str_skip(rest, 1);
	if (take(&rest, 2, 0, 23, ':', &hour) < 0 || take(&rest, 2, 0, 59, ':', &minute) < 0 ||
	    take(&rest, 2, 0, 60, '\0', &second) < 0)
		return -EINVAL;
	if (rest.len > 1 && rest.ptr[0] == '.' && rest.ptr[1] >= '0' && rest.ptr[1] <= '9') {
		rest = str_skip(rest, 1);
		while (rest.len && rest.ptr[0] >= '0' && rest.ptr[0] <= '9')
			rest = str_skip(rest, 1);
	}
	if (take_zone(&rest, &zone) < 0 || rest.len)
		return -EINVAL;
	*ret_seconds = days_since_1970(year, month, day) * 86400 + hour * 3600 + minute * 60 +
		       second - zone;
	return 0;
}
