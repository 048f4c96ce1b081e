/* SPDX-License-Identifier: Apache-2.0 */
/* What scripts rely on: JSON that is JSON whatever came in, and exit codes that stay. */
#include "init/console/script.h"
#include <errno.h>
#include "tests/unit/tap.h"

static struct buf out;

static const char *string(const char *bytes, size_t len)
{
	buf_clear(&out);
	script_put_string(&out, str_make(bytes, len));
	return buf_text(&out);
}

int main(void)
{
	buf_init(&out, 65536);
	is_text(string("a\"b\\c", 5), "\"a\\\"b\\\\c\"", "quotes and backslashes");
	is_text(string("\x1b[2J\n\0\x7f", 7), "\"\\u001b[2J\\u000a\\u0000\\u007f\"",
		"control characters and NUL");
	is_text(string("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 9),
		"\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"", "UTF-8 stays");
	is_text(string("\xff\xc0\xaf\xed\xa0\x80\xe2\x82", 8),
		"\"\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\"",
		"what is no UTF-8 is replaced: overlong, surrogates, cut off");
	buf_clear(&out);
	(void)buf_add_text(&out, "{");
	script_put_text(&out, "a", "x");
	script_put_number(&out, "b", -1);
	script_put_bool(&out, "c", true);
	(void)buf_add_text(&out, "}");
	is_text(buf_text(&out), "{\"a\":\"x\",\"b\":-1,\"c\":true}", "an object");
	is_int(script_exit_code(0), 0, "0: done");
	is_int(script_exit_code(5), 0, "a count is no error");
	is_int(script_exit_code(-EIO), 1, "1: failed");
	is_int(script_exit_code(-EINVAL), 2, "2: usage");
	is_int(script_exit_code(-ENOENT), 3, "3: no such thing");
	is_int(script_exit_code(-ETIMEDOUT), 4, "4: a daemon is away");
	is_int(script_exit_code(-EPERM), 5, "5: not allowed");
	is_int(script_exit_code(-EBUSY), 6, "6: busy");
	buf_done(&out);
	return tap_done();
}
