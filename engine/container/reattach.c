/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attaching again what runs, after netd or engine main was started anew. Runs in engine main. It
 * must never do that for all at once: with hundreds of them nobody else would hear of engine main
 * meanwhile, PID 1 included.
 */
#include "engine/container/parts.h"
#include "lib/log.h"

enum { REATTACH_AT_ONCE = 8 };

static void reattach_now(struct container *container)
{
	struct err err = { 0 };
	int r;

	if (container->phase != CONTAINER_PHASE_RUNNING ||
	    container->def.network_mode == DEF_NETWORK_HOST ||
	    container_shares_network(container) || container->ns.netns_fd < 0)
		return;
	r = container_reopen(container, &err);
	if (r >= 0)
		r = container_attach(container, container_attached, &err);
	if (r < 0)
		log_warn("container %s: network: %s", container->def.name, err_text(&err));
}

/* The timer that re-arms itself waits its turn behind all else that is due. */
static void take_some(struct loop_timer *timer)
{
	struct container_env *env = timer->owner;

	for (int i = 0; i < REATTACH_AT_ONCE && env->attach_queue; i++) {
		struct container *container = env->attach_queue;

		env->attach_queue = container->attach_next;
		container->attach_next = NULL;
		reattach_now(container);
	}
	if (env->attach_queue)
		loop_timer_set(env->loop, timer, 0, take_some, env);
}

void container_reattach(struct container *container)
{
	struct container_env *env = container->env;
	struct container **at = &env->attach_queue;

	while (*at && *at != container)
		at = &(*at)->attach_next;
	if (*at)
		return;
	*at = container;
	container->attach_next = NULL;
	if (!env->attach_timer.armed)
		loop_timer_set(env->loop, &env->attach_timer, 0, take_some, env);
}

void container_reattach_cancel(struct container *container)
{
	struct container **at = &container->env->attach_queue;

	while (*at && *at != container)
		at = &(*at)->attach_next;
	if (*at)
		*at = container->attach_next;
	container->attach_next = NULL;
}
