/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the way of "I am ready" from a container to the service manager of the host. Runs in `start`
 * and `run`. It must never hand on a byte that the container wrote, and take no fd from it.
 */
#include "engine/bundle/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "lib/fs.h"
#include "lib/own.h"
#include "lib/str.h"

/* More than a socket's queue holds (net.unix.max_dgram_qlen). */
enum { DATAGRAM_MAX = 4096, DATAGRAMS_MAX = 1024 };
#define NOTIFY_NAME "notify"

const char *notify_target(void)
{
	const char *path = getenv("NOTIFY_SOCKET");

	return path && path[0] == '/' ? path : NULL;
}

int notify_make(int dir, struct err *err)
{
	OWN_FD int fd = fs_open_dir(dir, NOTIFY_DIR, FS_BENEATH, 0755, err);

	/* The container's root may be another user: the socket in it is for all who reach it. */
	if (fd >= 0 && fchmod(fd, 0755) < 0)
		return err_sys(err, -errno, "mode of the directory of NOTIFY_SOCKET");
	return fd < 0 ? fd : 0;
}

int notify_open(int dir, int *ret_fd, struct err *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	OWN_FD int place = -1;
	OWN_FD int fd = -1;
	mode_t mask;
	int n;

	*ret_fd = -1;
	if (!notify_target())
		return 0;
	place = fs_open(dir, NOTIFY_DIR, FS_BENEATH, O_PATH | O_DIRECTORY, 0, NULL);
	if (place < 0) /* made without a NOTIFY_SOCKET */
		return 0;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_sys(err, -errno, "make a socket for NOTIFY_SOCKET");
	n = snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/" NOTIFY_NAME, place);
	if (n < 0 || (size_t)n >= sizeof(addr.sun_path))
		return err_set(err, -ENAMETOOLONG, "NOTIFY_SOCKET: the path is too long");
	(void)fs_unlink(place, NOTIFY_NAME, NULL);
	mask = umask(0111); /* whoever reaches it: the container's users may be any of the host's */
	n = bind(fd, (const struct sockaddr *)&addr, sizeof(addr));
	(void)umask(mask);
	if (n < 0)
		return err_sys(err, -errno, "bind the container's NOTIFY_SOCKET");
	*ret_fd = take_fd(&fd);
	return 0;
}

static void tell(uint32_t pid)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const char *path = notify_target();
	OWN_FD int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char text[64];
	int n = snprintf(text, sizeof(text), "MAINPID=%u\nREADY=1", pid);

	if (fd < 0 || n < 0 || !path ||
	    str_copy(str_from(path), addr.sun_path, sizeof(addr.sun_path)) < 0)
		return;
	(void)sendto(fd, text, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT,
		     (const struct sockaddr *)&addr, sizeof(addr));
}

static bool is_ready(struct str datagram)
{
	struct str rest = datagram, line;

	while (str_cut(&rest, '\n', &line))
		if (str_is(line, "READY=1"))
			return true;
	return false;
}

bool notify_pass(int fd, uint32_t pid)
{
	char data[DATAGRAM_MAX];

	/* All that is there: the container may have said it and ended. Bounded, for it may go on.
	 */
	for (int i = 0; i < DATAGRAMS_MAX; i++) {
		ssize_t n = recv(fd, data, sizeof(data), MSG_DONTWAIT);

		if (n < 0)
			return false;
		if (!is_ready(str_make(data, (size_t)n)))
			continue;
		tell(pid);
		return true;
	}
	return false;
}

void notify_wait(int fd, int pidfd, uint32_t pid)
{
	struct pollfd fds[] = { { .fd = fd, .events = POLLIN }, { .fd = pidfd, .events = POLLIN } };
	bool over = fd < 0;

	while (!over) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return;
		over = notify_pass(fd, pid) || fds[1].revents;
	}
}
