/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the sockets and machines of DHCPv6, a part of the dhcp role. It must never act on the host:
 * it proposes leases, bounded and checked, and main decides.
 */
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include "lib/log.h"
#include "lib/own.h"
#include "lib/random.h"
#include "netd/dhcp/dhcp_msg.h"
#include "netd/dhcp6/dhcp6_msg.h"
#include "netd/role_dhcp6.h"

enum { PACKETS_PER_WAKE = 16 };

static struct link6 {
	uint32_t index; /* 0 = free */
	int fd;
	struct dhcp6_client client;
	struct loop_io io;
	struct loop_timer timer;
	enum dhcp6_state shown;
} links[DHCP_LINKS_MAX];

static struct loop *loop6;
static struct msg_peer *main6;

static void tell_text(uint16_t type, uint32_t index, const char *text)
{
	OWN(buf_done) struct buf body = { 0 };
	struct err err;

	buf_init(&body, DHCP_MSG_BODY_MAX);
	wire_put_u32(&body, index);
	wire_put_text(&body, text);
	if (msg_peer_send(main6, type, buf_str(&body), NULL, 0, &err) < 0)
		log_warn("message to main: %s", err_text(&err));
}

static void tell_lease(const struct link6 *link)
{
	const struct dhcp6_report report = { .index = link->index,
					     .asked_ns = link->client.asked.ns,
					     .lease = link->client.lease };
	OWN(buf_done) struct buf body = { 0 };
	struct err err;

	buf_init(&body, DHCP_MSG_BODY_MAX);
	dhcp6_report_encode(&report, &body);
	if (msg_peer_send(main6, DHCP6_MSG_LEASE, buf_str(&body), NULL, 0, &err) < 0)
		log_warn("message to main: %s", err_text(&err));
}

static void send_request(const struct link6 *link, const struct dhcp6_request *request)
{
	/* All servers and relays, on Ethernet (RFC 2464 7). */
	struct sockaddr_ll to = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ETHERTYPE_IPV6),
				  .sll_ifindex = (int)link->index,
				  .sll_halen = 6,
				  .sll_addr = { 0x33, 0x33, 0, 1, 0, 2 } };
	OWN(buf_done) struct buf packet = { 0 };

	buf_init(&packet, DHCP6_PACKET_MAX);
	dhcp6_request_write(request, &packet);
	/* A link that just went down refuses; the machine sends again when it is time. */
	if (buf_error(&packet) == 0)
		(void)!sendto(link->fd, packet.data, packet.len, MSG_DONTWAIT,
			      (struct sockaddr *)(void *)&to, sizeof(to));
}

static void timer_due(struct loop_timer *timer);

static void run_actions(struct link6 *link, const struct dhcp6_actions *actions)
{
	if (actions->send)
		send_request(link, &actions->request);
	if (actions->lost)
		tell_text(DHCP6_MSG_LOST, link->index, actions->lost);
	if (actions->report)
		tell_lease(link);
	if (link->client.due_set)
		loop_timer_set(loop6, &link->timer, mono_diff_ms(link->client.due, mono_now()) + 1,
			       timer_due, link);
	else
		loop_timer_stop(loop6, &link->timer);
	if (link->shown != link->client.state) {
		link->shown = link->client.state;
		tell_text(DHCP6_MSG_STATE, link->index, dhcp6_state_name(link->shown));
	}
}

static void timer_due(struct loop_timer *timer)
{
	struct link6 *link = timer->owner;
	struct dhcp6_actions actions = { .send = false };

	dhcp6_client_timer(&link->client, mono_now(), &actions);
	run_actions(link, &actions);
}

