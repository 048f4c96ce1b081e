/* SPDX-License-Identifier: Apache-2.0 */
/* Lines typed for a program without a terminal. */
#include <string.h>
#include "init/console/typed.h"
#include "tests/unit/tap.h"

static char taken[64];
static size_t len;
static struct buf shown;

static enum typed_event feed(const char *keys)
{
	return typed_feed(str_from(keys), taken, sizeof(taken), &len, &shown);
}

static bool is(const char *text)
{
	bool same = len == strlen(text) && !memcmp(taken, text, len);

	len = 0;
	return same;
}

int main(void)
{
	buf_init(&shown, 65536);
	typed_begin(80);
	ok(feed("hal") == TYPED_EVENT_NONE && is(""), "half a line waits");
	ok(feed("f\rtwo\r") == TYPED_EVENT_NONE && is("half\ntwo\n"), "whole lines go in");
	ok(feed("wrnog\x7f\x7f\x7fong?\r") == TYPED_EVENT_NONE && is("wrong?\n"),
	   "it is mended as on the console, and ? is a letter");
	ok(buf_str(&shown).len && strstr(buf_text(&shown), "half"), "what is typed is shown");
	ok(feed("\r") == TYPED_EVENT_NONE && is("\n"), "an empty line");
	ok(feed("ab\x04") == TYPED_EVENT_NONE && feed("\r") == TYPED_EVENT_NONE && is("ab\n"),
	   "Ctrl-D in a line is no end");
	ok(feed("x\r\x04y\r") == TYPED_EVENT_END && is("x\n"), "on an empty one it is");
	ok(feed("\x03") == TYPED_EVENT_INTERRUPT, "Ctrl-C");
	typed_begin(80);
	for (int i = 0; i < 20; i++)
		(void)feed("seven77\r");
	ok(len == sizeof(taken), "what does not fit is dropped, line by line");
	buf_done(&shown);
	return tap_done();
}
