/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Here-documents: which words of an instruction announce one, and their bodies. Pure; runs in the
 * api role. Must never expand a body: the values are known later.
 */
#include "engine/dockerfile/heredoc.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

enum { HEREDOCS_MAX = 64 };

/* Quotes and escapes away; says whether there were any. NULL = an open quote or no memory. */
static char *unquote(struct arena *arena, struct str word, bool *ret_quoted)
{
	char *name = arena_alloc(arena, word.len + 1);
	size_t len = 0;
	char quote = 0;
	*ret_quoted = false;
	for (size_t i = 0; name && i < word.len; i++) {
		char c = word.ptr[i];
		if (quote == 0 && (c == '"' || c == '\'')) {
			quote = c;
			*ret_quoted = true;
		} else if (quote != 0 && c == quote) {
			quote = 0;
		} else {
			if (c == '\\' && quote != '\'' && i + 1 < word.len) {
				c = word.ptr[++i];
				*ret_quoted = true;
			}
			name[len++] = c;
		}
	}
	return quote ? NULL : name;
}

int heredoc_parse(struct arena *arena, struct str word, struct dockerfile_heredoc *ret,
		  bool *ret_chomp, struct err *err)
{
	bool quoted = false;
	while (word.len > 0 && isdigit((unsigned char)word.ptr[0]))
		word = str_skip(word, 1);
	if (!str_starts(word, STR("<<")))
		return 0;
	word = str_skip(word, 2);
	*ret_chomp = word.len > 0 && word.ptr[0] == '-';
	if (*ret_chomp)
		word = str_skip(word, 1);
	if (word.len == 0 || str_find(word, '<') >= 0)
		return 0;
	size_t before = arena->used;
	const char *name = unquote(arena, word, &quoted);
	if (!name && arena->used == before)
		return err_set(err, -ENOMEM, "Dockerfile is too big");
	if (!name || !*name)
		return 0;
	*ret = (struct dockerfile_heredoc){
		.name = name, .data = "", .raw = "", .expand = !quoted
	};
	return 1;
}

/* "<<-": tabs at the start of each line go. */
static const char *without_tabs(struct arena *arena, const char *raw)
{
	char *data = arena_alloc(arena, strlen(raw) + 1);
	bool start = true;
	size_t len = 0;
	for (; data && *raw; raw++) {
		if (start && *raw == '\t')
			continue;
		start = *raw == '\n';
		data[len++] = *raw;
	}
	return data;
}

static int read_one(struct line_reader *reader, const struct cursor *cursor, size_t at,
		    struct dockerfile_heredoc *doc, bool chomp, struct err *err)
{
	struct str body;
	char shown[80];
	if (!line_heredoc(reader, str_from(doc->name), chomp, &body)) {
		(void)str_escape(str_from(doc->name), shown, sizeof(shown));
		return cursor_fail(cursor, at, err, "unterminated heredoc: no line is exactly '%s'",
				   shown);
	}
	doc->raw = arena_text(cursor->arena, body);
	doc->data = !doc->raw || !chomp ? doc->raw : without_tabs(cursor->arena, doc->raw);
	return doc->data ? 0 : err_set(err, -ENOMEM, "Dockerfile is too big");
}

int heredoc_read(struct line_reader *reader, const struct cursor *cursor,
		 struct dockerfile_step *step, struct err *err)
{
	struct cursor words = *cursor;
	struct str word;
	size_t at = 0;
	words.at = 0;
	while (cursor_word(&words, &word, &at)) {
		struct dockerfile_heredoc doc, *list;
		bool chomp = false;
		int r = heredoc_parse(cursor->arena, word, &doc, &chomp, err);
		if (r < 0)
			return r;
		if (r == 0)
			continue;
		if (step->heredoc_count == HEREDOCS_MAX)
			return cursor_fail(cursor, at, err, "more than %d heredocs", HEREDOCS_MAX);
		r = read_one(reader, cursor, at, &doc, chomp, err);
		if (r < 0)
			return r;
		list = arena_array(cursor->arena, step->heredoc_count + 1, sizeof(*list));
		if (!list)
			return err_set(err, -ENOMEM, "Dockerfile is too big");
		if (step->heredoc_count > 0)
			memcpy(list, step->heredocs, step->heredoc_count * sizeof(*list));
		list[step->heredoc_count++] = doc;
		step->heredocs = list;
	}
	return 0;
}

bool dockerfile_is_heredoc(const char *word, struct arena *arena)
{
	struct dockerfile_heredoc doc;
	bool chomp = false, quoted = false;
	/* One word only: a blank in quotes belongs to it, any other ends it. */
	for (const char *c = word, *quote = NULL; *c; c++) {
		quoted = quote != NULL;
		if (!quoted && (*c == ' ' || *c == '\t'))
			return false;
		if (*c == '"' || *c == '\'')
			quote = !quote ? c : *quote == *c ? NULL : quote;
	}
	return heredoc_parse(arena, str_from(word), &doc, &chomp, NULL) == 1;
}
