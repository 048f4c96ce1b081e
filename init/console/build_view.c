/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The progress of a build on a screen, in BuildKit's plain and terminal forms. Pure. Must never let
 * a byte that a step printed reach the terminal as a command.
 */
#include "init/console/build_view.h"

#include <stdio.h>
#include <string.h>
#include "init/unit/boxline.h"

enum { VIEW_LINE_MAX = 4096 };

/* ---- foreign text ---- */

/* Behind an escape sequence that begins at `at`: colours and the like are left out. */
static size_t skip_sequence(struct str text, size_t at)
{
	if (at + 1 >= text.len || text.ptr[at + 1] != '[')
		return at + 1;
	for (at += 2; at < text.len; at++) {
		if (text.ptr[at] >= '@' && text.ptr[at] <= '~')
			return at + 1;
	}
	return at;
}

/* Tabs, quotes and backslashes are themselves; the rest as str_escape() has it. */
static void put_clean(struct str text, char *dst, size_t cap)
{
	size_t at = 0;

	for (size_t i = 0; i < text.len && at + 8 < cap;) {
		if (text.ptr[i] == '\x1b') {
			i = skip_sequence(text, i);
		} else if (text.ptr[i] && strchr("\t\"\\", text.ptr[i])) {
			dst[at++] = text.ptr[i++] == '\t' ? ' ' : text.ptr[i - 1];
		} else {
			size_t end = i + 1;

			while (end < text.len && text.ptr[end] != '\x1b' &&
			       (!text.ptr[end] || !strchr("\t\"\\", text.ptr[end])))
				end++;
			at += str_escape(str_make(text.ptr + i, end - i), dst + at, cap - at);
			i = end;
		}
	}
	dst[at] = 0;
}

/* What a RUN printed: its escapes undone, of a line that was written over the last state of it. */
static void output_text(struct str text, char *dst, size_t cap)
{
	char line[VIEW_LINE_MAX], raw[VIEW_LINE_MAX];
	bool is_stderr;
	int len, n = snprintf(line, sizeof(line), "{\"log\":\"%.*s\",\"stream\":\"stdout\"",
			      (int)(text.len < VIEW_LINE_MAX - 64 ? text.len : VIEW_LINE_MAX - 64),
			      text.ptr);
	struct str rest;

	len = boxline_text(str_make(line, (size_t)n), raw, sizeof(raw), &is_stderr);
	rest = len < 0 ? text : str_make(raw, (size_t)len);
	while (rest.len && strchr("\r\n", rest.ptr[rest.len - 1]))
		rest.len--;
	for (size_t i = rest.len; i > 0; i--) {
		if (rest.ptr[i - 1] == '\r') {
			rest = str_skip(rest, i);
			break;
		}
	}
	put_clean(rest, dst, cap);
}

/* ---- steps ---- */

/* "Step 3/7 : RUN x" as "[3/7] RUN x"; false: it makes no files. */
static bool step_name(struct build_view *view, struct str text, char *dst, size_t cap)
{
	static const char *const shown[] = { "FROM ", "RUN ", "COPY ", "ADD ", "WORKDIR " };
	char clean[BUILD_VIEW_TEXT_MAX];
	struct str rest = text, place, total;
	uint64_t number = 0;

	if (!str_starts(rest, STR("Step ")))
		return false;
	rest = str_skip(rest, 5);
	if (!str_cut(&rest, ' ', &place) || !str_starts(rest, STR(": ")))
		return false;
	rest = str_skip(rest, 2);
	total = place;
	(void)str_cut(&total, '/', &(struct str){ 0 });
	if (str_to_u64(total, 1, UINT32_MAX, &number) >= 0)
		view->total = (uint32_t)number;
	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
		if (!str_is_nocase(str_head(rest, strlen(shown[i])), shown[i]))
			continue;
		put_clean(rest, clean, sizeof(clean));
		if (snprintf(dst, cap, "[%.*s] %s", STR_ARG(place), clean) >= (int)cap)
			dst[cap - 1] = 0; /* long commands are cut */
		return true;
	}
	return false;
}

static void put_seconds(struct buf *out, int64_t ms)
{
	(void)buf_printf(out, "%lld.%lld", (long long)(ms / 1000), (long long)(ms / 100 % 10));
}

