/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_DOCKER_POLICY_H
#define HOY_ENGINE_DOCKER_POLICY_H

#include "engine/container/def.h"
#include "engine/docker/server.h"

/*
 * What a container may have that a client of this role makes: all for an admin; for a deployer
 * nothing that reaches the machine or another container. -EACCES names what is in excess.
 */
int docker_policy_check(enum docker_role role, const struct container_def *def, struct err *err);
/* -EACCES: "access denied: a container with WHAT needs the role admin". */
int docker_policy_refuse(const char *what, struct err *err);

#endif
