/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the splice role: what goes to ports published on ::1, whose packets the kernel lets not
 * leave the host's namespace. The firewall leads TCP to one listening socket (UDP to another one,
 * role_splice_udp.c); for each connection the role asks main where it leads and carries bytes both
 * ways. It has no capability, no file, and looks at nothing that it carries. Its flows end with it.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "lib/log.h"
#include "lib/own.h"
#include "lib/wire.h"
#include "netd/ip6.h"
#include "netd/role.h"
#include "netd/role_splice.h"

enum {
	FILES_MAX = 3 * SPLICE_FLOWS_MAX + 32,
	CHUNK = 16 << 10,
	ORIGINAL_DST = 80,    /* IP6T_SO_ORIGINAL_DST; its header and libc's are at odds */
	KEEP_IDLE_S = 60,     /* a peer that is silent that long is asked ... */
	KEEP_INTERVAL_S = 10, /* ... each */
	KEEP_COUNT = 6,	      /* ... so often, and given up */
	RETRY_MS = 100,	      /* after the kernel had no file or memory for a connection */
};

/* One end of a flow, and what was read there and not yet written at the other. */
struct side {
	int fd;
	struct loop_io io;
	size_t start, end;
	bool eof;  /* nothing more comes from here */
	bool shut; /* and the other end was told */
	char data[CHUNK];
};

struct flow {
	struct side client, box;
	struct sockaddr_in later; /* tried when the first address refuses; port 0 = none */
	bool open;
};

static struct {
	struct loop loop;
	struct msg_peer main;
	struct loop_io listen_io;
	struct loop_timer retry;
	int listen_fd;
	size_t flows;
} role = { .listen_fd = -1 };

static void client_waits(struct loop_io *io, uint32_t events);

static void listen_again(struct loop_timer *timer)
{
	(void)timer;
	if (role.listen_fd >= 0 && role.listen_io.fd < 0)
		(void)loop_add(&role.loop, &role.listen_io, role.listen_fd, EPOLLIN, client_waits,
			       NULL, NULL);
}

static void flow_end(struct flow *flow)
{
	msg_peer_forget(&role.main, flow);
	loop_remove(&role.loop, &flow->client.io);
	loop_remove(&role.loop, &flow->box.io);
	own_close(&flow->client.fd);
	own_close(&flow->box.fd);
	free(flow);
	role.flows--;
	listen_again(NULL);
}

/* Each side is told by a reset that the other one is gone: an end in order would be another answer.
 */
