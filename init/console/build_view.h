/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_CONSOLE_BUILD_VIEW_H
#define HOY_INIT_CONSOLE_BUILD_VIEW_H

#include <stdbool.h>
#include <stdint.h>
#include "engine/api/build_call_msg.h"
#include "init/console/progress.h"
#include "lib/buf.h"
#include "lib/str.h"

/*
 * What a build tells of itself (engine/api/build_call_msg.h) as BuildKit's clients show it; pure.
 * Plain: a line for each thing, with the number of its step in front. On a terminal: a line for
 * each step that is over, below them those that are under way, drawn over and over at the same
 * place. Steps that make no files (ENV, CMD...) are not shown, as there.
 */
enum {
	BUILD_VIEW_STEPS_MAX = 1024,
	BUILD_VIEW_ROWS_MAX = 8,
	BUILD_VIEW_TEXT_MAX = 256,
};

struct build_view {
	bool tty, ended;
	unsigned columns, rows_max;
	int64_t begun_ms;
	struct {
		uint32_t number; /* as it is shown, 0 = not yet */
		bool over;
		int64_t begun_ms;
		char name[BUILD_VIEW_TEXT_MAX];
	} steps[BUILD_VIEW_STEPS_MAX];
	uint32_t numbers, over_count, total; /* steps that were shown, are over, of the build */
	uint32_t last;			     /* plain: whose lines are being written, 0 = none's */
	/* Terminal: those under way, the oldest first, and what they printed last. */
	struct {
		uint32_t step;
		char text[BUILD_VIEW_TEXT_MAX];
	} rows[BUILD_VIEW_ROWS_MAX];
	unsigned row_count;
	struct progress screen; /* only `shown`: lines on it that are ours to draw over */
};

void build_view_init(struct build_view *view, bool tty, unsigned rows, unsigned columns,
		     int64_t now_ms);
/* Appends to out what the terminal is sent; text: the note's, which `note` does not hold. */
void build_view_note(struct build_view *view, const struct build_note *note, struct str text,
		     int64_t now_ms, struct buf *out);
/* It is over: the rows go. Once. */
void build_view_end(struct build_view *view, int64_t now_ms, struct buf *out);

#endif
