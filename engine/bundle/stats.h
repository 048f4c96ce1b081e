/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_BUNDLE_STATS_H
#define HOY_ENGINE_BUNDLE_STATS_H

#include "engine/json/json.h"

/*
 * What a control group of version 2 used, as the member `data` of runc's `events`: its names for
 * cgroup v1's figures, and those that the kernel does not tell here left out. `processes` stands in
 * for pids.current where there is no controller that counts them.
 */
void stats_put(struct json_writer *w, int group, uint64_t processes);

#endif
