/* SPDX-License-Identifier: Apache-2.0 */
/* Bars in place, looked at on a terminal of the test's own. */
#include "init/console/progress.h"
#include "lib/own.h"
#include "tests/unit/console/vt.h"
#include "tests/unit/tap.h"

enum { ROWS = 64, COLUMNS = 24 };

static struct vt screen;

static void line(struct progress *progress, const char *text)
{
	struct buf out OWN(buf_done) = { 0 };

	buf_init(&out, 8192);
	progress_line(progress, str_from(text), &out);
	vt_type(&screen, buf_text(&out));
}

static void shows(const char *want, const char *name)
{
	vt_shows(&screen, want, name);
	ok(!*screen.cells[screen.row], "which is empty");
}

static void begin(struct progress *progress, unsigned rows)
{
	vt_clear(&screen, ROWS, COLUMNS, "ABJK");
	progress_init(progress, rows, COLUMNS);
}

static void test_rows(void)
{
	struct progress progress;

	begin(&progress, 24);
	line(&progress, "resolving web:1");
	line(&progress, "l 1/2 [>   ] 0");
	line(&progress, "l 2/2 [=>  ] 1");
	line(&progress, "l 1/2 [==> ] 2");
	shows("resolving web:1\nl 1/2 [==> ] 2\nl 2/2 [=>  ] 1\n", "each has its row");
	line(&progress, "l 1/2 [====] done");
	line(&progress, "verified [by a key]");
	shows("resolving web:1\nverified [by a key]\nl 1/2 [====] done\nl 2/2 [=>  ] 1\n",
	      "what is no bar goes above them");
	line(&progress, "l 1/2 [=> ]");
	shows("resolving web:1\nverified [by a key]\nl 1/2 [=> ]\nl 2/2 [=>  ] 1\n",
	      "a shorter text leaves nothing of the longer one");
	line(&progress, "l 2/2 [>] 0123456789012345678901234567890123456789");
	shows("resolving web:1\nverified [by a key]\nl 1/2 [=> ]\nl 2/2 [>] 0123456789012\n",
	      "no wider than the terminal");
}

static void test_full_screen(void)
{
	struct progress progress;

	begin(&progress, 4); /* two rows at once */
	line(&progress, "aa [>] 1");
	line(&progress, "bb [=] 2");
	line(&progress, "cc [>] 3");
	shows("bb [=] 2\naa [>] 1\ncc [>] 3\n", "what is done gives way and stays above");
	line(&progress, "dd [>] 4");
	shows("bb [=] 2\naa [>] 1\ncc [>] 3\ndd [>] 4\n", "else the oldest");
	line(&progress, "dd [>] 5");
	shows("bb [=] 2\naa [>] 1\ncc [>] 3\ndd [>] 5\n", "the others go on");
	begin(&progress, 0);
	line(&progress, "aa [>] 1");
	line(&progress, "bb [>] 2");
	shows("aa [>] 1\nbb [>] 2\n", "a terminal that says it has no rows");
}

static void test_lost(void)
{
	struct progress progress;

	begin(&progress, 24);
	line(&progress, "aa [>] 1");
	line(&progress, "bb [>] 2");
	vt_type(&screen, "\r\x1b[Ka log line\r\n");
	progress_lost(&progress);
	line(&progress, "aa [>] 3");
	line(&progress, "bb [>] 4");
	shows("aa [>] 1\nbb [>] 2\na log line\naa [>] 3\nbb [>] 4\n", "anew below a log line");
}

int main(void)
{
	test_rows();
	test_full_screen();
	test_lost();
	return tap_done();
}
