/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cuts a Dockerfile into instructions. Pure; runs in the api role. Must never lose where a byte
 * came from, because every message names line and column.
 */
#include "engine/dockerfile/line.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

void line_position(struct str text, size_t offset, uint32_t *ret_line, uint32_t *ret_column)
{
	uint32_t line = 1, column = 1;
	for (size_t i = 0; i < offset && i < text.len; i++) {
		column++;
		if (text.ptr[i] == '\n') {
			line++;
			column = 1;
		}
	}
	*ret_line = line;
	*ret_column = column;
}

/* The physical line at reader->at without its end; moves behind it. */
static struct str physical(struct line_reader *reader)
{
	struct str rest = str_skip(reader->text, reader->at);
	ptrdiff_t end = str_find(rest, '\n');
	struct str line = end < 0 ? rest : str_head(rest, (size_t)end);
	reader->at += line.len + (end < 0 ? 0 : 1);
	if (line.len > 0 && line.ptr[line.len - 1] == '\r')
		line.len--;
	return line;
}

static struct str trim_left(struct str s)
{
	while (s.len > 0 && is_blank(s.ptr[0]))
		s = str_skip(s, 1);
	return s;
}

static struct str trim(struct str s)
{
	s = trim_left(s);
	while (s.len > 0 && is_blank(s.ptr[s.len - 1]))
		s.len--;
	return s;
}

/* "# name = value": true when the comment has this form. */
static bool directive(struct str line, struct str *ret_name, struct str *ret_value)
{
	line = trim_left(str_skip(line, 1));
	ptrdiff_t equals = str_find(line, '=');
	if (equals <= 0)
		return false;
	*ret_name = trim(str_head(line, (size_t)equals));
	*ret_value = trim(str_skip(line, (size_t)equals + 1));
	for (size_t i = 0; i < ret_name->len; i++)
		if (!isalnum((unsigned char)ret_name->ptr[i]))
			return false;
	return ret_value->len > 0;
}

enum { DIRECTIVE_ESCAPE, DIRECTIVE_SYNTAX, DIRECTIVE_CHECK, DIRECTIVE_COUNT };

static const char *const directive_names[DIRECTIVE_COUNT] = { "escape", "syntax", "check" };

static int take_directive(struct line_reader *reader, int which, struct str value, const bool *seen,
			  uint32_t number, struct err *err)
{
	char shown[40];
	if (seen[which])
		return err_set(err, -EINVAL,
			       "Dockerfile:%u:1: only one %s parser directive can be used", number,
			       directive_names[which]);
	if (which == DIRECTIVE_SYNTAX)
		reader->syntax = value;
	if (which == DIRECTIVE_CHECK)
		reader->check = value;
	if (which != DIRECTIVE_ESCAPE)
		return 0;
	(void)str_escape(value, shown, sizeof(shown));
	if (value.len != 1 || (value.ptr[0] != '\\' && value.ptr[0] != '`'))
		return err_set(err, -EINVAL,
			       "Dockerfile:%u:1: invalid escape token '%s' does not match ` or \\",
			       number, shown);
	reader->escape = value.ptr[0];
	return 0;
}

/* Directives stand in the first comments, before anything else: a blank line, an instruction or a
 * comment that is none ends them. */
int line_reader_init(struct line_reader *reader, struct str text, struct arena *arena,
		     struct err *err)
{
	bool seen[DIRECTIVE_COUNT] = { false };
	*reader = (struct line_reader){ .text = text, .escape = '\\', .arena = arena };
	if (str_starts(text, STR("\xef\xbb\xbf")))
		reader->at = 3;
	uint32_t number = 0;
	for (size_t before = reader->at; before < text.len; before = reader->at) {
		struct str line = trim_left(physical(reader)), name, value;
		int which = DIRECTIVE_COUNT;
		number++;
		if (line.len > 0 && line.ptr[0] == '#' && directive(line, &name, &value))
			for (which = 0; which < DIRECTIVE_COUNT; which++)
				if (str_is_nocase(name, directive_names[which]))
					break;
		if (which == DIRECTIVE_COUNT) {
			reader->at = before;
			return 0;
		}
		int r = take_directive(reader, which, value, seen, number, err);
		if (r < 0)
			return r;
		seen[which] = true;
	}
	return 0;
}

int line_heredoc(struct line_reader *reader, struct str name, bool chomp, struct str *ret_body)
{
	size_t start = reader->at;
	while (reader->at < reader->text.len) {
		size_t before = reader->at;
		struct str line = physical(reader);
		while (chomp && line.len > 0 && line.ptr[0] == '\t')
			line = str_skip(line, 1);
		if (str_eq(line, name)) {
			*ret_body = str_make(reader->text.ptr + start, before - start);
			return 1;
		}
	}
	return 0;
}

