/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns slices of bytes: comparing, cutting, strict numbers, escaping for people. Every role runs
 * it, PID 1 included. It must never allocate, never depend on the locale and never read past a
 * slice.
 */
#include "lib/str.h"

#include <errno.h>
#include <string.h>

struct str str_from(const char *text)
{
	return (struct str){ text, text ? strlen(text) : 0 };
}

struct str str_make(const void *ptr, size_t len)
{
	return (struct str){ ptr, len };
}

bool str_eq(struct str a, struct str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool str_is(struct str a, const char *text)
{
	return str_eq(a, str_from(text));
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool str_is_nocase(struct str a, const char *text)
{
	struct str b = str_from(text);

	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (lower(a.ptr[i]) != lower(b.ptr[i]))
			return false;
	return true;
}

bool str_starts(struct str a, struct str prefix)
{
	return a.len >= prefix.len && str_eq(str_head(a, prefix.len), prefix);
}

bool str_ends(struct str a, struct str suffix)
{
	return a.len >= suffix.len && str_eq(str_skip(a, a.len - suffix.len), suffix);
}

int str_cmp(struct str a, struct str b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int r = len > 0 ? memcmp(a.ptr, b.ptr, len) : 0;

	if (r != 0)
		return r < 0 ? -1 : 1;
	return a.len == b.len ? 0 : a.len < b.len ? -1 : 1;
}

ptrdiff_t str_find(struct str s, char byte)
{
	const char *at = s.len > 0 ? memchr(s.ptr, byte, s.len) : NULL;

	return at ? at - s.ptr : -1;
}

struct str str_trim(struct str s)
{
	while (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t'))
		s = str_skip(s, 1);
	while (s.len > 0 && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
		s.len--;
	return s;
}

struct str str_skip(struct str s, size_t n)
{
	if (n > s.len)
		n = s.len;
	if (n == 0)
		return s;
	return (struct str){ s.ptr + n, s.len - n };
}

struct str str_head(struct str s, size_t n)
{
	return (struct str){ s.ptr, n < s.len ? n : s.len };
}

bool str_cut(struct str *rest, char sep, struct str *ret_part)
{
	ptrdiff_t at;

	/* A NULL pointer says that the last piece was taken; an empty one may still be due. */
	if (!rest->ptr)
		return false;
	at = str_find(*rest, sep);
	if (at < 0) {
		*ret_part = *rest;
		*rest = (struct str){ 0 };
		return true;
	}
	*ret_part = str_head(*rest, (size_t)at);
	*rest = str_skip(*rest, (size_t)at + 1);
	return true;
}

/* Digits from the front of *s; -EINVAL when there is none, -ERANGE beyond 64 bits. */
static int take_digits(struct str *s, uint64_t *ret_value)
{
	uint64_t v = 0;
	size_t n = 0;
	bool over = false;

	for (; n < s->len && s->ptr[n] >= '0' && s->ptr[n] <= '9'; n++)
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(s->ptr[n] - '0'), &v))
			over = true;
	if (n == 0)
		return -EINVAL;
	*s = str_skip(*s, n);
	if (over)
		return -ERANGE;
	*ret_value = v;
	return 0;
}

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool str_is_name(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!is_alnum(s.ptr[i]) && (!i || !memchr("_.-", s.ptr[i], 3)))
			return false;
	return s.len > 0;
}

int str_to_u64(struct str s, uint64_t min, uint64_t max, uint64_t *ret_value)
{
	uint64_t v = 0;
	int r = take_digits(&s, &v);

	if (r == -EINVAL || s.len > 0)
		return -EINVAL;
	if (r < 0 || v < min || v > max)
		return -ERANGE;
	*ret_value = v;
	return 0;
}

int str_to_i64(struct str s, int64_t min, int64_t max, int64_t *ret_value)
{
	bool negative = min < 0 && s.len > 0 && s.ptr[0] == '-';
	uint64_t magnitude = 0;
	int64_t v;
	int r;

	/* A sign is part of the number only where the range has room for it. */
	if (negative)
		s = str_skip(s, 1);
	r = str_to_u64(s, 0, (uint64_t)INT64_MAX + (negative ? 1 : 0), &magnitude);
	if (r < 0)
		return r;
	v = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
	if (v < min || v > max)
		return -ERANGE;
	*ret_value = v;
	return 0;
}

/* The power of 1024 that a unit stands for, in bits; -1 for an unknown one. */
static int size_unit_bits(struct str unit)
{
	static const char letters[] = "kmgt";
	const char *at;

	if (unit.len == 0 || str_is_nocase(unit, "b"))
		return 0;
	if (unit.len > 2 || (unit.len == 2 && lower(unit.ptr[1]) != 'b'))
		return -1;
	at = unit.ptr[0] ? strchr(letters, lower(unit.ptr[0])) : NULL;
	return at ? (int)(at - letters + 1) * 10 : -1;
}

int str_to_size(struct str s, uint64_t max, uint64_t *ret_bytes)
{
	uint64_t v = 0;
	int r = take_digits(&s, &v);
	int bits = size_unit_bits(s);

	if (r == -EINVAL || bits < 0)
		return -EINVAL;
	if (r < 0 || v > max >> bits)
		return -ERANGE;
	*ret_bytes = v << bits;
	return 0;
}

static const struct {
	const char *unit;
	int64_t ms;
} durations[] = { { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 } };

enum { DURATIONS = sizeof(durations) / sizeof(durations[0]) };

/* One "30s" from the front of *s; units come in falling order, *from says which are left. */
static int take_duration(struct str *s, size_t *from, int64_t *sum)
{
	struct str unit;
	uint64_t v = 0;
	int64_t part;
	size_t len = 0;
	int r = take_digits(s, &v);

	if (r < 0)
		return r;
	while (len < s->len && (s->ptr[len] < '0' || s->ptr[len] > '9'))
		len++;
	unit = str_head(*s, len);
	*s = str_skip(*s, len);
	while (*from < DURATIONS && !str_is(unit, durations[*from].unit))
		(*from)++;
	if (*from == DURATIONS)
		return -EINVAL;
	if (v > INT64_MAX || __builtin_mul_overflow((int64_t)v, durations[*from].ms, &part) ||
	    __builtin_add_overflow(*sum, part, sum))
		return -ERANGE;
	(*from)++;
	return 0;
}

int str_to_duration_ms(struct str s, int64_t max_ms, int64_t *ret_ms)
{
	uint64_t seconds = 0;
	int64_t sum = 0;
	size_t from = 0;
	int r;

	r = str_to_u64(s, 0, INT64_MAX / 1000, &seconds);
	if (r == 0) {
		sum = (int64_t)seconds * 1000;
	} else if (r == -ERANGE) {
		return r;
	} else {
		if (s.len == 0)
			return -EINVAL;
		while (s.len > 0) {
			r = take_duration(&s, &from, &sum);
			if (r < 0)
				return r;
		}
	}
	if (sum > max_ms)
		return -ERANGE;
	*ret_ms = sum;
	return 0;
}

int str_copy(struct str s, char *dst, size_t cap)
{
	if (s.len > 0 && memchr(s.ptr, '\0', s.len))
		return -EINVAL;
	if (s.len >= cap)
		return -ENAMETOOLONG;
	if (s.len > 0)
		memcpy(dst, s.ptr, s.len);
	dst[s.len] = '\0';
	return 0;
}

/* ---- words that are nearly right ---- */

enum { NEAREST_WORD_MAX = 48, NEAREST_DISTANCE_MAX = 3 };

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	unsigned least = a < b ? a : b;

	return least < c ? least : c;
}

