/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pack role: one layer's records in, one EROFS file out. No network, no files but the passed
 * one, no capabilities. Must never read anything but records, nor keep the file open behind its
 * answer (the store seals it, which a writer would prevent).
 */
#include <errno.h>
#include <unistd.h>
#include "engine/api/pack_msg.h"
#include "engine/erofs/pack.h"
#include "engine/role.h"
#include "engine/role_start.h"
#include "lib/log.h"
#include "lib/own.h"

enum { ROLE_NOBODY = 65534, ROLE_MEMORY_MAX = 1 << 30 };

static void on_start(struct msg_peer *peer, struct msg *msg)
{
	OWN_FD int in = msg_take_fd(msg, 0);
	OWN_FD int out = msg_take_fd(msg, 1);
	struct buf body OWN(buf_done) = { 0 };
	struct pack_result result;
	struct err err = { 0 };
	int r = pack_stream(in, out, &result, &err);

	own_close(&in);
	own_close(&out);
	if (r < 0) {
		(void)msg_reply_err(peer, msg->type, msg->serial, &err);
		return;
	}
	buf_init(&body, 256);
	pack_result_put(&body, &result);
	(void)msg_reply(peer, msg->type, msg->serial, buf_str(&body), NULL, 0);
}

static const struct msg_rule role_rules[] = {
	{ PACK_MSG_START, "start", 0, 0, 2, 2, ROLE_PEER_MAIN, on_start },
};

int role_pack(void)
{
	static struct role_service service = { .rules = role_rules,
					       .rule_count = ARRAY_LEN(role_rules),
					       .queue_max = 1 << 20 };
	const struct sandbox sandbox = {
		.profile = SANDBOX_PROFILE_COMPUTE,
		.uid = ROLE_NOBODY,
		.gid = ROLE_NOBODY,
		.address_space_max = ROLE_MEMORY_MAX,
		.files_max = 64,
	};

	role_begin(&service, &sandbox);
	return role_run(&service);
}
