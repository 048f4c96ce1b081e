/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Compose file of the operator's: to the api role, which reads it, and what it says back. Runs in
 * engine main. Must never look at a byte of either.
 */
#include <errno.h>
#include "engine/api/compose_msg.h"
#include "engine/role_main_work.h"
#include "lib/own.h"

static void on_converted(struct msg_peer *peer, void *owner, struct msg *reply,
			 const struct err *err)
{
	struct engine_work *work = owner;

	(void)peer;
	if (reply)
		work_reply(work, reply->body);
	else
		work_fail(work, err);
}

void engine_compose_call(struct msg_peer *peer, struct msg *msg)
{
	struct engine_work *work = work_new(peer, msg, sizeof(*work), NULL);
	struct err err = { 0 };

	if (work)
		engine_api_start();
	if (work && msg_peer_call(&work->engine->api.peer, COMPOSE_MSG_CONVERT, msg->body, NULL, 0,
				  on_converted, work, &err) < 0)
		work_fail(work, &err);
}
