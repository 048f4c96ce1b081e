/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_DOCKER_CALL_H
#define HOY_ENGINE_DOCKER_CALL_H

#include "engine/api/gate_msg.h"
#include "lib/loop.h"
#include "lib/msg.h"

struct docker_server;

enum {
	DOCKER_LONG_MAX = 48, /* calls under way that take their time */
	DOCKER_LONG_OWN = 32, /* of them for one client */
};

/* How many of a client's calls that take their time are under way; 0 = nobody's. */
struct docker_share {
	char who[GATE_NAME_MAX + 1], from[64];
	uint32_t calls;
};

/* Of a server; zeroed = none. */
struct docker_calls {
	struct docker_call *under_way, *waiting; /* the latter oldest first */
	struct docker_share shares[DOCKER_LONG_MAX];
	uint32_t long_count; /* in all shares */
	struct loop_timer turn;
};

/*
 * Calls to engine main whose time is somebody's own, each counted until its last reply.
 *   waits its turn -- there is room --> under way -- last reply --> gone
 * and from either docker_call_forget() ends it.
 */
struct docker_call_wish {
	const char *who, *from; /* of the client, as in struct docker_client */
	uint16_t type;
	struct str body;
	int fd; /* goes along and stays the caller's; -1 = none */
	msg_reply_fn *fn;
	void *owner; /* of fn, and for docker_call_forget() */
};

/*
 * Asks engine main, now or when it is this one's turn. An error, and fn does not run: -ENOMEM, or
 * engine main is gone.
 */
int docker_call(struct docker_server *server, const struct docker_call_wish *wish, struct err *err);
/* fn will not run any more for calls of this owner; one that waits is never made. */
void docker_call_forget(struct docker_server *server, const void *owner);

#endif
