/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_CONSOLE_EXEC_WORDS_H
#define HOY_INIT_CONSOLE_EXEC_WORDS_H

#include <stdbool.h>
#include "init/console/words.h"

/* The words of `exec`, which are docker's. Pure. */
struct exec_wish {
	bool tty;			/* -t: keys go in, bytes come out as they are */
	bool input;			/* -i: what is typed goes in, or what a file holds */
	bool privileged;		/* --privileged */
	const char *user, *cwd, *name;	/* "" = the container's own; they point into the words */
	const char *env[WORDS_MAX + 1]; /* NAME=VALUE, NULL behind the last */
	const char *const *command;	/* NULL behind the last */
};

/* "exec [OPTION...] NAME COMMAND..."; -EINVAL names the option. */
int exec_words_parse(const struct words *words, struct exec_wish *ret_wish, struct err *err);

#endif
