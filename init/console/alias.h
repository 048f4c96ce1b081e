/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_CONSOLE_ALIAS_H
#define HOY_INIT_CONSOLE_ALIAS_H

#include <stddef.h>
#include "init/console/words.h"

/* Names that people bring along for a command that has another one here, pure. */
struct alias {
	const char *name;
	const char *words[3]; /* what stands for it; NULL behind the last */
};

extern const struct alias console_aliases[];
extern const size_t console_alias_count;

/* Puts what the first word stands for in its place; words that do not fit stay as they are. */
void alias_expand(struct words *words);

#endif
