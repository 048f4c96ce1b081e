/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_BUILD_SCOPE_H
#define HOY_ENGINE_BUILD_SCOPE_H

#include <stdbool.h>
#include "engine/build/plan.h"

/* Between plan.c and plan_steps.c; private to this folder. */

/* The variables that a word may name: ENV before ARG. */
struct scope {
	const struct build_inputs *inputs;
	struct arena *arena;
	const struct image_texts *env; /* NULL before the first stage */
	struct image_pairs args;       /* declared so far, with their values */
	char escape;
	bool global; /* before the first FROM: the platform needs no ARG */
};

void scope_init(struct scope *scope, const struct build_inputs *inputs, struct arena *arena,
		char escape);
const char *scope_lookup(const void *owner, struct str name);
int scope_expand(const struct scope *scope, const char *word, const char **ret_text,
		 struct err *err);
/* One word of an ARG instruction. */
int scope_declare(struct scope *scope, const struct scope *global, const char *word,
		  struct err *err);

/* Instruction `step` of stage `stage` copies from stage `from`. */
struct plan_use {
	uint32_t step, stage, from;
};
struct plan_uses {
	struct plan_use *items;
	uint32_t count;
};

/* Puts "Dockerfile:LINE:COLUMN" in front of what err says. -EINVAL. */
int plan_fail(const struct dockerfile_step *step, struct err *err);
/* The last stage below `before` with that name, or -1. */
int plan_find_stage(const struct build_plan *plan, const char *name, uint32_t before);
/* Stages, references, target and needs: all but the steps. */
int plan_read(const struct build_inputs *inputs, struct arena *arena, struct dockerfile *ret_file,
	      struct build_plan *plan, struct scope *ret_global, struct plan_uses *ret_uses,
	      struct err *err);

#endif
