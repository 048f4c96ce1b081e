/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_TESTS_UNIT_CONSOLE_VT_H
#define HOY_TESTS_UNIT_CONSOLE_VT_H

#include <stdbool.h>
#include <string.h>
#include "tests/unit/tap.h"

/* A small terminal for the tests of what is drawn in place. Zeroed but for rows, columns, takes. */

enum { VT_ROWS_MAX = 64, VT_COLUMNS_MAX = 40 };

struct vt {
	char cells[VT_ROWS_MAX][VT_COLUMNS_MAX + 1];
	unsigned row, column, rows, columns;
	const char *takes; /* the letters that may end a control sequence, of ABJK */
	bool outside;	   /* a character or the cursor was where it must not be */
};

static inline void vt_clear(struct vt *vt, unsigned rows, unsigned columns, const char *takes)
{
	*vt = (struct vt){ .rows = rows, .columns = columns, .takes = takes };
}

static inline void vt_erase(struct vt *vt, unsigned row, unsigned column)
{
	memset(vt->cells[row] + column, 0, sizeof(vt->cells[row]) - column);
}

/* ESC [ NUMBER LETTER; returns what is behind it. */
static inline const char *vt_control(struct vt *vt, const char *p)
{
	unsigned n = 0;

	while (*p >= '0' && *p <= '9')
		n = n * 10 + (unsigned)(*p++ - '0');
	if (!*p || !strchr(vt->takes, *p)) {
		vt->outside = true;
		return *p ? p + 1 : p;
	}
	if (*p == 'A' && n <= vt->row)
		vt->row -= n;
	else if (*p == 'B')
		vt->row += n;
	else if (*p == 'K')
		vt_erase(vt, vt->row, vt->column);
	else if (*p == 'J')
		for (unsigned row = vt->row; row < vt->rows; row++)
			vt_erase(vt, row, row == vt->row ? vt->column : 0);
	else
		vt->outside = true;
	return p + 1;
}

static inline void vt_type(struct vt *vt, const char *p)
{
	while (*p) {
		if (p[0] == '\x1b' && p[1] == '[') {
			p = vt_control(vt, p + 2);
			continue;
		}
		if (*p == '\r') {
			vt->column = 0;
		} else if (*p == '\n') {
			vt->row++;
			vt->column = 0;
		} else if (vt->column < vt->columns - 1 && vt->row < vt->rows) {
			vt->cells[vt->row][vt->column++] = *p;
		} else {
			vt->outside = true;
		}
		p++;
	}
}

/* All rows down to the cursor's, which stands at the start of its own, inside. */
static inline void vt_shows(const struct vt *vt, const char *want, const char *name)
{
	char text[VT_ROWS_MAX * (VT_COLUMNS_MAX + 2)] = "";
	size_t len = 0;

	for (unsigned row = 0; row < vt->row && row < vt->rows; row++) {
		size_t n = strlen(vt->cells[row]);

		memcpy(text + len, vt->cells[row], n);
		text[len + n] = '\n';
		len += n + 1;
	}
	text[len] = 0;
	is_text(text, want, name);
	ok(!vt->outside && !vt->column && vt->row < vt->rows,
	   "the cursor waits in a line of its own");
}

#endif
