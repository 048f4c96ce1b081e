/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the answer to COMPOSE_MSG_CONVERT. Runs in the api role and in role compose, on a file of
 * the operator's.
 */
#include <errno.h>
#include "engine/api/compose_msg.h"
#include "engine/compose/compose.h"
#include "lib/own.h"

void compose_serve(struct msg_peer *peer, struct msg *msg)
{
	struct buf ini OWN(buf_done) = { 0 }, notes OWN(buf_done) = { 0 };
	struct buf places OWN(buf_done) = { 0 }, body OWN(buf_done) = { 0 };
	struct err err = { 0 };
	struct wire in;
	struct str text;
	int r;

	wire_init(&in, msg->body.ptr, msg->body.len);
	text = wire_blob(&in, COMPOSE_BODY_MAX);
	buf_init(&ini, COMPOSE_INI_MAX);
	buf_init(&notes, COMPOSE_NOTES_MAX);
	buf_init(&places, 2 * COMPOSE_PLACES_MAX);
	buf_init(&body, COMPOSE_INI_MAX + COMPOSE_NOTES_MAX + 2 * COMPOSE_PLACES_MAX + 64);
	r = wire_end(&in) < 0 ? err_set(&err, -EBADMSG, "malformed request")
			      : compose_convert(text, &ini, &notes, &places, &err);
	if (r < 0) {
		(void)msg_reply_err(peer, msg->type, msg->serial, &err);
		return;
	}
	wire_put_str(&body, buf_str(&ini));
	wire_put_str(&body, buf_str(&notes));
	wire_put_str(&body, buf_str(&places));
	(void)msg_reply(peer, msg->type, msg->serial, buf_str(&body), NULL, 0);
}
