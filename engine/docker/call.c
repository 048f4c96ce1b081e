/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls to engine main for clients: who may have how many under way, and the queue of those that
 * wait for their turn. Runs in the api role. Must never let calls that take their time have all of
 * the peer's places, whoever makes them and however long their answers stream.
 */
#include "engine/docker/call.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include "engine/api/view_msg.h"
#include "engine/docker/server.h"
#include "lib/own.h"

/* The peer was full of others' messages: nobody's last reply may tell when it is not. */
enum { CALL_AGAIN_MS = 100 };

struct docker_call {
	struct docker_call *next; /* of all that wait, or of all that are under way */
	struct docker_server *server;
	char who[GATE_NAME_MAX + 1], from[64];
	uint16_t type;
	msg_reply_fn *fn;
	void *owner;
	struct docker_share *share; /* which it is counted in; NULL = in none */
	struct buf body;	    /* while it waits */
	int fd;			    /* the same, -1 = none */
};

/*
 * What engine main answers from what it knows has MSG_CALLS_MAX places; what waits for containers,
 * registries or disks has DOCKER_LONG_MAX of them, and one client of it DOCKER_LONG_OWN: so however
 * many of those somebody begins, others' questions and acts find room.
 */
static bool is_long(uint16_t type)
{
	static const uint16_t quick[] = {
		ENGINE_MSG_VIEWS,	ENGINE_MSG_RECORDS,  ENGINE_MSG_VOLUMES,
		ENGINE_MSG_NETWORKS,	ENGINE_MSG_COUNTERS, ENGINE_MSG_PROCESSES,
		ENGINE_MSG_ID,		ENGINE_MSG_TTY,	     ENGINE_MSG_KILL,
		ENGINE_MSG_CANCEL,	ENGINE_MSG_PAUSE,    ENGINE_MSG_LOGS,
		ENGINE_MSG_HEALTH,	ENGINE_MSG_METRICS,  ENGINE_MSG_CREATE,
		ENGINE_MSG_VIEWS_BRIEF,
	};

	for (size_t i = 0; i < ARRAY_LEN(quick); i++) {
		if (type == quick[i])
			return false;
	}
	return true;
}

/* ---- shares ---- */

/* This one's, or a free one; NULL: all places of long calls are taken, or its own are. */
static struct docker_share *find_share(struct docker_server *server, const struct docker_call *call)
{
	struct docker_share *empty = NULL;

	if (server->calls.long_count >= DOCKER_LONG_MAX)
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(server->calls.shares); i++) {
		struct docker_share *share = &server->calls.shares[i];

		if (!share->calls)
			empty = share;
		else if (!strcmp(share->who, call->who) && !strcmp(share->from, call->from))
			return share->calls < DOCKER_LONG_OWN ? share : NULL;
	}
	return empty;
}

static void take_share(struct docker_call *call, struct docker_share *share)
{
	call->share = share;
	if (!share)
		return;
	if (!share->calls++) {
		memcpy(share->who, call->who, sizeof(share->who));
		memcpy(share->from, call->from, sizeof(share->from));
	}
	call->server->calls.long_count++;
}

static void give_share(struct docker_call *call)
{
	if (!call->share)
		return;
	call->share->calls--;
	call->server->calls.long_count--;
	call->share = NULL;
}

/* ---- one call ---- */

static void take_out(struct docker_call **list, const struct docker_call *call)
{
	while (*list && *list != call)
		list = &(*list)->next;
	if (*list)
		*list = call->next;
}

static void call_free(struct docker_call *call)
{
	give_share(call);
	buf_done(&call->body);
	own_close(&call->fd);
	free(call);
}

static void next_turn(struct loop_timer *timer);

/* A place has become free, or somebody joined the queue. */
static void wake(struct docker_server *server, int64_t in_ms)
{
	if (server->calls.waiting)
		loop_timer_set(server->loop, &server->calls.turn, in_ms, next_turn, server);
}

