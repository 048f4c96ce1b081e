/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_BUILD_STAGING_H
#define HOY_ENGINE_BUILD_STAGING_H

#include "engine/build/scope.h"

/* Between plan_steps.c, plan_op.c and plan_add.c; private to this folder. */
enum { PLAN_PATH_MAX = 4096 };

/* One stage while its steps are read. */
struct staging {
	struct arena *arena;
	const struct build_inputs *inputs;
	const struct dockerfile *file;
	const struct scope *global;
	struct build_plan *plan;
	struct build_stage *stage;
	struct scope scope;
	const struct plan_uses *uses;
	uint32_t room; /* of stage->ops */
	uint32_t step_number;
	uint32_t word;		  /* of the step: where an error belongs */
	uint32_t declared_before; /* of scope.declared: those that stood there before the step */
	bool cmd_set, workdir_set;
	bool base_known; /* its record is there: what it sets is set */
	const struct dockerfile_step *last_cmd, *last_entrypoint, *last_healthcheck;
	struct scope_misses misses;
	struct staging_end {
		struct image_pairs args;
		struct image_texts declared, later;
		bool workdir_set;
	} * ends;		  /* of each stage: one that begins with it goes on from there */
	struct image_texts pairs; /* of the last ENV or LABEL, with its variables' values */
};

int staging_no_memory(struct err *err);
/* Each word without quotes and with its variables' values. */
int staging_expand(struct staging *s, const struct image_texts *words, struct image_texts *ret,
		   struct err *err);
/* Adds a text that is not there yet. */
int staging_once(struct staging *s, struct image_texts *texts, const char *text, struct err *err);
/* A shell line as argv of the stage's SHELL; an exec form as it is. */
int staging_command(struct staging *s, const struct dockerfile_step *step, struct image_texts *ret,
		    struct err *err);

/* The line of the history for a step that was planned; ports: those of an EXPOSE. NULL: no memory.
 * "" = none. */
const char *plan_history(struct staging *s, const struct dockerfile_step *step,
			 const struct image_texts *ports);

/* Instruction `index` of the file as an operation of the stage. */
int plan_run(struct staging *s, const struct dockerfile_step *step, uint32_t index,
	     struct err *err);
int plan_copy(struct staging *s, const struct dockerfile_step *step, uint32_t index,
	      struct err *err);
/* All of the directory that the stage begins with (base_context), as an operation. */
int plan_copy_context(struct staging *s, const struct dockerfile_step *from, struct err *err);
/* Moves sources that are elsewhere out of a COPY or ADD, and checks those that stay. */
int plan_remotes(struct staging *s, const struct dockerfile_step *step, struct build_op *op,
		 struct err *err);
/* *ret_ports: those of the line, for the history. */
int plan_expose(struct staging *s, const struct dockerfile_step *step,
		struct image_texts *ret_ports, struct err *err);
int plan_workdir(struct staging *s, const struct dockerfile_step *step, struct err *err);

#endif
