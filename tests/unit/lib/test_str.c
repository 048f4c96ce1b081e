/* SPDX-License-Identifier: Apache-2.0 */
/* Slices, strict numbers, escaping, near words, hexadecimal. */
#include <errno.h>
#include "lib/own.h"
#include "lib/str.h"
#include "tests/unit/tap.h"

static void test_compare(void)
{
	struct str none = { 0 };

	ok(str_eq(none, STR("")), "the zeroed slice is the empty one");
	ok(!str_is(STR("a"), "ab") && !str_is(STR("ab"), "a"), "lengths count");
	ok(str_is_nocase(STR("Content-TYPE"), "content-type"), "ASCII case can be ignored");
	ok(str_starts(STR("sha256:00"), STR("sha256:")), "starts");
	ok(!str_starts(STR("sha"), STR("sha256:")), "a shorter one does not start so");
	ok(str_ends(STR("a.ini"), STR(".ini")), "ends");
	ok(!str_ends(none, STR(".ini")), "the empty one does not end so");
	is_int(str_cmp(STR("a"), STR("ab")), -1, "shorter first");
	is_int(str_cmp(STR("b"), STR("ab")), 1, "bytes before lengths");
	is_int(str_cmp(none, STR("")), 0, "empty is empty");
	is_int(str_find(STR("a=b=c"), '='), 1, "the first one is found");
	is_int(str_find(none, '='), -1, "nothing is found in nothing");
	ok(str_is(str_trim(STR(" \t x y\t ")), "x y"), "blanks go at both ends only");
	is_int((long long)str_trim(STR(" \t")).len, 0, "blanks alone leave nothing");
	is_int((long long)str_skip(STR("abc"), 9).len, 0, "skipping stops at the end");
	ok(str_is(str_head(STR("abc"), 9), "abc"), "so does the head");
}

static void test_cut(void)
{
	static const char *const want[] = { "a", "", "b", "" };
	struct str rest = STR("a,,b,"), part, none = { 0 };
	size_t n = 0;

	while (n < 9 && str_cut(&rest, ',', &part)) {
		ok(n < ARRAY_LEN(want) && str_is(part, want[n]), "piece %zu", n);
		n++;
	}
	is_int((long long)n, (long long)ARRAY_LEN(want), "the last empty piece is one too");
	ok(!str_cut(&none, ',', &part), "nothing has no pieces");
	rest = STR("");
	ok(str_cut(&rest, ',', &part) && !str_cut(&rest, ',', &part), "an empty text has one");
}

static void test_numbers(void)
{
	static const char *const bad[] = { "", " 1", "1 ", "+1", "-1", "0x1", "1e3", "1.0", "a" };
	uint64_t v = 77;
	int64_t s = 77;

	is_int(str_to_u64(STR("18446744073709551615"), 0, UINT64_MAX, &v), 0, "the largest u64");
	ok(v == UINT64_MAX, "is read exactly");
	is_int(str_to_u64(STR("18446744073709551616"), 0, UINT64_MAX, &v), -ERANGE, "one more");
	is_int(str_to_u64(STR("99999999999999999999999"), 0, 5, &v), -ERANGE, "many more");
	is_int(str_to_u64(STR("4"), 5, 9, &v), -ERANGE, "below the range");
	is_int(str_to_u64(STR("10"), 5, 9, &v), -ERANGE, "above the range");
	is_int(str_to_u64(STR("007"), 5, 9, &v), 0, "leading zeros are decimal");
	is_int((long long)v, 7, "and count nothing");
	v = 77;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		is_int(str_to_u64(str_from(bad[i]), 0, 100, &v), -EINVAL, "'%s' is no number",
		       bad[i]);
	is_int((long long)v, 77, "the result is untouched on errors");
	is_int(str_to_i64(STR("-9223372036854775808"), INT64_MIN, INT64_MAX, &s), 0, "smallest");
	ok(s == INT64_MIN, "is read exactly");
	is_int(str_to_i64(STR("-9223372036854775809"), INT64_MIN, INT64_MAX, &s), -ERANGE, "less");
	is_int(str_to_i64(STR("9223372036854775808"), INT64_MIN, INT64_MAX, &s), -ERANGE, "more");
	is_int(str_to_i64(STR("-1"), 0, 9, &s), -EINVAL, "no sign where there is no room for one");
	is_int(str_to_i64(STR("-0"), -1, 9, &s), 0, "minus nothing");
	is_int(s, 0, "is nothing");
	is_int(str_to_i64(STR("--1"), -9, 9, &s), -EINVAL, "two signs");
}

