/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_BUNDLE_GROUP_H
#define HOY_ENGINE_BUNDLE_GROUP_H

#include "engine/bundle/launch.h"

/*
 * The control group of a container that is being made: cgroupsPath below the top of cgroup v2, or
 * /hoy-oci/ID. On a host without pure cgroup v2 there are warnings instead of limits.
 */
int group_make(struct launch *launch, struct err *err);
/* Before that: its path, and the top of the hierarchy (launch->top, -1 on a host without any). */
int group_plan(struct launch *launch, struct err *err);
void group_undo(struct launch *launch);

/* "/a//b/" -> "a/b"; -EINVAL for "..". NULL = hoy-oci/ID. */
int group_path(const char *given, const char *id, char *dst, size_t cap, struct err *err);

#endif
