/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The line editor of the console. Pure; runs in the console program. Must never put a byte on the
 * screen that is not printable ASCII or one of its own escape sequences.
 */
#include "init/console/edit.h"
#include <string.h>

enum escape_state { ESCAPE_NONE, ESCAPE_SEEN, ESCAPE_BRACKET, ESCAPE_SS3, ESCAPE_STRING };

enum {
	KEY_ESC = 27,
	KEY_DEL = 127,
};

#define CTRL(letter) ((letter) - '@')

void edit_init(struct edit *edit, unsigned columns)
{
	memset(edit, 0, sizeof(*edit));
	edit->columns = columns < 20 ? 20 : columns;
}

void edit_redraw(struct edit *edit, struct buf *out)
{
	size_t prompt_len = strlen(edit->prompt);
	size_t room = edit->columns > prompt_len + 2 ? edit->columns - prompt_len - 1 : 1;
	size_t start = edit->pos > room - 1 ? edit->pos - (room - 1) : 0;
	size_t shown = edit->len - start > room ? room : edit->len - start;

	if (edit->searching) {
		(void)buf_printf(out, "\r\x1b[K(search '%s') %.*s", edit->needle,
				 (int)(shown > 40 ? 40 : shown), edit->line);
		return;
	}
	(void)buf_printf(out, "\r%s", edit->prompt);
	if (!edit->hidden)
		(void)buf_add(out, edit->line + start, shown);
	(void)buf_add_text(out, "\x1b[K");
	if (!edit->hidden && start + shown > edit->pos)
		(void)buf_printf(out, "\x1b[%zuD", start + shown - edit->pos);
}

void edit_begin(struct edit *edit, const char *prompt, bool hidden, struct buf *out)
{
	(void)str_copy(str_head(str_from(prompt), EDIT_PROMPT_MAX - 1), edit->prompt,
		       sizeof(edit->prompt));
	edit->len = edit->pos = 0;
	edit->line[0] = 0;
	edit->hidden = hidden;
	edit->searching = false;
	edit->history_at = edit->history_count;
	edit_redraw(edit, out);
}

void edit_insert(struct edit *edit, const char *text, size_t len, struct buf *out)
{
	size_t prompt_len = strlen(edit->prompt);

	if (len >= EDIT_LINE_MAX - edit->len)
		return;
	memmove(edit->line + edit->pos + len, edit->line + edit->pos, edit->len - edit->pos + 1);
	memcpy(edit->line + edit->pos, text, len);
	edit->pos += len;
	edit->len += len;
	/* The common case, typing at the end, costs one byte on a slow line. */
	if (edit->pos == edit->len && prompt_len + edit->len < edit->columns) {
		if (!edit->hidden)
			(void)buf_add(out, text, len);
		return;
	}
	edit_redraw(edit, out);
}

static void cut(struct edit *edit, size_t from, size_t to, bool keep, struct buf *out)
{
	if (from >= to)
		return;
	if (keep && !edit->hidden) {
		memcpy(edit->killed, edit->line + from, to - from);
		edit->killed[to - from] = 0;
	}
	memmove(edit->line + from, edit->line + to, edit->len - to + 1);
	edit->len -= to - from;
	edit->pos = from;
	edit_redraw(edit, out);
}

static void move(struct edit *edit, size_t pos, struct buf *out)
{
	edit->pos = pos > edit->len ? edit->len : pos;
	edit_redraw(edit, out);
}

static void set_line(struct edit *edit, const char *text, struct buf *out)
{
	edit->len = strnlen(text, EDIT_LINE_MAX - 1);
	memmove(edit->line, text, edit->len);
	edit->line[edit->len] = 0;
	edit->pos = edit->len;
	edit_redraw(edit, out);
}

static void walk(struct edit *edit, bool back, struct buf *out)
{
	if (edit->hidden || (back ? !edit->history_at : edit->history_at == edit->history_count))
		return;
	if (edit->history_at == edit->history_count)
		memcpy(edit->typed, edit->line, sizeof(edit->typed));
	edit->history_at = back ? edit->history_at - 1 : edit->history_at + 1;
	set_line(edit,
		 edit->history_at == edit->history_count ? edit->typed
							 : edit->history[edit->history_at],
		 out);
}

