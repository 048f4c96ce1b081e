/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filters behind a command. Pure; runs in the console program.
 */
#include "init/console/pipe.h"

#include <errno.h>
#include <string.h>
#include "init/console/words.h"
#include "init/unit/logline.h"
#include "lib/own.h"

/* The next '|' outside of quotes, or the line's length. */
static size_t next_bar(struct str line)
{
	char quote = 0;

	for (size_t i = 0; i < line.len; i++) {
		char c = line.ptr[i];

		if (c == '\\' && quote != '\'')
			i++;
		else if (quote)
			quote = c == quote ? 0 : quote;
		else if (c == '\'' || c == '"')
			quote = c;
		else if (c == '|')
			return i;
	}
	return line.len;
}

static int parse_grep(const struct words *words, struct pipe_filter *filter)
{
	int at = 1;

	filter->kind = PIPE_GREP;
	filter->invert = words->count > 1 && strcmp(words->items[1], "-v") == 0;
	at += filter->invert;
	if (words->count != at + 1)
		return -EINVAL;
	return str_copy(str_from(words->items[at]), filter->text, sizeof(filter->text)) < 0
		       ? -EINVAL
		       : 0;
}

static int parse_filter(struct str text, struct pipe_filter *filter)
{
	static const struct {
		const char *name;
		enum pipe_kind kind;
	} plain[] = { { "count", PIPE_COUNT },
		      { "json", PIPE_JSON },
		      { "more", PIPE_MORE },
		      { "no-more", PIPE_NO_MORE } };
	struct words words;

	if (words_split(text, &words, NULL) < 0 || words.count == 0)
		return -EINVAL;
	if (strcmp(words.items[0], "grep") == 0)
		return parse_grep(&words, filter);
	for (size_t i = 0; i < ARRAY_LEN(plain); i++)
		if (words.count == 1 && strcmp(words.items[0], plain[i].name) == 0) {
			filter->kind = plain[i].kind;
			return 0;
		}
	return -EINVAL;
}

int pipe_parse(struct str line, struct pipe_line *ret_pipe, struct err *err)
{
	size_t bar = next_bar(line);

	*ret_pipe = (struct pipe_line){ .command = str_head(line, bar) };
	while (bar < line.len) {
		line = str_skip(line, bar + 1);
		bar = next_bar(line);
		if (ret_pipe->count == PIPE_MAX ||
		    parse_filter(str_head(line, bar), &ret_pipe->filters[ret_pipe->count]) < 0)
			return err_set(err, -EINVAL,
				       "behind | stands grep [-v] TEXT, count, json, more or "
				       "no-more");
		ret_pipe->count++;
	}
	return 0;
}

bool pipe_has(const struct pipe_line *pipe, enum pipe_kind kind)
{
	for (int i = 0; i < pipe->count; i++)
		if (pipe->filters[i].kind == kind)
			return true;
	return false;
}

static void grep(const struct pipe_filter *filter, struct str text, struct buf *out)
{
	struct str line;

	while (text.len > 0 && str_cut(&text, '\n', &line))
		if (logline_holds(line, str_from(filter->text)) != filter->invert) {
			(void)buf_add_str(out, line);
			(void)buf_add_byte(out, '\n');
		}
}

static void count(struct str text, struct buf *out)
{
	size_t lines = 0;

	for (size_t i = 0; i < text.len; i++)
		lines += text.ptr[i] == '\n';
	(void)buf_printf(out, "%zu\n", lines);
}

int pipe_apply(const struct pipe_line *pipe, struct str text, struct buf *out)
{
	struct buf steps[2] = { { 0 }, { 0 } };
	int at = 0, r;

	buf_init(&steps[0], out->max);
	buf_init(&steps[1], out->max);
	(void)buf_add_str(&steps[0], text);
	for (int i = 0; i < pipe->count; i++) {
		const struct pipe_filter *filter = &pipe->filters[i];

		if (filter->kind != PIPE_GREP && filter->kind != PIPE_COUNT)
			continue;
		buf_clear(&steps[!at]);
		if (filter->kind == PIPE_GREP)
			grep(filter, buf_str(&steps[at]), &steps[!at]);
		else
			count(buf_str(&steps[at]), &steps[!at]);
		at = !at;
	}
	r = buf_error(&steps[at]);
	if (r == 0)
		r = buf_add_str(out, buf_str(&steps[at]));
	buf_done(&steps[0]);
	buf_done(&steps[1]);
	return r;
}
