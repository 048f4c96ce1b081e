/* SPDX-License-Identifier: Apache-2.0 */
/* Filters behind a command. */
#include <errno.h>
#include "init/console/pipe.h"
#include "tests/unit/tap.h"

static struct pipe_line line;

static void expect(const char *text, const char *input, const char *want)
{
	struct buf out;

	buf_init(&out, 4096);
	ok(pipe_parse(str_from(text), &line, NULL) == 0 &&
		   pipe_apply(&line, str_from(input), &out) == 0,
	   "'%s'", text);
	is_text(buf_text(&out), want, "of '%s'", input);
	buf_done(&out);
}

int main(void)
{
	struct err err = { 0 };

	is_int(pipe_parse(STR("ps"), &line, NULL), 0, "a command alone");
	is_int(line.count, 0, "has no filter");
	is_int(pipe_parse(STR("exec web sh -c 'a | b' \"|\" \\| x"), &line, NULL), 0,
	       "quoted bars");
	is_int(line.count, 0, "are the command's");
	expect("log | grep Err", "an error\nfine\nERR\n", "an error\nERR\n");
	expect("log | grep -v err", "an error\nfine\n", "fine\n");
	expect("log | grep e | grep -v f | count", "one\nfine\nthree\n", "2\n");
	expect("log | more", "a\nb\n", "a\nb\n");
	expect("log | count", "", "0\n");
	expect("log | grep 'a b'", "a b\nab\n", "a b\n");
	ok(pipe_parse(STR("ps | json"), &line, NULL) == 0 && pipe_has(&line, PIPE_JSON) &&
		   !pipe_has(&line, PIPE_MORE) && str_is(str_trim(line.command), "ps"),
	   "json, and the command in front of it");
	is_int(pipe_parse(STR("ps | sort"), &line, &err), -EINVAL, "there is no shell");
	is_text(err_text(&err), "behind | stands grep [-v] TEXT, count, json, more or no-more",
		"what there is");
	is_int(pipe_parse(STR("ps |"), &line, NULL), -EINVAL, "nothing behind it");
	is_int(pipe_parse(STR("ps | grep"), &line, NULL), -EINVAL, "grep for nothing");
	is_int(pipe_parse(STR("ps | grep a b"), &line, NULL), -EINVAL, "two texts");
	is_int(pipe_parse(STR("ps|more|more|more|more|more"), &line, NULL), -EINVAL, "too many");
	return tap_done();
}
