/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The unpack role: one compressed layer in, entry records out. No network, no files, no
 * capabilities: two pipes and memory. It must never answer before both pipes are closed, for
 * whoever reads the records waits for their end.
 */
#include <errno.h>
#include <sys/sysinfo.h>
#include <unistd.h>
#include "engine/api/git_msg.h"
#include "engine/api/unpack_msg.h"
#include "engine/git/tree.h"
#include "engine/role.h"
#include "engine/role_start.h"
#include "engine/tar/unpack.h"
#include "lib/log.h"
#include "lib/own.h"

enum {
	UNPACK_UID = 65534,
	UNPACK_MEMORY_MAX = 256 << 20,
	UNPACK_WINDOW_LOG = 23,	    /* 8 MiB */
	UNPACK_WINDOW_LOG_BIG = 27, /* 128 MiB: what zstd --long makes */
	UNPACK_BIG_FREE_MIB = 1024,
};
#define UNPACK_GIT_WORK_MAX ((uint64_t)64 << 30) /* bytes out of a pack's compression */

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

static int check_out(struct str body, int in, int out, struct unpack_git_result *ret_result,
		     struct err *err)
{
	static struct unpack_git wanted;
	struct git_pack *pack = NULL;
	struct entry_writer writer;
	int r = unpack_git_decode(body, &wanted, err);

	if (r == 0)
		r = git_pack_open(in, UNPACK_GIT_WORK_MAX, &pack, err);
	if (r < 0)
		return r;
	entry_writer_init(&writer, out);
	r = git_checkout(pack, &wanted, &writer, ret_result, err);
	entry_writer_done(&writer);
	git_pack_free(pack);
	return r;
}

static void on_git(struct msg_peer *peer, struct msg *msg)
{
	static struct unpack_git_result result;
	OWN_FD int in = msg_take_fd(msg, 0);
	OWN_FD int out = msg_take_fd(msg, 1);
	struct buf body OWN(buf_done) = { 0 };
	struct err err = { 0 };
	int r = check_out(msg->body, in, out, &result, &err);

	own_close(&in);
	own_close(&out);
	if (r < 0) {
		(void)msg_reply_err(peer, msg->type, msg->serial, &err);
		return;
	}
	buf_init(&body, 1 << 20);
	unpack_git_result_encode(&result, &body);
	(void)msg_reply(peer, msg->type, msg->serial, buf_str(&body), NULL, 0);
}

static const struct msg_rule rules[] = {
	{ UNPACK_MSG_GIT, "git", 16, 8192, 2, 2, ROLE_PEER_MAIN, on_git },
	{ UNPACK_MSG_START, "start", 16, 1024, 2, 2, ROLE_PEER_MAIN, on_start },
};

int role_unpack(void)
{
	static struct role_service service = { .rules = rules,
					       .rule_count = ARRAY_LEN(rules),
					       .queue_max = 1 << 20 };
	const struct sandbox sandbox = {
		.profile = SANDBOX_PROFILE_COMPUTE,
		.uid = UNPACK_UID,
		.gid = UNPACK_UID,
		.address_space_max = UNPACK_MEMORY_MAX,
		.files_max = 32,
	};

	role_begin(&service, &sandbox);
	return role_run(&service);
}
