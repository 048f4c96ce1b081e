/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the calls of the disk role that only look things up: files on /data by fd, earlier boots,
 * wrong passwords, the configuration in force. Runs in init's disk role, never in PID 1. Must never
 * hand out a file but the log's and a new support archive.
 */
#include "init/role_disk_files.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
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

/* "/data/transfer/support-20261123-010203.tar": nothing else is ever sent away. */
static int open_support(const struct boot_state *state, struct str path, struct send_wish *wish,
			struct err *err)
{
	static const char folder[] = "/data/transfer/";
	OWN_FD int dir_fd = -1;
	struct stat st;
	OWN_FD int fd = -1;

	if (wish->host[0] == '\0')
		return err_set(err, -ENODEV,
			       "no server is named: `config set support server NAME`, then `config "
			       "apply`");
	if (!str_starts(path, STR(folder)) ||
	    str_copy(str_skip(path, sizeof(folder) - 1), wish->name, sizeof(wish->name)) < 0 ||
	    !str_starts(str_from(wish->name), STR("support-")) || strchr(wish->name, '/') != NULL)
		return err_set(err, -EINVAL, "that is no support archive in /data/transfer");
	if (state->data_fd < 0)
		return err_set(err, -ENODEV, "there is no data partition");
	dir_fd = fs_open_dir(state->data_fd, "transfer", FS_BENEATH, 0700, err);
	if (dir_fd < 0)
		return dir_fd;
	fd = fs_open(dir_fd, wish->name, FS_BENEATH, O_RDONLY, 0, err);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_set(err, -EINVAL, "%s is no file", wish->name);
	wish->size = (uint64_t)st.st_size;
	return take_fd(&fd);
}

void role_disk_support_send(struct boot_state *state, const struct send_wish *settings,
			    struct msg_peer *peer, const struct msg *msg)
{
	struct send_wish wish = *settings;
	struct buf body OWN(buf_done) = { 0 };
	struct err err = { 0 };
	OWN_FD int fd = -1;
	struct str path;
	struct wire in;

	wire_init(&in, msg->body.ptr, msg->body.len);
	path = wire_str(&in, 255);
	fd = wire_end(&in) < 0 ? err_set(&err, -EBADMSG, "malformed body")
			       : open_support(state, path, &wish, &err);
	if (fd < 0) {
		(void)msg_reply_err(peer, msg->type, msg->serial, &err);
		return;
	}
	buf_init(&body, SEND_WISH_MAX);
	send_wish_put(&body, &wish);
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
