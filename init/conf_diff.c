/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the differences of two configuration texts, by line. Runs in the console program; it is not
 * linked into PID 1, whose memory shall stay small. Pure: must never touch a file.
 */
#include <stdint.h>
#include "init/conf_text.h"

enum { DIFF_LINES_MAX = 1000 };

struct diff {
	struct str lines[2][DIFF_LINES_MAX];
	size_t count[2];
	/* longest common part of what follows lines i and j */
	uint16_t common[DIFF_LINES_MAX + 1][DIFF_LINES_MAX + 1];
};

static struct diff diff; /* too large for a stack, and one at a time */

static bool split(struct str text, size_t side)
{
	struct str line;

	diff.count[side] = 0;
	while (text.len && str_cut(&text, '\n', &line)) {
		if (diff.count[side] == DIFF_LINES_MAX)
			return false;
		diff.lines[side][diff.count[side]++] = line;
	}
	return true;
}

static void measure(void)
{
	for (size_t i = diff.count[0] + 1; i-- > 0;) {
		for (size_t j = diff.count[1] + 1; j-- > 0;) {
			uint16_t a, b;

			diff.common[i][j] = 0;
			if (i == diff.count[0] || j == diff.count[1])
				continue;
			a = diff.common[i + 1][j];
			b = diff.common[i][j + 1];
			diff.common[i][j] = str_eq(diff.lines[0][i], diff.lines[1][j])
						    ? (uint16_t)(diff.common[i + 1][j + 1] + 1)
						    : (a > b ? a : b);
		}
	}
}

static void say(struct buf *out, char sign, struct str line, struct str *section, bool *said)
{
	if (section->len && !*said)
		(void)buf_printf(out, "  %.*s\n", STR_ARG(*section));
	*said = true;
	(void)buf_printf(out, "%c %.*s\n", sign, STR_ARG(line));
}

static bool is_head(struct str line)
{
	struct str text = str_trim(line);

	return text.len > 1 && text.ptr[0] == '[';
}

int conf_text_diff(struct str from, struct str to, struct buf *out)
{
	struct str section = { 0 };
	size_t i = 0, j = 0;
	bool said = false;

	if (str_eq(from, to))
		return 0;
	if (!split(from, 0) || !split(to, 1)) {
		(void)buf_add_text(out, "they differ, and are too long to say where\n");
		return buf_error(out);
	}
	measure();
	while (i < diff.count[0] || j < diff.count[1]) {
		if (i < diff.count[0] && j < diff.count[1] &&
		    str_eq(diff.lines[0][i], diff.lines[1][j])) {
			if (is_head(diff.lines[0][i])) {
				section = diff.lines[0][i];
				said = false;
			}
			i++;
			j++;
		} else if (j == diff.count[1] ||
			   (i < diff.count[0] && diff.common[i + 1][j] >= diff.common[i][j + 1])) {
			say(out, '-', diff.lines[0][i++], &section, &said);
		} else {
			say(out, '+', diff.lines[1][j++], &section, &said);
		}
	}
	return buf_error(out);
}
