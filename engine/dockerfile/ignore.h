/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_DOCKERFILE_IGNORE_H
#define HOY_ENGINE_DOCKERFILE_IGNORE_H

#include <stdbool.h>
#include <stdint.h>
#include "engine/api/files_msg.h"
#include "lib/arena.h"
#include "lib/err.h"
#include "lib/str.h"

/*
 * .dockerignore, and the wildcards of COPY. Pure.
 */

/*
 * One pattern: blanks and "!" off, cleaned as a path without its leading '/'. 1 = *ret_item is it,
 * 0 = the line says nothing, -EINVAL: a lone "!", or malformed; -ENOMEM. Memory is the arena's.
 */
int ignore_pattern(struct str line, struct arena *arena, struct files_ignore *ret_item,
		   struct err *err);

/* Reads patterns into list[max]; returns their number, -E2BIG, or -EINVAL with the line. */
int ignore_parse(struct str text, struct arena *arena, struct files_ignore *list, uint32_t max,
		 struct err *err);

/*
 * Whether `path` (relative, no leading '/') is ignored: the last pattern that matches the path or
 * one of its parents decides.
 */
bool ignore_match(const struct files_ignore *list, uint32_t count, struct str path);

/* Whether an ignored directory may hold something that an exception brings back. */
bool ignore_may_except(const struct files_ignore *list, uint32_t count, struct str dir);

/*
 * A pattern of an ignore file: * and ? do not match '/', [a-z] [^a], '\' escapes; "**" stands for
 * any number of whole components, at the end for anything. A malformed pattern matches nothing.
 */
bool ignore_glob(struct str pattern, struct str path);
/* A wildcard of COPY against one name: Go's filepath.Match, "**" is no more than "*". */
bool ignore_component(struct str pattern, struct str name);
/* Whether the component has any of * ? [ \ */
bool ignore_is_glob(struct str component);

#endif
