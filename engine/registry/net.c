/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCP for the pull role, with a limit on every wait. It must never block without one (the C
 * library's resolver has limits of its own: 5 s and 2 attempts for each server).
 */
#include "engine/registry/net.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
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

enum { IP4_SIZE = 4, IP6_SIZE = 16 };

/* The machine's own addresses, each alone or with the container network that it is the gateway of.
 */
struct near {
	sa_family_t family;
	uint8_t bytes[IP6_SIZE];
	unsigned prefix;
};

static struct {
	struct near *items;
	size_t count;
	bool known;
} nears;

static size_t address_bytes(const struct sockaddr *address, const uint8_t **ret_bytes)
{
	const struct sockaddr_in *four = (const void *)address;
	const struct sockaddr_in6 *six = (const void *)address;

	if (!address || (address->sa_family != AF_INET && address->sa_family != AF_INET6))
		return 0;
	*ret_bytes = address->sa_family == AF_INET ? (const uint8_t *)&four->sin_addr
						   : six->sin6_addr.s6_addr;
	return address->sa_family == AF_INET ? IP4_SIZE : IP6_SIZE;
}

/* By its driver's own word; an interface of another kind, or one that nobody can ask, is none. */
static bool is_bridge(const char *name)
{
	OWN_FD int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
	struct ifreq request = { .ifr_data = (void *)&info };

	return fd >= 0 && str_copy(str_from(name), request.ifr_name, IFNAMSIZ) >= 0 &&
	       ioctl(fd, SIOCETHTOOL, &request) == 0 && !strcmp(info.driver, "bridge");
}

/* As netd makes the bridges of container networks: hoy0, br- and ten hex digits, or whatever
 * somebody calls them, then by their MAC addresses, which begin with 02:42. Where Hoy is itself a
 * container of another engine its uplink may have such an address, and is no bridge. */
static bool is_container_network(const struct ifaddrs *list, const char *name)
{
	if (!strcmp(name, "hoy0") || (!strncmp(name, "br-", 3) && strlen(name) == 13 &&
				      strspn(name + 3, "0123456789abcdef") == 10))
		return true;
	for (const struct ifaddrs *row = list; row; row = row->ifa_next) {
		const struct sockaddr_ll *link = (const void *)row->ifa_addr;

		if (link && link->sll_family == AF_PACKET && !strcmp(row->ifa_name, name) &&
		    link->sll_addr[0] == 0x02 && link->sll_addr[1] == 0x42)
			return is_bridge(name);
	}
	return false;
}

static unsigned prefix_of(const struct ifaddrs *list, const struct ifaddrs *row, size_t size)
{
	const uint8_t *mask = NULL;
	unsigned bits = 0;

	if (!is_container_network(list, row->ifa_name) || !row->ifa_netmask ||
	    address_bytes(row->ifa_netmask, &mask) != size)
		return (unsigned)size * 8;
	while (bits < size * 8 && mask[bits / 8] & 0x80 >> bits % 8)
		bits++;
	return bits;
}

int net_learn(struct err *err)
{
	struct ifaddrs *list = NULL;
	size_t count = 0;

	if (getifaddrs(&list) < 0)
		return err_sys(err, -errno, "addresses of this machine");
	for (const struct ifaddrs *row = list; row; row = row->ifa_next)
		count++;
	nears.items = calloc(count + 1, sizeof(*nears.items));
	for (const struct ifaddrs *row = list; nears.items && row; row = row->ifa_next) {
		struct near *near = &nears.items[nears.count];
		const uint8_t *bytes = NULL;
		size_t size = address_bytes(row->ifa_addr, &bytes);

		if (size == 0)
			continue;
		near->family = row->ifa_addr->sa_family;
		memcpy(near->bytes, bytes, size);
		near->prefix = prefix_of(list, row, size);
		nears.count++;
	}
	freeifaddrs(list);
	nears.known = nears.items != NULL;
	return nears.known ? 0 : err_set(err, -ENOMEM, "no memory for this machine's addresses");
}

static bool is_near(sa_family_t family, const uint8_t *address)
{
	for (size_t i = 0; i < nears.count; i++) {
		const struct near *near = &nears.items[i];
		unsigned whole = near->prefix / 8, rest = near->prefix % 8;

		if (near->family == family && memcmp(near->bytes, address, whole) == 0 &&
		    (rest == 0 || (near->bytes[whole] ^ address[whole]) >> (8 - rest) == 0))
			return true;
	}
	return false;
}

static bool is_inside_ip4(const uint8_t b[IP4_SIZE])
{
	uint32_t a = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
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
	return is_near(AF_INET, b);
}

/* The IPv4 address that one of IPv6 leads to: mapped, compatible, NAT64 (RFC 6052), 6to4. */
static const uint8_t *inner_ip4(const struct in6_addr *six)
{
	static const uint8_t nat64[12] = { 0x00, 0x64, 0xff, 0x9b };
	const uint8_t *b = six->s6_addr;

	if (IN6_IS_ADDR_V4MAPPED(six) || IN6_IS_ADDR_V4COMPAT(six) ||
	    memcmp(b, nat64, sizeof(nat64)) == 0)
		return b + 12;
	return b[0] == 0x20 && b[1] == 0x02 ? b + 2 : NULL;
}

static bool is_inside(const struct sockaddr *address)
{
	const struct sockaddr_in6 *six = (const void *)address;
	const uint8_t *b = NULL;
	size_t size = address_bytes(address, &b);

	/* Who does not know what is inside asks nobody. */
	if (size == 0 || !nears.known)
		return true;
	if (size == IP4_SIZE)
		return is_inside_ip4(b);
	if (IN6_IS_ADDR_LOOPBACK(&six->sin6_addr) || IN6_IS_ADDR_UNSPECIFIED(&six->sin6_addr))
		return true;
	if (is_near(AF_INET6, b) ||
	    (inner_ip4(&six->sin6_addr) && is_inside_ip4(inner_ip4(&six->sin6_addr))))
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
		       "%s is an address of this machine, its link or its containers: a build may "
		       "not ask it",
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
