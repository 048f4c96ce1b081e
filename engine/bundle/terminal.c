/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the caller's side of a container's terminal, and waiting for a process in the foreground.
 * Runs in `create`, `run` and `exec`. It must never leave the caller's terminal in raw mode.
 */
#include "engine/bundle/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include "engine/bundle/notify.h"
#include "engine/bundle/signals.h"
#include "engine/run/kernel.h"
#include "lib/fs.h"
#include "lib/own.h"

enum { CHUNK = 8192, DRAIN_MS = 100 };

int terminal_connect(const char *path, struct err *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	OWN_FD int place = -1;
	OWN_FD int fd = -1;
	char link[FS_FD_PATH_MAX];

	/* The operator's own path, by an fd: it may be longer than an address. */
	place = fs_open(AT_FDCWD, path, FS_HOST, O_PATH, 0, err);
	if (place < 0)
		return err_prefix(err, "socket");
	(void)fs_fd_path(place, link);
	memcpy(addr.sun_path, link, strlen(link) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		return err_sys(err, -errno, "connect to the socket %s", path);
	return take_fd(&fd);
}

int terminal_send_fd(int to, struct str text, int fd, size_t *ret_sent, struct err *err)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec data = { (void *)(uintptr_t)text.ptr, text.len };
	struct msghdr msg = { .msg_iov = &data,
			      .msg_iovlen = 1,
			      .msg_control = control.bytes,
			      .msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *head = CMSG_FIRSTHDR(&msg);
	ssize_t n;

	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(head), &fd, sizeof(int));
	n = sendmsg(to, &msg, MSG_NOSIGNAL);
	if (n < 0)
		return err_sys(err, -errno, "hand over an fd");
	*ret_sent = (size_t)n;
	return 0;
}

int terminal_send(int console, int master, struct err *err)
{
	size_t sent;

	return terminal_send_fd(console, STR("/dev/ptmx"), master, &sent, err);
}

/* ---- the foreground ---- */

struct attend {
	int pidfd, master, signals, notify;
	uint32_t pid;
	bool raw, stdin_open;
	struct termios saved;
};

static void copy_size(const struct attend *attend)
{
	struct winsize size;

	if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0)
		(void)ioctl(attend->master, TIOCSWINSZ, &size);
}

void terminal_plain(int master)
{
	struct termios mode;

	if (tcgetattr(master, &mode) < 0)
		return;
	mode.c_oflag &= (tcflag_t)~ONLCR;
	(void)tcsetattr(master, TCSANOW, &mode);
}

/* But for its output: "\n" becomes "\r\n" there, and not in the container's terminal. */
static void make_raw(struct attend *attend)
{
	struct termios raw;

	if (attend->master < 0 || tcgetattr(STDIN_FILENO, &attend->saved) < 0)
		return;
	raw = attend->saved;
	raw.c_iflag &=
		(tcflag_t) ~(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
	raw.c_lflag &= (tcflag_t) ~(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
	raw.c_cflag = (raw.c_cflag & (tcflag_t) ~(CSIZE | PARENB)) | CS8;
	attend->raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
	copy_size(attend);
}

/* False at the end of the input. */
static bool carry(int from, int to)
{
	char data[CHUNK];
	ssize_t n = read(from, data, sizeof(data));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return true;
	return n > 0 && fs_write_fd(to, data, (size_t)n, NULL) == 0;
}

static void pass_signals(struct attend *attend)
{
	int number;

	while ((number = signals_next(attend->signals)) > 0) {
		if (number == SIGCHLD || number == SIGPIPE || number == SIGURG)
			continue;
		if (number == SIGWINCH && attend->master >= 0)
			copy_size(attend);
		else
			(void)k_pidfd_signal(attend->pidfd, number);
	}
}

/* What the container wrote before its end is still in the terminal. */
void terminal_drain(int master)
{
	struct pollfd p = { .fd = master, .events = POLLIN };

	while (master >= 0 && poll(&p, 1, DRAIN_MS) > 0 && carry(master, STDOUT_FILENO))
		;
}

static void attend_loop(struct attend *attend)
{
	for (;;) {
		struct pollfd fds[] = {
			{ .fd = attend->pidfd, .events = POLLIN },
			{ .fd = attend->signals, .events = POLLIN },
			{ .fd = attend->master, .events = POLLIN },
			{ .fd = attend->stdin_open ? STDIN_FILENO : -1, .events = POLLIN },
			{ .fd = attend->notify, .events = POLLIN },
		};

		if (poll(fds, ARRAY_LEN(fds), -1) < 0 && errno != EINTR)
			return;
		if (fds[1].revents)
			pass_signals(attend);
		if (fds[2].revents && !carry(attend->master, STDOUT_FILENO))
			attend->master = -1;
		if (fds[3].revents)
			attend->stdin_open = carry(STDIN_FILENO, attend->master);
		if (attend->notify >= 0 && notify_pass(attend->notify, attend->pid))
			attend->notify = -1; /* once is enough */
		if (fds[0].revents)
			return;
	}
}

int terminal_attend(int pidfd, int master, int signals, int notify, uint32_t pid, struct err *err)
{
	struct attend attend = { .pidfd = pidfd,
				 .master = master,
				 .signals = signals,
				 .stdin_open = master >= 0,
				 .notify = notify,
				 .pid = pid };
	siginfo_t info = { 0 };

	make_raw(&attend);
	attend_loop(&attend);
	terminal_drain(attend.master);
	if (attend.raw)
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &attend.saved);
	while (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) < 0)
		if (errno != EINTR)
			return err_sys(err, -errno, "wait for the process");
	return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}
