/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text, cursor and picture of the editor. Runs in the console program. Pure: must never judge the
 * text, nor hold more of it than a configuration may have.
 */
#include "init/console/editor.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "init/console/key_words.h"
#include "lib/own.h"

enum {
	MARGIN = 2,	/* in front of each line: its mark */
	ROWS_BELOW = 3, /* state, mistake, keys */
	ROWS_LEAST = 6,
	PARAMETER_MAX = 99,
	KEY_ESCAPE = 27,
	KEY_DELETE = 127,
};

#define CTRL(letter) ((letter) - 'A' + 1)

/* ---- lines ---- */

static size_t line_begin(const struct editor *e, size_t pos)
{
	while (pos > 0 && e->text[pos - 1] != '\n')
		pos--;
	return pos;
}

static size_t line_end(const struct editor *e, size_t pos)
{
	while (pos < e->len && e->text[pos] != '\n')
		pos++;
	return pos;
}

/* From 0. */
static size_t line_number(const struct editor *e, size_t pos)
{
	size_t number = 0;

	for (size_t i = 0; i < pos; i++)
		number += e->text[i] == '\n';
	return number;
}

static size_t line_at(const struct editor *e, size_t number)
{
	size_t pos = 0;

	while (number > 0 && pos < e->len)
		number -= e->text[pos++] == '\n';
	return pos;
}

/* ---- moving ---- */

static void keep_column(struct editor *e)
{
	e->column = e->pos - line_begin(e, e->pos);
}

static void go(struct editor *e, size_t pos)
{
	e->pos = pos > e->len ? e->len : pos;
	keep_column(e);
}

/* Up or down to the column where it was. */
static void go_line(struct editor *e, size_t begin)
{
	size_t end = line_end(e, begin);

	e->pos = begin + e->column < end ? begin + e->column : end;
}

static void go_up(struct editor *e, unsigned lines)
{
	while (lines-- > 0) {
		size_t begin = line_begin(e, e->pos);

		if (begin == 0)
			return;
		go_line(e, line_begin(e, begin - 1));
	}
}

static void go_down(struct editor *e, unsigned lines)
{
	while (lines-- > 0) {
		size_t end = line_end(e, e->pos);

		if (end == e->len)
			return;
		go_line(e, end + 1);
	}
}

/* ---- changing ---- */

static enum editor_event changed(struct editor *e)
{
	e->text[e->len] = '\0';
	e->unsaved = true;
	e->checked = false;
	keep_column(e);
	return EDITOR_EVENT_CHANGED;
}

static enum editor_event insert(struct editor *e, const char *text, size_t len)
{
	if (len > CONF_TEXT_MAX - e->len) {
		(void)snprintf(e->note, sizeof(e->note), "a configuration has at most %d KiB",
			       CONF_TEXT_MAX / 1024);
		return EDITOR_EVENT_MOVED;
	}
	memmove(e->text + e->pos + len, e->text + e->pos, e->len - e->pos);
	memcpy(e->text + e->pos, text, len);
	e->len += len;
	e->pos += len;
	return changed(e);
}

static enum editor_event erase(struct editor *e, size_t from, size_t to)
{
	if (to > e->len || from >= to)
		return EDITOR_EVENT_NONE;
	memmove(e->text + from, e->text + to, e->len - to);
	e->len -= to - from;
	e->pos = from;
	return changed(e);
}

static enum editor_event cut_line(struct editor *e)
{
	size_t begin = line_begin(e, e->pos), end = line_end(e, e->pos);

	end += end < e->len;
	e->cut_len = end - begin < sizeof(e->cut) ? end - begin : sizeof(e->cut);
	memcpy(e->cut, e->text + begin, e->cut_len);
	return erase(e, begin, end);
}

static enum editor_event paste_line(struct editor *e)
{
	e->pos = line_begin(e, e->pos);
	return e->cut_len ? insert(e, e->cut, e->cut_len) : EDITOR_EVENT_NONE;
}

