/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_BUNDLE_AGENT_H
#define HOY_ENGINE_BUNDLE_AGENT_H

#include "engine/bundle/answer.h"
#include "engine/bundle/state.h"
#include "engine/run/apply.h"

/*
 * The seccomp agent of linux.seccomp.listenerPath (config-linux.md, "containerProcessState"): gets
 * the listener of a filter with SCMP_ACT_NOTIFY.
 */

/* Before apply_start(): the page that the child needs; nothing without a listener. */
int agent_prepare(struct apply *apply, struct err *err);
/*
 * Takes the listener out of the process behind pidfd (waits until its filter is loaded) and hands
 * it over. `pid` is the process, `state` the container's.
 */
int agent_hand_over(struct apply *apply, const struct answer *answer, const struct state *state,
		    const char *status, int pidfd, uint32_t pid, struct err *err);

#endif
