/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the calls of the disk role that hand out files on /data by fd. Runs in init's disk role,
 * never in PID 1. Must never hand out anything but the log and a new support archive.
 */
#include "init/role_disk_files.h"
#include "lib/buf.h"
#include "lib/own.h"
#include "lib/wire.h"

void role_disk_log_files(struct boot_state *state, struct msg_peer *peer, const struct msg *msg)
{
	struct err err = { 0 };
	int fds[BOOT_LOG_FILES];
	int count = boot_state_log_files(state, fds, &err);

	if (count < 0)
		(void)msg_reply_err(peer, msg->type, msg->serial, &err);
	else
		(void)msg_reply(peer, msg->type, msg->serial, (struct str){ 0 }, fds,
				(size_t)count);
	while (count > 0)
		own_close(&fds[--count]);
}

void role_disk_support_file(struct boot_state *state, struct msg_peer *peer, const struct msg *msg)
{
	struct buf body OWN(buf_done) = { 0 };
	char path[BOOT_SUPPORT_PATH_MAX];
	struct err err = { 0 };
	OWN_FD int fd = boot_state_support_file(state, path, &err);

	if (fd < 0) {
		(void)msg_reply_err(peer, msg->type, msg->serial, &err);
		return;
	}
	buf_init(&body, 512);
	wire_put_text(&body, path);
	(void)msg_reply(peer, msg->type, msg->serial, buf_str(&body), &fd, 1);
}
