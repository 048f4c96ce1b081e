/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_DOCKERFILE_LINT_H
#define HOY_ENGINE_DOCKERFILE_LINT_H

#include "engine/dockerfile/dockerfile.h"

/* The rules that need nothing but the file: adds to file->warnings. part: the steps are those in
 * front of one that is wrong. -ENOMEM. */
int dockerfile_lint(struct dockerfile *file, bool part, struct arena *arena, struct err *err);

/* A warning of one step, unless a comment in front of it says otherwise. */
int dockerfile_warn_step(struct dockerfile_warnings *list, struct arena *arena,
			 const struct dockerfile_checks *checks, const struct dockerfile_step *step,
			 enum dockerfile_rule rule, const char *text, struct err *err);

#endif
