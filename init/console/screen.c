/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines of a full screen and what differs from the ones before. Runs in the console program. Pure:
 * must never put a byte on the screen that a terminal takes for a command.
 */
#include "init/console/screen.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void screen_init(struct screen *screen, unsigned rows, unsigned columns)
{
	memset(screen, 0, sizeof(*screen));
	screen->rows = rows > SCREEN_ROWS_MAX ? SCREEN_ROWS_MAX : rows;
	screen->columns = columns > SCREEN_COLUMNS_MAX ? SCREEN_COLUMNS_MAX : columns;
}

void screen_clear(struct screen *screen)
{
	memset(screen->wanted, 0, sizeof(screen->wanted));
	screen->row = 0;
}

static void put(struct screen *screen, unsigned row, const char *text)
{
	char *line = screen->wanted[row];
	size_t len = strlen(text);

	if (len > screen->columns)
		len = screen->columns;
	for (size_t i = 0; i < len; i++)
		line[i] = text[i];
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)line[i] < ' ' || (unsigned char)line[i] > '~')
			line[i] = '?';
	}
	line[len] = 0;
}

void screen_line(struct screen *screen, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	if (screen->row >= screen->rows)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	put(screen, screen->row++, text);
}

void screen_last(struct screen *screen, const char *text)
{
	if (screen->rows)
		put(screen, screen->rows - 1, text);
}

void screen_flush(struct screen *screen, struct buf *out)
{
	if (!screen->valid)
		(void)buf_add_text(out, "\x1b[2J");
	for (unsigned i = 0; i < screen->rows; i++) {
		const char *wanted = screen->wanted[i];

		if (screen->valid ? !strcmp(wanted, screen->shown[i]) : !*wanted)
			continue;
		/* Erased first: behind a full line the cursor stands on its last character. */
		(void)buf_printf(out, "\x1b[%u;1H\x1b[K%s", i + 1, wanted);
	}
	memcpy(screen->shown, screen->wanted, sizeof(screen->shown));
	screen->valid = true;
}
