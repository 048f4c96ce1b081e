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

#endif