static void on_reply(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct docker_call *call = owner;
	msg_reply_fn *fn = call->fn;
	void *their = call->owner;

	if (!reply || !(reply->flags & MSG_FLAG_MORE)) {
		take_out(&call->server->calls.under_way, call);
		wake(call->server, 0);
		call_free(call);
	}
	fn(peer, their, reply, err);
}

/* 0, -EAGAIN: no room for it now, or the peer's error. */
static int begin(struct docker_call *call, struct str body, int fd, struct err *err)
{
	struct docker_server *server = call->server;
	struct docker_share *share = is_long(call->type) ? find_share(server, call) : NULL;
	int64_t r;

	if (!share && is_long(call->type))
		return -EAGAIN;
	r = msg_peer_call(server->main, call->type, body, &fd, fd >= 0, on_reply, call, err);
	if (r < 0)
		return (int)r;
	take_share(call, share);
	call->next = server->calls.under_way;
	server->calls.under_way = call;
	return 0;
}

/* In their order; one whose own places are taken is passed over. */
static void next_turn(struct loop_timer *timer)
{
	struct docker_server *server = timer->owner;
	struct docker_call **at = &server->calls.waiting;

	while (*at) {
		struct docker_call *call = *at, *behind = call->next;
		struct err err = { 0 };
		int r = begin(call, buf_str(&call->body), call->fd, &err);

		if (r == -EAGAIN) {
			at = &call->next;
			continue;
		}
		*at = behind;
		buf_done(&call->body);
		own_close(&call->fd);
		if (r >= 0)
			continue;
		call->fn(server->main, call->owner, NULL, &err);
		call_free(call);
		at = &server->calls.waiting; /* whoever was told may have changed it */
	}
	wake(server, CALL_AGAIN_MS);
}

/* ---- for the others ---- */

static int wait_turn(struct docker_call *call, const struct docker_call_wish *wish, struct err *err)
{
	struct docker_call **end = &call->server->calls.waiting;

	buf_init(&call->body, MSG_BODY_MAX);
	if (buf_add_str(&call->body, wish->body) < 0)
		return err_set(err, -ENOMEM, "no memory for a request that waits");
	if (wish->fd >= 0)
		call->fd = fcntl(wish->fd, F_DUPFD_CLOEXEC, 3);
	if (wish->fd >= 0 && call->fd < 0)
		return err_sys(err, -errno, "keep the pipe of a request that waits");
	while (*end)
		end = &(*end)->next;
	*end = call;
	if (call == call->server->calls.waiting) /* for those behind it the timer runs */
		wake(call->server, CALL_AGAIN_MS);
	return 0;
}

int docker_call(struct docker_server *server, const struct docker_call_wish *wish, struct err *err)
{
	struct docker_call *call = calloc(1, sizeof(*call));
	struct err why = { 0 };
	int r;

	if (!call)
		return err_set(err, -ENOMEM, "no memory for a request");
	*call = (struct docker_call){
		.server = server,
		.type = wish->type,
		.fn = wish->fn,
		.owner = wish->owner,
		.fd = -1,
	};
	(void)str_copy(str_from(wish->who), call->who, sizeof(call->who));
	(void)str_copy(str_from(wish->from), call->from, sizeof(call->from));
	r = begin(call, wish->body, wish->fd, &why);
	if (r == -EAGAIN)
		r = wait_turn(call, wish, err);
	else if (r < 0)
		(void)err_set(err, r, "%s", err_text(&why));
	if (r < 0)
		call_free(call);
	return r;
}

static void forget_in(struct docker_server *server, struct docker_call **at, const void *owner)
{
	while (*at) {
		struct docker_call *call = *at;

		if (call->owner != owner) {
			at = &call->next;
			continue;
		}
		*at = call->next;
		msg_peer_forget(server->main, call);
		call_free(call);
	}
}

void docker_call_forget(struct docker_server *server, const void *owner)
{
	forget_in(server, &server->calls.under_way, owner);
	forget_in(server, &server->calls.waiting, owner);
	wake(server, 0);
}
