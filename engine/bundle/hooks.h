/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_BUNDLE_HOOKS_H
#define HOY_ENGINE_BUNDLE_HOOKS_H

#include "engine/bundle/command.h"
#include "engine/run/spec.h"

/*
 * Hooks that come in a later call than the one that made the container: poststart and poststop.
 * Their list is read anew from the kept config.json, by the parser. A hook that fails is a warning,
 * as config.md says of these two.
 */
void hooks_run(struct command *cmd, const struct container *container, enum run_hook_point point);

#endif
