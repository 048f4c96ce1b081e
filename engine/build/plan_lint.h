/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_BUILD_PLAN_LINT_H
#define HOY_ENGINE_BUILD_PLAN_LINT_H

#include "engine/build/staging.h"

/* Rules of `docker build --check` that need values, bases or .dockerignore. All: -ENOMEM. */

/* A FROM; the global scope has to have misses. */
int plan_lint_from(const struct dockerfile *file, const struct scope *global,
		   const struct dockerfile_step *step, struct build_plan *plan, struct err *err);
/* A declared name near to one that the word means and nothing sets; NULL = none. */
const char *plan_lint_near(const struct scope *global, const char *word);
/* One instruction of a stage that is needed, after it was planned. */
int plan_lint_step(struct staging *s, const struct dockerfile_step *step, struct err *err);
/* A port of EXPOSE as it was written, once its parts are known. */
int plan_lint_port(struct staging *s, const struct dockerfile_step *step, const char *port,
		   bool mapped, struct str proto, struct err *err);
/* A name that DOCKERFILE_RULE_SECRETS_USED_IN_ARG_OR_ENV is about. */
bool plan_is_secret(struct str name);
/* The base that a stage was given. */
int plan_lint_base(struct staging *s, const struct dockerfile_step *from, const struct image *base,
		   struct err *err);

#endif
