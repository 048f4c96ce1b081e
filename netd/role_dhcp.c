/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the dhcp role: packet sockets that main opened, one client machine for each link. The only
 * process that parses DHCP, ARP, (role_nd.c) router advertisements and (role_dhcp6.c) DHCPv6; it
 * has no capability, no file and no way to open a socket. It must never act on the host: it
 * proposes leases, main decides.
 */
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
#include "netd/role.h"
#include "netd/dhcp6/dhcp6_msg.h"
#include "netd/role_dhcp6.h"
#include "netd/role_nd.h"

enum { PACKETS_PER_WAKE = 16, FILES_MAX = 128 };

struct link {
	uint32_t index; /* 0 = free */
	struct dhcp_client client;
	int ip_fd, arp_fd;
	struct loop_io ip_io, arp_io;
	struct loop_timer timer;
	enum dhcp_state shown;
};

static struct {
	struct loop loop;
	struct msg_peer main;
	struct link links[DHCP_LINKS_MAX];
} role;

static void tell(uint16_t type, uint32_t index, const char *text)
{
	OWN(buf_done) struct buf body = { 0 };
	struct err err;

	buf_init(&body, DHCP_MSG_BODY_MAX);
	wire_put_u32(&body, index);
	wire_put_text(&body, text);
	if (msg_peer_send(&role.main, type, buf_str(&body), NULL, 0, &err) < 0)
		log_warn("message to main: %s", err_text(&err));
}

static void tell_lease(const struct link *link)
{
	const struct dhcp_report report = { .index = link->index,
					    .asked_ns = link->client.asked.ns,
					    .lease = link->client.lease };
	OWN(buf_done) struct buf body = { 0 };
	struct err err;

	buf_init(&body, DHCP_MSG_BODY_MAX);
	dhcp_report_encode(&report, &body);
	if (msg_peer_send(&role.main, DHCP_MSG_LEASE, buf_str(&body), NULL, 0, &err) < 0)
		log_warn("message to main: %s", err_text(&err));
}

static void send_frame(int fd, uint32_t index, uint16_t protocol, const uint8_t mac[6],
		       const void *data, size_t len)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET,
				  .sll_protocol = (uint16_t)(protocol >> 8 | protocol << 8),
				  .sll_ifindex = (int)index,
				  .sll_halen = 6 };

	memcpy(to.sll_addr, mac, 6);
	/* A link that just went down refuses; the machine sends again when it is time. */
	(void)!sendto(fd, data, len, MSG_DONTWAIT, (struct sockaddr *)(void *)&to, sizeof(to));
}

static void send_arp(const struct link *link, uint32_t sender, uint32_t target)
{
	static const uint8_t everyone[6] = { 255, 255, 255, 255, 255, 255 };
	uint8_t packet[ARP_LEN];

	arp_write(link->client.mac, sender, target, packet);
	send_frame(link->arp_fd, link->index, ETHERTYPE_ARP, everyone, packet, sizeof(packet));
}

static void timer_due(struct loop_timer *timer);

static void run_actions(struct link *link, const struct dhcp_actions *actions)
{
	struct dhcp_client *client = &link->client;

	for (size_t i = 0; i < actions->count; i++) {
		const struct dhcp_action *action = &actions->list[i];
		OWN(buf_done) struct buf packet = { 0 };

		buf_init(&packet, DHCP_PACKET_MAX);
		switch (action->kind) {
		case DHCP_ACTION_SEND:
			dhcp_request_write(&action->request, &packet);
			send_frame(link->ip_fd, link->index, ETHERTYPE_IP, action->mac, packet.data,
				   packet.len);
			log_debug("%s on link %u", dhcp_type_name(action->request.type),
				  link->index);
			break;
		case DHCP_ACTION_PROBE:
			send_arp(link, 0, action->ip4);
			break;
		case DHCP_ACTION_ANNOUNCE:
			send_arp(link, action->ip4, action->ip4);
			break;
		case DHCP_ACTION_LEASE:
			tell_lease(link);
			break;
		case DHCP_ACTION_LOST:
			tell(DHCP_MSG_LOST, link->index, action->text);
			break;
		}
	}
	if (client->due_set)
		loop_timer_set(&role.loop, &link->timer, mono_diff_ms(client->due, mono_now()),
			       timer_due, link);
	else
		loop_timer_stop(&role.loop, &link->timer);
	if (link->shown != client->state) {
		link->shown = client->state;
		tell(DHCP_MSG_STATE, link->index, dhcp_state_name(client->state));
	}
}

