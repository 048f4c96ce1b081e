/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the control group of a container: among the engine's own, or below one that its definition
 * names (Docker's CgroupParent), counted from the top of the hierarchy. Runs in engine main. Must
 * never remove a group that is not the container's: the ones above it stay, as with Docker.
 */
#include <errno.h>
#include <stdio.h>
#include "engine/container/parts.h"
#include "engine/run/cgroup_resource.h"
#include "lib/log.h"
#include "lib/own.h"

/* False: its group is one of the engine's own. */
static bool named_path(const struct container *container, char path[CGROUP_PATH_MAX])
{
	const struct container_def *def = &container->def;
	int n;

	if (!def->host_set || !*def->host.cgroup_parent)
		return false;
	n = snprintf(path, CGROUP_PATH_MAX, "%s/%s", def->host.cgroup_parent, container->id);
	if (n < 0 || n >= CGROUP_PATH_MAX)
		path[0] = '\0'; /* no path: whoever takes it says so */
	return true;
}

static int open_top(struct err *err)
{
	enum cgroup_host host;
	int top = -1;
	int r = cgroup_host_open(&host, &top, err);

	return r < 0	 ? r
	       : top < 0 ? err_set(err, -EOPNOTSUPP,
				   "the machine has no control groups of "
				   "version 2")
			 : top;
}

static int make_named(const struct container *container, const char *path,
		      const struct cgroup_limits *limits, struct err *err)
{
	struct cgroup_root above = { .fd = -1 };
	int top OWN_FD = open_top(err);
	int fd OWN_FD = top < 0 ? top : cgroup_path_make(top, path, UINT32_MAX, NULL, err);
	char missing[96];
	int r;

	if (fd < 0)
		return fd;
	above.controllers = cgroup_controllers(fd);
	if (*cgroup_missing(&above, limits, missing, sizeof(missing)))
		log_warn("container %s: control group %s cannot limit %s", container->def.name,
			 container->def.host.cgroup_parent, missing);
	r = cgroup_set(&above, fd, limits, err);
	return r < 0 ? err_prefix(err, "cgroup %s", path) : take_fd(&fd);
}

int container_group_make(struct container *container, const struct cgroup_limits *limits,
			 struct err *err)
{
	struct cgroup_root *own = &container->env->cgroups;
	char path[CGROUP_PATH_MAX], missing[96];

	if (named_path(container, path))
		return make_named(container, path, limits, err);
	if (*cgroup_missing(own, limits, missing, sizeof(missing)))
		log_warn("container %s: this kernel cannot limit %s", container->def.name, missing);
	return cgroup_create(own, container->id, limits, err);
}

int container_group_open(const struct container *container)
{
	char path[CGROUP_PATH_MAX];
	int top OWN_FD = -1;

	if (!named_path(container, path))
		return cgroup_open(&container->env->cgroups, container->id, NULL);
	top = open_top(NULL);
	return top < 0 ? top : cgroup_path_open(top, path, NULL);
}

int container_group_remove(const struct container *container, struct err *err)
{
	char path[CGROUP_PATH_MAX];
	int top OWN_FD = -1;

	if (!named_path(container, path))
		return cgroup_remove(&container->env->cgroups, container->id, err);
	top = open_top(err);
	return top < 0 ? top : cgroup_path_remove(top, path, err);
}
