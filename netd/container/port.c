/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the check that a port may be published. Run by netd main. It must never publish over a
 * socket of the host: the firewall would take its traffic away without a word.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include "lib/own.h"
#include "netd/container/attachment.h"
#include "netd/container/port_used.h"

static struct ip6 host6(const struct netd_port *port)
{
	struct ip6 ip6;

	memcpy(ip6.b, port->host_ip6, sizeof(ip6.b));
	return ip6;
}

static bool asks_ip4(const struct netd_port *port)
{
	struct ip6 one = host6(port);

	return port->families != NETD_PORT_IP6 && ip6_is_zero(&one);
}

static bool asks_ip6(const struct netd_port *port)
{
	return !port->host_ip4 && port->families != NETD_PORT_IP4;
}

/* Asked for in so many words, not only where it is there. */
static bool insists_ip6(const struct netd_port *port)
{
	return asks_ip6(port) && (port->families & NETD_PORT_IP6 || !asks_ip4(port));
}

/* Where ports lead. */
struct target {
	uint32_t ip4, host_ip4; /* host: of ports that name none */
	struct ip6 ip6;
	bool routed4, routed6; /* published is the address itself: nothing of the host's */
};

static void find_target(const struct netd_attach *attach, struct networks *networks,
			struct target *ret_to)
{
	*ret_to = (struct target){ 0 };
	for (uint32_t i = 0; i < attach->network_count; i++) {
		const struct network *network = network_find(networks, attach->networks[i].name);

		if (!network || network->internal || !network_is_bridge(network) ||
		    network->clash[0])
			continue;
		if (!ret_to->ip4 && network->prefix &&
		    ip4_parse(attach->networks[i].ip4, &ret_to->ip4) == 0) {
			ret_to->host_ip4 = network->host_ip4;
			ret_to->routed4 = network_gate(network, false) == NETWORK_GATE_ROUTED;
		}
		if (ip6_is_zero(&ret_to->ip6) && network->prefix6 &&
		    ip6_parse(attach->networks[i].ip6, &ret_to->ip6) == 0)
			ret_to->routed6 = network_gate(network, true) == NETWORK_GATE_ROUTED;
	}
}

/* A port that names no address, and no family, has its network's: one IPv4 address alone. */
static struct netd_port as_published(const struct netd_port *port, const struct target *to)
{
	struct netd_port row = *port;

	if (asks_ip4(port) && asks_ip6(port))
		row.host_ip4 = to->host_ip4;
	return row;
}

/* What of it takes a port of the host's; a count of 0: nothing. */
static struct netd_port on_host(const struct netd_port *port, const struct target *to)
{
	struct netd_port row = as_published(port, to);
	bool ip4 = asks_ip4(&row) && !to->routed4, ip6 = asks_ip6(&row) && !to->routed6;

	if (!ip4 && !ip6)
		row.count = 0;
	else if (ip4 != asks_ip4(&row) || ip6 != asks_ip6(&row))
		row.families = ip4 ? NETD_PORT_IP4 : NETD_PORT_IP6;
	return row;
}

struct netd_port attachment_port(const struct attachment *attachment, struct networks *networks,
				 uint32_t i)
{
	struct target to;

	find_target(&attachment->attach, networks, &to);
	return as_published(&attachment->attach.ports[i], &to);
}

/* What a port insists on has to be there. */
static int check_families(const struct netd_port *port, const struct target *to, struct str name,
			  struct err *err)
{
	if (insists_ip6(port) && ip6_is_zero(&to->ip6))
		return err_set(err, -EINVAL,
			       "port %u is published on IPv6 but container %.*s has none; "
			       "use a network with ipv6 = yes",
			       port->host_port, STR_ARG(name));
	if (asks_ip4(port) && !asks_ip6(port) && !to->ip4)
		return err_set(err, -EINVAL,
			       "port %u is published on IPv4 but container %.*s has none; "
			       "use a network with ipv4 = yes",
			       port->host_port, STR_ARG(name));
	return 0;
}

static int say_no_target(const struct netd_attach *attach, struct networks *networks,
			 struct err *err)
{
	for (uint32_t i = 0; i < attach->network_count; i++) {
		const struct network *network = network_find(networks, attach->networks[i].name);

		if (network && network->clash[0])
			return err_set(err, -EINVAL,
				       "network %s is closed: its subnet overlaps %s; give it "
				       "another",
				       network->name, network->clash);
	}
	return err_set(err, -EINVAL,
		       "container %.*s publishes ports but is on no bridge network that is not "
		       "internal",
		       STR_ARG(attach->name));
}

