/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_CONTAINER_LAUNCH_H
#define HOY_ENGINE_CONTAINER_LAUNCH_H

#include "engine/container/container.h"
#include "engine/run/cgroup_resource.h"
#include "engine/run/spec.h"

/* Of 10,000; what nobody sets is 100: so many as one build runs at once are less than a service. */
enum { LAUNCH_BACKGROUND_WEIGHT = 5 };

/* For launch*.c only: a spec in the making and the memory behind it. */
struct launch {
	struct container *container;
	struct run_spec spec;
	struct run_mount mounts[RUN_MOUNTS_MAX];
	struct run_device devices[64];
	struct run_device_rule rules[64];
	struct run_rlimit rlimits[RUN_RLIMITS_MAX];
	struct run_sysctl sysctls[64];
	struct run_seccomp_filter filter;
	uint32_t groups[RUN_GROUPS_MAX];
	struct run_mapping ids;
	const char **argv, **env;
};

/* Rows behind cgroup_resources' pointers. */
struct launch_io {
	struct cgroup_io_limit limits[CGROUP_ROWS_MAX];
	struct cgroup_io_weight weights[CGROUP_ROWS_MAX];
	size_t limit_count, weight_count;
};

/* Limits of block devices into *res, which points into *io. -ENODEV, -ENOENT name the device. */
int launch_io(const struct def_host *host, struct launch_io *io, struct cgroup_resources *res,
	      struct err *err);
/* What def->host says, over what the other fields said; does nothing without host_set. */
int launch_host(struct launch *launch, struct err *err);
/* As Docker: in a network of its own no port needs a privilege, and everyone may ping. */
int launch_net_sysctls(struct launch *launch, struct err *err);
/* The confinement that host->security_opt and host->seccomp speak of, for each process of the
 * container. `filter` lives as long as *process. */
int launch_security(const struct def_host *host, struct run_process *process,
		    struct run_seccomp_filter *filter, struct err *err);
/* The limits of each process of the container: Docker's defaults, and its ulimits over them.
 * `limits` lives as long as *process. */
int launch_rlimits(const struct container_def *def, struct run_rlimit limits[RUN_RLIMITS_MAX],
		   struct run_process *process, struct err *err);
/* The container's user namespace, for the plan of each of its processes; fd as in run_ns. *ids
 * lives as long as *spec. */
void launch_userns(const struct container *container, int fd, struct run_mapping *ids,
		   struct run_spec *spec);
/* One mount's further properties. */
void launch_mount_more(const struct container_def *def, uint32_t index, struct run_mount *mount);
/* Writes the limits that struct cgroup_limits does not know into the container's group. */
int launch_resources(struct container *container, struct err *err);
/* "a/b", never above: its own links are not followed by who mounts it. */
bool launch_subpath_stays(const char *subpath);
/* Where `subpath` leads below `place`, links within it followed (in the arena); NULL = err. Who
 * mounts it follows none: what is changed meanwhile is an error there. */
const char *launch_subpath(struct container *container, const char *place, const char *subpath,
			   struct err *err);
/* A NULL-terminated vector in the container's arena, NULL when it is full. */
const char **launch_vector(struct arena *arena, const struct image_texts *texts);

#endif
