/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moments as filters say them: a time, or how long ago. Runs in the api role, on foreign bytes.
 * Pure; must never take a number that does not fit for one that does.
 */
#include "engine/docker/moment.h"

#include <errno.h>
#include <string.h>
#include "engine/docker/text.h"
#include "lib/own.h"

enum { MOMENT_MAX = 64 };

/* The unit at the front of text: its nanoseconds, 0 = none. */
static int64_t unit_ns(struct str text, size_t *ret_len)
{
	static const struct {
		const char *name;
		int64_t ns;
	} units[] = { { "ns", 1 },
		      { "us", 1000 },
		      { "\xc2\xb5s", 1000 },
		      { "\xce\xbcs", 1000 },
		      { "ms", 1000000 },
		      { "s", 1000000000 },
		      { "m", INT64_C(60000000000) },
		      { "h", INT64_C(3600000000000) } };

	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		*ret_len = strlen(units[i].name);
		if (str_starts(text, str_make(units[i].name, *ret_len)))
			return units[i].ns;
	}
	return 0;
}

static size_t digits(struct str text)
{
	size_t n = 0;

	while (n < text.len && text.ptr[n] >= '0' && text.ptr[n] <= '9')
		n++;
	return n;
}

/* "1.5h": number and unit at the front of *rest. */
static int take_part(struct str *rest, int64_t *sum)
{
	size_t whole_len = digits(*rest), fraction_len = 0, unit_len = 0;
	struct str whole = str_head(*rest, whole_len), fraction = STR("");
	int64_t number = 0, part = 0, unit;

	*rest = str_skip(*rest, whole_len);
	if (rest->len && rest->ptr[0] == '.') {
		*rest = str_skip(*rest, 1);
		fraction_len = digits(*rest);
		fraction = str_head(*rest, fraction_len);
		*rest = str_skip(*rest, fraction_len);
	}
	unit = unit_ns(*rest, &unit_len);
	if (!unit || (!whole.len && !fraction.len) ||
	    (whole.len && str_to_i64(whole, 0, INT64_MAX, &number) < 0) ||
	    __builtin_mul_overflow(number, unit, &number))
		return -EINVAL;
	*rest = str_skip(*rest, unit_len);
	for (size_t i = 0; i < fraction.len && unit >= 10; i++) {
		unit /= 10; /* what is below a nanosecond is left out */
		part += (fraction.ptr[i] - '0') * unit;
	}
	return __builtin_add_overflow(number, part, &number) ||
			       __builtin_add_overflow(*sum, number, sum)
		       ? -EINVAL
		       : 0;
}

static int take_duration(struct str text, int64_t *ret_ns)
{
	bool minus = text.len && text.ptr[0] == '-';
	int64_t sum = 0;

	if (minus || (text.len && text.ptr[0] == '+'))
		text = str_skip(text, 1);
	if (!text.len)
		return -EINVAL;
	while (text.len) {
		if (take_part(&text, &sum) < 0)
			return -EINVAL;
	}
	*ret_ns = minus ? -sum : sum;
	return 0;
}

/* A date with less behind it than RFC 3339 wants: the rest is midnight in UTC. */
static int take_date(struct str text, int64_t *ret_ns)
{
	static const char rest[] = "0000-00-00T00:00:00Z";
	char full[MOMENT_MAX];

	if (text.len != 10 && text.len != 13 && text.len != 16 && text.len < 19)
		return -EINVAL;
	if (str_copy(text, full, sizeof(full) - 1) < 0)
		return -EINVAL;
	(void)str_copy(text.len < 19 ? str_skip(STR(rest), text.len) : STR("Z"), full + text.len,
		       sizeof(full) - text.len);
	return docker_time_parse(str_from(full), ret_ns);
}

int docker_moment_parse(struct str text, int64_t now_ns, int64_t *ret_ns)
{
	int64_t ns;

	if (text.len >= MOMENT_MAX)
		return -EINVAL;
	if (take_duration(text, &ns) >= 0 && !__builtin_sub_overflow(now_ns, ns, ret_ns))
		return 0;
	if (docker_time_parse(text, &ns) < 0 && take_date(text, &ns) < 0)
		return -EINVAL;
	*ret_ns = ns;
	return 0;
}
