/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the datagram half of the splice role: UDP to ports published on ::1. The firewall leads it
 * to one socket; a flow is one client address there, with a socket of its own towards the
 * container. Run by role splice. It must never hold more than a bounded number of flows and bytes,
 * or keep a flow for longer than the kernel's connection tracking does.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include "lib/own.h"
#include "netd/role_splice.h"

enum {
	DATAGRAM_MAX = 65536,
	HELD_MAX = 8, /* datagrams of a flow that are kept until the container has answered */
	HELD_BYTES_MAX = 64 << 10, /* of a flow */
	BATCH = 64,		   /* datagrams before others have their turn */
	SWEEP_MS = 500,
};

struct datagram {
	struct datagram *next;
	size_t len;
	char data[];
};

struct flow {
	struct flow *next;
	struct sockaddr_in6 client;
	struct mono used;
	uint16_t published;
	int fd; /* towards the container, -1 until it is known where that is */
	struct loop_io io;
	struct sockaddr_in later; /* tried when the first address refuses; port 0 = none */
	bool answered;
	struct datagram *held, **held_end;
	size_t held_count, held_bytes;
};

static struct {
	struct loop *loop;
	struct msg_peer *main;
	struct loop_io listen_io;
	struct loop_timer sweep;
	int listen_fd;
	uint32_t idle_ms;
	struct flow *flows; /* who was used last comes first */
	size_t count;
} udp = { .listen_fd = -1, .listen_io.fd = -1 };

static char data[DATAGRAM_MAX]; /* the one that is carried */

/* ---- flows ---- */

static void drop_held(struct flow *flow)
{
	while (flow->held) {
		struct datagram *datagram = flow->held;

		flow->held = datagram->next;
		free(datagram);
	}
	flow->held_end = &flow->held;
	flow->held_count = flow->held_bytes = 0;
}

static void flow_end(struct flow *flow)
{
	struct flow **at = &udp.flows;

	while (*at != flow)
		at = &(*at)->next;
	*at = flow->next;
	udp.count--;
	msg_peer_forget(udp.main, flow);
	loop_remove(udp.loop, &flow->io);
	own_close(&flow->fd);
	drop_held(flow);
	free(flow);
}

static void sweep_due(struct loop_timer *timer)
{
	struct flow *flow, *next;

	for (flow = udp.flows; flow; flow = next) {
		next = flow->next;
		if (mono_diff_ms(mono_now(), flow->used) >= udp.idle_ms)
			flow_end(flow);
	}
	if (udp.flows)
		loop_timer_set(udp.loop, timer, SWEEP_MS, sweep_due, NULL);
}

static void flow_used(struct flow *flow)
{
	struct flow **at = &udp.flows;

	while (*at && *at != flow)
		at = &(*at)->next;
	if (*at)
		*at = flow->next;
	flow->next = udp.flows;
	udp.flows = flow;
	flow->used = mono_now();
}

static struct flow *find_flow(const struct sockaddr_in6 *client)
{
	struct flow *flow = udp.flows;

	while (flow && (flow->client.sin6_port != client->sin6_port ||
			memcmp(&flow->client.sin6_addr, &client->sin6_addr,
			       sizeof(client->sin6_addr)) != 0))
		flow = flow->next;
	return flow;
}

/* Keeps a copy of what is carried. */
static void hold(struct flow *flow, size_t len)
{
	struct datagram *datagram;

	if (flow->answered || flow->held_count == HELD_MAX ||
	    flow->held_bytes + len > HELD_BYTES_MAX)
		return;
	datagram = malloc(sizeof(*datagram) + len);
	if (!datagram)
		return;
	datagram->next = NULL;
	datagram->len = len;
	memcpy(datagram->data, data, len);
	*flow->held_end = datagram;
	flow->held_end = &datagram->next;
	flow->held_count++;
	flow->held_bytes += len;
}

/* ---- the way to the container ---- */

static void box_ready(struct loop_io *io, uint32_t events);

static int dial(struct flow *flow, const void *address, socklen_t len, int family)
{
	loop_remove(udp.loop, &flow->io);
	own_close(&flow->fd);
	flow->fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (flow->fd < 0 || connect(flow->fd, address, len) < 0 ||
	    loop_add(udp.loop, &flow->io, flow->fd, EPOLLIN, box_ready, flow, NULL) < 0)
		return -1;
	/* What is lost here is lost as on any wire; a refusal is told by the socket. */
	for (const struct datagram *datagram = flow->held; datagram; datagram = datagram->next)
		(void)send(flow->fd, datagram->data, datagram->len, MSG_NOSIGNAL);
	return 0;
}