/* ---- completion ---- */

static void note_word(void *owner, struct str word)
{
	struct editor *e = owner;
	size_t len = strlen(e->note);

	if (len + word.len + 3 < sizeof(e->note))
		(void)snprintf(e->note + len, sizeof(e->note) - len, "%s%.*s", len ? "  " : "",
			       STR_ARG(word));
}

/* As much of a word as there is no doubt of, or what it may be; a blank where nothing is known. */
static enum editor_event complete(struct editor *e)
{
	const struct key_spot spot = key_words_spot(str_make(e->text, e->pos));
	struct key_common common = { 0 };
	char text[sizeof(common.text) + 4];
	int len = 0;

	key_words_at(&spot, key_words_common, &common);
	if (!common.count || spot.prefix.len > common.len)
		return insert(e, " ", 1);
	len = snprintf(text, sizeof(text), "%.*s", (int)(common.len - spot.prefix.len),
		       common.text + spot.prefix.len);
	if (common.count == 1 && spot.place == KEY_PLACE_KEY &&
	    common.text[common.len - 1] != '.' && line_end(e, e->pos) == e->pos)
		len += snprintf(text + len, sizeof(text) - (size_t)len, " = ");
	if (len)
		return insert(e, text, (size_t)len);
	key_words_at(&spot, note_word, e);
	return EDITOR_EVENT_MOVED;
}

/* ---- searching, mistakes ---- */

static enum editor_event search(struct editor *e)
{
	size_t n = e->needle_len;

	e->searching = false;
	for (size_t i = 1; n && n <= e->len && i <= e->len; i++) {
		size_t at = (e->pos + i) % (e->len + 1);

		if (at + n <= e->len && !memcmp(e->text + at, e->needle, n)) {
			go(e, at);
			return EDITOR_EVENT_MOVED;
		}
	}
	(void)snprintf(e->note, sizeof(e->note), "'%.*s' is not in it", (int)n, e->needle);
	return EDITOR_EVENT_MOVED;
}

static enum editor_event feed_needle(struct editor *e, unsigned char byte)
{
	if (byte == '\r' || byte == '\n')
		return search(e);
	if (byte == CTRL('C') || byte == KEY_ESCAPE)
		e->searching = false;
	else if ((byte == KEY_DELETE || byte == CTRL('H')) && e->needle_len > 0)
		e->needle_len--;
	else if (byte >= ' ' && byte <= '~' && e->needle_len < sizeof(e->needle))
		e->needle[e->needle_len++] = (char)byte;
	return EDITOR_EVENT_MOVED;
}

/* The first behind the cursor's line, else the first of all. */
static enum editor_event next_issue(struct editor *e)
{
	size_t here = line_number(e, e->pos) + 1;
	uint32_t next = 0, first = 0;

	for (uint32_t i = 0; i < e->issue_count; i++) {
		uint32_t line = e->issues[i].line;

		if (line > 0 && (first == 0 || line < first))
			first = line;
		if (line > here && (next == 0 || line < next))
			next = line;
	}
	next = next ? next : first;
	if (next)
		go(e, line_at(e, next - 1));
	return EDITOR_EVENT_MOVED;
}

void editor_issues_clear(struct editor *editor)
{
	editor->issue_count = 0;
	editor->checked = true;
}