static void timer_due(struct loop_timer *timer)
{
	struct link *link = timer->owner;
	struct dhcp_actions actions = { 0 };

	/* Rounding may wake a moment early: the machine then keeps its time and is asked again. */
	dhcp_client_timer(&link->client, mono_add_ms(mono_now(), 1), &actions);
	run_actions(link, &actions);
}

/* One packet with its link-level sender; 0 when there is none. */
static ssize_t take_packet(int fd, void *data, size_t cap, uint8_t ret_mac[6])
{
	struct sockaddr_ll from = { 0 };
	socklen_t len = sizeof(from);
	ssize_t n = recvfrom(fd, data, cap, MSG_DONTWAIT, (struct sockaddr *)(void *)&from, &len);

	if (n <= 0 || from.sll_pkttype == PACKET_OUTGOING)
		return n < 0 && errno != EAGAIN ? -errno : n < 0 ? -EAGAIN : 0;
	memcpy(ret_mac, from.sll_addr, 6);
	return n;
}

static void ip_ready(struct loop_io *io, uint32_t events)
{
	struct link *link = io->owner;
	char data[DHCP_PACKET_MAX + 100];
	uint8_t mac[6];

	(void)events;
	for (int i = 0; i < PACKETS_PER_WAKE; i++) {
		struct dhcp_actions actions = { 0 };
		struct dhcp_reply reply;
		ssize_t n = take_packet(link->ip_fd, data, sizeof(data), mac);

		if (n < 0)
			return;
		if (n == 0 || dhcp_reply_read(str_make(data, (size_t)n), &reply) < 0)
			continue;
		dhcp_client_receive(&link->client, mono_now(), &reply, mac, &actions);
		run_actions(link, &actions);
	}
}

static void arp_ready(struct loop_io *io, uint32_t events)
{
	struct link *link = io->owner;
	uint8_t mac[6];
	char data[64];

	(void)events;
	for (int i = 0; i < PACKETS_PER_WAKE; i++) {
		struct dhcp_actions actions = { 0 };
		struct arp arp;
		ssize_t n = take_packet(link->arp_fd, data, sizeof(data), mac);

		if (n < 0)
			return;
		if (n == 0 || arp_read(str_make(data, (size_t)n), &arp) < 0)
			continue;
		dhcp_client_arp(&link->client, mono_now(), &arp, &actions);
		run_actions(link, &actions);
	}
}

static struct link *find_link(uint32_t index)
{
	for (size_t i = 0; i < DHCP_LINKS_MAX; i++)
		if (role.links[i].index == index)
			return &role.links[i];
	return NULL;
}

static void drop_link(struct link *link)
{
	loop_remove(&role.loop, &link->ip_io);
	loop_remove(&role.loop, &link->arp_io);
	loop_timer_stop(&role.loop, &link->timer);
	own_close(&link->ip_fd);
	own_close(&link->arp_fd);
	*link = (struct link){ .ip_fd = -1, .arp_fd = -1 };
}

