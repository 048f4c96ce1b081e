/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns making, finding and naming message sockets, and the blocking call of small clients. Every
 * role runs it. It must never ask SO_PEERCRED of an inherited pair: there it names the creator.
 */
#include "lib/msg.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/un.h>
#include "lib/defence.h"
#include "lib/fs.h"
#include "lib/fs_at.h"
#include "lib/msg_wire.h"
#include "lib/own.h"
#include "lib/sys.h"

enum { MSG_BACKLOG = 64, MSG_ERROR_TEXT_MAX = 4096 };

int msg_pair(int ret_fds[2], struct err *err)
{
	int r = sys_socketpair(ret_fds);

	return r < 0 ? err_sys(err, r, "make a socket pair") : 0;
}

int msg_credentials(int fd, uint32_t *ret_uid, uint32_t *ret_gid, int *ret_pid, struct err *err)
{
	struct ucred cred;
	int r = sys_peercred(fd, &cred);

	if (r < 0)
		return err_sys(err, r, "ask who is on the other side");
	if (ret_uid)
		*ret_uid = cred.uid;
	if (ret_gid)
		*ret_gid = cred.gid;
	if (ret_pid)
		*ret_pid = cred.pid;
	return 0;
}

static int make_address(const char *name, struct sockaddr_un *ret_addr, struct err *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	size_t len = strlen(name);

	if (!fs_is_name(name) || len >= sizeof(addr.sun_path))
		return err_set(err, -EINVAL, "'%s' is not a socket name", name);
	memcpy(addr.sun_path, name, len + 1);
	if (!defence_on(DEFENCE_A16_NAMED))
		addr.sun_path[0] = '\0';
	*ret_addr = addr;
	return 0;
}

/* A socket file that nobody listens on any more makes room; anything else stays. */
static int remove_stale(int dirfd, const char *name, struct err *err)
{
	struct stat st;
	int r = fs_stat(dirfd, name, FS_BENEATH, &st, NULL);

	if (r == -ENOENT)
		return 0;
	if (r == 0 && !S_ISSOCK(st.st_mode))
		return err_set(err, -EEXIST, "%s is there and is no socket", name);
	return r < 0 ? err_sys(err, r, "look at %s", name) : fs_unlink(dirfd, name, err);
}

int msg_listen(int dirfd, const char *name, unsigned mode, struct err *err)
{
	OWN_FD int fd = -1;
	struct sockaddr_un addr;
	int old = -1;
	mode_t mask;
	int r = make_address(name, &addr, err);

	if (r == 0)
		r = remove_stale(dirfd, name, err);
	if (r < 0)
		return r;
	fd = sys_socket();
	if (fd < 0)
		return err_sys(err, fd, "make a socket");
	r = fs_enter(dirfd, &old, err);
	if (r < 0)
		return r;
	/* By umask, for the file must not be open to anybody even for a moment. */
	mask = umask(~mode & 0777);
	r = sys_bind(fd, (const struct sockaddr *)&addr, sizeof(addr));
	(void)umask(mask);
	r = fs_leave(old, r);
	if (r < 0)
		return err_sys(err, r, "bind %s", name);
	r = sys_listen(fd, MSG_BACKLOG);
	if (r == 0)
		r = sys_fcntl(fd, F_SETFL, O_NONBLOCK);
	if (r < 0)
		return err_sys(err, r, "listen on %s", name);
	return take_fd(&fd);
}

int msg_connect(int dirfd, const char *name, struct err *err)
{
	OWN_FD int fd = -1;
	struct sockaddr_un addr;
	int old = -1;
	int r = make_address(name, &addr, err);

	if (r < 0)
		return r;
	fd = sys_socket();
	if (fd < 0)
		return err_sys(err, fd, "make a socket");
	r = fs_enter(dirfd, &old, err);
	if (r < 0)
		return r;
	do {
		r = sys_connect(fd, (const struct sockaddr *)&addr, sizeof(addr));
	} while (r == -EINTR);
	r = fs_leave(old, r);
	if (r < 0)
		return err_sys(err, r, "connect to %s", name);
	return take_fd(&fd);
}

int msg_read_error(const struct msg *reply, struct err *err)
{
	struct wire in;
	struct str text;
	int code;

	wire_init(&in, reply->body.ptr, reply->body.len);
	code = (int)(int32_t)wire_u32(&in);
	text = wire_str(&in, MSG_ERROR_TEXT_MAX);
	if (wire_end(&in) < 0 || code >= 0)
		return err_set(err, -EBADMSG, "message %u was answered with a malformed error",
			       reply->type);
	return err_set(err, code, "%.*s", STR_ARG(text));
}

/* Waits for input; -ETIMEDOUT at `until`. A timeout below 0 waits for ever. */
static int await_input(int fd, int timeout_ms, struct mono until)
{
	struct pollfd watch = { .fd = fd, .events = POLLIN };
	int64_t left = -1;
	int r;

	do {
		if (timeout_ms >= 0) {
			left = mono_diff_ms(until, mono_now());
			left = left > 0 ? left : 0;
		}
		r = sys_poll(&watch, 1, (int)left);
	} while (r == -EINTR);
	return r == 0 ? -ETIMEDOUT : r;
}

int msg_call_sync(int fd, uint16_t type, struct str body, const int *fds, size_t nfds,
		  int timeout_ms, struct msg *ret_reply, struct err *err)
{
	static uint32_t last_serial;
	struct mono until = mono_add_ms(mono_now(), timeout_ms);
	struct msg call = { .type = type, .flags = MSG_FLAG_CALL, .body = body, .nfds = nfds };
	struct msg reply = { 0 };
	int r;

	if (++last_serial == 0)
		last_serial = 1;
	call.serial = last_serial;
	for (size_t i = 0; i < nfds && i < MSG_FDS_MAX; i++)
		call.fds[i] = fds[i];
	r = msg_send(fd, &call, err);
	if (r < 0)
		return r;
	for (;;) {
		r = await_input(fd, timeout_ms, until);
		if (r < 0)
			return err_sys(err, r, "wait for the answer to message %u", type);
		r = msg_recv(fd, &reply, err);
		if (r == -EAGAIN)
			continue;
		if (r < 0)
			return r;
		if (r == 0)
			return err_set(err, -EPIPE, "message %u: the other side is gone", type);
		if ((reply.flags & MSG_FLAG_REPLY) && reply.serial == call.serial)
			break;
		msg_done(&reply); /* an event, or a late answer to a call that timed out */
	}
	if (reply.flags & MSG_FLAG_ERROR) {
		r = msg_read_error(&reply, err);
		msg_done(&reply);
		return r;
	}
	*ret_reply = reply;
	return 0;
}
