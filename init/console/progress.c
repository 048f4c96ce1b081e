/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bars that are redrawn in place. Runs in the console. Pure. Must never move the cursor above what
 * it has drawn itself.
 */
#include "init/console/progress.h"

#include <string.h>

void progress_init(struct progress *progress, unsigned rows, unsigned columns)
{
	*progress = (struct progress){ .columns = columns > 1 ? columns : 80 };
	/* Half of the screen stays for what is said beside them. */
	progress->max = rows / 2 > PROGRESS_ROWS_MAX ? PROGRESS_ROWS_MAX : rows / 2;
	if (!progress->max)
		progress->max = 1;
}

void progress_lost(struct progress *progress)
{
	progress->shown = 0;
}

/* "layer 1/3 [===>    ] 1.0 of ..." */
static bool is_bar(struct str line, struct str *ret_name, bool *ret_full)
{
	ptrdiff_t open = str_find(line, '[');
	bool full = true;

	if (open < 2 || open > PROGRESS_NAME_MAX || line.ptr[open - 1] != ' ')
		return false;
	*ret_name = (struct str){ line.ptr, (size_t)open - 1 };
	for (size_t i = (size_t)open + 1; i < line.len && line.ptr[i] != ']'; i++) {
		if (line.ptr[i] != '=' && line.ptr[i] != '>' && line.ptr[i] != ' ')
			return false;
		full = full && line.ptr[i] == '=';
	}
	*ret_full = full;
	return true;
}

/* The last column stays empty: a character there would end the line on some terminals. */
static void put_row(const struct progress *progress, unsigned i, struct buf *out)
{
	struct str text = str_from(progress->rows[i].text);

	if (text.len >= progress->columns)
		text.len = progress->columns - 1;
	(void)buf_printf(out, "\r\x1b[K%.*s", STR_ARG(text));
}

static void put_all(struct progress *progress, struct buf *out)
{
	for (unsigned i = 0; i < progress->count; i++) {
		put_row(progress, i, out);
		(void)buf_printf(out, "\n");
	}
	progress->shown = progress->count;
}

/* To the first row that is shown, with nothing below. */
static void clear(struct progress *progress, struct buf *out)
{
	if (progress->shown)
		(void)buf_printf(out, "\x1b[%uA", progress->shown);
	(void)buf_printf(out, "\r\x1b[J");
	progress->shown = 0;
}

/* Its place; `ret_moved`: rows are not where they were. A full screen drops one whose bar is full,
 * else the oldest: its text stays above. */
static unsigned place(struct progress *progress, struct str name, bool *ret_moved, struct buf *out)
{
	unsigned i, drop = 0;

	for (i = 0; i < progress->count; i++)
		if (str_is(name, progress->rows[i].name))
			return i;
	*ret_moved = true;
	if (progress->count == progress->max) {
		while (drop < progress->count && !progress->rows[drop].full)
			drop++;
		if (drop == progress->count)
			drop = 0;
		clear(progress, out);
		put_row(progress, drop, out);
		(void)buf_printf(out, "\n");
		progress->count--;
		memmove(&progress->rows[drop], &progress->rows[drop + 1],
			(progress->count - drop) * sizeof(progress->rows[0]));
	}
	i = progress->count++;
	(void)str_copy(name, progress->rows[i].name, sizeof(progress->rows[i].name));
	return i;
}

void progress_line(struct progress *progress, struct str line, struct buf *out)
{
	bool moved = progress->shown != progress->count, full;
	struct str name;
	unsigned i;

	if (!is_bar(line, &name, &full)) {
		clear(progress, out);
		(void)buf_printf(out, "%.*s\n", STR_ARG(line));
		put_all(progress, out);
		return;
	}
	i = place(progress, name, &moved, out);
	if (line.len >= PROGRESS_TEXT_MAX)
		line.len = PROGRESS_TEXT_MAX - 1;
	(void)str_copy(line, progress->rows[i].text, sizeof(progress->rows[i].text));
	progress->rows[i].full = full;
	if (moved) {
		clear(progress, out);
		put_all(progress, out);
		return;
	}
	/* A serial line is slow: only what changed. */
	(void)buf_printf(out, "\x1b[%uA", progress->shown - i);
	put_row(progress, i, out);
	(void)buf_printf(out, "\r\x1b[%uB", progress->shown - i);
}
