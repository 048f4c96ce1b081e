/* SPDX-License-Identifier: Apache-2.0 */
/* A build on a screen: BuildKit's plain form, and its form for terminals on one of the test's own.
 */
#include "init/console/build_view.h"
#include "lib/own.h"
#include "tests/unit/console/vt.h"
#include "tests/unit/tap.h"

enum { ROWS = 40, COLUMNS = 40 };

static struct build_view view;
static struct buf written;
static int64_t clock_ms;

static struct vt screen;

static void begin(bool tty)
{
	vt_clear(&screen, ROWS, COLUMNS, "AJ");
	buf_clear(&written);
	clock_ms = 5000;
	build_view_init(&view, tty, 24, COLUMNS, clock_ms);
}

static void tell(enum build_note_kind kind, uint32_t step, const char *text)
{
	const struct build_note told = { .kind = kind, .step = step };
	struct buf out OWN(buf_done) = { 0 };

	buf_init(&out, 64 << 10);
	clock_ms += 100;
	build_view_note(&view, &told, str_from(text), clock_ms, &out);
	(void)buf_add_str(&written, buf_str(&out));
	vt_type(&screen, buf_text(&out));
}

static void shows(const char *want, const char *name)
{
	vt_shows(&screen, want, name);
}

static void test_plain(void)
{
	begin(false);
	tell(BUILD_NOTE_TEXT, 0, "FROM busybox");
	tell(BUILD_NOTE_STEP, 1, "Step 1/5 : FROM busybox");
	tell(BUILD_NOTE_STEP, 2, "Step 2/5 : ENV a=b");
	tell(BUILD_NOTE_STEP, 3, "Step 3/5 : RUN make \"x\"");
	tell(BUILD_NOTE_STDOUT, 3, "one\\ttwo \\u001b[31mred\\u001b[0m\\n");
	tell(BUILD_NOTE_STEP, 4, "Step 4/5 : COPY . /");
	tell(BUILD_NOTE_STDERR, 3, "10%\\r20%\\n");
	tell(BUILD_NOTE_CACHED, 4, " ---> Using cache");
	tell(BUILD_NOTE_STDOUT, 3, "\\u0007bell");
	tell(BUILD_NOTE_DONE, 3, "");
	tell(BUILD_NOTE_DONE, 3, "");
	tell(BUILD_NOTE_STEP, 5, "Step 5/5 : CMD x");
	is_text(buf_text(&written),
		"FROM busybox\n"
		"#1 [1/5] FROM busybox\n#1 DONE 0.0s\n\n"
		"#2 [3/5] RUN make \"x\"\n#2 0.100 one two red\n#2 ...\n\n"
		"#3 [4/5] COPY . /\n#3 ...\n\n"
		"#2 [3/5] RUN make \"x\"\n#2 0.300 20%\n#2 ...\n\n"
		"#3 [4/5] COPY . /\n#3 CACHED\n\n"
		"#2 [3/5] RUN make \"x\"\n#2 0.500 \\x07bell\n#2 DONE 0.6s\n\n",
		"plain: steps that make files, their output with its time, who is who");
}

static void test_terminal(void)
{
	struct buf out OWN(buf_done) = { 0 };

	begin(true);
	tell(BUILD_NOTE_STEP, 1, "Step 1/3 : FROM busybox");
	tell(BUILD_NOTE_STEP, 2, "Step 2/3 : RUN one");
	tell(BUILD_NOTE_STEP, 3, "Step 3/3 : RUN two");
	tell(BUILD_NOTE_STDOUT, 2, "output of one\\n");
	shows(" => [1/3] FROM busybox         0.0s\n"
	      "[+] Building 0.4s (1/3)\n => [2/3] RUN one\n => => output of one\n => [3/3] RUN "
	      "two\n",
	      "terminal: what is over above, what is under way below");
	tell(BUILD_NOTE_STDOUT, 2, "0123456789012345678901234567890123456789012345678901234567890");
	tell(BUILD_NOTE_DONE, 2, "");
	tell(BUILD_NOTE_TEXT, 0, "warning: x");
	shows(" => [1/3] FROM busybox         0.0s\n"
	      " => [2/3] RUN one              0.4s\n"
	      "warning: x\n[+] Building 0.7s (2/3)\n => [3/3] RUN two\n",
	      "its output goes with it, a line that is no step's stays");
	tell(BUILD_NOTE_CACHED, 3, " ---> Using cache");
	buf_init(&out, 4096);
	build_view_end(&view, clock_ms, &out);
	build_view_end(&view, clock_ms, &out);
	vt_type(&screen, buf_text(&out));
	shows(" => [1/3] FROM busybox         0.0s\n"
	      " => [2/3] RUN one              0.4s\n"
	      "warning: x\n => CACHED [3/3] RUN two       0.0s\n"
	      "[+] Building 0.8s (3/3) FINISHED\n",
	      "at the end only what stays");
}

/* What an engine says that lost its mind, or that is newer. */
static void test_odd(void)
{
	begin(true);
	tell(BUILD_NOTE_STDOUT, 7, "of a step that never began");
	tell(BUILD_NOTE_DONE, 4000000000u, "");
	tell(BUILD_NOTE_STEP, 0, "Step 1/1 : RUN x");
	tell(BUILD_NOTE_STEP, 5000, "Step 1/1 : RUN x");
	tell(BUILD_NOTE_STEP, 1, "Step");
	tell(BUILD_NOTE_STEP, 1, "Step 1/1 RUN x");
	tell(BUILD_NOTE_STEP, 1, "Step x : RUN x");
	tell(BUILD_NOTE_STDOUT, 1, "half an escape \\u00");
	ok(!screen.outside, "nothing is written outside of the rows");
	for (uint32_t i = 10; i < 40; i++)
		tell(BUILD_NOTE_STEP, i, "Step 1/1 : RUN x");
	ok(view.row_count == BUILD_VIEW_ROWS_MAX && !screen.outside, "no more rows than fit");
}

int main(void)
{
	buf_init(&written, 64 << 10);
	test_plain();
	test_terminal();
	test_odd();
	buf_done(&written);
	return tap_done();
}