void edit_remember(struct edit *edit)
{
	if (!edit->len || edit->hidden)
		return;
	if (edit->history_count && !strcmp(edit->history[edit->history_count - 1], edit->line))
		return;
	if (edit->history_count == EDIT_HISTORY_MAX) {
		memmove(edit->history[0], edit->history[1],
			sizeof(edit->history[0]) * (EDIT_HISTORY_MAX - 1));
		edit->history_count--;
	}
	memcpy(edit->history[edit->history_count++], edit->line, EDIT_LINE_MAX);
}

static void search(struct edit *edit, struct buf *out)
{
	for (unsigned i = edit->history_count; edit->needle_len && i > 0; i--) {
		if (!strstr(edit->history[i - 1], edit->needle))
			continue;
		edit->len = strlen(edit->history[i - 1]);
		memcpy(edit->line, edit->history[i - 1], edit->len + 1);
		edit->pos = edit->len;
		break;
	}
	edit_redraw(edit, out);
}

/* A byte while Ctrl-R is on; false = it ends the search and counts as an ordinary key. */
static bool feed_search(struct edit *edit, unsigned char byte, struct buf *out)
{
	if (byte >= 32 && byte < KEY_DEL && edit->needle_len + 1 < sizeof(edit->needle)) {
		edit->needle[edit->needle_len++] = (char)byte;
		edit->needle[edit->needle_len] = 0;
		search(edit, out);
		return true;
	}
	if ((byte == KEY_DEL || byte == CTRL('H')) && edit->needle_len) {
		edit->needle[--edit->needle_len] = 0;
		search(edit, out);
		return true;
	}
	edit->searching = false;
	edit_redraw(edit, out);
	return byte == KEY_ESC || byte == CTRL('R');
}

static void sequence_end(struct edit *edit, unsigned char byte, struct buf *out)
{
	edit->escape = ESCAPE_NONE;
	switch (byte) {
	case 'A':
		walk(edit, true, out);
		break;
	case 'B':
		walk(edit, false, out);
		break;
	case 'C':
		move(edit, edit->pos + 1, out);
		break;
	case 'D':
		move(edit, edit->pos ? edit->pos - 1 : 0, out);
		break;
	case 'H':
		move(edit, 0, out);
		break;
	case 'F':
		move(edit, edit->len, out);
		break;
	case '~':
		if (edit->parameter == 3 && edit->pos < edit->len)
			cut(edit, edit->pos, edit->pos + 1, false, out);
		else if (edit->parameter == 1 || edit->parameter == 7)
			move(edit, 0, out);
		else if (edit->parameter == 4 || edit->parameter == 8)
			move(edit, edit->len, out);
		break;
	default:
		break;
	}
}

/* Inside of an escape sequence: eats it to its end, whatever it is. */
static void feed_escape(struct edit *edit, unsigned char byte, struct buf *out)
{
	switch (edit->escape) {
	case ESCAPE_SEEN:
		edit->parameter = 0;
		edit->escape = byte == '['				   ? ESCAPE_BRACKET
			       : byte == 'O'				   ? ESCAPE_SS3
			       : byte == ']' || byte == 'P' || byte == '_' ? ESCAPE_STRING
									   : ESCAPE_NONE;
		break;
	case ESCAPE_BRACKET:
		if (byte >= '0' && byte <= '9' && edit->parameter < 1000)
			edit->parameter = edit->parameter * 10 + (byte - '0');
		else if (byte >= '@' && byte <= '~')
			sequence_end(edit, byte, out);
		else if (byte < ' ')
			edit->escape = ESCAPE_NONE;
		break;
	case ESCAPE_SS3:
		sequence_end(edit, byte, out);
		break;
	default: /* an operating system command: up to BEL, ESC or the end of the line */
		if (byte == 7 || byte == KEY_ESC || byte == '\r' || byte == '\n')
			edit->escape = ESCAPE_NONE;
		break;
	}
}

