/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_CONSOLE_PIPE_H
#define HOY_INIT_CONSOLE_PIPE_H

#include <stdbool.h>
#include "lib/buf.h"
#include "lib/err.h"

/*
 * What stands behind a command's `|`, pure: grep [-v] TEXT (ASCII letters without regard to case),
 * count, json, more, no-more. There is no shell: nothing else is run.
 */
enum { PIPE_MAX = 4, PIPE_TEXT_MAX = 128 };

enum pipe_kind { PIPE_GREP, PIPE_COUNT, PIPE_JSON, PIPE_MORE, PIPE_NO_MORE };

struct pipe_filter {
	enum pipe_kind kind;
	bool invert;
	char text[PIPE_TEXT_MAX];
};

struct pipe_line {
	struct str command; /* in front of the first `|` that is not quoted */
	struct pipe_filter filters[PIPE_MAX];
	int count; /* 0 = no pipe at all */
};

/* 0, or -EINVAL with the words that are known. */
int pipe_parse(struct str line, struct pipe_line *ret_pipe, struct err *err);
bool pipe_has(const struct pipe_line *pipe, enum pipe_kind kind);
/* grep and count, in their order. */
int pipe_apply(const struct pipe_line *pipe, struct str text, struct buf *out);

#endif
