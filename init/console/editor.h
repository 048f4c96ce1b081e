/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_CONSOLE_EDITOR_H
#define HOY_INIT_CONSOLE_EDITOR_H

#include <stdbool.h>
#include <stdint.h>
#include "init/conf_text.h"
#include "init/console/screen.h"
#include "lib/str.h"

/*
 * A full-screen editor of one INI text for a VT100, pure: bytes in, a screen out. Mistakes that
 * somebody else finds in the text are shown at their lines. Keys: arrows, Home, End, Page up and
 * down, Delete, Ctrl-A E B F N P H D; Ctrl-K cuts a line, Ctrl-Y brings it back, Ctrl-W searches,
 * Ctrl-G goes to the next mistake, Tab completes sections, keys and values (key_words.h) or says
 * which there are, Ctrl-O saves, Ctrl-X leaves, Ctrl-L draws anew. What is no key and no printable
 * ASCII is dropped.
 */
enum { EDITOR_ISSUES_MAX = 64, EDITOR_ISSUE_MAX = 240, EDITOR_NEEDLE_MAX = 40 };

enum editor_event {
	EDITOR_EVENT_NONE,
	EDITOR_EVENT_MOVED,   /* draw */
	EDITOR_EVENT_CHANGED, /* the text is another one: draw, and look for mistakes soon */
	EDITOR_EVENT_SAVE,
	EDITOR_EVENT_LEAVE,
	EDITOR_EVENT_ANEW, /* Ctrl-L */
};

struct editor_issue {
	uint32_t line; /* from 1; 0 = of no line */
	char text[EDITOR_ISSUE_MAX];
};

struct editor {
	char text[CONF_TEXT_MAX + 1];
	size_t len, pos;
	size_t top;    /* number of the first line shown, from 0 */
	size_t column; /* where up and down want to be */
	char cut[1024];
	size_t cut_len;
	bool unsaved, checked, searching;
	char needle[EDITOR_NEEDLE_MAX];
	size_t needle_len;
	unsigned escape, parameter;
	bool last_cr;
	struct editor_issue issues[EDITOR_ISSUES_MAX];
	uint32_t issue_count;
	char note[EDITOR_ISSUE_MAX]; /* shown until the next key */
};

/* -E2BIG for a text over CONF_TEXT_MAX. */
int editor_init(struct editor *editor, struct str text);
enum editor_event editor_feed(struct editor *editor, unsigned char byte);

/* A new list of mistakes begins. */
void editor_issues_clear(struct editor *editor);
/* "data:services.d/revision.ini:12:3: text": shown at line 12; others stand at no line. */
void editor_issue_add(struct editor *editor, struct str text);

/* The picture, and where the cursor stands in it (from 1). */
void editor_draw(struct editor *editor, struct screen *screen, unsigned *ret_row,
		 unsigned *ret_column);

#endif
