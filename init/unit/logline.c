/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the form of the lines of the log on disk and what people may ask of them. Pure; PID 1 writes
 * the heads, the console program reads. Must never believe a line: a program may have written it.
 */
#include "init/unit/logline.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include "lib/own.h"

enum { STAMP_LEN = 20, DAY_S = 86400, SECONDS_MAX = 60 };

/* ---- time ---- */

/* A number of exactly `digits` digits in front; moves behind it. */
static bool take(struct str *text, size_t digits, uint64_t min, uint64_t max, int *ret_value)
{
	uint64_t value;

	if (text->len < digits || str_to_u64(str_head(*text, digits), min, max, &value) < 0)
		return false;
	*ret_value = (int)value;
	*text = str_skip(*text, digits);
	return true;
}

static bool take_byte(struct str *text, const char *any)
{
	if (text->len == 0 || text->ptr[0] == '\0' || strchr(any, text->ptr[0]) == NULL)
		return false;
	*text = str_skip(*text, 1);
	return true;
}

static bool take_date(struct str *text, struct tm *tm)
{
	if (!take(text, 4, 1970, 9999, &tm->tm_year) || !take_byte(text, "-") ||
	    !take(text, 2, 1, 12, &tm->tm_mon) || !take_byte(text, "-") ||
	    !take(text, 2, 1, 31, &tm->tm_mday))
		return false;
	tm->tm_year -= 1900;
	tm->tm_mon -= 1;
	return true;
}

/* HH:MM, and :SS where it is there. */
static bool take_clock(struct str *text, struct tm *tm)
{
	if (!take(text, 2, 0, 23, &tm->tm_hour) || !take_byte(text, ":") ||
	    !take(text, 2, 0, 59, &tm->tm_min))
		return false;
	return !take_byte(text, ":") || take(text, 2, 0, SECONDS_MAX, &tm->tm_sec);
}

int logline_time(struct str text, int64_t now_s, int64_t *ret_s)
{
	struct str rest = text;
	struct tm tm = { 0 };
	int64_t ago_ms;

	if (str_to_duration_ms(text, (int64_t)DAY_S * 1000 * 36500, &ago_ms) == 0) {
		*ret_s = now_s - ago_ms / 1000;
		return 0;
	}
	if (take_date(&rest, &tm)) {
		if (rest.len > 0 && (!take_byte(&rest, " T") || !take_clock(&rest, &tm)))
			return -EINVAL;
		(void)take_byte(&rest, "Z");
	} else {
		time_t now = (time_t)now_s;

		rest = text;
		if (gmtime_r(&now, &tm) == NULL)
			return -EINVAL;
		tm.tm_sec = 0;
		if (!take_clock(&rest, &tm))
			return -EINVAL;
	}
	if (rest.len > 0)
		return -EINVAL;
	*ret_s = (int64_t)timegm(&tm);
	return 0;
}

/* ---- lines ---- */

bool logline_parse(struct str line, struct logline *ret_line)
{
	struct str stamp, up, head, seconds, millis, prio, unit = { 0 }, role;
	struct logline one = { 0 };
	uint64_t whole, rest, level;
	struct tm tm = { 0 };

	if (!str_cut(&line, ' ', &stamp) || stamp.len != STAMP_LEN || !take_date(&stamp, &tm) ||
	    !take_byte(&stamp, "T") || !take_clock(&stamp, &tm) || !str_is(stamp, "Z"))
		return false;
	if (!str_cut(&line, ' ', &up) || !str_cut(&up, '.', &seconds))
		return false;
	millis = up;
	if (millis.len != 3 || str_to_u64(seconds, 0, INT64_MAX / 2000, &whole) < 0 ||
	    str_to_u64(millis, 0, 999, &rest) < 0)
		return false;
	if (!take_byte(&line, "<") || !str_cut(&line, '>', &head) || !str_cut(&head, ' ', &prio))
		return false;
	unit = head;
	if (str_to_u64(prio, 0, 7, &level) < 0 || !take_byte(&line, " "))
		return false;
	one.wall_s = (int64_t)timegm(&tm);
	one.uptime_ms = (int64_t)(whole * 1000 + rest);
	one.prio = (uint8_t)level;
	one.unit = unit;
	if (str_find(line, ':') >= 0 && str_cut(&line, ':', &role)) {
		one.role = role;
		line = str_trim(line);
	}
	one.text = line;
	*ret_line = one;
	return true;
}

void logline_put_head(struct buf *out, const struct logline *line)
{
	time_t at = (time_t)line->wall_s;
	struct tm tm = { 0 };
	char date[32];

	if (gmtime_r(&at, &tm) == NULL ||
	    strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		memcpy(date, "1970-01-01T00:00:00Z", STAMP_LEN + 1);
	(void)buf_printf(out, "%s %lld.%03lld <%u%s%.*s> ", date,
			 (long long)(line->uptime_ms / 1000), (long long)(line->uptime_ms % 1000),
			 line->prio, line->unit.len > 0 ? " " : "", STR_ARG(line->unit));
}

bool logline_boots_pass(struct logline_boots *boots, const struct logline *line)
{
	bool begins = boots->count == 0 || line->uptime_ms < boots->last_uptime_ms ||
		      (str_is(line->role, "hoy") && str_is(line->text, "pid1 start"));

	boots->last_uptime_ms = line->uptime_ms;
	boots->count += begins;
	return begins;
}

/* ---- what is wanted ---- */

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool logline_holds(struct str text, struct str piece)
{
	for (size_t i = 0; i + piece.len <= text.len; i++) {
		size_t n = 0;

		while (n < piece.len && lower(text.ptr[i + n]) == lower(piece.ptr[n]))
			n++;
		if (n == piece.len)
			return true;
	}
	return false;
}

/* "system" is whatever the kernel did not say. */
static bool is_of(const struct logline *line, const char *unit)
{
	if (strcmp(unit, "system") == 0)
		return !str_is(line->unit, "kernel") && !str_is(line->role, "kernel");
	return str_is(line->unit, unit) || str_is(line->role, unit);
}

bool logline_wanted(const struct logline_filter *filter, const struct logline *line)
{
	if (line->prio > filter->prio_max)
		return false;
	if (filter->unit != NULL && !is_of(line, filter->unit))
		return false;
	if ((filter->since_s != 0 && line->wall_s < filter->since_s) ||
	    (filter->until_s != 0 && line->wall_s > filter->until_s))
		return false;
	return filter->grep == NULL || logline_holds(line->text, str_from(filter->grep)) ||
	       logline_holds(line->role, str_from(filter->grep));
}

int logline_level(struct str text, uint8_t *ret_prio)
{
	static const char *const names[] = { "emerg", "alert",	"crit", "err",
					     "warn",  "notice", "info", "debug" };
	static const char *const longer[ARRAY_LEN(names)] = { [3] = "error", [4] = "warning" };
	uint64_t number;

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_is(text, names[i]) || (longer[i] && str_is(text, longer[i]))) {
			*ret_prio = (uint8_t)i;
			return 0;
		}
	if (str_to_u64(text, 0, 7, &number) < 0)
		return -EINVAL;
	*ret_prio = (uint8_t)number;
	return 0;
}
