/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns what main does for ports published on ::1: the sockets that the firewall leads them to, the
 * splice role that serves them, and where each port leads. Run by netd main. It must never tell of
 * a port that is not published on ::1.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/own.h"
#include "netd/main_splice.h"
#include "netd/splice/splice_msg.h"

enum {
	BACKLOG = 256,
	UDP_TIMEOUT_S = 30, /* as Linux has it */
	UDP_TIMEOUT_MAX_S = 3600,
};

/* A socket on ::1, at a port of the kernel's choice. */
static int open_socket(int kind)
{
	const struct sockaddr_in6 address = { .sin6_family = AF_INET6,
					      .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	OWN_FD int fd = socket(AF_INET6, kind | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 ||
	    bind(fd, (const struct sockaddr *)(const void *)&address, sizeof(address)) < 0 ||
	    (kind == SOCK_STREAM && listen(fd, BACKLOG) < 0))
		return -errno;
	return take_fd(&fd);
}

static uint16_t port_of(int fd)
{
	struct sockaddr_in6 address = { 0 };
	socklen_t len = sizeof(address);

	(void)getsockname(fd, (struct sockaddr *)(void *)&address, &len);
	return ntohs(address.sin6_port);
}

void main_splice_listen(struct netd *netd)
{
	if (netd->splice_fd < 0) { /* else they are of before: tracked flows lead to them */
		int r = open_socket(SOCK_STREAM), tcp = r;

		if (r >= 0)
			r = open_socket(SOCK_DGRAM);
		if (r < 0) {
			if (r != -EAFNOSUPPORT) /* a kernel without IPv6 */
				log_warn("ports are not published on ::1: no socket there: %s",
					 strerror(-r));
			own_close(&tcp);
			return;
		}
		netd->splice_fd = tcp;
		netd->splice_udp_fd = r;
		keep_put_own(&netd->keep, r, tcp);
	}
	netd->splice_port = port_of(netd->splice_fd);
	netd->splice_udp_port = port_of(netd->splice_udp_fd);
}

static bool on_loopback(const struct nft_port *row)
{
	static const struct ip6 loopback = { { [15] = 1 } };

	return row->v6 && (ip6_is_zero(&row->host_ip6) || ip6_equal(&row->host_ip6, &loopback));
}

void main_splice_need(struct netd *netd, const struct nft_port *rows, size_t count)
{
	struct err err;

	for (size_t i = 0; i < count && netd->splice_fd >= 0 && !netd->splice.netd; i++)
		if (on_loopback(&rows[i]) &&
		    main_helper_start(netd, &netd->splice, "splice", &err) < 0)
			log_err("%s", err_text(&err));
}

/* Less than the kernel's own: as long as the role has a flow, the kernel can tell which port its
 * client asked for. */
static uint32_t idle_ms(const struct netd *netd)
{
	OWN(buf_done) struct buf text = { 0 };
	uint64_t seconds = UDP_TIMEOUT_S;
	struct str rest, line;

	buf_init(&text, 64);
	if (fs_read(netd->sysctl_fd, "net/netfilter/nf_conntrack_udp_timeout", FS_BENEATH, 32,
		    &text, NULL) == 0) {
		rest = buf_str(&text);
		if (!str_cut(&rest, '\n', &line) ||
		    str_to_u64(line, 1, UDP_TIMEOUT_MAX_S, &seconds) < 0)
			seconds = UDP_TIMEOUT_S;
	}
	return (uint32_t)seconds * 1000 * 5 / 6;
}

void main_splice_begin(struct netd *netd)
{
	const int fds[2] = { netd->splice_fd, netd->splice_udp_fd };
	OWN(buf_done) struct buf body = { 0 };

	buf_init(&body, 64);
	wire_put_u32(&body, idle_ms(netd));
	main_helper_send(&netd->splice, SPLICE_MSG_LISTEN, buf_str(&body), fds, 2);
}

void main_splice_forget(struct netd *netd, const struct nft_port *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		OWN(buf_done) struct buf body = { 0 };

		if (rows[i].proto != IPPROTO_UDP || !on_loopback(&rows[i]))
			continue;
		buf_init(&body, 64);
		wire_put_u16(&body, rows[i].host_port);
		wire_put_u16(&body, rows[i].count);
		main_helper_send(&netd->splice, SPLICE_MSG_FORGET, buf_str(&body), NULL, 0);
	}
}

/* The row of this attachment that answers on [::1]:port; NULL = none. rows: as many as it has. */
static const struct nft_port *find_row(struct netd *netd, const struct attachment *a, uint8_t proto,
				       uint16_t port, struct nft_port *rows)
{
	int count = attachment_nft_ports(a, &netd->networks, rows, NULL);

	for (int i = 0; i < count; i++)
		if (rows[i].proto == proto && on_loopback(&rows[i]) && port >= rows[i].host_port &&
		    port - rows[i].host_port < rows[i].count)
			return &rows[i];
	return NULL;
}

/* The IPv4 address of the same interface: the row of IPv4 has it, or there is none. */
static uint32_t ip4_of(const struct attachment *a, struct networks *networks,
		       const struct nft_port *row)
{
	for (uint32_t i = 0; i < a->attach.network_count; i++) {
		struct ip6 ip6;
		uint32_t ip4;

		if (network_find(networks, a->attach.networks[i].name) &&
		    ip6_parse(a->attach.networks[i].ip6, &ip6) == 0 &&
		    ip6_equal(&ip6, &row->to_ip6) &&
		    ip4_parse(a->attach.networks[i].ip4, &ip4) == 0)
			return ip4;
	}
	return 0;
}

static int answer(struct netd *netd, uint8_t proto, uint16_t port, struct buf *reply,
		  struct err *err)
{
	struct nft_port rows[ATTACHMENT_ROWS * NETD_PORTS_MAX];
	int r = 0;

	if (proto == IPPROTO_UDP)
		r = nft_flow_port(port, netd->splice_udp_port, &port, err);
	if (r < 0)
		return r;
	for (const struct attachment *a = netd->attachments.first; a; a = a->next) {
		const struct nft_port *row = find_row(netd, a, proto, port, rows);

		if (!row)
			continue;
		wire_put_u16(reply, port);
		wire_put_u16(reply, (uint16_t)(row->to_port + port - row->host_port));
		wire_put_bytes(reply, row->to_ip6.b, sizeof(row->to_ip6.b));
		wire_put_u32(reply, ip4_of(a, &netd->networks, row));
		return 0;
	}
	return err_set(err, -ENOENT, "port %u is not published on ::1", port);
}

void main_splice_where(struct msg_peer *peer, struct msg *msg)
{
	struct main_helper *helper = peer->owner;
	OWN(buf_done) struct buf reply = { 0 };
	struct err err;
	struct wire in;
	uint8_t proto;
	uint16_t port;

	wire_init(&in, msg->body.ptr, msg->body.len);
	proto = wire_u8(&in);
	port = wire_u16(&in);
	buf_init(&reply, 64);
	if (answer(helper->netd, proto, port, &reply, &err) < 0)
		(void)msg_reply_err(peer, msg->type, msg->serial, &err);
	else
		(void)msg_reply(peer, msg->type, msg->serial, buf_str(&reply), NULL, 0);
}
