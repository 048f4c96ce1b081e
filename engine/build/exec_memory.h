/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_BUILD_EXEC_MEMORY_H
#define HOY_ENGINE_BUILD_EXEC_MEMORY_H

#include "engine/build/exec_job.h"

/*
 * As build_job_scratch() for step.scratch, in memory, where what goes there is small and known. 1:
 * made; 0: there is no room for it, or the kernel's tmpfs is too old.
 */
int build_memory_scratch(struct build_lane *lane, int *ret_upper, int *ret_work, struct err *err);
void build_memory_clear(struct build_lane *lane);
/* What builds of an engine that was killed have left. */
void build_memory_sweep(struct container_env *env);

#endif
