/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_CONSOLE_WORDS_H
#define HOY_INIT_CONSOLE_WORDS_H

#include <stddef.h>
#include "lib/err.h"
#include "lib/str.h"

/* A command line cut into words: blanks separate, '...' "..." and \ quote. No expansion. */
enum { WORDS_MAX = 64, WORDS_TEXT_MAX = 1100 };

struct words {
	const char *items[WORDS_MAX + 1]; /* NULL behind the last; they point into text */
	int count;
	char text[WORDS_TEXT_MAX];
};

/* -EINVAL for an open quote, -E2BIG for too many words or bytes. Pure. */
int words_split(struct str line, struct words *ret_words, struct err *err);

/*
 * One line of a container's log as the shim wrote it:
 * {"log":"text\n","stream":"stdout","time":"..."}. The text with its escapes undone goes into dst;
 * returns its length, or -EBADMSG for another form.
 */
int log_line_text(struct str line, char *dst, size_t cap, bool *ret_stderr);
/* When it was written, "2026-11-21T21:55:36.123456789Z"; empty where the line has no such end. */
struct str log_line_time(struct str line);

#endif
