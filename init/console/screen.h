/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_CONSOLE_SCREEN_H
#define HOY_INIT_CONSOLE_SCREEN_H

#include <stdbool.h>
#include "lib/buf.h"

/*
 * A full screen of lines for a VT100, pure: what is to be seen is written down, and only lines that
 * differ from what the terminal shows are sent. Works over a slow line.
 */
enum { SCREEN_ROWS_MAX = 60, SCREEN_COLUMNS_MAX = 160 };

struct screen {
	unsigned rows, columns;
	unsigned row; /* the next one to be written */
	char wanted[SCREEN_ROWS_MAX][SCREEN_COLUMNS_MAX + 1];
	char shown[SCREEN_ROWS_MAX][SCREEN_COLUMNS_MAX + 1];
	bool valid; /* shown is what the terminal shows */
};

/* Sizes above the maxima are cut. */
void screen_init(struct screen *screen, unsigned rows, unsigned columns);
/* Begins a new picture. */
void screen_clear(struct screen *screen);
/* The next line, cut to the width; more lines than rows are dropped. Printable text only: every
 * other byte becomes '?'. */
void screen_line(struct screen *screen, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The last row, whatever came before. */
void screen_last(struct screen *screen, const char *text);
/* What has to be sent to the terminal. */
void screen_flush(struct screen *screen, struct buf *out);

#endif
