/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attaching: the api role gets one end of a stream that the shim holds the other end of; no byte of
 * it passes through engine main. Who attaches before the start waits here, so that the first bytes
 * of output are not missed. Runs in engine main; must never keep a waiter whose container is gone.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "engine/api/stream_msg.h"
#include "engine/container/exec.h"
#include "engine/role_main.h"
#include "lib/log.h"
#include "lib/own.h"

enum { ATTACH_WAITERS_MAX = 256 };

static void attach_drop(struct engine_attach *attach)
{
	struct engine_attach **at = &attach->engine->attaches;

	if (attach->asked && msg_peer_alive(&attach->asked->shim))
		msg_peer_forget(&attach->asked->shim, attach);
	while (*at && *at != attach)
		at = &(*at)->next;
	if (*at)
		*at = attach->next;
	free(attach);
}

/* The one message that ends it; reply NULL: there will be no stream. */
static void attach_end(struct engine_attach *attach, const struct msg *reply, const struct err *err)
{
	struct buf body OWN(buf_done) = { 0 };
	const int *fds = reply ? reply->fds : NULL;
	size_t nfds = reply ? reply->nfds : 0;

	buf_init(&body, 256);
	if (attach->told)
		wire_put_u32(&body, attach->serial);
	if (reply)
		(void)buf_add_str(&body, reply->body);
	if (attach->told)
		(void)msg_peer_send(attach->peer, ENGINE_MSG_ATTACHED, buf_str(&body), fds, nfds,
				    NULL);
	else if (reply)
		(void)msg_reply(attach->peer, ENGINE_MSG_ATTACH, attach->serial, buf_str(&body),
				fds, nfds);
	else
		(void)msg_reply_err(attach->peer, ENGINE_MSG_ATTACH, attach->serial, err);
	attach_drop(attach);
}

static void on_attached(struct msg_peer *peer, void *owner, struct msg *reply,
			const struct err *err)
{
	struct engine_attach *attach = owner;

	(void)peer;
	attach->asked = NULL;
	attach_end(attach, reply, err);
}

static void attach_ask(struct engine_attach *attach, struct container *container)
{
	struct buf body OWN(buf_done) = { 0 };
	struct err err = { 0 };

	buf_init(&body, 16);
	wire_put_u8(&body, attach->flags);
	attach->asked = container;
	if (container_call(container, SHIM_MSG_ATTACH, buf_str(&body), NULL, 0, on_attached, attach,
			   &err) >= 0)
		return;
	attach->asked = NULL;
	attach_end(attach, NULL, &err);
}

static struct engine_attach *attach_new(struct msg_peer *peer, const struct msg *msg,
					struct err *err)
{
	struct engine *engine = engine_of(peer);
	struct engine_attach *attach = calloc(1, sizeof(*attach));
	unsigned count = 0;

	for (const struct engine_attach *a = engine->attaches; a; a = a->next)
		count++;
	if (!attach || count >= ATTACH_WAITERS_MAX) {
		err_set(err, -EBUSY, "%u clients wait to be attached already", count);
		free(attach);
		return NULL;
	}
	attach->engine = engine;
	attach->peer = peer;
	attach->serial = msg->serial;
	attach->next = engine->attaches;
	engine->attaches = attach;
	return attach;
}

void engine_attach_call(struct msg_peer *peer, struct msg *msg)
{
	struct engine_attach *attach = NULL;
	struct engine_target target = { 0 };
	struct container *container;
	char name[ENGINE_NAME_MAX];
	struct err err = { 0 };
	uint8_t flags;
	struct wire in;
	int r;

	wire_init(&in, msg->body.ptr, msg->body.len);
	wire_text(&in, name, sizeof(name));
	flags = wire_u8(&in);
	r = wire_end(&in) < 0 ? err_set(&err, -EBADMSG, "malformed request")
			      : engine_target(engine_of(peer), name, &target, &err);
	if (r >= 0 && target.entry && target.entry->paused)
		r = err_set(&err, -EEXIST,
			    "Container %s is paused. Unpause the container before attach", name);
	container = r >= 0 ? engine_target_container(&target) : NULL;
	if (container && container->phase != CONTAINER_PHASE_RUNNING)
		container = NULL;
	if (r >= 0 && !container && target.service)
		r = err_set(&err, -ESRCH, "%s does not run", name);
	if (r >= 0)
		attach = attach_new(peer, msg, &err);
	if (!attach) {
		(void)msg_reply_err(peer, msg->type, msg->serial, &err);
		return;
	}
	attach->flags = flags;
	attach->told = msg->type == ENGINE_MSG_ATTACH_TOLD;
	memcpy(attach->id, engine_target_id(&target), sizeof(attach->id));
	if (attach->told)
		(void)msg_reply(peer, msg->type, msg->serial, STR(""), NULL, 0);
	if (container)
		attach_ask(attach, container);
}

