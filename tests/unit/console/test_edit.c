/* SPDX-License-Identifier: Apache-2.0 */
/* The line editor: keys, history, search, noise, and that only printable bytes reach the screen. */
#include <string.h>
#include "init/console/edit.h"
#include "lib/own.h"
#include "tests/unit/tap.h"

static struct edit edit;
static struct buf out;

static enum edit_event feed(const char *bytes, size_t len)
{
	enum edit_event event = EDIT_EVENT_NONE;

	for (size_t i = 0; i < len; i++)
		event = edit_feed(&edit, (unsigned char)bytes[i], &out);
	return event;
}

static enum edit_event type(const char *text)
{
	return feed(text, strlen(text));
}

static void begin(void)
{
	buf_clear(&out);
	edit_begin(&edit, "> ", false, &out);
}

static void enter(const char *text)
{
	begin();
	(void)type(text);
	(void)type("\r");
	edit_remember(&edit);
}

static void test_keys(void)
{
	begin();
	is_int(type("status\r"), EDIT_EVENT_LINE, "Enter ends a line");
	is_text(edit.line, "status", "its text");
	is_int(type("\n"), EDIT_EVENT_NONE, "CR LF is one end");
	begin();
	(void)type("abd\x1b[Dc\x01x\x05y");
	is_text(edit.line, "xabcdy", "left, Ctrl-A, Ctrl-E");
	(void)type("\x7f\x08");
	is_text(edit.line, "xabc", "backspace, both kinds");
	(void)type("\x1b[H\x1b[3~");
	is_text(edit.line, "abc", "Home and Delete");
	(void)type("\x05 def\x17");
	is_text(edit.line, "abc ", "Ctrl-W takes a word");
	(void)type("\x15");
	is_text(edit.line, "", "Ctrl-U takes all");
	(void)type("\x19");
	is_text(edit.line, "abc ", "Ctrl-Y brings it back");
	is_int(type("\x03"), EDIT_EVENT_INTERRUPT, "Ctrl-C");
	(void)type("\x15"
		   "abcd\x02\x02\x02X\x06\x06\x06\x06\x06Y\x01\x04\x05\x08");
	is_text(edit.line, "Xbcd", "Ctrl-B, Ctrl-F stops at the end, Ctrl-D and Ctrl-H take one");
	(void)type("\x01\x06\x06\x0b");
	is_text(edit.line, "Xb", "Ctrl-K takes the rest");
	(void)type("\x15");
	begin();
	is_int(type("\x04"), EDIT_EVENT_END, "Ctrl-D on an empty line");
	is_int(type("?"), EDIT_EVENT_HELP, "? on an empty line");
	(void)type("a");
	is_int(type("?"), EDIT_EVENT_NONE, "? inside a word is a letter");
	is_text(edit.line, "a?", "and stands there");
}

static void test_history(void)
{
	edit_init(&edit, 80);
	enter("one");
	enter("two");
	enter("two");
	begin();
	(void)type("dra\x1b[A");
	is_text(edit.line, "two", "up: the last line");
	(void)type("\x1b[A");
	is_text(edit.line, "one", "twice the same is kept once");
	(void)type("\x1b[A\x1b[B\x1b[B");
	is_text(edit.line, "dra", "down again: what was being typed");
	begin();
	(void)type("\x12"
		   "on");
	is_text(edit.line, "one", "Ctrl-R finds it");
	is_int(type("\r"), EDIT_EVENT_LINE, "Enter takes it");
	for (int i = 0; i < EDIT_HISTORY_MAX * 2; i++)
		enter(i % 2 ? "even" : "odd");
	is_int((int)edit.history_count, EDIT_HISTORY_MAX, "the history is bounded");
}

static void test_hidden(void)
{
	buf_clear(&out);
	edit_begin(&edit, "password: ", true, &out);
	(void)type("secret");
	ok(!strstr(buf_text(&out), "secret") && !strstr(buf_text(&out), "s"
									"e"),
	   "a password is not shown");
	is_text(edit.line, "secret", "but taken");
	edit_remember(&edit);
	begin();
	(void)type("\x1b[A");
	ok(strcmp(edit.line, "secret") != 0, "and not remembered");
}

static void test_noise(void)
{
	static const char noise[] = "\x00\xff\x1b[999;999H\x1b]0;title\x07ok";
	bool clean = true, bounded = true;
	unsigned seed = 1;

	edit_init(&edit, 80);
	begin();
	for (int i = 0; i < 200000; i++) {
		unsigned char byte;

		seed = seed * 1103515245 + 12345;
		byte = (unsigned char)(seed >> 16);
		buf_clear(&out);
		if (edit_feed(&edit, byte, &out) == EDIT_EVENT_LINE)
			begin();
		for (size_t k = 0; k < out.len; k++) {
			unsigned char c = (unsigned char)out.data[k];

			clean = clean && c < 127 && (c >= ' ' || c == '\r' || c == '\n' || c == 27);
		}
		bounded = bounded && edit.len < EDIT_LINE_MAX && edit.pos <= edit.len &&
			  strlen(edit.line) == edit.len;
	}
	ok(clean, "noise never reaches the screen");
	ok(bounded, "the line stays within its bounds");
	begin();
	(void)feed(noise, sizeof(noise) - 1);
	is_text(edit.line, "ok", "unknown sequences are eaten whole");
	begin();
	for (int i = 0; i < 5000; i++)
		(void)type("A");
	is_int((int)edit.len, EDIT_LINE_MAX - 1, "a long line stops at its limit");
}

int main(void)
{
	buf_init(&out, 1 << 20);
	edit_init(&edit, 80);
	test_keys();
	test_history();
	test_hidden();
	test_noise();
	buf_done(&out);
	return tap_done();
}