/* One packet; -1 when there is none, 0 for one that is not for us. */
static ssize_t take_packet(int fd, char *data, size_t cap, bool *ret_sum_open)
{
	char control[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
	struct sockaddr_ll from = { 0 };
	struct iovec io = { .iov_base = data, .iov_len = cap };
	struct msghdr head = { .msg_name = &from,
			       .msg_namelen = sizeof(from),
			       .msg_iov = &io,
			       .msg_iovlen = 1,
			       .msg_control = control,
			       .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(fd, &head, MSG_DONTWAIT);
	struct tpacket_auxdata aux = { 0 };
	struct cmsghdr *c;

	if (n < 0)
		return -1;
	/* There is room for one, and no other is asked for. */
	c = CMSG_FIRSTHDR(&head);
	if (c && c->cmsg_level == SOL_PACKET && c->cmsg_type == PACKET_AUXDATA &&
	    c->cmsg_len >= CMSG_LEN(sizeof(aux)))
		memcpy(&aux, CMSG_DATA(c), sizeof(aux));
	*ret_sum_open = (aux.tp_status & TP_STATUS_CSUMNOTREADY) != 0;
	return from.sll_pkttype == PACKET_OUTGOING ? 0 : n;
}

static void packet_ready(struct loop_io *io, uint32_t events)
{
	struct link6 *link = io->owner;
	char data[DHCP6_PACKET_MAX];

	(void)events;
	for (int i = 0; i < PACKETS_PER_WAKE; i++) {
		struct dhcp6_actions actions = { .send = false };
		struct dhcp6_reply reply;
		bool sum_open = false;
		ssize_t n = take_packet(link->fd, data, sizeof(data), &sum_open);

		if (n < 0)
			return;
		if (dhcp6_reply_read(str_make(data, (size_t)n), sum_open, &reply) < 0)
			continue;
		dhcp6_client_receive(&link->client, mono_now(), &reply, &actions);
		run_actions(link, &actions);
	}
}

static struct link6 *find_link(uint32_t index)
{
	for (size_t i = 0; i < DHCP_LINKS_MAX; i++)
		if (links[i].index == index)
			return &links[i];
	return NULL;
}

static void drop_link(struct link6 *link)
{
	loop_remove(loop6, &link->io);
	loop_timer_stop(loop6, &link->timer);
	own_close(&link->fd);
	*link = (struct link6){ .fd = -1 };
}

void role_dhcp6_init(struct loop *loop, struct msg_peer *main_peer)
{
	loop6 = loop;
	main6 = main_peer;
	for (size_t i = 0; i < DHCP_LINKS_MAX; i++)
		links[i].fd = -1;
}

void role_dhcp6_start(struct msg_peer *peer, struct msg *msg)
{
	struct dhcp6_actions actions = { .send = false };
	struct dhcp6_start start;
	struct link6 *link;
	struct mono bound;
	struct err err;

	(void)peer;
	if (dhcp6_start_decode(msg->body, &start) < 0)
		fatal("malformed DHCPv6 START from main");
	link = find_link(start.index);
	if (link)
		drop_link(link);
	else
		link = find_link(0);
	if (!link) {
		log_err("no room for link %u: at most %d", start.index, DHCP_LINKS_MAX);
		return;
	}
	link->index = start.index;
	link->fd = msg_take_fd(msg, 0);
	link->client.duid = start.duid;
	link->client.iaid = start.iaid;
	link->client.source = start.source;
	link->client.wish = start.wish;
	link->client.random = random_u32;
	link->client.carrier = start.carrier;
	if (loop_add(loop6, &link->io, link->fd, EPOLLIN, packet_ready, link, &err) < 0)
		fatal("watch a packet socket: %s", err_text(&err));
	if (!start.known)
		start.lease = (struct dhcp6_lease){ .addr_count = 0 };
	bound.ns = start.bound_ns;
	dhcp6_client_start(&link->client, mono_now(), &start.lease, start.bound ? &bound : NULL,
			   &actions);
	run_actions(link, &actions);
}

static struct link6 *named_link(const struct msg *msg, bool *ret_release)
{
	uint32_t index;
	struct wire in;

	wire_init(&in, msg->body.ptr, msg->body.len);
	index = wire_u32(&in);
	if (ret_release)
		*ret_release = wire_bool(&in);
	return wire_end(&in) == 0 && index ? find_link(index) : NULL;
}

void role_dhcp6_stop(struct msg_peer *peer, struct msg *msg)
{
	struct dhcp6_actions actions = { .send = false };
	bool release = false;
	struct link6 *link = named_link(msg, &release);

	(void)peer;
	if (!link)
		return;
	if (release) {
		dhcp6_client_release(&link->client, mono_now(), &actions);
		run_actions(link, &actions);
	}
	drop_link(link);
}

void role_dhcp6_decline(struct msg_peer *peer, struct msg *msg)
{
	struct dhcp6_actions actions = { .send = false };
	struct link6 *link = named_link(msg, NULL);

	(void)peer;
	if (!link)
		return;
	dhcp6_client_decline(&link->client, mono_now(), &actions);
	run_actions(link, &actions);
}

void role_dhcp6_carrier(uint32_t index, bool carrier)
{
	struct dhcp6_actions actions = { .send = false };
	struct link6 *link = find_link(index);

	if (!link)
		return;
	dhcp6_client_carrier(&link->client, mono_now(), carrier, &actions);
	run_actions(link, &actions);
}
