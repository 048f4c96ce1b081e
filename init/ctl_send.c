/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns INIT_MSG_SUPPORT_SEND: one archive at a time, opened by the disk role, sent by role send,
 * with its words passed on to who asked. Runs in PID 1. Must never wait, never look into the
 * archive, and never leave role send behind when nobody waits for it any more.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "init/api/send_msg.h"
#include "init/sup_calls.h"
#include "lib/log.h"
#include "lib/own.h"

static struct {
	struct msg_peer *peer; /* who asked; NULL = nobody */
	uint32_t serial;
	char wish[SEND_WISH_MAX];
	size_t wish_len;
	int archive_fd; /* until the process has it; -1 = none */
} now = { .archive_fd = -1 };

static struct sup_unit *unit_of_send(void)
{
	return &ctl_sup()->units[SUP_SEND];
}

/* Nobody waits any more; the process goes, and what it had with it. */
static void leave(void)
{
	now.peer = NULL;
	own_close(&now.archive_fd);
	explicit_bzero(now.wish, sizeof(now.wish)); /* a token is in it */
	sup_unit_event(unit_of_send(), UNIT_EVENT_DOWN);
}

static void fail(int code, const char *text)
{
	struct msg_peer *peer = now.peer;
	struct err err = { 0 };

	leave();
	(void)err_set(&err, code, "%s", text);
	(void)msg_reply_err(peer, INIT_MSG_SUPPORT_SEND, now.serial, &err);
}

static void opened(struct msg_peer *disk, void *owner, struct msg *reply, const struct err *err)
{
	struct sup_unit *unit = unit_of_send();

	(void)disk;
	(void)owner;
	if (reply == NULL || reply->nfds != 1 || reply->body.len > sizeof(now.wish)) {
		fail(reply == NULL ? err->code : -EBADMSG,
		     reply == NULL ? err_text(err) : "malformed answer of the disk role");
		return;
	}
	memcpy(now.wish, reply->body.ptr, reply->body.len);
	now.wish_len = reply->body.len;
	now.archive_fd = msg_take_fd(reply, 0);
	sup_unit_event(unit, UNIT_EVENT_UP);
	if (now.peer != NULL && unit->state == UNIT_STATE_BACKOFF)
		fail(-EIO, unit->end_reason);
}

void ctl_send(struct msg_peer *peer, struct msg *msg)
{
	struct sup *sup = ctl_sup();
	struct err err = { 0 };

	if (sup_power_going(sup)) {
		ctl_refuse(peer, msg, -EBUSY, "the machine is going down");
		return;
	}
	if (now.peer != NULL || unit_of_send()->state != UNIT_STATE_STOPPED) {
		ctl_refuse(peer, msg, -EBUSY, "an archive is on its way already");
		return;
	}
	now.peer = peer;
	now.serial = msg->serial;
	ctl_audit_act(peer, "support send", "begun");
	if (msg_peer_call(&sup->units[SUP_DISK].peer, DISK_MSG_SUPPORT_SEND, msg->body, NULL, 0,
			  opened, &now, &err) < 0)
		fail(err.code, err_text(&err));
}

void ctl_send_spawned(struct sup_unit *unit)
{
	struct err err = { 0 };

	if (msg_peer_send(&unit->peer, INIT_MSG_SEND, str_make(now.wish, now.wish_len),
			  &now.archive_fd, 1, &err) < 0)
		sup_say(unit->sup, LOG_PRIO_WARN, "%s: %s", unit->name, err_text(&err));
	own_close(&now.archive_fd);
}

void ctl_send_step(struct msg_peer *peer, struct msg *msg)
{
	(void)peer;
	if (now.peer != NULL)
		(void)msg_reply_more(now.peer, INIT_MSG_SUPPORT_SEND, now.serial, msg->body);
}

void ctl_send_end(struct msg_peer *peer, struct msg *msg)
{
	struct msg_peer *asker = now.peer;
	struct buf body = sup_body();
	char text[ERR_TEXT_MAX];
	struct wire in;
	int code;

	(void)peer;
	wire_init(&in, msg->body.ptr, msg->body.len);
	code = (int)wire_u32(&in);
	wire_text(&in, text, sizeof(text));
	if (wire_end(&in) < 0 || asker == NULL)
		return;
	if (code != 0) {
		fail(code, text);
		return;
	}
	leave();
	wire_put_text(&body, text);
	(void)msg_reply(asker, INIT_MSG_SUPPORT_SEND, now.serial, buf_str(&body), NULL, 0);
}

void ctl_send_ended(struct sup_unit *unit)
{
	char text[120];

	if (now.peer == NULL)
		return;
	(void)snprintf(text, sizeof(text), "what sends it ended: %s; `log` may say why",
		       unit->end_reason);
	fail(-EPIPE, text);
}

void ctl_send_forget(const struct msg_peer *peer)
{
	if (now.peer == NULL || now.peer != peer)
		return;
	msg_peer_forget(&ctl_sup()->units[SUP_DISK].peer, &now);
	leave();
}