/* Nobody listens there: a server may listen on IPv4 alone. Else whoever asks next is new. */
static void refused(struct flow *flow)
{
	const struct sockaddr_in address = flow->later;

	flow->later.sin_port = 0;
	if (flow->answered || !address.sin_port ||
	    dial(flow, &address, sizeof(address), AF_INET) < 0)
		flow_end(flow);
}

static void box_ready(struct loop_io *io, uint32_t events)
{
	struct flow *flow = io->owner;

	(void)events;
	for (int i = 0; i < BATCH; i++) {
		ssize_t n = recv(flow->fd, data, sizeof(data), MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0) {
			refused(flow);
			return;
		}
		flow->answered = true;
		drop_held(flow);
		flow_used(flow);
		(void)sendto(udp.listen_fd, data, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL,
			     (const struct sockaddr *)(const void *)&flow->client,
			     sizeof(flow->client));
	}
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
	flow->published = place.published;
	flow->later = place.ip4;
	if (dial(flow, &place.ip6, sizeof(place.ip6), AF_INET6) < 0)
		refused(flow);
}

/* ---- the clients ---- */

static struct flow *new_flow(const struct sockaddr_in6 *client)
{
	OWN(buf_done) struct buf body = { 0 };
	struct flow *flow, *last;

	if (udp.count == SPLICE_FLOWS_MAX) { /* a new one is worth more than the oldest */
		for (last = udp.flows; last->next; last = last->next)
			;
		flow_end(last);
	}
	flow = calloc(1, sizeof(*flow));
	if (!flow)
		return NULL;
	flow->client = *client;
	flow->fd = flow->io.fd = -1;
	flow->held_end = &flow->held;
	flow_used(flow);
	udp.count++;
	buf_init(&body, 64);
	wire_put_u8(&body, IPPROTO_UDP);
	wire_put_u16(&body, ntohs(client->sin6_port));
	if (msg_peer_call(udp.main, SPLICE_MSG_WHERE, buf_str(&body), NULL, 0, told_where, flow,
			  NULL) < 0) {
		flow_end(flow);
		return NULL;
	}
	if (!udp.sweep.armed)
		loop_timer_set(udp.loop, &udp.sweep, SWEEP_MS, sweep_due, NULL);
	return flow;
}

static void client_ready(struct loop_io *io, uint32_t events)
{
	(void)events;
	for (int i = 0; i < BATCH; i++) {
		struct sockaddr_in6 client = { 0 };
		socklen_t len = sizeof(client);
		struct flow *flow;
		ssize_t n = recvfrom(io->fd, data, sizeof(data), MSG_DONTWAIT,
				     (struct sockaddr *)(void *)&client, &len);

		if (n < 0)
			return; /* nothing left, or a client that is gone */
		flow = find_flow(&client);
		if (!flow)
			flow = new_flow(&client);
		if (!flow)
			continue;
		flow_used(flow);
		hold(flow, (size_t)n);
		if (flow->fd >= 0 &&
		    send(flow->fd, data, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 &&
		    errno == ECONNREFUSED)
			refused(flow);
	}
}

void role_splice_udp_init(struct loop *loop, struct msg_peer *main_peer)
{
	udp.loop = loop;
	udp.main = main_peer;
}

void role_splice_udp_listen(int fd, uint32_t idle_ms)
{
	while (udp.flows)
		flow_end(udp.flows);
	loop_remove(udp.loop, &udp.listen_io);
	own_close(&udp.listen_fd);
	udp.listen_fd = fd;
	udp.idle_ms = idle_ms;
	if (loop_add(udp.loop, &udp.listen_io, fd, EPOLLIN, client_ready, NULL, NULL) < 0)
		fatal("datagrams to ::1 cannot be waited for");
}

void role_splice_udp_forget(struct msg_peer *peer, struct msg *msg)
{
	uint32_t first, count;
	struct flow *flow, *next;
	struct wire in;

	(void)peer;
	wire_init(&in, msg->body.ptr, msg->body.len);
	first = wire_u16(&in);
	count = wire_u16(&in);
	if (wire_end(&in) < 0)
		fatal("malformed message from main");
	for (flow = udp.flows; flow; flow = next) {
		next = flow->next;
		if (flow->published >= first && flow->published < first + count)
			flow_end(flow);
	}
}
