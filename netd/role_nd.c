/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the sockets and machines that hear routers (IPv6), a part of the dhcp role. It must never
 * act on the host: it tells main what the routers say, bounded and checked, and main decides.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "lib/log.h"
#include "lib/own.h"
#include "lib/random.h"
#include "netd/dhcp/dhcp_msg.h"
#include "netd/nd/nd_client.h"
#include "netd/role_nd.h"

enum { PACKETS_PER_WAKE = 16 };

static struct nd_link {
	uint32_t index; /* 0 = free */
	int fd;
	struct nd_client client;
	struct loop_io io;
	struct loop_timer timer;
} links[DHCP_LINKS_MAX];

static struct loop *nd_loop;
static struct msg_peer *nd_main;

static void send_solicit(const struct nd_link *link)
{
	/* All routers, on Ethernet (RFC 2464 7). */
	struct sockaddr_ll to = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ETHERTYPE_IPV6),
				  .sll_ifindex = (int)link->index,
				  .sll_halen = 6,
				  .sll_addr = { 0x33, 0x33, 0, 0, 0, 2 } };
	uint8_t packet[ND_SOLICIT_LEN];

	nd_solicit_write(packet);
	/* A link that just went down refuses; it is asked again when it is time. */
	(void)!sendto(link->fd, packet, sizeof(packet), MSG_DONTWAIT,
		      (struct sockaddr *)(void *)&to, sizeof(to));
}

static void tell(const struct nd_link *link)
{
	OWN(buf_done) struct buf body = { 0 };
	struct err err;

	buf_init(&body, DHCP_MSG_BODY_MAX);
	wire_put_u32(&body, link->index);
	nd_known_encode(&link->client.known, &body);
	if (msg_peer_send(nd_main, DHCP_MSG_ND_KNOWN, buf_str(&body), NULL, 0, &err) < 0)
		log_warn("message to main: %s", err_text(&err));
}

static void timer_due(struct loop_timer *timer);

static void run_actions(struct nd_link *link, const struct nd_actions *actions)
{
	struct mono due;

	if (actions->solicit)
		send_solicit(link);
	if (actions->report)
		tell(link);
	if (nd_client_due(&link->client, &due))
		loop_timer_set(nd_loop, &link->timer, mono_diff_ms(due, mono_now()) + 1, timer_due,
			       link);
	else
		loop_timer_stop(nd_loop, &link->timer);
}

static void timer_due(struct loop_timer *timer)
{
	struct nd_link *link = timer->owner;
	struct nd_actions actions = { .report = false };

	nd_client_timer(&link->client, mono_now(), &actions);
	run_actions(link, &actions);
}

static void packet_ready(struct loop_io *io, uint32_t events)
{
	struct nd_link *link = io->owner;
	char data[ND_PACKET_MAX];

	(void)events;
	for (int i = 0; i < PACKETS_PER_WAKE; i++) {
		struct nd_actions actions = { .report = false };
		struct sockaddr_ll from = { 0 };
		socklen_t len = sizeof(from);
		struct nd_advert advert;
		ssize_t n = recvfrom(link->fd, data, sizeof(data), MSG_DONTWAIT,
				     (struct sockaddr *)(void *)&from, &len);

		if (n < 0)
			return;
		if (from.sll_pkttype == PACKET_OUTGOING ||
		    nd_advert_read(str_make(data, (size_t)n), &advert) < 0)
			continue;
		nd_client_receive(&link->client, mono_now(), &advert, &actions);
		run_actions(link, &actions);
	}
}

static struct nd_link *find_link(uint32_t index)
{
	for (size_t i = 0; i < DHCP_LINKS_MAX; i++)
		if (links[i].index == index)
			return &links[i];
	return NULL;
}

static void drop_link(struct nd_link *link)
{
	loop_remove(nd_loop, &link->io);
	loop_timer_stop(nd_loop, &link->timer);
	own_close(&link->fd);
	*link = (struct nd_link){ .fd = -1 };
}

void role_nd_init(struct loop *loop, struct msg_peer *main_peer)
{
	nd_loop = loop;
	nd_main = main_peer;
	for (size_t i = 0; i < DHCP_LINKS_MAX; i++)
		links[i].fd = -1;
}

void role_nd_start(struct msg_peer *peer, struct msg *msg)
{
	struct nd_actions actions = { .report = false };
	bool carrier, has_known;
	struct nd_known known;
	struct nd_link *link;
	struct wire in;
	struct err err;
	uint32_t index;

	(void)peer;
	wire_init(&in, msg->body.ptr, msg->body.len);
	index = wire_u32(&in);
	carrier = wire_bool(&in);
	has_known = wire_bool(&in);
	if (has_known)
		nd_known_decode(&in, &known);
	if (wire_end(&in) < 0 || !index)
		fatal("malformed ND_START from main");
	link = find_link(index);
	if (link)
		drop_link(link);
	else
		link = find_link(0);
	if (!link) {
		log_err("no room for link %u: at most %d", index, DHCP_LINKS_MAX);
		return;
	}
	link->index = index;
	link->fd = msg_take_fd(msg, 0);
	link->client.random = random_u32;
	link->client.carrier = carrier;
	if (loop_add(nd_loop, &link->io, link->fd, EPOLLIN, packet_ready, link, &err) < 0)
		fatal("watch a packet socket: %s", err_text(&err));
	nd_client_start(&link->client, mono_now(), has_known ? &known : NULL, &actions);
	run_actions(link, &actions);
}

void role_nd_stop(struct msg_peer *peer, struct msg *msg)
{
	struct nd_link *link;
	struct wire in;
	uint32_t index;

	(void)peer;
	wire_init(&in, msg->body.ptr, msg->body.len);
	index = wire_u32(&in);
	link = find_link(index);
	if (wire_end(&in) == 0 && index && link)
		drop_link(link);
}

void role_nd_carrier(uint32_t index, bool carrier)
{
	struct nd_actions actions = { .report = false };
	struct nd_link *link = find_link(index);

	if (!link)
		return;
	nd_client_carrier(&link->client, mono_now(), carrier, &actions);
	run_actions(link, &actions);
}