void engine_attach_launched(struct engine *engine, const char *id, struct container *container)
{
	struct engine_attach *next;

	for (struct engine_attach *a = engine->attaches; a; a = next) {
		next = a->next;
		if (!a->asked && !strcmp(a->id, id))
			attach_ask(a, container);
	}
}

/* Its shim goes: what it has not answered it will not answer. */
void engine_attach_ended(struct engine *engine, const struct container *container)
{
	struct engine_attach *next;
	struct err err = { 0 };

	err_set(&err, -ESRCH, "the container has ended");
	for (struct engine_attach *a = engine->attaches; a; a = next) {
		next = a->next;
		if (a->asked == container || !strcmp(a->id, container->id))
			attach_end(a, NULL, &err);
	}
}

void engine_attach_removed(struct engine *engine, const char *id)
{
	struct engine_attach *next;
	struct err err = { 0 };

	err_set(&err, -ENOENT, "No such container: %s", id);
	for (struct engine_attach *a = engine->attaches; a; a = next) {
		next = a->next;
		if (!strcmp(a->id, id))
			attach_end(a, NULL, &err);
	}
}

void engine_attach_gone(struct engine *engine, const struct msg_peer *peer)
{
	struct engine_attach *next;

	for (struct engine_attach *a = engine->attaches; a; a = next) {
		next = a->next;
		if (a->peer == peer)
			attach_drop(a);
	}
}

void engine_cancel_call(struct msg_peer *peer, struct msg *msg)
{
	struct engine *engine = engine_of(peer);
	struct engine_attach *next;
	struct err err = { 0 };
	struct wire in;
	uint32_t serial;

	wire_init(&in, msg->body.ptr, msg->body.len);
	serial = wire_u32(&in);
	if (wire_end(&in) < 0)
		err_set(&err, -EBADMSG, "malformed request");
	for (struct engine_attach *a = engine->attaches; a && !err.code; a = next) {
		next = a->next;
		if (a->peer == peer && a->serial == serial)
			attach_drop(a);
	}
	engine_answer(peer, msg, err.code, &err);
}

void engine_tty_call(struct msg_peer *peer, struct msg *msg)
{
	struct engine_target target = { 0 };
	struct buf body OWN(buf_done) = { 0 };
	const struct container *container = NULL;
	char name[ENGINE_NAME_MAX];
	struct err err = { 0 };
	uint16_t rows, columns;
	struct wire in;
	int r;

	wire_init(&in, msg->body.ptr, msg->body.len);
	wire_text(&in, name, sizeof(name));
	rows = wire_u16(&in);
	columns = wire_u16(&in);
	r = wire_end(&in) < 0 ? err_set(&err, -EBADMSG, "malformed request")
			      : engine_target(engine_of(peer), name, &target, &err);
	if (r >= 0)
		container = engine_target_container(&target);
	if (r >= 0 && (!container || container->phase != CONTAINER_PHASE_RUNNING))
		r = err_set(&err, -EBUSY, "container %s is not running", engine_target_id(&target));
	buf_init(&body, 16);
	wire_put_u32(&body, 0);
	wire_put_u16(&body, rows);
	wire_put_u16(&body, columns);
	if (r >= 0)
		(void)container_call(engine_target_container(&target), SHIM_MSG_RESIZE,
				     buf_str(&body), NULL, 0, NULL, NULL, NULL);
	engine_answer(peer, msg, r, &err);
}
