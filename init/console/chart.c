/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The picture of a boot. Pure; runs in the console program. Must never let a byte of the log into
 * the SVG that has a meaning there.
 */
#include "init/console/chart.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A clock that ran for a thousand years; what is drawn from it still fits 64 bits. */
static const uint64_t MARK_MS_MAX = 1000ULL * 366 * 86400 * 1000;

enum {
	BOOT_MS_MAX = 86400000, /* what comes a day after the first is no part of it */
	LEFT = 170,		/* of the bars, in pixels */
	WIDTH = 800,
	ROW = 20,
	TOP = 50,
	GRID_MAX = 12, /* lines of the grid */
};

static struct chart_row *find(struct chart *chart, struct str name)
{
	for (size_t i = 0; i < chart->count; i++)
		if (str_is(name, chart->rows[i].name))
			return &chart->rows[i];
	return NULL;
}

static int64_t begin_of(struct chart *chart, const char *name)
{
	const struct chart_row *row = find(chart, str_from(name));

	return row != NULL ? row->to_ms : 0;
}

/* What a bar begins with: the kernel's own is the first; services wait for the engine. */
static int64_t begin_ms(struct chart *chart, bool service)
{
	int64_t engine_ms = begin_of(chart, "engine");

	return service && engine_ms > 0 ? engine_ms : begin_of(chart, "pid1");
}

/* Only the first time counts: later ones are restarts. */
static void add(struct chart *chart, struct str name, bool service, uint64_t at_ms)
{
	struct chart_row *row = &chart->rows[chart->count];

	if (chart->count == CHART_ROWS_MAX || name.len == 0 || name.len >= CHART_NAME_MAX ||
	    find(chart, name) != NULL ||
	    (chart->count > 0 && (int64_t)at_ms > chart->rows[0].to_ms + BOOT_MS_MAX))
		return;
	*row = (struct chart_row){ .service = service, .to_ms = (int64_t)at_ms };
	(void)str_copy(name, row->name, sizeof(row->name));
	row->from_ms = begin_ms(chart, service);
	if (row->from_ms > row->to_ms)
		row->from_ms = row->to_ms;
	chart->count++;
}

static void take_mark(struct chart *chart, struct str text)
{
	struct str word, name, ms;
	uint64_t at_ms;

	if (!str_cut(&text, ' ', &word) || !str_is(word, "mark") || !str_cut(&text, ' ', &name) ||
	    !str_cut(&text, ' ', &ms) || str_to_u64(ms, 0, MARK_MS_MAX, &at_ms) < 0)
		return;
	add(chart, name, false, at_ms);
}

static void take_service(struct chart *chart, struct str text)
{
	static const char before[] = "service ", middle[] = ": running (started ";
	const char *at;
	struct str name, ms;
	uint64_t at_ms;

	if (!str_starts(text, str_from(before)))
		return;
	text = str_skip(text, sizeof(before) - 1);
	at = memmem(text.ptr, text.len, middle, sizeof(middle) - 1);
	if (at == NULL)
		return;
	name = str_head(text, (size_t)(at - text.ptr));
	text = str_skip(text, name.len + sizeof(middle) - 1);
	if (str_cut(&text, ' ', &ms) && str_to_u64(ms, 0, MARK_MS_MAX, &at_ms) == 0)
		add(chart, name, true, at_ms);
}

void chart_take(struct chart *chart, struct str role, struct str text)
{
	if (str_is(role, "hoy"))
		take_mark(chart, text);
	else if (str_is(role, "engine"))
		take_service(chart, text);
}

/* ---- SVG ---- */

static void put_text(struct buf *out, const char *text)
{
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '<')
			(void)buf_add_text(out, "&lt;");
		else if (c == '>')
			(void)buf_add_text(out, "&gt;");
		else if (c == '&')
			(void)buf_add_text(out, "&amp;");
		else
			(void)buf_add_byte(out, c < ' ' || c >= 0x7f ? '?' : c);
	}
}

static int64_t end_ms(const struct chart *chart)
{
	int64_t end = 1;

	for (size_t i = 0; i < chart->count; i++)
		end = chart->rows[i].to_ms > end ? chart->rows[i].to_ms : end;
	return end;
}

/* 1, 2 or 5 times a power of ten, so that the grid has at most GRID_MAX lines. */
static int64_t grid_ms(int64_t end)
{
	static const int64_t steps[] = { 1, 2, 5 };

	for (int64_t power = 1;; power *= 10)
		for (size_t i = 0; i < 3; i++)
			if (end / (steps[i] * power) < GRID_MAX)
				return steps[i] * power;
}

static void put_grid(struct buf *out, int64_t end, size_t bottom)
{
	int64_t step = grid_ms(end);

	for (int64_t ms = 0; ms <= end; ms += step) {
		int64_t x = LEFT + ms * WIDTH / end;

		(void)buf_printf(out,
				 "<line x1=\"%lld\" y1=\"%d\" x2=\"%lld\" y2=\"%zu\" "
				 "stroke=\"#ddd\"/>\n<text x=\"%lld\" y=\"%d\">%lld ms</text>\n",
				 (long long)x, TOP - 5, (long long)x, bottom, (long long)x,
				 TOP - 10, (long long)ms);
	}
}

static void put_row(struct buf *out, const struct chart_row *row, size_t y, int64_t end)
{
	int64_t x = LEFT + row->from_ms * WIDTH / end;
	int64_t width = (row->to_ms - row->from_ms) * WIDTH / end;

	(void)buf_printf(out, "<text x=\"4\" y=\"%zu\">", y + ROW - 6);
	put_text(out, row->name);
	(void)buf_printf(out,
			 "</text>\n<rect x=\"%lld\" y=\"%zu\" width=\"%lld\" height=\"%d\" "
			 "fill=\"%s\"/>\n<text x=\"%lld\" y=\"%zu\">%lld</text>\n",
			 (long long)x, y + 2, (long long)(width > 0 ? width : 1), ROW - 4,
			 row->service ? "#4a8" : "#68a", (long long)(x + width + 4), y + ROW - 6,
			 (long long)row->to_ms);
}

int chart_svg(const struct chart *chart, const char *title, struct buf *out)
{
	size_t bottom = TOP + chart->count * ROW;
	int64_t end = end_ms(chart);

	if (chart->count == 0)
		return -ENODATA;
	(void)buf_printf(out,
			 "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%zu\" "
			 "font-family=\"sans-serif\" font-size=\"12\">\n"
			 "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n"
			 "<text x=\"4\" y=\"16\" font-size=\"14\">",
			 LEFT + WIDTH + 60, bottom + 10);
	put_text(out, title);
	(void)buf_add_text(out, "</text>\n");
	put_grid(out, end, bottom);
	for (size_t i = 0; i < chart->count; i++)
		put_row(out, &chart->rows[i], TOP + i * ROW, end);
	(void)buf_add_text(out, "</svg>\n");
	return buf_error(out);
}
