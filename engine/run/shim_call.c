/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the calls of main that need no state machine: signal, resize, attach, state, stop, release.
 * Runs in the shim. Must never act on a process that is not known to run.
 */
#include "engine/run/shim.h"

#include <errno.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include "engine/api/shim_version.h"
#include "engine/run/kernel.h"
#include "lib/fs.h"
#include "lib/own.h"
#include "lib/wire.h"

enum { SIGNAL_MAX = 64 };

static void reply_empty(struct msg_peer *peer, const struct msg *msg, int r, const struct err *err)
{
	if (r < 0)
		(void)msg_reply_err(peer, msg->type, msg->serial, err);
	else
		(void)msg_reply(peer, msg->type, msg->serial, STR(""), NULL, 0);
}

static int need_running(const struct shim *shim, struct err *err)
{
	return shim->state == SHIM_STATE_RUNNING
		       ? 0
		       : err_set(err, -ESRCH, "the container does not run");
}

void shim_signal_message(struct msg_peer *peer, struct msg *msg)
{
	struct shim *shim = peer->owner;
	struct err err = { 0 };
	struct wire in;
	uint32_t id, signal;
	int pidfd = shim->pidfd, r = need_running(shim, &err);

	wire_init(&in, msg->body.ptr, msg->body.len);
	id = wire_u32(&in);
	signal = wire_u32(&in);
	if (r == 0 && (wire_end(&in) < 0 || signal < 1 || signal > SIGNAL_MAX))
		r = err_set(&err, -EINVAL, "signal: expected a number from 1 to %d", SIGNAL_MAX);
	if (r == 0 && id != 0) {
		const struct shim_exec *exec = shim_exec_find(shim, id);

		pidfd = exec ? exec->pidfd : -1;
		if (!exec)
			r = err_set(&err, -ESRCH, "signal: exec %u is gone", id);
	}
	if (r == 0 && id == 0 && signal == SIGKILL) {
		shim_kill_all(shim);
	} else if (r == 0) {
		r = k_pidfd_signal(pidfd, (int)signal);
		if (r < 0)
			(void)err_sys(&err, r, "signal %u", signal);
	}
	reply_empty(peer, msg, r, &err);
}

void shim_resize_message(struct msg_peer *peer, struct msg *msg)
{
	struct shim *shim = peer->owner;
	struct winsize size = { 0 };
	struct err err = { 0 };
	struct wire in;
	uint32_t id;
	int master = -1, r = 0;

	wire_init(&in, msg->body.ptr, msg->body.len);
	id = wire_u32(&in);
	size.ws_row = wire_u16(&in);
	size.ws_col = wire_u16(&in);
	if (wire_end(&in) < 0)
		r = err_set(&err, -EBADMSG, "resize: malformed");
	if (id == 0 && shim->state == SHIM_STATE_RUNNING && shim->streams.tty)
		master = shim->streams.out[0];
	else if (id != 0 && shim_exec_find(shim, id))
		master = shim_exec_find(shim, id)->master;
	if (r == 0 && master < 0)
		r = err_set(&err, -ENOTTY, "resize: it has no terminal");
	if (r == 0 && ioctl(master, TIOCSWINSZ, &size) < 0)
		r = err_sys(&err, -errno, "resize");
	reply_empty(peer, msg, r, &err);
}

/* Where the log ends now; before the start what an earlier run has left of it. */
static void put_place(const struct shim *shim, struct buf *out)
{
	struct stat st = { 0 };
	bool there = shim->state == SHIM_STATE_CREATED
			     ? fs_stat(SHIM_FD_DIR, SHIM_LOG_DIR "/" SHIM_LOG_FILE, FS_BENEATH, &st,
				       NULL) == 0
			     : shim->log.fd >= 0 && fstat(shim->log.fd, &st) == 0;

	wire_put_u64(out, there ? st.st_ino : 0);
	wire_put_u64(out, there ? (uint64_t)st.st_size : 0);
}

void shim_attach_message(struct msg_peer *peer, struct msg *msg)
{
	struct shim *shim = peer->owner;
	char memory[SHIM_BODY_MAX];
	struct err err = { 0 };
	struct wire in;
	struct buf body;
	uint8_t flags;
	int fd;

	wire_init(&in, msg->body.ptr, msg->body.len);
	flags = wire_u8(&in);
	if (flags & ~(SHIM_ATTACH_STDIN | SHIM_ATTACH_PLACE))
		in.error = -EBADMSG;
	fd = wire_end(&in) < 0 ? err_set(&err, -EBADMSG, "attach: malformed") : 0;
	/* Before the start too: the first bytes of output shall not be missed. */
	if (fd == 0 && shim->state == SHIM_STATE_EXITED)
		fd = err_set(&err, -ESRCH, "attach: the container has ended");
	if (fd == 0)
		fd = shim_streams_attach(&shim->streams, flags, &err);
	if (fd < 0) {
		(void)msg_reply_err(peer, msg->type, msg->serial, &err);
		return;
	}
	shim_body(&body, memory);
	wire_put_u8(&body, shim->streams.tty);
	if (flags & SHIM_ATTACH_PLACE)
		put_place(shim, &body);
	(void)msg_reply(peer, msg->type, msg->serial, buf_str(&body), &fd, 1);
	own_close(&fd);
}

void shim_state_message(struct msg_peer *peer, struct msg *msg)
{
	struct shim *shim = peer->owner;
	bool running = shim->state == SHIM_STATE_RUNNING;
	char memory[SHIM_BODY_MAX];
	struct buf body;
	uint32_t count = 0;

	shim_body(&body, memory);
	wire_put_u16(&body, shim_version());
	wire_put_u8(&body, (uint8_t)shim->state);
	wire_put_u32(&body, shim->pid);
	shim_exit_put(&body, &shim->exit);
	wire_put_u64(&body, shim->log.dropped);
	for (size_t i = 0; i < SHIM_EXECS_MAX; i++)
		count += shim->execs[i].id != 0 && shim->execs[i].started;
	wire_put_u32(&body, count);
	for (size_t i = 0; i < SHIM_EXECS_MAX; i++) {
		if (shim->execs[i].id == 0 || !shim->execs[i].started)
			continue;
		wire_put_u32(&body, shim->execs[i].id);
		wire_put_u32(&body, shim->execs[i].pid);
	}
	(void)msg_reply(peer, msg->type, msg->serial, buf_str(&body), &shim->pidfd, running);
}

void shim_stop_message(struct msg_peer *peer, struct msg *msg)
{
	shim_kill_all(peer->owner);
	reply_empty(peer, msg, 0, NULL);
}

void shim_release_message(struct msg_peer *peer, struct msg *msg)
{
	struct shim *shim = peer->owner;
	struct err err = { 0 };
	int r = 0;

	if (shim->state != SHIM_STATE_EXITED && shim->state != SHIM_STATE_CREATED)
		r = err_set(&err, -EBUSY, "release: the container still runs");
	reply_empty(peer, msg, r, &err);
	if (r == 0)
		shim->loop.quit = true;
}
