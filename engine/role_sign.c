/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Role sign: the machine's own authority signs one client's certificate, and the process ends. It
 * has the authority's key for that moment; no file, no network, and nothing foreign to read.
 */
#include <errno.h>
#include <string.h>
#include "engine/gate/sign.h"
#include "engine/role.h"
#include "engine/role_start.h"
#include "lib/log.h"
#include "lib/own.h"

enum { SIGN_UID = 917, SIGN_REPLY_MAX = 8 * ACCESS_PEM_MAX };

static void on_sign(struct msg_peer *peer, struct msg *msg)
{
	static struct gate_signed made;
	struct buf body OWN(buf_done) = { 0 };
	struct access_order order;
	struct err err = { 0 };
	struct wire in;
	int r;

	wire_init(&in, msg->body.ptr, msg->body.len);
	access_order_get(&in, &order);
	r = wire_end(&in) < 0 ? err_set(&err, -EBADMSG, "malformed request")
			      : gate_sign(&order, &made, &err);
	if (r < 0) {
		(void)msg_reply_err(peer, msg->type, msg->serial, &err);
		return;
	}
	buf_init(&body, SIGN_REPLY_MAX);
	access_made_put(&body, &made.made);
	(void)msg_reply(peer, msg->type, msg->serial, buf_str(&body), NULL, 0);
	explicit_bzero(&made, sizeof(made));
	if (body.data)
		explicit_bzero(body.data, body.len);
}

static const struct msg_rule rules[] = {
	{ ACCESS_MSG_SIGN, "sign", 25, 4 * ACCESS_PEM_MAX, 0, 0, ROLE_PEER_MAIN, on_sign },
};

int role_sign(void)
{
	static struct role_service service = { .rules = rules,
					       .rule_count = ARRAY_LEN(rules),
					       .queue_max = 1 << 20 };
	const struct sandbox sandbox = { .profile = SANDBOX_PROFILE_COMPUTE,
					 .uid = SIGN_UID,
					 .gid = SIGN_UID,
					 .root = "/var/empty",
					 .address_space_max = 64 << 20,
					 .files_max = 16 };

	role_begin(&service, &sandbox);
	return role_run(&service);
}
