/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_BUILD_EXEC_MEMORY_H
#define HOY_ENGINE_BUILD_EXEC_MEMORY_H

#include "engine/build/exec_job.h"

/* Where a step has worked: mounts and directories that are still to go. */
struct build_rest {
	struct container_env *env;
	char scratch[CONTAINER_ID_LEN + 1], source[CONTAINER_ID_LEN + 1]; /* "" = none */
	uint64_t memory_bytes;
};

/* exec_step.c: takes them out of the lane, whose next step may begin before they are buried. */
struct build_rest build_job_rest(struct build_lane *lane);
/* Takes them away; to unmount is slow. */
void build_job_bury(struct build_rest *rest);

/*
 * As build_job_scratch() for step.scratch, in memory, where what goes there is small and known. 1:
 * made; 0: there is no room for it, or the kernel's tmpfs is too old.
 */
int build_memory_scratch(struct build_lane *lane, int *ret_upper, int *ret_work, struct err *err);
void build_memory_clear(struct build_rest *rest);
/* What builds of an engine that was killed have left. */
void build_memory_sweep(struct container_env *env);

#endif
