/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCP for the pull role, with a limit on every wait. It must never block without one (the C
 * library's resolver has limits of its own: 5 s and 2 attempts for each server).
 */
#include "engine/registry/net.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "lib/mono.h"
#include "lib/own.h"

/* Waits for events: 0, -ETIMEDOUT or -errno. */
static int wait_for(int fd, short events, int timeout_ms)
{
	struct mono until = mono_add_ms(mono_now(), timeout_ms);
	struct pollfd watch = { .fd = fd, .events = events };
	int r;

	do {
		int64_t left = mono_diff_ms(until, mono_now());

		r = poll(&watch, 1, left > 0 ? (int)left : 0);
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	return r == 0 ? -ETIMEDOUT : 0;
}

static int connect_one(const struct addrinfo *address)
{
	OWN_FD int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1, error = 0;
	socklen_t len = sizeof(error);
	int r;

	if (fd < 0)
		return -errno;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	if (connect(fd, address->ai_addr, address->ai_addrlen) == 0)
		return take_fd(&fd);
	if (errno != EINPROGRESS && errno != EINTR)
		return -errno;
	r = wait_for(fd, POLLOUT, NET_CONNECT_MS);
	if (r < 0)
		return r;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return -errno;
	return error ? -error : take_fd(&fd);
}

static int resolve(const struct url *url, struct addrinfo **ret_list, struct err *err)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC,
				  .ai_socktype = SOCK_STREAM,
				  .ai_flags = AI_NUMERICSERV };
	char port[8];
	int r;

	snprintf(port, sizeof(port), "%u", (unsigned)url->port);
	r = getaddrinfo(url->host, port, &hints, ret_list);
	switch (r) {
	case 0:
		return 0;
	case EAI_AGAIN:
		return err_set(err, -EAGAIN,
			       "the name %s cannot be resolved now: no DNS server answers",
			       url->host);
	case EAI_MEMORY:
		return err_set(err, -ENOMEM, "no memory to resolve %s", url->host);
	default:
		return err_set(err, -ENONET, "name not found: %s", url->host);
	}
}

static int connect_error(const struct url *url, int code, struct err *err)
{
	switch (-code) {
	case ECONNREFUSED:
		return err_set(err, code, "connection refused");
	case ETIMEDOUT:
		return err_set(err, code, "no answer from %s port %u within %d s", url->host,
			       (unsigned)url->port, NET_CONNECT_MS / 1000);
	case EHOSTUNREACH:
	case ENETUNREACH:
		return err_set(err, code, "no route to %s", url->host);
	default:
		return err_sys(err, code, "connect to %s", url->host);
	}
}

int net_connect(const struct url *url, struct err *err)
{
	struct addrinfo *list = NULL;
	int r = resolve(url, &list, err), last = -EHOSTUNREACH;

	if (r < 0)
		return r;
	for (const struct addrinfo *a = list; a; a = a->ai_next) {
		r = connect_one(a);
		if (r >= 0)
			break;
		/* "No route" for a family we do not have says less than what the other one said. */
		if (a == list || (r != -ENETUNREACH && r != -EAFNOSUPPORT))
			last = r;
	}
	freeaddrinfo(list);
	return r >= 0 ? r : connect_error(url, last, err);
}

ssize_t net_read(int fd, void *dst, size_t cap, int timeout_ms)
{
	ssize_t n;
	int r;

	for (;;) {
		n = recv(fd, dst, cap, 0);
		if (n >= 0)
			return n;
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN || timeout_ms == 0)
			return -errno;
		r = wait_for(fd, POLLIN, timeout_ms);
		if (r < 0)
			return r;
	}
}

ssize_t net_write(int fd, const void *data, size_t len, int timeout_ms)
{
	ssize_t n;
	int r;

	for (;;) {
		n = send(fd, data, len, MSG_NOSIGNAL);
		if (n >= 0)
			return n;
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -errno;
		r = wait_for(fd, POLLOUT, timeout_ms);
		if (r < 0)
			return r;
	}
}