static void take_start(struct msg_peer *peer, struct msg *msg)
{
	struct dhcp_actions actions = { 0 };
	struct dhcp_start start;
	struct mono bound;
	struct link *link;
	struct err err;

	(void)peer;
	if (dhcp_start_decode(msg->body, &start) < 0 || !start.index)
		fatal("malformed START from main");
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
	link->ip_fd = msg_take_fd(msg, 0);
	link->arp_fd = msg_take_fd(msg, 1);
	link->shown = DHCP_STATE_IDLE;
	memcpy(link->client.mac, start.mac, 6);
	memcpy(link->client.hostname, start.hostname, sizeof(start.hostname));
	link->client.id = start.id;
	link->client.more = start.more;
	link->client.v6only = start.v6only;
	link->client.probe = start.probe;
	link->client.carrier = start.carrier;
	link->client.random = random_u32;
	if (loop_add(&role.loop, &link->ip_io, link->ip_fd, EPOLLIN, ip_ready, link, &err) < 0 ||
	    loop_add(&role.loop, &link->arp_io, link->arp_fd, EPOLLIN, arp_ready, link, &err) < 0)
		fatal("watch a packet socket: %s", err_text(&err));
	bound.ns = start.bound_ns;
	dhcp_client_start(&link->client, mono_now(), &start.lease,
			  start.memory == DHCP_MEMORY_BOUND ? &bound : NULL, &actions);
	run_actions(link, &actions);
}

static void take_carrier(struct msg_peer *peer, struct msg *msg)
{
	struct dhcp_actions actions = { 0 };
	struct link *link;
	struct wire in;
	uint32_t index;
	bool carrier;

	(void)peer;
	wire_init(&in, msg->body.ptr, msg->body.len);
	index = wire_u32(&in);
	carrier = wire_bool(&in);
	link = find_link(index);
	if (wire_end(&in) < 0 || !index)
		return;
	role_nd_carrier(index, carrier);
	role_dhcp6_carrier(index, carrier);
	if (!link)
		return;
	dhcp_client_carrier(&link->client, mono_now(), carrier, &actions);
	run_actions(link, &actions);
}

static void take_stop(struct msg_peer *peer, struct msg *msg)
{
	struct dhcp_actions actions = { 0 };
	struct link *link;
	struct wire in;
	uint32_t index;
	bool release;

	(void)peer;
	wire_init(&in, msg->body.ptr, msg->body.len);
	index = wire_u32(&in);
	release = wire_bool(&in);
	link = find_link(index);
	if (wire_end(&in) < 0 || !index || !link)
		return;
	if (release) {
		dhcp_client_release(&link->client, mono_now(), &actions);
		run_actions(link, &actions);
	}
	drop_link(link);
}

static const struct msg_rule rules[] = {
	{ DHCP_MSG_START, "START", 17, DHCP_MSG_BODY_MAX, 2, 2, 1, take_start },
	{ DHCP_MSG_CARRIER, "CARRIER", 5, 5, 0, 0, 1, take_carrier },
	{ DHCP_MSG_STOP, "STOP", 5, 5, 0, 0, 1, take_stop },
	{ DHCP_MSG_ND_START, "ND_START", 6, DHCP_MSG_BODY_MAX, 1, 1, 1, role_nd_start },
	{ DHCP_MSG_ND_STOP, "ND_STOP", 4, 4, 0, 0, 1, role_nd_stop },
	{ DHCP6_MSG_START, "DHCP6_START", 40, DHCP_MSG_BODY_MAX, 1, 1, 1, role_dhcp6_start },
	{ DHCP6_MSG_STOP, "DHCP6_STOP", 5, 5, 0, 0, 1, role_dhcp6_stop },
	{ DHCP6_MSG_DECLINE, "DHCP6_DECLINE", 4, 4, 0, 0, 1, role_dhcp6_decline },
};

int role_dhcp(void)
{
	for (size_t i = 0; i < DHCP_LINKS_MAX; i++)
		role.links[i].ip_fd = role.links[i].arp_fd = -1;
	role_meet(&role.loop, &role.main, "dhcp", rules, ARRAY_LEN(rules));
	role_nd_init(&role.loop, &role.main);
	role_dhcp6_init(&role.loop, &role.main);
	return role_serve(&role.loop, SANDBOX_PROFILE_COMPUTE, ROLE_UID_DHCP, FILES_MAX);
}
