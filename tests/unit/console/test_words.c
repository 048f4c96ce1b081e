/* SPDX-License-Identifier: Apache-2.0 */
/* Command lines into words, and the engine's log lines into text. */
#include <string.h>
#include "init/console/words.h"
#include "init/unit/boxline.h"
#include "tests/unit/tap.h"

static void test_words(void)
{
	static struct words words;
	struct err err = { 0 };
	char many[400];

	is_int(words_split(STR("exec web sh -c \"echo 'a b'\""), &words, &err), 0, "quotes");
	is_int(words.count, 5, "five words");
	is_text(words.items[4], "echo 'a b'", "single quotes inside double ones stay");
	ok(words.items[5] == NULL, "NULL behind the last");
	is_int(words_split(STR("  a\\ b  '' "), &words, &err), 0, "backslash, empty word");
	is_int(words.count, 2, "two words");
	is_text(words.items[0], "a b", "escaped blank");
	is_text(words.items[1], "", "an empty one");
	is_int(words_split(STR(""), &words, &err), 0, "nothing");
	is_int(words.count, 0, "no words");
	ok(words_split(STR("exec 'web"), &words, &err) < 0, "an open quote: %s", err.text);
	for (size_t i = 0; i < sizeof(many) - 1; i++)
		many[i] = i % 2 ? ' ' : 'x';
	ok(words_split(str_make(many, sizeof(many) - 1), &words, &err) < 0, "too many words");
}

static void test_log_line(void)
{
	char text[128];
	bool is_stderr = false;

	ok(boxline_text(STR("{\"log\":\"a \\\"b\\\"\\n\",\"stream\":\"stdout\",\"time\":\"x\"}"),
			text, sizeof(text), &is_stderr) == 6,
	   "length of the text");
	is_text(text, "a \"b\"\n", "escapes undone");
	ok(!is_stderr, "stdout");
	ok(boxline_text(STR("{\"log\":\"\\u00e9\\u001b\",\"stream\":\"stderr\",\"time\":\"x\"}"),
			text, sizeof(text), &is_stderr) == 3 &&
		   is_stderr,
	   "\\u, stderr");
	ok(!memcmp(text, "\xc3\xa9\x1b", 3), "as UTF-8");
	ok(boxline_text(STR("{\"log\":\"open"), text, sizeof(text), &is_stderr) < 0, "cut off");
	ok(boxline_text(STR("{\"log\":\"\\u12"), text, sizeof(text), &is_stderr) < 0,
	   "cut off in an escape");
	ok(str_is(boxline_time(STR("{\"log\":\"a\",\"stream\":\"stdout\",\"time\":\"x\"}")), "x"),
	   "the time");
	ok(boxline_time(STR("x\"}")).len == 0 && boxline_time(STR("\"}")).len == 0 &&
		   boxline_time(STR("")).len == 0,
	   "no time");
	ok(boxline_text(STR("garbage"), text, sizeof(text), &is_stderr) < 0, "another form");
}

int main(void)
{
	test_words();
	test_log_line();
	return tap_done();
}