static int64_t since(const struct build_view *view, uint32_t step, int64_t now_ms)
{
	return now_ms - view->steps[step].begun_ms;
}

/* ---- plain ---- */

/* The lines that follow are this step's. */
static void turn_to(struct build_view *view, uint32_t step, struct buf *out)
{
	if (view->last == step)
		return;
	if (view->last)
		(void)buf_printf(out, "#%u ...\n\n", view->steps[view->last].number);
	view->last = step;
	(void)buf_printf(out, "#%u %s\n", view->steps[step].number, view->steps[step].name);
}

static void plain_output(struct build_view *view, uint32_t step, struct str text, int64_t now_ms,
			 struct buf *out)
{
	char line[VIEW_LINE_MAX];
	const int64_t ms = since(view, step, now_ms);

	output_text(text, line, sizeof(line));
	turn_to(view, step, out);
	(void)buf_printf(out, "#%u %lld.%03lld %s\n", view->steps[step].number,
			 (long long)(ms / 1000), (long long)(ms % 1000), line);
}

static void plain_over(struct build_view *view, uint32_t step, bool cached, int64_t now_ms,
		       struct buf *out)
{
	turn_to(view, step, out);
	(void)buf_printf(out, "#%u %s", view->steps[step].number, cached ? "CACHED" : "DONE ");
	if (!cached) {
		put_seconds(out, since(view, step, now_ms));
		(void)buf_printf(out, "s");
	}
	(void)buf_printf(out, "\n\n");
	view->last = 0;
}

/* ---- terminal ---- */

static void clear(struct build_view *view, struct buf *out)
{
	if (view->screen.shown)
		(void)buf_printf(out, "\x1b[%uA", view->screen.shown);
	(void)buf_printf(out, "\r\x1b[J");
	view->screen.shown = 0;
}

/* One line of at most the screen's width, which would else become two. */
static void put_line(const struct build_view *view, const char *text, struct buf *out)
{
	const size_t most = view->columns > 1 ? view->columns - 1 : 1;

	(void)buf_printf(out, "%.*s\n", (int)most, text);
}

static void put_header(const struct build_view *view, bool finished, int64_t now_ms,
		       struct buf *out)
{
	(void)buf_printf(out, "[+] Building ");
	put_seconds(out, now_ms - view->begun_ms);
	(void)buf_printf(out, "s (%u/%u)%s\n", view->over_count,
			 view->numbers > view->over_count ? view->numbers : view->over_count,
			 finished ? " FINISHED" : "");
}

static void draw(struct build_view *view, int64_t now_ms, struct buf *out)
{
	char line[2 * BUILD_VIEW_TEXT_MAX];

	put_header(view, false, now_ms, out);
	view->screen.shown = 1;
	for (unsigned i = 0; i < view->row_count; i++) {
		(void)snprintf(line, sizeof(line), " => %s", view->steps[view->rows[i].step].name);
		put_line(view, line, out);
		(void)snprintf(line, sizeof(line), " => => %s", view->rows[i].text);
		if (*view->rows[i].text)
			put_line(view, line, out);
		view->screen.shown += *view->rows[i].text ? 2 : 1;
	}
}

static unsigned find_row(const struct build_view *view, uint32_t step)
{
	unsigned i = 0;

	while (i < view->row_count && view->rows[i].step != step)
		i++;
	return i;
}

static void drop_row(struct build_view *view, uint32_t step)
{
	unsigned i = find_row(view, step);

	if (i == view->row_count)
		return;
	view->row_count--;
	memmove(&view->rows[i], &view->rows[i + 1], (view->row_count - i) * sizeof(view->rows[0]));
}

static void tty_begin(struct build_view *view, uint32_t step, int64_t now_ms, struct buf *out)
{
	if (view->row_count < view->rows_max) {
		view->rows[view->row_count].step = step;
		view->rows[view->row_count++].text[0] = 0;
	}
	clear(view, out);
	draw(view, now_ms, out);
}

static void tty_output(struct build_view *view, uint32_t step, struct str text, int64_t now_ms,
		       struct buf *out)
{
	unsigned i = find_row(view, step);