void editor_issue_add(struct editor *editor, struct str text)
{
	struct editor_issue *issue = &editor->issues[editor->issue_count];
	struct str rest = text, number;
	uint64_t line;
	int head = 0;

	if (editor->issue_count == EDITOR_ISSUES_MAX)
		return;
	*issue = (struct editor_issue){ 0 };
	while (rest.len > 0) {
		if (!str_starts(rest, STR(".ini:"))) {
			rest = str_skip(rest, 1);
			continue;
		}
		rest = str_skip(rest, 5);
		if (str_cut(&rest, ':', &number) && str_to_u64(number, 1, UINT32_MAX, &line) == 0) {
			issue->line = (uint32_t)line;
			(void)str_cut(&rest, ':', &number); /* the column */
			text = str_trim(rest);
		}
		break;
	}
	if (issue->line > 0) /* the file is known: it is the one on the screen */
		head = snprintf(issue->text, sizeof(issue->text), "line %u: ", issue->line);
	(void)str_escape(str_head(text, EDITOR_ISSUE_MAX / 4 * 3), issue->text + head,
			 sizeof(issue->text) - (size_t)head);
	editor->issue_count++;
}

/* ---- keys ---- */

int editor_init(struct editor *editor, struct str text)
{
	memset(editor, 0, sizeof(*editor));
	if (text.len > CONF_TEXT_MAX)
		return -E2BIG;
	memcpy(editor->text, text.ptr, text.len);
	editor->len = text.len;
	return 0;
}

static enum editor_event key(struct editor *e, unsigned char byte)
{
	switch (byte) {
	case CTRL('P'):
		go_up(e, 1);
		break;
	case CTRL('N'):
		go_down(e, 1);
		break;
	case CTRL('B'):
		go(e, e->pos - (e->pos > 0));
		break;
	case CTRL('F'):
		go(e, e->pos + 1);
		break;
	case CTRL('A'):
		go(e, line_begin(e, e->pos));
		break;
	case CTRL('E'):
		go(e, line_end(e, e->pos));
		break;
	case CTRL('V'):
		go_down(e, 16);
		break;
	case CTRL('U'):
		go_up(e, 16);
		break;
	case CTRL('W'):
		e->searching = true;
		e->needle_len = 0;
		break;
	case CTRL('G'):
		return next_issue(e);
	case CTRL('K'):
		return cut_line(e);
	case CTRL('Y'):
		return paste_line(e);
	case CTRL('D'):
		return erase(e, e->pos, e->pos + 1);
	case CTRL('H'):
	case KEY_DELETE:
		return e->pos > 0 ? erase(e, e->pos - 1, e->pos) : EDITOR_EVENT_NONE;
	case '\t':
		return complete(e);
	case CTRL('O'):
		return EDITOR_EVENT_SAVE;
	case CTRL('X'):
		return EDITOR_EVENT_LEAVE;
	case CTRL('L'):
		return EDITOR_EVENT_ANEW;
	default:
		if (byte >= ' ' && byte <= '~')
			return insert(e, (char[]){ (char)byte }, 1);
		return EDITOR_EVENT_NONE;
	}
	return EDITOR_EVENT_MOVED;
}

/* ESC [ NUMBER LETTER, as the key that means the same. */
static enum editor_event escaped(struct editor *e, unsigned char byte)
{
	static const char letters[] = "ABCDHF";
	static const unsigned char same[] = { CTRL('P'), CTRL('N'), CTRL('F'),
					      CTRL('B'), CTRL('A'), CTRL('E') };
	const char *letter;

	if (e->escape == 1) {
		e->escape = byte == '[' || byte == 'O' ? 2 : 0;
		e->parameter = 0;
		return EDITOR_EVENT_NONE;
	}
	if (byte >= '0' && byte <= '9') {
		e->parameter = e->parameter * 10 + (unsigned)(byte - '0');
		e->escape = e->parameter > PARAMETER_MAX ? 0 : 2;
		return EDITOR_EVENT_NONE;
	}
	e->escape = 0;
	letter = byte ? strchr(letters, byte) : NULL;
	if (letter != NULL)
		return key(e, same[letter - letters]);
	if (byte != '~')
		return EDITOR_EVENT_NONE;
	switch (e->parameter) {
	case 1:
	case 7:
		return key(e, CTRL('A'));
	case 3:
		return key(e, CTRL('D'));
	case 4:
	case 8:
		return key(e, CTRL('E'));
	case 5:
		return key(e, CTRL('U'));
	case 6:
		return key(e, CTRL('V'));
	default:
		return EDITOR_EVENT_NONE;
	}
}

