/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Schedules of jobs: read and computed. Runs in the api role (DESIGN: cron is parsed there). Pure
 * but for the process's time zone: must never look at the clock.
 */
#include "engine/service/cron.h"
#include <errno.h>
#include <string.h>
#include <time.h>
#include "lib/own.h"

enum { CRON_FIELDS = 5, CRON_YEARS = 10, CRON_EVERY_MAX_MS = INT32_MAX };

struct field {
	const char *name;
	unsigned min, max;
	const char *words; /* three letters each, from min on */
};

static const struct field fields[CRON_FIELDS] = {
	{ "minute", 0, 59, "" },
	{ "hour", 0, 23, "" },
	{ "day of month", 1, 31, "" },
	{ "month", 1, 12, "janfebmaraprmayjunjulaugsepoctnovdec" },
	{ "day of week", 0, 7, "sunmontuewedthufrisat" },
};

static int field_error(const struct field *field, struct err *err)
{
	return err_set(err, -EINVAL, "schedule: the %s is %u to %u, with * , - and / as in cron",
		       field->name, field->min, field->max);
}

static int parse_value(const struct field *field, struct str text, unsigned *ret_value)
{
	uint64_t number;

	for (size_t i = 0; text.len == 3 && i + 3 <= strlen(field->words); i += 3) {
		if (str_is_nocase(text, (char[]){ field->words[i], field->words[i + 1],
						  field->words[i + 2], 0 })) {
			*ret_value = field->min + (unsigned)(i / 3);
			return 0;
		}
	}
	if (str_to_u64(text, field->min, field->max, &number) < 0)
		return -EINVAL;
	*ret_value = (unsigned)number;
	return 0;
}

/* "*", "A", "A-B", each with "/STEP"; "A/STEP" runs from A to the end. */
static int parse_item(const struct field *field, struct str text, uint64_t *bits)
{
	ptrdiff_t slash = str_find(text, '/'), dash;
	struct str range = slash < 0 ? text : str_head(text, (size_t)slash);
	unsigned first = field->min, last = field->max;
	uint64_t step = 1;

	if (slash >= 0 && str_to_u64(str_skip(text, (size_t)slash + 1), 1, 60, &step) < 0)
		return -EINVAL;
	dash = str_find(range, '-');
	if (!str_is(range, "*")) {
		if (parse_value(field, dash < 0 ? range : str_head(range, (size_t)dash), &first) <
		    0)
			return -EINVAL;
		last = slash < 0 ? first : field->max;
		if (dash >= 0 && parse_value(field, str_skip(range, (size_t)dash + 1), &last) < 0)
			return -EINVAL;
	}
	if (last < first)
		return -EINVAL;
	for (uint64_t v = first; v <= last; v += step)
		*bits |= UINT64_C(1) << v;
	return 0;
}

static int parse_field(const struct field *field, struct str text, uint64_t *ret_bits,
		       struct err *err)
{
	struct str rest = text, item;

	*ret_bits = 0;
	if (!text.len || text.ptr[text.len - 1] == ',')
		return field_error(field, err);
	while (str_cut(&rest, ',', &item)) {
		if (parse_item(field, item, ret_bits) < 0)
			return field_error(field, err);
	}
	return 0;
}

