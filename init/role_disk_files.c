/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the calls of the disk role that only look things up: files on /data by fd, earlier boots,
 * wrong passwords, the configuration in force. Runs in init's disk role, never in PID 1. Must never
 * hand out a file but the log's and a new support archive.
 */
#include "init/role_disk_files.h"
#include <fcntl.h>
#include "init/boot_config.h"
#include "init/boot_history.h"
#include "init/boot_pstore.h"
#include "lib/buf.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/mono.h"
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

void role_disk_auth_try(struct boot_lockout *lockout, int dir_fd, struct msg_peer *peer,
			const struct msg *msg)
{
	struct buf body OWN(buf_done) = { 0 };
	uint32_t wait_s = 0;

	boot_lockout_read(lockout, dir_fd, mono_now());
	if (msg->body.ptr[0] == 0)
		wait_s = boot_lockout_try(lockout, dir_fd, mono_now());
	else
		boot_lockout_clear(lockout, dir_fd);
	buf_init(&body, 8);
	wire_put_u32(&body, wait_s);
	(void)msg_reply(peer, msg->type, msg->serial, buf_str(&body), NULL, 0);
}

static void say_last_words(struct str line)
{
	char text[400];

	(void)str_escape(line, text, sizeof(text));
	log_err("last words of the kernel: %s", text);
}

void role_disk_last_words(char *dst, size_t cap)
{
	OWN_FD int fd =
		fs_open(AT_FDCWD, "/sys/fs/pstore", FS_HOST, O_RDONLY | O_DIRECTORY, 0, NULL);

	dst[0] = '\0';
	if (fd >= 0)
		boot_pstore_read(fd, dst, cap, say_last_words);
}

void role_disk_boots(int dir_fd, struct err *err, struct msg_peer *peer, const struct msg *msg)
{
	struct buf body OWN(buf_done) = { 0 }, text OWN(buf_done) = { 0 };

	buf_init(&text, 32768);
	buf_init(&body, 33000);
	if (dir_fd < 0 || boot_history_show(dir_fd, &text, err) < 0) {
		(void)msg_reply_err(peer, msg->type, msg->serial, err);
		return;
	}
	wire_put_str(&body, buf_str(&text));
	(void)msg_reply(peer, msg->type, msg->serial, buf_str(&body), NULL, 0);
}

void role_disk_config_get(const char *note, struct msg_peer *peer, const struct msg *msg)
{
	struct buf body OWN(buf_done) = { 0 };
	struct err err = { 0 };
	struct str file;
	struct wire in;
	int r;

	wire_init(&in, msg->body.ptr, msg->body.len);
	file = wire_str(&in, 32);
	buf_init(&body, MSG_BODY_INLINE_MAX);
	r = wire_end(&in);
	if (r == 0)
		r = boot_config_show(file, note, &body, &err);
	if (r >= 0) {
		(void)msg_reply(peer, msg->type, msg->serial, buf_str(&body), NULL, 0);
		return;
	}
	if (err.code == 0)
		(void)err_set(&err, r, "the configuration is too large to show");
	(void)msg_reply_err(peer, msg->type, msg->serial, &err);
}
