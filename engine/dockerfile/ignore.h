/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_DOCKERFILE_IGNORE_H
#define HOY_ENGINE_DOCKERFILE_IGNORE_H

#include <stdbool.h>
#include <stdint.h>
#include "engine/api/files_msg.h"
#include "lib/err.h"
#include "lib/str.h"

/*
 * .dockerignore, and the wildcards of COPY. Pure. Slices point into the text that was given.
 */

/* Reads patterns into list[max]; returns their number, -E2BIG, or -EINVAL with the line. */
int ignore_parse(struct str text, struct files_ignore *list, uint32_t max, struct err *err);

/*
 * Whether `path` (relative, no leading '/') is ignored: the last pattern that matches the path or
 * one of its parents decides.
 */
bool ignore_match(const struct files_ignore *list, uint32_t count, struct str path);

/* Whether an ignored directory may hold something that an exception brings back. */
bool ignore_may_except(const struct files_ignore *list, uint32_t count, struct str dir);

/*
 * Go's filepath.Match of one name or path: * and ? do not match '/', [a-z] [^a], '\' escapes;
 * "**" as a component (ignore files only) matches any number of components. A malformed pattern
 * matches nothing.
 */
bool ignore_glob(struct str pattern, struct str path);
/* Whether the component has any of * ? [ \ */
bool ignore_is_glob(struct str component);

#endif
