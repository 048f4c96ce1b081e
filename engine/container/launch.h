/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_CONTAINER_LAUNCH_H
#define HOY_ENGINE_CONTAINER_LAUNCH_H

#include "engine/container/container.h"
#include "engine/run/cgroup_resource.h"
#include "engine/run/spec.h"

/* For launch*.c only: a spec in the making and the memory behind it. */
struct launch {
	struct container *container;
	struct run_spec spec;
	struct run_mount mounts[RUN_MOUNTS_MAX];
	struct run_device devices[64];
	struct run_device_rule rules[64];
	struct run_rlimit rlimits[RUN_RLIMITS_MAX];
	struct run_sysctl sysctls[64];
	uint32_t groups[RUN_GROUPS_MAX];
	const char **argv, **env;
};

/* What def->host says, over what the other fields said; does nothing without host_set. */
int launch_host(struct launch *launch, struct err *err);
/* One mount's further properties. */
void launch_mount_more(const struct container_def *def, uint32_t index, struct run_mount *mount);
/* Writes the limits that struct cgroup_limits does not know into the container's group. */
int launch_resources(struct container *container, struct err *err);
/* A NULL-terminated vector in the container's arena, NULL when it is full. */
const char **launch_vector(struct arena *arena, const struct image_texts *texts);
/* The resources that a definition asks for. Texts belong to def. */
int container_resources(const struct container_def *def, struct cgroup_resources *ret_resources,
			struct err *err);

#endif