static struct nft_port row_of(const struct netd_port *port, const struct target *to, bool v6)
{
	struct nft_port row = { .proto = port->proto,
				.host_port = port->host_port,
				.to_port = port->container_port,
				.count = port->count,
				.v6 = v6,
				.routed = v6 ? to->routed6 : to->routed4 };

	if (v6) {
		row.to_ip6 = to->ip6;
		row.host_ip6 = row.routed ? to->ip6 : host6(port);
	} else {
		row.to_ip4 = to->ip4;
		row.host_ip4 = row.routed ? to->ip4 : port->host_ip4;
	}
	if (row.routed)
		row.host_port = row.to_port;
	return row;
}

int attachment_nft_ports(const struct attachment *attachment, struct networks *networks,
			 struct nft_port *ret_ports, struct err *err)
{
	const struct netd_attach *attach = &attachment->attach;
	struct target to;
	int count = 0;

	find_target(attach, networks, &to);
	if (attach->port_count && !to.ip4 && ip6_is_zero(&to.ip6) &&
	    !(attach->flags & NETD_ATTACH_PORTS_WAIT))
		return say_no_target(attach, networks, err);
	for (uint32_t i = 0; i < attach->port_count; i++) {
		const struct netd_port port = as_published(&attach->ports[i], &to);

		if (!(attach->flags & NETD_ATTACH_PORTS_WAIT) &&
		    check_families(&port, &to, attach->name, err) < 0)
			return -EINVAL;
		if (asks_ip4(&port) && to.ip4)
			ret_ports[count++] = row_of(&port, &to, false);
		if (asks_ip6(&port) && !ip6_is_zero(&to.ip6))
			ret_ports[count++] = row_of(&port, &to, true);
	}
	return count;
}

static bool same_place(const struct netd_port *a, const struct netd_port *b)
{
	struct ip6 a6 = host6(a), b6 = host6(b);

	return (asks_ip4(a) && asks_ip4(b) &&
		(!a->host_ip4 || !b->host_ip4 || a->host_ip4 == b->host_ip4)) ||
	       (asks_ip6(a) && asks_ip6(b) &&
		(ip6_is_zero(&a6) || ip6_is_zero(&b6) || ip6_equal(&a6, &b6)));
}

/* One address and "every address" are in each other's way, as with bind(2). */
static bool clash(const struct netd_port *a, const struct netd_port *b, uint16_t *ret_port)
{
	uint32_t a_end = (uint32_t)a->host_port + a->count,
		 b_end = (uint32_t)b->host_port + b->count;

	if (!a->count || !b->count || a->proto != b->proto || a->host_port >= b_end ||
	    b->host_port >= a_end || !same_place(a, b))
		return false;
	*ret_port = a->host_port > b->host_port ? a->host_port : b->host_port;
	return true;
}

static const char *proto_name(uint8_t proto)
{
	return proto == IPPROTO_UDP ? "udp" : "tcp";
}

/* Rows of `mine` and of another one, or of itself below `until`, that are in each other's way. */
static bool find_clash(const struct netd_port *row, const struct netd_attach *other, uint32_t until,
		       const struct target *to, uint16_t *ret_port)
{
	for (uint32_t i = 0; i < until; i++) {
		const struct netd_port port = on_host(&other->ports[i], to);

		if (clash(row, &port, ret_port))
			return true;
	}
	return false;
}

static int check_others(const struct attachments *attachments, struct networks *networks,
			const struct netd_attach *mine, const struct target *to, struct err *err)
{
	for (const struct attachment *a = attachments->first; a; a = a->next) {
		struct target theirs;

		if (str_eq(a->attach.id, mine->id) || !a->attach.port_count)
			continue;
		find_target(&a->attach, networks, &theirs);
		for (uint32_t i = 0; i < mine->port_count; i++) {
			const struct netd_port row = on_host(&mine->ports[i], to);
			uint16_t port;

			if (find_clash(&row, &a->attach, a->attach.port_count, &theirs, &port))
				return err_set(err, -EADDRINUSE,
					       "port %u/%s is already published by container "
					       "%.*s; stop it or choose another port",
					       port, proto_name(row.proto),
					       STR_ARG(a->attach.name));
		}
	}
	return 0;
}

