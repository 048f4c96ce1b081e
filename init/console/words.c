/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Command lines into words, and the engine's log lines into text. Pure; runs in the console
 * program, which has no capability: the log lines hold what containers wrote.
 */
#include "init/console/words.h"
#include <errno.h>
#include <string.h>

static int word_close(struct words *words, size_t start, size_t *at)
{
	if (words->count == WORDS_MAX || *at >= WORDS_TEXT_MAX)
		return -E2BIG;
	words->text[(*at)++] = 0;
	words->items[words->count++] = words->text + start;
	return 0;
}

int words_split(struct str line, struct words *ret_words, struct err *err)
{
	struct words *words = ret_words;
	size_t at = 0, start = 0;
	bool open = false;
	char quote = 0;
	int r = 0;

	memset(words, 0, sizeof(*words));
	for (size_t i = 0; i < line.len && r >= 0; i++) {
		char c = line.ptr[i];

		if (at >= WORDS_TEXT_MAX - 1)
			return err_set(err, -E2BIG, "the line is too long");
		if (!quote && (c == ' ' || c == '\t')) {
			if (open)
				r = word_close(words, start, &at);
			open = false;
			start = at;
			continue;
		}
		open = true;
		if (c == '\\' && quote != '\'' && i + 1 < line.len)
			words->text[at++] = line.ptr[++i];
		else if (quote && c == quote)
			quote = 0;
		else if (!quote && (c == '\'' || c == '"'))
			quote = c;
		else
			words->text[at++] = c;
	}
	if (quote)
		return err_set(err, -EINVAL, "a %c is not closed", quote);
	if (open && r >= 0)
		r = word_close(words, start, &at);
	return r < 0 ? err_set(err, r, "too many words") : 0;
}
