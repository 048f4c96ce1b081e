/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_CONSOLE_PROGRESS_H
#define HOY_INIT_CONSOLE_PROGRESS_H

#include <stdbool.h>
#include "lib/buf.h"
#include "lib/str.h"

/*
 * Bars of what goes on side by side, a row for each, drawn over and over at the same place of a
 * terminal; pure. A line of progress is "NAME [====>   ] ...": the name says whose row it is. Any
 * other line goes above the rows and stays.
 */
enum { PROGRESS_ROWS_MAX = 8, PROGRESS_NAME_MAX = 32, PROGRESS_TEXT_MAX = 256 };

struct progress {
	struct {
		char name[PROGRESS_NAME_MAX], text[PROGRESS_TEXT_MAX];
		bool full; /* its bar is: it gives way first */
	} rows[PROGRESS_ROWS_MAX];
	unsigned count;
	unsigned shown;	  /* rows on the screen, the last one above the cursor's line */
	unsigned columns; /* of the terminal */
	unsigned max;	  /* rows at once, 1 to PROGRESS_ROWS_MAX */
};

void progress_init(struct progress *progress, unsigned rows, unsigned columns);
/* Appends to out what the terminal is sent for this line. */
void progress_line(struct progress *progress, struct str line, struct buf *out);
/* Something else was written below the rows: the next line draws them anew there. */
void progress_lost(struct progress *progress);

#endif
