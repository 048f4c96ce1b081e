/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_DOCKERFILE_PARSE_H
#define HOY_ENGINE_DOCKERFILE_PARSE_H

#include "engine/dockerfile/dockerfile.h"
#include "engine/dockerfile/line.h"

/* Between dockerfile.c and arguments.c; private to this folder. */

/* Reads what stands behind the keyword into step; the cursor stands behind the keyword's flags. */
typedef int parse_fn(struct cursor *cursor, struct dockerfile_step *step, struct err *err);

parse_fn parse_from, parse_command, parse_shell, parse_pairs, parse_arg, parse_copy, parse_words,
	parse_expose, parse_one, parse_healthcheck;

/* "--name=value" flags in front of the arguments; unknown ones are refused by name. */
int parse_flags(struct cursor *cursor, struct dockerfile_step *step, struct err *err);

#endif
