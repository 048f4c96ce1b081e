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
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/msg.h"
#include "lib/own.h"
#include "lib/sandbox.h"

enum { ROLE_NOBODY = 65534, ROLE_MEMORY_MAX = 1 << 30 };

static struct loop role_loop;

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
	{ PACK_MSG_START, "start", 0, 0, 2, 2, 1, on_start },
};

static void on_gone(struct msg_peer *peer)
{
	peer->loop->quit = true;
}

int role_pack(void)
{
	static struct msg_peer main_peer;
	const struct sandbox sandbox = {
		.profile = SANDBOX_PROFILE_COMPUTE,
		.uid = ROLE_NOBODY,
		.gid = ROLE_NOBODY,
		.address_space_max = ROLE_MEMORY_MAX,
		.files_max = 64,
	};
	struct err err = { 0 };

	log_init("pack", LOG_PRIO_INFO);
	if (loop_init(&role_loop, &err) < 0 ||
	    msg_peer_init(&main_peer, &role_loop, 3, 1, role_rules, ARRAY_LEN(role_rules), 1 << 20,
			  on_gone, NULL, &err) < 0 ||
	    sandbox_enter(&sandbox, &err) < 0)
		fatal("%s", err_text(&err));
	if (loop_run(&role_loop, &err) < 0)
		log_err("%s", err_text(&err));
	return 0;
}