static void test_sizes(void)
{
	static const struct {
		const char *text;
		int result;
		uint64_t bytes;
	} rows[] = {
		{ "64m", 0, 64 << 20 },
		{ "64M", 0, 64 << 20 },
		{ "512k", 0, 512 << 10 },
		{ "10b", 0, 10 },
		{ "4096", 0, 4096 },
		{ "1g", 0, 1 << 30 },
		{ "1t", 0, 1ull << 40 },
		{ "64mb", 0, 64 << 20 },
		{ "0", 0, 0 },
		{ "1.5g", -EINVAL, 0 },
		{ "m", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
		{ "1 m", -EINVAL, 0 },
		{ "1x", -EINVAL, 0 },
		{ "1mib", -EINVAL, 0 },
		{ "-1m", -EINVAL, 0 },
		{ "2000t", -ERANGE, 0 },
		{ "99999999999999999999", -ERANGE, 0 },
		{ "18014398509481984k", -ERANGE, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t bytes = 0;
		int r = str_to_size(str_from(rows[i].text), 1ull << 50, &bytes);

		ok(r == rows[i].result && bytes == rows[i].bytes, "size '%s'", rows[i].text);
	}
	{
		static const char nul[] = { '1', '\0' };
		uint64_t bytes;

		is_int(str_to_size(str_make(nul, 2), 99, &bytes), -EINVAL, "a NUL is no unit");
	}
}

static void test_durations(void)
{
	static const struct {
		const char *text;
		int result;
		int64_t ms;
	} rows[] = {
		{ "90s", 0, 90000 },
		{ "1m30s", 0, 90000 },
		{ "500ms", 0, 500 },
		{ "2h", 0, 7200000 },
		{ "15", 0, 15000 },
		{ "0", 0, 0 },
		{ "1h1m1s1ms", 0, 3661001 },
		{ "1s1m", -EINVAL, 0 },
		{ "1s1s", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
		{ "s", -EINVAL, 0 },
		{ "1.5s", -EINVAL, 0 },
		{ "1m30", -EINVAL, 0 },
		{ "1 s", -EINVAL, 0 },
		{ "-1s", -EINVAL, 0 },
		{ "25h", -ERANGE, 0 },
		{ "9223372036854775807h", -ERANGE, 0 },
		{ "9223372036854775807", -ERANGE, 0 },
		{ "99999999999999999999s", -ERANGE, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t ms = 0;
		int r = str_to_duration_ms(str_from(rows[i].text), 86400000, &ms);

		ok(r == rows[i].result && ms == rows[i].ms, "duration '%s'", rows[i].text);
	}
}

static void test_copy(void)
{
	char dst[4] = "?";

	is_int(str_copy(STR("abc"), dst, sizeof(dst)), 0, "just fits");
	is_text(dst, "abc", "with its NUL");
	is_int(str_copy(STR("abcd"), dst, sizeof(dst)), -ENAMETOOLONG, "one too many");
	is_int(str_copy(STR("a\0b"), dst, sizeof(dst)), -EINVAL, "a NUL inside");
	is_text(dst, "abc", "errors change nothing");
}

static void is_escaped(struct str in, size_t cap, const char *want, const char *what)
{
	char dst[64];
	size_t len = str_escape(in, dst, cap);

	is_text(dst, want, "%s", what);
	is_int((long long)len, (long long)strlen(want), "and its length");
}

static void test_escape(void)
{
	char nothing[1] = { 'x' };

	is_escaped(STR("plain text"), 64, "plain text", "printable text stays");
	is_escaped(STR("a\nb\"c\\d"), 64, "a\\nb\\\"c\\\\d", "newline, quote, backslash");
	is_escaped(STR("\x1b[31m\r\t\x7f"), 64, "\\x1b[31m\\x0d\\x09\\x7f", "controls");
	is_escaped(STR("\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xb3"), 64,
		   "\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xb3", "UTF-8 stays");
	is_escaped(STR("\xc2\x9b"), 64, "\\xc2\\x9b", "a C1 control does not");
	is_escaped(STR("\xe2\x80\xae"), 64, "\\xe2\\x80\\xae", "nor a direction override");
	is_escaped(STR("\xc0\xaf"), 64, "\\xc0\\xaf", "nor an overlong form");
	is_escaped(STR("\xed\xa0\x80"), 64, "\\xed\\xa0\\x80", "nor a surrogate");
	is_escaped(STR("\xf4\x90\x80\x80"), 64, "\\xf4\\x90\\x80\\x80", "nor beyond Unicode");
	is_escaped(STR("a\xe2\x82"), 64, "a\\xe2\\x82", "nor a sequence cut off");
	is_escaped(STR("abcdefgh"), 9, "abcdefgh", "just fits");
	is_escaped(STR("abcdefghi"), 9, "abcde...", "one too many");
	is_escaped(STR("abcd\x1b\x1b\x1b"), 9, "abcd...", "an escape is not torn");
	is_escaped(STR("abcdef"), 3, "..", "room for two dots only");
	is_int((long long)str_escape(STR("a"), nothing, 0), 0, "no room at all");
	is_int(nothing[0], 'x', "writes nothing");
}

static void test_nearest(void)
{
	static const char *const keys[] = { "image", "ports", "volumes", "restart", "cap_add" };
	size_t n = ARRAY_LEN(keys);

	is_text(str_nearest(STR("prots"), keys, n), "ports", "two letters swapped");
	is_text(str_nearest(STR("volume"), keys, n), "volumes", "one missing");
	is_text(str_nearest(STR("Image"), keys, n), "image", "case");
	is_text(str_nearest(STR("cap-add"), keys, n), "cap_add", "another dash");
	is_text(str_nearest(STR("xyz"), keys, n), NULL, "nothing is near");
	is_text(str_nearest(STR("po"), keys, n), NULL, "half of a short word is too far");
	is_text(str_nearest(STR(""), keys, n), NULL, "nothing is near to nothing");
	is_text(str_nearest(STR("rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr"), keys, n),
		NULL, "a very long word");
}

static void test_hex(void)
{
	unsigned char bytes[3] = { 0, 0xab, 0xff }, back[3] = { 9, 9, 9 };
	char text[7];

	str_hex(bytes, 3, text);
	is_text(text, "00abff", "bytes as hex");
	is_int(str_unhex(STR("00aBfF"), back, 3), 0, "and back, either case");
	ok(memcmp(bytes, back, 3) == 0, "unchanged");
	is_int(str_unhex(STR("00ab"), back, 3), -EINVAL, "too short");
	is_int(str_unhex(STR("00ab0g"), back, 3), -EINVAL, "no digit");
}

static void test_names(void)
{
	static const char *const good[] = { "a", "0", "web", "Web_1.old-2", "9lives" };
	static const char *const bad[] = { "",	  ".a",	 "_a",	     "-a", "a/b",
					   "a b", "a:b", "\xc3\xa4", "a\n" };

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		ok(str_is_name(str_from(good[i])), "\"%s\" is a name", good[i]);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ok(!str_is_name(str_from(bad[i])), "name %zu is none", i);
	ok(!str_is_name(str_make("a\0b", 3)), "one with a NUL inside is none");
}

int main(void)
{
	test_compare();
	test_names();
	test_cut();
	test_numbers();
	test_sizes();
	test_durations();
	test_copy();
	test_escape();
	test_nearest();
	test_hex();
	return tap_done();
}