static size_t word_start(const struct edit *edit)
{
	size_t at = edit->pos;

	while (at && edit->line[at - 1] == ' ')
		at--;
	while (at && edit->line[at - 1] != ' ')
		at--;
	return at;
}

/* Where a key moves to; EDIT_LINE_MAX = it is none of these. */
static size_t motion(const struct edit *edit, unsigned char byte)
{
	switch (byte) {
	case CTRL('A'):
		return 0;
	case CTRL('B'):
		return edit->pos ? edit->pos - 1 : 0;
	case CTRL('E'):
		return edit->len;
	case CTRL('F'):
		return edit->pos + 1;
	default:
		return EDIT_LINE_MAX;
	}
}

/* Keys that take text away or put it back; false = it is none of these. */
static bool feed_cut(struct edit *edit, unsigned char byte, struct buf *out)
{
	switch (byte) {
	case CTRL('H'):
	case KEY_DEL:
		if (edit->pos)
			cut(edit, edit->pos - 1, edit->pos, false, out);
		return true;
	case CTRL('D'):
		if (edit->pos < edit->len)
			cut(edit, edit->pos, edit->pos + 1, false, out);
		return true;
	case CTRL('K'):
		cut(edit, edit->pos, edit->len, true, out);
		return true;
	case CTRL('U'):
		cut(edit, 0, edit->pos, true, out);
		return true;
	case CTRL('W'):
		cut(edit, word_start(edit), edit->pos, true, out);
		return true;
	case CTRL('Y'):
		edit_insert(edit, edit->killed, strlen(edit->killed), out);
		return true;
	default:
		return false;
	}
}

static enum edit_event feed_control(struct edit *edit, unsigned char byte, struct buf *out)
{
	size_t to = motion(edit, byte);

	if (byte == CTRL('C'))
		return EDIT_EVENT_INTERRUPT;
	if (byte == CTRL('D') && !edit->len)
		return EDIT_EVENT_END;
	if (byte == CTRL('I'))
		return edit->hidden ? EDIT_EVENT_NONE : EDIT_EVENT_TAB;
	if (to < EDIT_LINE_MAX) {
		move(edit, to, out);
		return EDIT_EVENT_NONE;
	}
	if (feed_cut(edit, byte, out))
		return EDIT_EVENT_NONE;
	switch (byte) {
	case CTRL('L'):
		(void)buf_add_text(out, "\x1b[2J\x1b[H");
		edit_redraw(edit, out);
		break;
	case CTRL('N'):
	case CTRL('P'):
		walk(edit, byte == CTRL('P'), out);
		break;
	case CTRL('R'):
		edit->searching = !edit->hidden;
		edit->needle_len = 0;
		edit->needle[0] = 0;
		edit_redraw(edit, out);
		break;
	case KEY_ESC:
		edit->escape = ESCAPE_SEEN;
		break;
	default:
		break;
	}
	return EDIT_EVENT_NONE;
}

enum edit_event edit_feed(struct edit *edit, unsigned char byte, struct buf *out)
{
	bool after_cr = edit->last_cr;

	edit->last_cr = byte == '\r';
	if (edit->escape != ESCAPE_NONE) {
		feed_escape(edit, byte, out);
		return EDIT_EVENT_NONE;
	}
	if (edit->searching && byte != '\r' && byte != '\n' && feed_search(edit, byte, out))
		return EDIT_EVENT_NONE;
	if (byte == '\r' || byte == '\n') {
		if (byte == '\n' && after_cr)
			return EDIT_EVENT_NONE;
		edit->searching = false;
		(void)buf_add_text(out, "\r\n");
		return EDIT_EVENT_LINE;
	}
	if (byte < ' ' || byte == KEY_DEL)
		return feed_control(edit, byte, out);
	if (byte > KEY_DEL)
		return EDIT_EVENT_NONE;
	if (byte == '?' && !edit->hidden && edit->pos == edit->len &&
	    (!edit->len || edit->line[edit->len - 1] == ' '))
		return EDIT_EVENT_HELP;
	edit_insert(edit, (const char *)&byte, 1, out);
	return EDIT_EVENT_NONE;
}