static int parse_fields(struct str text, struct cron *ret_cron, struct err *err)
{
	struct str parts[CRON_FIELDS], rest = text, part;
	uint64_t bits[CRON_FIELDS];
	size_t count = 0;

	while (str_cut(&rest, ' ', &part)) {
		part = str_trim(part);
		if (!part.len)
			continue;
		if (count == CRON_FIELDS)
			count++;
		else if (count < CRON_FIELDS)
			parts[count++] = part;
	}
	if (count != CRON_FIELDS)
		return err_set(err, -EINVAL,
			       "schedule: five fields (minute hour day month weekday), @daily and "
			       "the like, or an interval such as 10m");
	for (size_t i = 0; i < CRON_FIELDS; i++) {
		int r = parse_field(&fields[i], parts[i], &bits[i], err);

		if (r < 0)
			return r;
	}
	if (bits[4] & 1 << 7) /* both 0 and 7 are Sunday */
		bits[4] |= 1;
	*ret_cron = (struct cron){ .minutes = bits[0],
				   .hours = (uint32_t)bits[1],
				   .days = (uint32_t)bits[2],
				   .months = (uint32_t)bits[3],
				   .weekdays = (uint32_t)bits[4] & 0x7f,
				   .any_day = parts[2].ptr[0] == '*',
				   .any_weekday = parts[4].ptr[0] == '*' };
	return 0;
}

int cron_parse(struct str text, struct cron *ret_cron, struct err *err)
{
	static const struct {
		const char *name, *fields;
	} names[] = { { "@hourly", "0 * * * *" },   { "@daily", "0 0 * * *" },
		      { "@midnight", "0 0 * * *" }, { "@weekly", "0 0 * * 0" },
		      { "@monthly", "0 0 1 * *" },  { "@yearly", "0 0 1 1 *" },
		      { "@annually", "0 0 1 1 *" } };
	int64_t ms;

	text = str_trim(text);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (str_is(text, names[i].name))
			return parse_fields(str_from(names[i].fields), ret_cron, err);
	}
	if (str_starts(text, STR("@every ")))
		text = str_trim(str_skip(text, 7));
	if (str_find(text, ' ') >= 0 || str_find(text, '*') >= 0)
		return parse_fields(text, ret_cron, err);
	if (str_to_duration_ms(text, CRON_EVERY_MAX_MS, &ms) < 0 || ms < 1000)
		return err_set(err, -EINVAL,
			       "schedule: five fields (minute hour day month weekday), @daily and "
			       "the like, or an interval of a second to 24 days such as 10m");
	*ret_cron = (struct cron){ .every_s = ms / 1000 };
	return 0;
}

static bool day_matches(const struct cron *cron, const struct tm *tm)
{
	bool day = cron->days >> tm->tm_mday & 1, weekday = cron->weekdays >> tm->tm_wday & 1;

	return cron->any_day || cron->any_weekday ? day && weekday : day || weekday;
}

/* Sets tm to the next moment that may match; false when it matches as it is. */
static bool advance(const struct cron *cron, struct tm *tm)
{
	if (!(cron->months >> (tm->tm_mon + 1) & 1)) {
		tm->tm_mon++;
		tm->tm_mday = 1;
		tm->tm_hour = tm->tm_min = 0;
	} else if (!day_matches(cron, tm)) {
		tm->tm_mday++;
		tm->tm_hour = tm->tm_min = 0;
	} else if (!(cron->hours >> tm->tm_hour & 1)) {
		tm->tm_hour++;
		tm->tm_min = 0;
	} else if (!(cron->minutes >> tm->tm_min & 1)) {
		tm->tm_min++;
	} else {
		return false;
	}
	return true;
}

int cron_next(const struct cron *cron, int64_t now_s, int64_t *ret_next_s, struct err *err)
{
	time_t at = (time_t)(now_s - now_s % 60 + 60), limit = (time_t)now_s;
	struct tm tm;

	limit += CRON_YEARS * INT64_C(366) * 86400;
	if (cron->every_s) {
		*ret_next_s = now_s + cron->every_s;
		return 0;
	}
	while (at <= limit && localtime_r(&at, &tm)) {
		time_t next;

		tm.tm_sec = 0;
		if (!advance(cron, &tm)) {
			*ret_next_s = at;
			return 0;
		}
		tm.tm_isdst = -1;
		next = mktime(&tm);
		/* Where the clocks are put back an hour comes twice: never go back with them. */
		at = next > at ? next : at + 3600;
	}
	return err_set(err, -ERANGE, "schedule: its time does not come within ten years");
}
