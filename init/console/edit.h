/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_CONSOLE_EDIT_H
#define HOY_INIT_CONSOLE_EDIT_H

#include <stdbool.h>
#include <stddef.h>
#include "lib/buf.h"

/*
 * A line editor for a VT100, pure: bytes in, bytes for the screen out. One screen line; a longer
 * text scrolls sideways under the prompt. Keys: arrows, Home, End, Delete, Ctrl-A B D E F H K L N P
 * R U W Y, Tab, Ctrl-C. What is no key and no printable ASCII is dropped: noise does no harm.
 */
enum { EDIT_LINE_MAX = 1024, EDIT_HISTORY_MAX = 32, EDIT_PROMPT_MAX = 96 };

enum edit_event {
	EDIT_EVENT_NONE,
	EDIT_EVENT_LINE,      /* Enter: edit->line is complete */
	EDIT_EVENT_TAB,	      /* the caller completes with edit_insert() */
	EDIT_EVENT_HELP,      /* '?' as first character of an empty line or behind a blank */
	EDIT_EVENT_INTERRUPT, /* Ctrl-C */
	EDIT_EVENT_END,	      /* Ctrl-D on an empty line */
};

struct edit {
	char line[EDIT_LINE_MAX];
	size_t len, pos;
	char prompt[EDIT_PROMPT_MAX];
	unsigned columns; /* of the screen */
	bool hidden;	  /* a password: nothing is shown, no history */
	char history[EDIT_HISTORY_MAX][EDIT_LINE_MAX];
	unsigned history_count, history_at; /* at == count: the line being typed */
	char typed[EDIT_LINE_MAX];	    /* kept while the history is walked */
	char killed[EDIT_LINE_MAX];	    /* Ctrl-K, U, W; Ctrl-Y brings it back */
	bool searching;			    /* Ctrl-R */
	char needle[64];
	size_t needle_len;
	unsigned escape; /* state inside ESC [ ... */
	unsigned parameter;
	bool last_cr;
};

void edit_init(struct edit *edit, unsigned columns);

/* Starts an empty line under `prompt` and draws it. */
void edit_begin(struct edit *edit, const char *prompt, bool hidden, struct buf *out);

/* One byte from the terminal. */
enum edit_event edit_feed(struct edit *edit, unsigned char byte, struct buf *out);

/* Inserts text at the cursor (completion). Text that does not fit is left out. */
void edit_insert(struct edit *edit, const char *text, size_t len, struct buf *out);

/* Draws prompt and line again on the current screen line. */
void edit_redraw(struct edit *edit, struct buf *out);

/* Takes the line into the history, unless it is empty or the same as the last one. */
void edit_remember(struct edit *edit);

#endif