static void flow_break(struct flow *flow)
{
	static const struct linger at_once = { .l_onoff = 1 };
	const int fds[] = { flow->client.fd, flow->box.fd };

	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		if (fds[i] >= 0)
			(void)setsockopt(fds[i], SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	flow_end(flow);
}

/* ---- bytes ---- */

static int side_read(struct side *from)
{
	ssize_t n;

	if (from->eof || from->end > from->start)
		return 0;
	n = read(from->fd, from->data, sizeof(from->data));
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	from->start = 0;
	from->end = (size_t)n;
	from->eof = n == 0;
	return 0;
}

static int side_write(struct side *from, struct side *to)
{
	while (from->start < from->end) {
		ssize_t n = send(to->fd, from->data + from->start, from->end - from->start,
				 MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		from->start += (size_t)n;
	}
	if (from->eof && !from->shut) {
		from->shut = true;
		(void)shutdown(to->fd, SHUT_WR);
	}
	return 0;
}

static void side_ready(struct loop_io *io, uint32_t events);

/* Watches for what can go on; a side with nothing to do is not watched, so it cannot spin. */
static int side_watch(struct side *side, const struct side *other, struct flow *flow)
{
	bool reads = !side->eof && side->start == side->end;
	bool writes = other->start < other->end;
	uint32_t events = (reads ? (uint32_t)EPOLLIN : 0) | (writes ? (uint32_t)EPOLLOUT : 0);

	if (!events) {
		loop_remove(&role.loop, &side->io);
		return 0;
	}
	return side->io.fd >= 0
		       ? loop_change(&role.loop, &side->io, events)
		       : loop_add(&role.loop, &side->io, side->fd, events, side_ready, flow, NULL);
}

static void flow_pump(struct flow *flow)
{
	struct side *a = &flow->client, *b = &flow->box;
	int r = side_read(a);

	if (r == 0)
		r = side_read(b);
	if (r == 0)
		r = side_write(a, b);
	if (r == 0)
		r = side_write(b, a);
	if (r == 0 && a->shut && b->shut)
		flow_end(flow);
	else if (r < 0 || side_watch(a, b, flow) < 0 || side_watch(b, a, flow) < 0)
		flow_break(flow);
}

static void side_ready(struct loop_io *io, uint32_t events)
{
	struct flow *flow = io->owner;

	/* Reset: read() or send() would say so too, but neither may be due. */
	if (events & EPOLLERR)
		flow_break(flow);
	else
		flow_pump(flow);
}

/* A peer that went without a word must not hold a place for good. A refusal costs that alone. */
static void keep_alive(int fd)
{
	static const struct {
		int level, name, value;
	} rows[] = {
		{ IPPROTO_TCP, TCP_KEEPIDLE, KEEP_IDLE_S },
		{ IPPROTO_TCP, TCP_KEEPINTVL, KEEP_INTERVAL_S },
		{ IPPROTO_TCP, TCP_KEEPCNT, KEEP_COUNT },
		{ SOL_SOCKET, SO_KEEPALIVE, 1 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		(void)setsockopt(fd, rows[i].level, rows[i].name, &rows[i].value,
				 sizeof(rows[i].value));
}

/* ---- the way to the container ---- */

static void connected(struct loop_io *io, uint32_t events);

static int dial(struct flow *flow, const void *address, socklen_t len, int family)
{
	own_close(&flow->box.fd);
	flow->box.fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (flow->box.fd >= 0)
		keep_alive(flow->box.fd);
	if (flow->box.fd < 0 || (connect(flow->box.fd, address, len) < 0 && errno != EINPROGRESS))
		return -1;
	return loop_add(&role.loop, &flow->box.io, flow->box.fd, EPOLLOUT, connected, flow, NULL);
}

/* A server may listen on IPv4 alone. */
static void dial_later(struct flow *flow)
{
	const struct sockaddr_in address = flow->later;

	flow->later.sin_port = 0;
	if (!address.sin_port || dial(flow, &address, sizeof(address), AF_INET) < 0)
		flow_break(flow);
}

static void connected(struct loop_io *io, uint32_t events)
{
	struct flow *flow = io->owner;
	int error = 0;
	socklen_t len = sizeof(error);

	(void)events;
	loop_remove(&role.loop, io);
	if (getsockopt(flow->box.fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error)
		dial_later(flow);
	else
		flow_pump(flow);
}

void splice_place_read(const struct msg *reply, struct splice_place *ret_place)
{
	struct splice_place place = { .ip6.sin6_family = AF_INET6, .ip4.sin_family = AF_INET };
	struct wire in;

	wire_init(&in, reply->body.ptr, reply->body.len);
	place.published = wire_u16(&in);
	place.ip6.sin6_port = htons(wire_u16(&in));
	wire_bytes(&in, &place.ip6.sin6_addr, sizeof(place.ip6.sin6_addr));
	place.ip4.sin_addr.s_addr = htonl(wire_u32(&in));
	place.ip4.sin_port = place.ip4.sin_addr.s_addr ? place.ip6.sin6_port : 0;
	if (wire_end(&in) < 0)
		fatal("malformed answer from main");
	*ret_place = place;
}

static void told_where(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct splice_place place;
	struct flow *flow = owner;

	(void)peer;
	(void)err;
	if (!reply) {
		flow_end(flow);
		return;
	}
	splice_place_read(reply, &place);
	flow->later = place.ip4;
	if (dial(flow, &place.ip6, sizeof(place.ip6), AF_INET6) < 0)
		dial_later(flow);
}

/* The port that the client asked for, before the firewall led it here. */
static int original_port(int fd, uint16_t *ret_port)
{
	struct sockaddr_in6 address;
	socklen_t len = sizeof(address);

	if (getsockopt(fd, IPPROTO_IPV6, ORIGINAL_DST, &address, &len) < 0)
		return -errno;
	*ret_port = ntohs(address.sin6_port);
	return 0;
}

static void client_waits(struct loop_io *io, uint32_t events)
{
	OWN_FD int fd = accept4(io->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	OWN(buf_done) struct buf body = { 0 };
	struct flow *flow;
	uint16_t port;

	(void)events;
	if (fd < 0) {
		if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
			return;
		loop_remove(&role.loop, io);
		loop_timer_set(&role.loop, &role.retry, RETRY_MS, listen_again, NULL);
		return;
	}
	if (original_port(fd, &port) < 0) /* it was not led here */
		return;
	flow = calloc(1, sizeof(*flow));
	if (!flow)
		return;
	keep_alive(fd);
	flow->client.fd = take_fd(&fd);
	flow->box.fd = flow->client.io.fd = flow->box.io.fd = -1;
	if (++role.flows == SPLICE_FLOWS_MAX)
		loop_remove(&role.loop, io);
	buf_init(&body, 64);
	wire_put_u8(&body, IPPROTO_TCP);
	wire_put_u16(&body, port);
	if (msg_peer_call(&role.main, SPLICE_MSG_WHERE, buf_str(&body), NULL, 0, told_where, flow,
			  NULL) < 0)
		flow_end(flow);
}

static void take_listen(struct msg_peer *peer, struct msg *msg)
{
	struct wire in;

	(void)peer;
	wire_init(&in, msg->body.ptr, msg->body.len);
	loop_remove(&role.loop, &role.listen_io);
	own_close(&role.listen_fd);
	role.listen_fd = msg_take_fd(msg, 0);
	listen_again(NULL);
	role_splice_udp_listen(msg_take_fd(msg, 1), wire_u32(&in));
	if (wire_end(&in) < 0)
		fatal("malformed message from main");
}

static const struct msg_rule rules[] = {
	{ SPLICE_MSG_LISTEN, "LISTEN", 4, 4, 2, 2, 1, take_listen },
	{ SPLICE_MSG_FORGET, "FORGET", 4, 4, 0, 0, 1, role_splice_udp_forget },
};

int role_splice(void)
{
	role.listen_io.fd = -1;
	role_meet(&role.loop, &role.main, "splice", rules, ARRAY_LEN(rules));
	role_splice_udp_init(&role.loop, &role.main);
	return role_serve(&role.loop, SANDBOX_PROFILE_INET, ROLE_UID_SPLICE, FILES_MAX);
}
