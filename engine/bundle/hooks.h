/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_BUNDLE_HOOKS_H
#define HOY_ENGINE_BUNDLE_HOOKS_H

#include "engine/bundle/command.h"
#include "engine/run/spec.h"

/*
 * Hooks that come in a later call than the one that made the container: poststart and poststop.
 * Their list is in the kept plan. All of them run; the first failure is the result. What it means
 * is the caller's to say: after poststart the container is removed, poststop's is a warning.
 */
int hooks_run(const struct container *container, enum run_hook_point point, struct err *err);

#endif
