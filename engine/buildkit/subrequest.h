/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_BUILDKIT_SUBREQUEST_H
#define HOY_ENGINE_BUILDKIT_SUBREQUEST_H

#include "engine/build/plan.h"

/*
 * What a client may ask of a Dockerfile instead of a build (docker build --call): what is wrong in
 * it, what its target takes, which targets it has. Answers are JSON as BuildKit's frontend writes
 * it (moby/buildkit frontend/subrequests). Pure.
 */
enum subrequest {
	SUBREQUEST_NONE, /* a build is wanted */
	SUBREQUEST_LINT,
	SUBREQUEST_OUTLINE,
	SUBREQUEST_TARGETS,
};

#define SUBREQUEST_VERSION "1.0.0" /* of each form */

struct subrequest_warning {
	const char *rule, *description, *url, *detail;
	uint32_t line;
};

struct subrequest_lint {
	const char *filename;
	struct str dockerfile;
	const struct subrequest_warning *warnings;
	uint32_t count;
	const char *error; /* why no more of it was read, "" = all was */
	uint32_t error_line;
};

/* By the option `requestid`; -EINVAL with BuildKit's words. */
int subrequest_parse(const char *id, enum subrequest *ret_kind, struct err *err);
void subrequest_put_lint(struct buf *out, const struct subrequest_lint *lint);
/* OUTLINE and TARGETS. -EINVAL with "Dockerfile:LINE:COLUMN: ...", -ENOMEM. */
int subrequest_put(struct buf *out, enum subrequest kind, const struct build_inputs *inputs,
		   struct arena *arena, struct err *err);

#endif
