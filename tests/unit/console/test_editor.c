/* SPDX-License-Identifier: Apache-2.0 */
/* The editor of INI texts: keys, picture, mistakes at their lines. */
#include "init/console/editor.h"
#include <errno.h>
#include <string.h>
#include "lib/own.h"
#include "tests/unit/tap.h"

#define UP    "\x1b[A"
#define DOWN  "\x1b[B"
#define RIGHT "\x1b[C"
#define LEFT  "\x1b[D"
#define HOME  "\x1b[H"
#define END   "\x1b[F"

static struct editor editor;
static struct screen screen;
static unsigned row, column;

static enum editor_event type(const char *keys)
{
	enum editor_event event = EDITOR_EVENT_NONE;

	for (; *keys != '\0'; keys++)
		event = editor_feed(&editor, (unsigned char)*keys);
	return event;
}

static void picture(unsigned rows, unsigned columns)
{
	screen_init(&screen, rows, columns);
	editor_draw(&editor, &screen, &row, &column);
}

static void test_keys(void)
{
	(void)editor_init(&editor, STR("one\ntwo\nthree\n"));
	is_int(type("X"), EDITOR_EVENT_CHANGED, "a letter changes it");
	is_text(editor.text, "Xone\ntwo\nthree\n", "at the cursor");
	type(DOWN DOWN END "!");
	is_text(editor.text, "Xone\ntwo\nthree!\n", "down, end");
	type(UP HOME "\x0b");
	is_text(editor.text, "Xone\nthree!\n", "Ctrl-K cuts the line");
	type(DOWN "\x19");
	is_text(editor.text, "Xone\nthree!\ntwo\n", "Ctrl-Y brings it back");
	type(UP END "\x7f\x7f" LEFT "\x1b[3~" RIGHT "\r\nz");
	is_text(editor.text, "Xone\nthree!\n\n\nz", "erasing and a new line");
	is_int(type("\x07\x01\xff\xc3\x1b[99999~\x1bq"), EDITOR_EVENT_NONE, "noise is dropped");
	is_int(type("\x0f"), EDITOR_EVENT_SAVE, "Ctrl-O saves");
	is_int(type("\x18"), EDITOR_EVENT_LEAVE, "Ctrl-X leaves");
	type("\x17thr\r#");
	ok(strstr(editor.text, "\n#three!") != NULL, "Ctrl-W searches, also from the top again");
	type("\x17nowhere\r");
	picture(24, 80);
	is_text(screen.wanted[22], "'nowhere' is not in it", "what is not found is said");
}

static void test_completion(void)
{
	(void)editor_init(&editor, STR(""));
	type("[serv\t x]\rima\ty");
	is_text(editor.text, "[service x]\nimage = y", "Tab completes sections and keys");
	type("\rrest\tno\x7f\x7fun\t");
	is_text(editor.text, "[service x]\nimage = y\nrestart = unless-stopped", "and values");
	type("\rhealthcheck.t\t");
	picture(24, 80);
	is_text(screen.wanted[22], "healthcheck.test  healthcheck.timeout",
		"it says which there are");
	type("e\t[\"CMD\"]\rlab\ta = b\t");
	ok(strstr(editor.text, "\nhealthcheck.test = [\"CMD\"]\nlabels.a = b "),
	   "where nothing is known it is a blank");
}

static void test_limits(void)
{
	static char big[CONF_TEXT_MAX + 1];

	memset(big, 'a', sizeof(big));
	is_int(editor_init(&editor, str_make(big, sizeof(big))), -E2BIG, "too long a text");
	is_int(editor_init(&editor, str_make(big, CONF_TEXT_MAX)), 0, "the longest text");
	is_int(type("b"), EDITOR_EVENT_MOVED, "has no room for more");
	is_int((long long)editor.len, CONF_TEXT_MAX, "and stays as it is");
	type(END);
	picture(24, 80);
	ok(column <= 80 && row == 1, "the end of a long line is on the screen");
}

static void test_picture(void)
{
	(void)editor_init(&editor, STR("[service web]\nimage = x\nprots = 1:2\n"));
	picture(24, 80);
	is_text(screen.wanted[0], "  [service web]", "the first line");
	is_text(screen.wanted[4], "~ ", "behind the last line");
	ok(strstr(screen.wanted[21], "being checked") != NULL, "not looked through yet");
	is_int(row * 100 + column, 103, "the cursor stands behind the margin");
	editor_issues_clear(&editor);
	editor_issue_add(&editor, STR("data:services.d/revision.ini:3:1: unknown key prots; did "
				      "you mean ports?"));
	picture(24, 80);
	is_text(screen.wanted[2], "! prots = 1:2", "a mistake is marked at its line");
	ok(strstr(screen.wanted[21], "1 mistake") != NULL, "counted");
	is_text(screen.wanted[22], "line 3: unknown key prots; did you mean ports?", "and said");
	type("\x07");
	picture(24, 80);
	is_int(row, 3, "Ctrl-G goes to it");
	type("q");
	picture(24, 80);
	ok(strstr(screen.wanted[21], "not saved") != NULL &&
		   strstr(screen.wanted[21], "being checked") != NULL,
	   "an edit has to be looked through again");
	editor_issues_clear(&editor);
	picture(24, 80);
	ok(strstr(screen.wanted[21], "no mistakes") != NULL, "no mistakes");
}

static void test_scroll(void)
{
	char text[400] = "";

	for (int i = 0; i < 60; i++)
		memcpy(text + 5 * i, "line\n", 6);
	(void)editor_init(&editor, str_from(text));
	for (int i = 0; i < 45; i++)
		type(DOWN);
	picture(24, 80);
	is_int(row, 21, "the cursor's line is the last one shown");
	type("\x1b[5~\x1b[5~\x1b[5~\x1b[5~");
	picture(24, 80);
	is_int(row, 1, "and at the top again");
}

int main(void)
{
	test_keys();
	test_completion();
	test_limits();
	test_picture();
	test_scroll();
	return tap_done();
}
