/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a child role starts and ends: its loop, engine main on fd 3, its sandbox, and then messages
 * until main is gone. Runs in every role with a loop but main. Must never let a role go on without
 * its sandbox.
 */
#include "engine/role_start.h"
#include "lib/log.h"

enum { ROLE_FD_MAIN = 3 };

static void on_gone(struct msg_peer *peer)
{
	peer->loop->quit = true;
}

void role_begin(struct role_service *service, const struct sandbox *sandbox)
{
	struct err err = { 0 };

	if (loop_init(&service->loop, &err) < 0 ||
	    msg_peer_init(&service->main, &service->loop, ROLE_FD_MAIN, ROLE_PEER_MAIN,
			  service->rules, service->rule_count, service->queue_max, on_gone, NULL,
			  &err) < 0 ||
	    sandbox_enter(sandbox, &err) < 0)
		fatal("%s", err_text(&err));
}

int role_run(struct role_service *service)
{
	struct err err = { 0 };

	if (loop_run(&service->loop, &err) < 0)
		log_err("%s", err_text(&err));
	return 0;
}