/* A line goes on when its last visible byte is one escape, not two. Cuts it off. */
static bool continues(struct str *line, char escape)
{
	size_t len = line->len;
	while (len > 0 && is_blank(line->ptr[len - 1]))
		len--;
	if (len == 0 || line->ptr[len - 1] != escape)
		return false;
	if (len > 1 && line->ptr[len - 2] == escape)
		return false;
	line->len = len - 1;
	return true;
}

static void append(const struct line_reader *reader, struct line *line, struct str part)
{
	for (size_t i = 0; i < part.len; i++) {
		line->text[line->len] = part.ptr[i];
		line->origin[line->len++] = (uint32_t)(part.ptr + i - reader->text.ptr);
	}
}

/* Bytes of the longest instruction that may start here: up to the first line that ends it. */
static size_t measure(struct line_reader *reader)
{
	size_t start = reader->at;
	struct str line;
	bool more;
	do {
		line = physical(reader);
		struct str visible = trim_left(line);
		more = visible.len == 0 || visible.ptr[0] == '#' ||
		       continues(&line, reader->escape);
	} while (more && reader->at < reader->text.len);
	size_t size = reader->at - start;
	reader->at = start;
	return size;
}

int line_next(struct line_reader *reader, struct line *ret_line, struct err *err)
{
	size_t before = reader->at, comments = reader->at;
	struct str part;
	do {
		if (reader->at >= reader->text.len)
			return 0;
		before = reader->at;
		part = trim_left(physical(reader));
		/* A blank line or an empty comment parts comments from what follows. */
		if (part.len == 0 || (part.ptr[0] == '#' && trim(str_skip(part, 1)).len == 0))
			comments = reader->at;
	} while (part.len == 0 || part.ptr[0] == '#');
	reader->at = before;
	size_t size = measure(reader) + 1;
	*ret_line = (struct line){ 0 };
	ret_line->comments = str_make(reader->text.ptr + comments, before - comments);
	ret_line->text = arena_alloc(reader->arena, size);
	ret_line->origin = arena_array(reader->arena, size, sizeof(uint32_t));
	if (!ret_line->text || !ret_line->origin)
		return err_set(err, -ENOMEM, "Dockerfile is too big");
	bool first = true, more = true;
	while (more && reader->at < reader->text.len) {
		size_t at = reader->at;
		part = physical(reader);
		struct str visible = trim_left(part);
		if (visible.len == 0)
			ret_line->empty_at = (uint32_t)at;
		if (visible.len == 0 || visible.ptr[0] == '#')
			continue; /* between the parts of an instruction too */
		if (first)
			part = visible;
		first = false;
		more = continues(&part, reader->escape);
		append(reader, ret_line, part);
	}
	ret_line->text[ret_line->len] = '\0';
	ret_line->origin[ret_line->len] =
		(uint32_t)(reader->at < reader->text.len ? reader->at : reader->text.len);
	return 1;
}

/* ---- cursor ---- */

int cursor_fail(const struct cursor *cursor, size_t at, struct err *err, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	uint32_t line = 0, column = 0;
	va_list ap;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (at > cursor->line->len)
		at = cursor->line->len;
	line_position(cursor->file, cursor->line->origin[at], &line, &column);
	return err_set(err, -EINVAL, "Dockerfile:%u:%u: %s", line, column, text);
}

void cursor_blanks(struct cursor *cursor)
{
	while (cursor->at < cursor->line->len && is_blank(cursor->line->text[cursor->at]))
		cursor->at++;
}

/* Quotes and escapes keep blanks inside a word; an open quote goes to the end of the line. */
bool cursor_word(struct cursor *cursor, struct str *ret_word, size_t *ret_at)
{
	const struct line *line = cursor->line;
	char quote = 0;
	cursor_blanks(cursor);
	size_t start = cursor->at, i = start;
	for (; i < line->len; i++) {
		char c = line->text[i];
		if (quote == 0 && is_blank(c))
			break;
		if (c == cursor->escape && quote != '\'' && i + 1 < line->len)
			i++;
		else if (quote == 0 && (c == '"' || c == '\''))
			quote = c;
		else if (c == quote)
			quote = 0;
	}
	cursor->at = i;
	*ret_word = str_make(line->text + start, i - start);
	if (ret_at)
		*ret_at = start;
	return i > start;
}

bool cursor_plain_word(struct cursor *cursor, struct str *ret_word, size_t *ret_at)
{
	const struct line *line = cursor->line;
	cursor_blanks(cursor);
	size_t start = cursor->at;
	while (cursor->at < line->len && !is_blank(line->text[cursor->at]))
		cursor->at++;
	*ret_word = str_make(line->text + start, cursor->at - start);
	if (ret_at)
		*ret_at = start;
	return cursor->at > start;
}

struct str cursor_rest(struct cursor *cursor)
{
	cursor_blanks(cursor);
	struct str rest = str_make(cursor->line->text + cursor->at, cursor->line->len - cursor->at);
	return trim(rest);
}
