/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the answer to COMPOSE_MSG_CONVERT. Runs in the api role and in role compose, on files of the
 * operator's.
 */
#include "engine/compose/compose.h"
#include "lib/own.h"

void compose_serve(struct msg_peer *peer, struct msg *msg)
{
	struct compose_result result OWN(compose_result_done) = { 0 };
	struct buf body OWN(buf_done) = { 0 };
	struct err err = { 0 };

	compose_result_init(&result);
	buf_init(&body, COMPOSE_INI_MAX + COMPOSE_NOTES_MAX + 3 * COMPOSE_PLACES_MAX);
	if (compose_convert(msg->body, &result, &err) < 0) {
		(void)msg_reply_err(peer, msg->type, msg->serial, &err);
		return;
	}
	(void)buf_add_str(&body, buf_str(&result.wanted));
	wire_put_str(&body, buf_str(&result.ini));
	wire_put_str(&body, buf_str(&result.notes));
	wire_put_str(&body, buf_str(&result.places));
	(void)msg_reply(peer, msg->type, msg->serial, buf_str(&body), NULL, 0);
}