enum editor_event editor_feed(struct editor *editor, unsigned char byte)
{
	bool after_cr = editor->last_cr;

	editor->last_cr = byte == '\r';
	editor->note[0] = '\0';
	if (editor->searching)
		return feed_needle(editor, byte);
	if (editor->escape)
		return escaped(editor, byte);
	if (byte == KEY_ESCAPE) {
		editor->escape = 1;
		return EDITOR_EVENT_NONE;
	}
	if (byte == '\n' && after_cr)
		return EDITOR_EVENT_NONE;
	if (byte == '\r' || byte == '\n')
		return insert(editor, "\n", 1);
	return key(editor, byte);
}

/* ---- the picture ---- */

static const struct editor_issue *issue_of(const struct editor *e, size_t line)
{
	for (uint32_t i = 0; i < e->issue_count; i++)
		if (e->issues[i].line == line)
			return &e->issues[i];
	return NULL;
}

static void draw_state(const struct editor *e, struct screen *screen, size_t here)
{
	const struct editor_issue *issue = issue_of(e, here + 1);
	char text[EDITOR_ISSUE_MAX + 100];

	if (issue == NULL && e->issue_count > 0)
		issue = &e->issues[0];
	(void)snprintf(text, sizeof(text), "-- line %zu, column %zu, %zu bytes%s -- %s", here + 1,
		       e->pos - line_begin(e, e->pos) + 1, e->len, e->unsaved ? ", not saved" : "",
		       !e->checked	     ? "being checked"
		       : e->issue_count == 0 ? "no mistakes"
		       : e->issue_count == 1 ? "1 mistake"
					     : "several mistakes");
	screen_line(screen, "%s", text);
	screen_line(screen, "%s", e->note[0] ? e->note : issue ? issue->text : "");
}

void editor_draw(struct editor *editor, struct screen *screen, unsigned *ret_row,
		 unsigned *ret_column)
{
	struct editor *e = editor;
	size_t rows = screen->rows > ROWS_LEAST ? screen->rows - ROWS_BELOW : ROWS_LEAST / 2;
	size_t width = screen->columns > 2 * MARGIN ? screen->columns - MARGIN : MARGIN;
	size_t here = line_number(e, e->pos), at = e->pos - line_begin(e, e->pos);
	size_t left = at < width ? 0 : at - width + 1 + width / 4;
	size_t pos;

	if (here < e->top)
		e->top = here;
	if (here >= e->top + rows)
		e->top = here - rows + 1;
	screen_clear(screen);
	pos = line_at(e, e->top);
	for (size_t i = 0; i < rows; i++) {
		size_t end = line_end(e, pos), skip = e->top + i == here ? left : 0;
		bool there = e->top + i <= line_number(e, e->len);
		size_t from = pos + skip < end ? pos + skip : end;

		screen_line(screen, "%c %.*s",
			    !there			  ? '~'
			    : issue_of(e, e->top + i + 1) ? '!'
							  : ' ',
			    (int)(there ? (end - from < width ? end - from : width) : 0),
			    e->text + from);
		pos = end < e->len ? end + 1 : e->len;
	}
	draw_state(e, screen, here);
	if (e->searching) {
		char text[EDITOR_NEEDLE_MAX + 20];

		(void)snprintf(text, sizeof(text), "search: %.*s", (int)e->needle_len, e->needle);
		screen_last(screen, text);
	} else {
		screen_last(screen, "^O save  ^X leave  ^W search  ^G next mistake  ^K cut  ^Y "
				    "paste  Tab completes");
	}
	*ret_row = (unsigned)(here - e->top) + 1;
	*ret_column = (unsigned)(at - left) + MARGIN + 1;
}
