/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_BUILD_SCOPE_H
#define HOY_ENGINE_BUILD_SCOPE_H

#include <stdbool.h>
#include "engine/build/plan.h"

/* Between plan.c and plan_steps.c; private to this folder. */

/* Names that words used and nothing has set, for the warnings. */
enum { SCOPE_MISSES_MAX = 32 };
struct scope_misses {
	const char *names[SCOPE_MISSES_MAX];
	uint32_t count;
};

/* The variables that a word may name: of an ENV and an ARG of one name the later one counts. */
struct scope {
	const struct build_inputs *inputs;
	struct arena *arena;
	const struct image_texts *env; /* NULL before the first stage */
	struct image_pairs args;       /* declared so far, with their values */
	struct image_texts declared;   /* with or without a value */
	struct image_texts later;      /* arguments that were set behind an ENV of their name */
	struct scope_misses *misses;   /* NULL = nobody asks */
	const struct scope *defaults;  /* the same without build arguments; of the global one */
	const char *last_stage;	       /* its name, for TARGETSTAGE */
	char escape;
	bool global; /* before the first FROM: the platform needs no ARG */
	bool masked; /* for what is written down: *** for values whose name tells a secret */
};

/* Variables that a build may be given without any ARG: they reach RUN, no key and no history. */
bool scope_is_proxy(const char *name);

void scope_init(struct scope *scope, const struct build_inputs *inputs, struct arena *arena,
		char escape);
const char *scope_lookup(const void *owner, struct str name);
int scope_expand(const struct scope *scope, const char *word, const char **ret_text,
		 struct err *err);
/* An argument that hides the ENV of its name, and the end of that: another ENV. */
bool scope_is_later(const struct scope *scope, const char *name);
void scope_env_again(struct scope *scope, const char *name);
/* One word of an ARG instruction. */
int scope_declare(struct scope *scope, const struct scope *global, const char *word,
		  struct err *err);

/* Instruction `step` of stage `stage` takes files from stage `from`; mount: which RUN --mount. */
struct plan_use {
	uint32_t step, stage;
	int32_t from; /* as build_op.from */
	uint32_t mount;
};
struct plan_uses {
	struct plan_use *items;
	uint32_t count;
};

/* Puts "Dockerfile:LINE:COLUMN" in front of what err says. -EINVAL. */
int plan_fail(const struct dockerfile_step *step, struct err *err);
/* Whether the platform (what `raw` came to) is one at all: -EINVAL in the words of the frontend. */
int plan_platform(const struct scope *global, const char *raw, const char *platform,
		  struct err *err);
/* Why a reference that is none may be none: ": repository name (X) must be lowercase", or "". */
const char *plan_capitals(const char *reference, struct arena *arena);
/* The same with the place of one word of the step. */
int plan_fail_word(const struct build_inputs *inputs, const struct dockerfile_step *step,
		   uint32_t word, struct err *err);
/* The last stage below `before` with that name, or -1. */
int plan_find_stage(const struct build_plan *plan, const char *name, uint32_t before);
/*
 * Stages, references, target and needs: all but the steps. With bases (one for each reference),
 * their ONBUILD triggers become steps behind the FROM.
 */
struct plan_reading {
	struct dockerfile file;
	struct scope global;
	struct plan_uses uses;
};
int plan_read(const struct build_inputs *inputs, const struct image *bases, struct arena *arena,
	      struct build_plan *plan, struct plan_reading *ret, struct err *err);

/*
 * Once it is known what the target needs: -EINVAL when a needed stage takes from a later one, or
 * any from itself. stages: those of the file, without the images that stand for themselves.
 */
int plan_order(const struct dockerfile *file, const struct build_plan *plan, struct plan_uses *uses,
	       uint32_t stages, struct err *err);

/* Puts each stage's triggers behind its FROM. For plan_read(). */
int plan_triggers(const struct build_plan *plan, const struct image *bases, struct arena *arena,
		  struct dockerfile *file, struct err *err);

#endif
