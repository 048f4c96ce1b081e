/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_CONSOLE_CHART_H
#define HOY_INIT_CONSOLE_CHART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/buf.h"

/*
 * A boot as a picture, pure: bars on a line of time, out of the marks in the system's log
 * ("hoy: mark NAME MS") and what the engine says of services ("service NAME: running (started N ms
 * after boot)").
 */
enum { CHART_ROWS_MAX = 128, CHART_NAME_MAX = 64 };

struct chart_row {
	char name[CHART_NAME_MAX];
	bool service;
	int64_t from_ms, to_ms; /* since the kernel started */
};

struct chart {
	struct chart_row rows[CHART_ROWS_MAX];
	size_t count;
};

/* One line of the log, in the order they were written; all but those two kinds are passed over. */
void chart_take(struct chart *chart, struct str role, struct str text);

/* SVG 1.1, well-formed whatever the names were. 0, -ENODATA without a row, or -ENOMEM. */
int chart_svg(const struct chart *chart, const char *title, struct buf *out);

#endif
