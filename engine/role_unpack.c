/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The unpack role: one compressed layer in, entry records out. No network, no files, no
 * capabilities: two pipes and memory. It must never answer before both pipes are closed, for
 * whoever reads the records waits for their end.
 */
#include <errno.h>
#include <signal.h>
#include <sys/sysinfo.h>
#include <unistd.h>
#include "engine/api/unpack_msg.h"
#include "engine/role.h"
#include "engine/tar/unpack.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/msg.h"
#include "lib/own.h"
#include "lib/sandbox.h"

enum {
	UNPACK_UID = 65534,
	UNPACK_MEMORY_MAX = 256 << 20,
	UNPACK_WINDOW_LOG = 23,	    /* 8 MiB */
	UNPACK_WINDOW_LOG_BIG = 27, /* 128 MiB: what zstd --long makes */
	UNPACK_BIG_FREE_MIB = 1024,
};

/* A large zstd window only where the machine has the memory for it. */
static unsigned window_log(void)
{
	struct sysinfo info;

	if (sysinfo(&info) < 0 ||
	    (uint64_t)info.freeram * info.mem_unit >> 20 < UNPACK_BIG_FREE_MIB)
		return UNPACK_WINDOW_LOG;
	return UNPACK_WINDOW_LOG_BIG;
}

static int unpack(struct str body, int *in, int out, struct unpack_result *ret_result,
		  struct err *err)
{
	struct entry_writer writer;
	struct unpack_start start;
	int r = unpack_start_decode(body, &start, err);

	if (r < 0)
		return r;
	entry_writer_init(&writer, out);
	r = tar_unpack(tar_source_fd, in, &start, window_log(), &writer, ret_result, err);
	entry_writer_done(&writer);
	return r;
}

static void on_start(struct msg_peer *peer, struct msg *msg)
{
	OWN_FD int in = msg_take_fd(msg, 0);
	OWN_FD int out = msg_take_fd(msg, 1);
	struct buf body OWN(buf_done) = { 0 };
	struct unpack_result result;
	struct err err = { 0 };
	int r = unpack(msg->body, &in, out, &result, &err);

	own_close(&in);
	own_close(&out);
	if (r < 0) {
		(void)msg_reply_err(peer, msg->type, msg->serial, &err);
		return;
	}
	buf_init(&body, 256);
	unpack_result_encode(&result, &body);
	(void)msg_reply(peer, msg->type, msg->serial, buf_str(&body), NULL, 0);
}

static const struct msg_rule rules[] = {
	{ UNPACK_MSG_START, "start", 16, 1024, 2, 2, 1, on_start },
};

static void on_gone(struct msg_peer *peer)
{
	peer->loop->quit = true;
}

int role_unpack(void)
{
	static struct loop loop;
	static struct msg_peer main_peer;
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	const struct sandbox sandbox = {
		.profile = SANDBOX_PROFILE_COMPUTE,
		.uid = UNPACK_UID,
		.gid = UNPACK_UID,
		.address_space_max = UNPACK_MEMORY_MAX,
		.files_max = 32,
	};
	struct err err = { 0 };

	log_init("unpack", LOG_PRIO_INFO);
	/* A reader that gives up is an error to report, not a reason to die. */
	sigaction(SIGPIPE, &ignore, NULL);
	if (loop_init(&loop, &err) < 0 ||
	    msg_peer_init(&main_peer, &loop, 3, 1, rules, ARRAY_LEN(rules), 1 << 20, on_gone, NULL,
			  &err) < 0 ||
	    sandbox_enter(&sandbox, &err) < 0)
		fatal("%s", err_text(&err));
	if (loop_run(&loop, &err) < 0)
		log_err("%s", err_text(&err));
	return 0;
}
