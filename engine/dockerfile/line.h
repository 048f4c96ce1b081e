/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_DOCKERFILE_LINE_H
#define HOY_ENGINE_DOCKERFILE_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/arena.h"
#include "lib/err.h"
#include "lib/str.h"

/*
 * One instruction on one line: comments gone, continuations joined. Each byte knows where in the
 * file it came from, so that messages have line and column. Private to this folder.
 */
struct line {
	char *text;	  /* NUL-terminated */
	uint32_t *origin; /* file offset of each byte, of the NUL too */
	size_t len;
	uint32_t empty_at;   /* offset of a blank line between its parts, 0 = none */
	struct str comments; /* whole lines right in front of it */
};

struct line_reader {
	struct str text;
	size_t at;
	char escape;
	struct str syntax; /* of "# syntax=", empty = not given */
	struct str check;  /* of "# check=" */
	struct arena *arena;
};

/* -EINVAL when the directives at the top contradict themselves. */
int line_reader_init(struct line_reader *reader, struct str text, struct arena *arena,
		     struct err *err);
/* 1 = an instruction, 0 = end of file, -ENOMEM. */
int line_next(struct line_reader *reader, struct line *ret_line, struct err *err);

/*
 * The lines behind an instruction up to the one that is `name` (behind tabs where chomp is set), as
 * a here-document's body. 1, 0 = it does not end.
 */
int line_heredoc(struct line_reader *reader, struct str name, bool chomp, struct str *ret_body);

/* Line and column (1-based) of a file offset. */
void line_position(struct str text, size_t offset, uint32_t *ret_line, uint32_t *ret_column);

/* What a parsing step works on: the line, a cursor in it, and whom to tell what is wrong. */
struct cursor {
	struct str file;
	const struct line *line;
	size_t at;
	char escape;
	struct arena *arena;
};

/* "Dockerfile:LINE:COLUMN: ..." of the byte at `at`; returns -EINVAL. */
int cursor_fail(const struct cursor *cursor, size_t at, struct err *err, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

void cursor_blanks(struct cursor *cursor);
/* The next word up to a blank, quotes and escapes kept and honoured; false at the end. */
bool cursor_word(struct cursor *cursor, struct str *ret_word, size_t *ret_at);
/* The next word up to a blank, whatever is in it. */
bool cursor_plain_word(struct cursor *cursor, struct str *ret_word, size_t *ret_at);
/* What is left of the line, without blanks at its ends. */
struct str cursor_rest(struct cursor *cursor);

#endif