int attachment_check_ports(const struct attachments *attachments, struct networks *networks,
			   const struct attachment *attachment, struct err *err)
{
	const struct netd_attach *mine = &attachment->attach;
	struct target to;
	uint16_t port;

	find_target(mine, networks, &to);
	for (uint32_t i = 0; i < mine->port_count; i++) {
		const struct netd_port row = on_host(&mine->ports[i], &to);

		if (find_clash(&row, mine, i, &to, &port))
			return err_set(err, -EINVAL, "port %u/%s is published twice", port,
				       proto_name(row.proto));
	}
	return check_others(attachments, networks, mine, &to, err);
}

/* Does one row of before have these `count` ports from `port` on? */
static bool published_before(const struct attachment *before, const struct netd_port *row,
			     uint16_t port, uint16_t count)
{
	for (uint32_t i = 0; before && i < before->attach.port_count; i++) {
		const struct netd_port *old = &before->attach.ports[i];

		if (old->proto == row->proto && old->host_ip4 == row->host_ip4 &&
		    old->families == row->families &&
		    !memcmp(old->host_ip6, row->host_ip6, sizeof(old->host_ip6)) &&
		    port >= old->host_port && port + count <= old->host_port + old->count)
			return true;
	}
	return false;
}

/* Where it would listen. One socket for both families clashes with either. */
static socklen_t place_of(const struct netd_port *row, uint16_t port,
			  struct sockaddr_storage *ret_place)
{
	struct sockaddr_in *in = (void *)ret_place;
	struct sockaddr_in6 *in6 = (void *)ret_place;

	memset(ret_place, 0, sizeof(*ret_place));
	if (!asks_ip6(row)) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		in->sin_addr.s_addr = htonl(row->host_ip4);
		return sizeof(*in);
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	memcpy(&in6->sin6_addr, row->host_ip6, sizeof(in6->sin6_addr));
	return sizeof(*in6);
}

/* Asks the kernel by binding: a listening socket of the host, or any bound UDP one, refuses. */
static int try_bind(const struct netd_port *row, uint16_t port)
{
	struct sockaddr_storage place;
	socklen_t len = place_of(row, port, &place);
	const int one = 1, only6 = !asks_ip4(row);
	OWN_FD int fd =
		socket(place.ss_family,
		       (row->proto == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	/* For TCP: connections that are closing do not count, whoever listens does. */
	if (row->proto != IPPROTO_UDP)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	/* The address may come later (DHCP). */
	(void)setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &one, sizeof(one));
	if (place.ss_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only6, sizeof(only6));
	if (bind(fd, (const struct sockaddr *)(const void *)&place, len) < 0)
		return -errno;
	return 0;
}

static int check_place(const struct netd_port *row, uint16_t port)
{
	struct netd_port ip4 = *row;
	int r = try_bind(row, port);

	/* A kernel without IPv6. */
	if (r != -EAFNOSUPPORT || !asks_ip4(row))
		return r;
	ip4.families = NETD_PORT_IP4;
	return try_bind(&ip4, port);
}

/* May its ports be published? 0, or what is wrong with *ret_port. */
static int check_row(const struct netd_port *row, const struct attachment *before,
		     struct port_used *used, uint16_t *ret_port)
{
	bool listed = row->count >= PORT_USED_FROM;
	int r = 0;

	if (listed && !used->loaded)
		port_used_load(used, row->proto);
	for (uint16_t n = 0; n < row->count && r == 0; n++) {
		*ret_port = (uint16_t)(row->host_port + n);
		if ((!listed || port_used_has(used, *ret_port)) &&
		    !published_before(before, row, *ret_port, 1))
			r = check_place(row, *ret_port);
	}
	return r;
}

int attachment_check_host(const struct attachment *attachment, const struct attachment *before,
			  struct networks *networks, struct err *err)
{
	struct port_used used[2] = { { .loaded = false }, { .loaded = false } };
	struct target to;

	find_target(&attachment->attach, networks, &to);
	for (uint32_t i = 0; i < attachment->attach.port_count; i++) {
		const struct netd_port *row = &attachment->attach.ports[i];
		const struct netd_port taken = on_host(row, &to);
		uint16_t port;
		int r;

		if (!taken.count || published_before(before, row, row->host_port, row->count))
			continue;
		r = check_row(&taken, before, &used[row->proto == IPPROTO_UDP], &port);
		if (r == -EADDRINUSE)
			return err_set(err, r,
				       "port %u/%s is used by the host itself; choose another",
				       port, proto_name(row->proto));
		if (r < 0)
			return err_sys(err, r, "check port %u/%s", port, proto_name(row->proto));
	}
	return 0;
}