	if (i == view->row_count)
		return;
	output_text(text, view->rows[i].text, sizeof(view->rows[i].text));
	clear(view, out);
	draw(view, now_ms, out);
}

static void tty_over(struct build_view *view, uint32_t step, bool cached, int64_t now_ms,
		     struct buf *out)
{
	char line[2 * BUILD_VIEW_TEXT_MAX];
	const int64_t ms = cached ? 0 : since(view, step, now_ms);
	const unsigned room = view->columns > 20 ? view->columns - 10 : 10;

	drop_row(view, step);
	clear(view, out);
	(void)snprintf(line, sizeof(line), " => %s%s", cached ? "CACHED " : "",
		       view->steps[step].name);
	(void)buf_printf(out, "%-*.*s ", (int)room, (int)room, line);
	put_seconds(out, ms);
	(void)buf_printf(out, "s\n");
	draw(view, now_ms, out);
}

/* ---- either ---- */

void build_view_init(struct build_view *view, bool tty, unsigned rows, unsigned columns,
		     int64_t now_ms)
{
	*view = (struct build_view){ .tty = tty,
				     .columns = columns > 1 ? columns : 80,
				     .rows_max = rows / 3,
				     .begun_ms = now_ms };
	if (view->rows_max > BUILD_VIEW_ROWS_MAX)
		view->rows_max = BUILD_VIEW_ROWS_MAX;
	if (!view->rows_max)
		view->rows_max = 1;
}

static void over(struct build_view *view, uint32_t step, bool cached, int64_t now_ms,
		 struct buf *out)
{
	if (!view->steps[step].number || view->steps[step].over)
		return;
	view->steps[step].over = true;
	view->over_count++;
	if (view->tty)
		tty_over(view, step, cached, now_ms, out);
	else
		plain_over(view, step, cached, now_ms, out);
}

static void begin(struct build_view *view, uint32_t step, struct str text, int64_t now_ms,
		  struct buf *out)
{
	char name[BUILD_VIEW_TEXT_MAX];
	const char *word;

	if (view->steps[step].number || !step_name(view, text, name, sizeof(name)))
		return;
	view->steps[step].number = ++view->numbers;
	view->steps[step].begun_ms = now_ms;
	memcpy(view->steps[step].name, name, sizeof(name));
	word = strchr(name, ']') + 2;
	/* Its image is there by now. */
	if (str_is_nocase(str_head(str_from(word), 5), "FROM "))
		over(view, step, false, now_ms, out);
	else if (view->tty)
		tty_begin(view, step, now_ms, out);
	else
		turn_to(view, step, out);
}

/* A pull's progress, a warning: a line that stays. */
static void say(struct build_view *view, struct str text, int64_t now_ms, struct buf *out)
{
	char line[VIEW_LINE_MAX];

	put_clean(text, line, sizeof(line));
	if (!view->tty) {
		(void)buf_printf(out, "%s\n", line);
		return;
	}
	clear(view, out);
	(void)buf_printf(out, "%s\n", line);
	draw(view, now_ms, out);
}

void build_view_note(struct build_view *view, const struct build_note *note, struct str text,
		     int64_t now_ms, struct buf *out)
{
	const uint32_t step = note->step < BUILD_VIEW_STEPS_MAX ? note->step : 0;

	switch (note->kind) {
	case BUILD_NOTE_TEXT:
	case BUILD_NOTE_WARNING:
		say(view, text, now_ms, out);
		return;
	case BUILD_NOTE_STEP:
		if (step)
			begin(view, step, text, now_ms, out);
		return;
	case BUILD_NOTE_CACHED:
	case BUILD_NOTE_DONE:
		if (step)
			over(view, step, note->kind == BUILD_NOTE_CACHED, now_ms, out);
		return;
	case BUILD_NOTE_STDOUT:
	case BUILD_NOTE_STDERR:
		if (!step || !view->steps[step].number)
			return;
		if (view->tty)
			tty_output(view, step, text, now_ms, out);
		else
			plain_output(view, step, text, now_ms, out);
		return;
	}
}

void build_view_end(struct build_view *view, int64_t now_ms, struct buf *out)
{
	if (!view->tty || view->ended)
		return;
	view->ended = true;
	clear(view, out);
	if (view->numbers)
		put_header(view, true, now_ms, out);
}
