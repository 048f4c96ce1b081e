/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the check that a port may be published. Run by netd main. It must never publish over a
 * socket of the host: the firewall would take its traffic away without a word.
 */
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include "lib/own.h"
#include "netd/container/attachment.h"

int attachment_nft_ports(const struct attachment *attachment, struct networks *networks,
			 struct nft_port *ret_ports, struct err *err)
{
	const struct netd_attach *attach = &attachment->attach;
	uint32_t to = 0;

	for (uint32_t i = 0; i < attach->network_count && !to; i++) {
		const struct network *network = network_find(networks, attach->networks[i].name);

		if (network && !network->internal)
			(void)ip4_parse(attach->networks[i].ip4, &to);
	}
	if (attach->port_count && !to)
		return err_set(
			err, -EINVAL,
			"container %.*s publishes ports but is on no network that is not internal",
			STR_ARG(attach->name));
	for (uint32_t i = 0; i < attach->port_count; i++)
		ret_ports[i] = (struct nft_port){
			.proto = attach->ports[i].proto,
			.host_ip4 = attach->ports[i].host_ip4,
			.host_port = attach->ports[i].host_port,
			.to_ip4 = to,
			.to_port = attach->ports[i].container_port,
			.count = attach->ports[i].count,
		};
	return 0;
}

/* One address and "every address" are in each other's way, as with bind(2). */
static bool clash(const struct netd_port *a, const struct netd_port *b, uint16_t *ret_port)
{
	uint32_t a_end = (uint32_t)a->host_port + a->count,
		 b_end = (uint32_t)b->host_port + b->count;

	if (a->proto != b->proto || (a->host_ip4 && b->host_ip4 && a->host_ip4 != b->host_ip4) ||
	    a->host_port >= b_end || b->host_port >= a_end)
		return false;
	*ret_port = a->host_port > b->host_port ? a->host_port : b->host_port;
	return true;
}

static const char *proto_name(uint8_t proto)
{
	return proto == IPPROTO_UDP ? "udp" : "tcp";
}

int attachment_check_ports(const struct attachments *attachments,
			   const struct attachment *attachment, struct err *err)
{
	const struct netd_attach *mine = &attachment->attach;
	uint16_t port;

	for (uint32_t i = 0; i < mine->port_count; i++) {
		for (uint32_t j = 0; j < i; j++)
			if (clash(&mine->ports[i], &mine->ports[j], &port))
				return err_set(err, -EINVAL, "port %u/%s is published twice", port,
					       proto_name(mine->ports[i].proto));
		for (const struct attachment *a = attachments->first; a; a = a->next) {
			if (str_eq(a->attach.id, mine->id))
				continue;
			for (uint32_t j = 0; j < a->attach.port_count; j++)
				if (clash(&mine->ports[i], &a->attach.ports[j], &port))
					return err_set(err, -EADDRINUSE,
						       "port %u/%s is already published by "
						       "container %.*s; "
						       "stop it or choose another port",
						       port, proto_name(mine->ports[i].proto),
						       STR_ARG(a->attach.name));
		}
	}
	return 0;
}

static bool published_before(const struct attachment *before, const struct netd_port *row,
			     uint16_t port)
{
	for (uint32_t i = 0; before && i < before->attach.port_count; i++) {
		const struct netd_port *old = &before->attach.ports[i];

		if (old->proto == row->proto && old->host_ip4 == row->host_ip4 &&
		    port >= old->host_port && port < old->host_port + old->count)
			return true;
	}
	return false;
}

/* Asks the kernel by binding: a listening socket of the host, or any bound UDP one, refuses. */
static int try_bind(uint8_t proto, uint32_t ip4, uint16_t port)
{
	const struct sockaddr_in address = { .sin_family = AF_INET,
					     .sin_port = htons(port),
					     .sin_addr.s_addr = htonl(ip4) };
	const int one = 1;
	OWN_FD int fd = socket(AF_INET,
			       (proto == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	/* For TCP: connections that are closing do not count, listeners do. */
	if (proto != IPPROTO_UDP)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	/* The address may come later (DHCP). */
	(void)setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &one, sizeof(one));
	if (bind(fd, (const struct sockaddr *)(const void *)&address, sizeof(address)) < 0)
		return -errno;
	/* Two sockets with SO_REUSEADDR may share an address until one listens. */
	return proto == IPPROTO_UDP || listen(fd, 1) == 0 ? 0 : -errno;
}

int attachment_check_host(const struct attachment *attachment, const struct attachment *before,
			  struct err *err)
{
	for (uint32_t i = 0; i < attachment->attach.port_count; i++) {
		const struct netd_port *row = &attachment->attach.ports[i];

		for (uint16_t n = 0; n < row->count; n++) {
			uint16_t port = (uint16_t)(row->host_port + n);
			int r;

			if (published_before(before, row, port))
				continue;
			r = try_bind(row->proto, row->host_ip4, port);
			if (r == -EADDRINUSE)
				return err_set(
					err, r,
					"port %u/%s is used by the host itself; choose another",
					port, proto_name(row->proto));
			if (r < 0)
				return err_sys(err, r, "check port %u/%s", port,
					       proto_name(row->proto));
		}
	}
	return 0;
}
