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
#include "lib/defence.h"
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

/* ---- what a foreign text may not make us ask ---- */

static bool is_inside_ip4(uint32_t a)
{
	static const struct {
		uint32_t net, mask;
	} rows[] = {
		{ 0x00000000, 0xff000000 }, /* 0.0.0.0/8: this machine */
		{ 0x7f000000, 0xff000000 }, /* 127.0.0.0/8 */
		{ 0xa9fe0000, 0xffff0000 }, /* 169.254.0.0/16: the link; metadata of clouds */
		{ 0xe0000000, 0xe0000000 }, /* 224.0.0.0 up: multicast, reserved, broadcast */
		{ 0x64646464, 0xffffffff }, /* 100.100.100.100: metadata of one more cloud */
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if ((a & rows[i].mask) == rows[i].net)
			return true;
	return false;
}

static bool is_inside(const struct sockaddr *address)
{
	const struct sockaddr_in6 *six = (const void *)address;
	const uint8_t *b = six->sin6_addr.s6_addr;

	if (address->sa_family == AF_INET)
		return is_inside_ip4(ntohl(
			((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr));
	if (address->sa_family != AF_INET6)
		return true;
	if (IN6_IS_ADDR_V4MAPPED(&six->sin6_addr) || IN6_IS_ADDR_V4COMPAT(&six->sin6_addr))
		return is_inside_ip4((uint32_t)b[12] << 24 | (uint32_t)b[13] << 16 |
				     (uint32_t)b[14] << 8 | b[15]);
	if (IN6_IS_ADDR_LOOPBACK(&six->sin6_addr) || IN6_IS_ADDR_UNSPECIFIED(&six->sin6_addr))
		return true;
	return b[0] == 0xff || (b[0] == 0xfe && (b[1] & 0xc0) == 0x80) ||
	       (b[0] == 0xfd && b[1] == 0x00 && b[2] == 0x0e && b[3] == 0xc2);
}

bool net_is_inside(const struct url *url)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC,
				  .ai_socktype = SOCK_STREAM,
				  .ai_flags = AI_NUMERICHOST };
	struct addrinfo *list = NULL;
	bool inside;

	if (getaddrinfo(url->host, NULL, &hints, &list) != 0)
		return !strcmp(url->host, "localhost");
	inside = is_inside(list->ai_addr);
	freeaddrinfo(list);
	return inside;
}

int net_inside(const struct url *url, struct err *err)
{
	return err_set(err, -EPERM,
		       "%s is an address of this machine or its link: a build may not ask it",
		       url->host);
}

/* ---- connecting ---- */

static int connect_to(const struct url *url, bool outside, struct err *err)
{
	struct addrinfo *list = NULL;
	int r = resolve(url, &list, err), last = -EHOSTUNREACH;
	bool refused = false;

	if (r < 0)
		return r;
	r = -EHOSTUNREACH;
	for (const struct addrinfo *a = list; a; a = a->ai_next) {
		if (outside && defence_on(DEFENCE_C7_OUTSIDE) && is_inside(a->ai_addr)) {
			refused = true;
			continue;
		}
		r = connect_one(a);
		if (r >= 0)
			break;
		/* "No route" for a family we do not have says less than what the other one said. */
		if (a == list || (r != -ENETUNREACH && r != -EAFNOSUPPORT))
			last = r;
	}
	freeaddrinfo(list);
	if (r < 0 && refused)
		return net_inside(url, err);
	return r >= 0 ? r : connect_error(url, last, err);
}

int net_connect(const struct url *url, struct err *err)
{
	return connect_to(url, false, err);
}

int net_connect_outside(const struct url *url, struct err *err)
{
	return connect_to(url, true, err);
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
