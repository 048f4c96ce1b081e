/* SPDX-License-Identifier: Apache-2.0 */
/* A full screen: only what changed is sent, and nothing that a terminal takes for a command. */
#include "init/console/screen.h"
#include "tests/unit/tap.h"

static struct screen screen;
static struct buf out;

static const char *flush(void)
{
	buf_clear(&out);
	screen_flush(&screen, &out);
	return buf_text(&out);
}

int main(void)
{
	buf_init(&out, 65536);
	screen_init(&screen, 3, 10);
	screen_clear(&screen);
	screen_line(&screen, "one");
	screen_line(&screen, "%s", "a line that is too long");
	is_text(flush(), "\x1b[2J\x1b[1;1H\x1b[Kone\x1b[2;1H\x1b[Ka line tha",
		"the first picture as a whole, cut to the width");
	is_text(flush(), "", "the same again sends nothing");
	screen_clear(&screen);
	screen_line(&screen, "one");
	screen_line(&screen, "two");
	is_text(flush(), "\x1b[2;1H\x1b[Ktwo", "one line changed, one line is sent");
	screen_clear(&screen);
	screen_line(&screen, "one");
	is_text(flush(), "\x1b[2;1H\x1b[K", "a line that is gone is erased");
	screen_clear(&screen);
	screen_line(&screen, "a\x1b[2Jb\xc3");
	is_text(flush(), "\x1b[1;1H\x1b[Ka?[2Jb?", "no foreign byte is a command");
	screen_clear(&screen);
	for (int i = 0; i < 9; i++)
		screen_line(&screen, "%d", i);
	screen_last(&screen, "end");
	is_text(flush(), "\x1b[1;1H\x1b[K0\x1b[2;1H\x1b[K1\x1b[3;1H\x1b[Kend",
		"more lines than rows are dropped, the last row is kept");
	screen.valid = false;
	is_text(flush(), "\x1b[2J\x1b[1;1H\x1b[K0\x1b[2;1H\x1b[K1\x1b[3;1H\x1b[Kend",
		"Ctrl-L draws all of it");
	buf_done(&out);
	return tap_done();
}