/* Edits between a and b, two swapped neighbours counting as one. Both at most NEAREST_WORD_MAX. */
static unsigned edit_distance(struct str a, struct str b)
{
	unsigned rows[3][NEAREST_WORD_MAX + 1];
	unsigned *before = rows[0], *last = rows[1], *now = rows[2], *spare;

	memset(rows, 0, sizeof(rows));
	for (size_t j = 0; j <= b.len; j++)
		last[j] = (unsigned)j;
	for (size_t i = 1; i <= a.len; i++) {
		now[0] = (unsigned)i;
		for (size_t j = 1; j <= b.len; j++) {
			char x = lower(a.ptr[i - 1]), y = lower(b.ptr[j - 1]);

			now[j] = min3(last[j] + 1, now[j - 1] + 1, last[j - 1] + (x != y));
			if (i > 1 && j > 1 && x == lower(b.ptr[j - 2]) &&
			    lower(a.ptr[i - 2]) == y && before[j - 2] + 1 < now[j])
				now[j] = before[j - 2] + 1;
		}
		spare = before;
		before = last;
		last = now;
		now = spare;
	}
	return last[b.len];
}

const char *str_nearest(struct str word, const char *const *names, size_t count)
{
	unsigned best = NEAREST_DISTANCE_MAX + 1;
	const char *found = NULL;

	if (word.len > NEAREST_WORD_MAX)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		struct str name = str_from(names[i]);
		unsigned distance;

		if (name.len > NEAREST_WORD_MAX)
			continue;
		distance = edit_distance(word, name);
		if (distance < best && 2 * distance < word.len) {
			best = distance;
			found = names[i];
		}
	}
	return found;
}

/* ---- hexadecimal ---- */

void str_hex(const void *data, size_t n, char *dst)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *bytes = data;

	for (size_t i = 0; i < n; i++) {
		dst[2 * i] = digits[bytes[i] >> 4];
		dst[2 * i + 1] = digits[bytes[i] & 15];
	}
	dst[2 * n] = '\0';
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int str_unhex(struct str s, void *dst, size_t n)
{
	unsigned char *bytes = dst;

	if (n > SIZE_MAX / 2 || s.len != 2 * n)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		int high = hex_value(s.ptr[2 * i]), low = hex_value(s.ptr[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EINVAL;
		bytes[i] = (unsigned char)(high << 4 | low);
	}
	return 0;
}
