/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_ROLE_START_H
#define HOY_ENGINE_ROLE_START_H

#include <stddef.h>
#include "lib/loop.h"
#include "lib/msg.h"
#include "lib/sandbox.h"

/* The start that the child roles share. For role_*.c only. */
enum { ROLE_PEER_MAIN = 1 /* identity of engine main in their rules */ };

struct role_service {
	const struct msg_rule *rules; /* set by the role, with the two below */
	size_t rule_count;
	size_t queue_max; /* bytes that may wait for main */
	struct loop loop;
	struct msg_peer main; /* fd 3 */
};

/*
 * Loop, connection and sandbox, in this order; fatal() when one of them fails. No message is read
 * before role_run(). *service has to stay where it is.
 */
void role_begin(struct role_service *service, const struct sandbox *sandbox);

/* Serves until main is gone; the exit status. */
int role_run(struct role_service *service);

#endif
