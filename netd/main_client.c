/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns netd.sock: who may connect, what each may ask, and the answers. Run by netd main. It must
 * never take a request from a peer that SO_PEERCRED does not name as root or the console's group.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include "init/api/init_msg.h"
#include "lib/log.h"
#include "lib/own.h"
#include "netd/main_network.h"
#include "netd/main_tell.h"

enum {
	ROWS_MAX = 1 << 20,
	QUEUE_MAX = 2 << 20,
	ATTACH_MEMORY_MAX = 96 << 10,
	SHOW_WORD_MAX = 160,
	BOTH = 3
};

static struct netd *netd_of(const struct msg_peer *peer)
{
	return ((struct main_client *)peer->owner)->netd;
}

static void refuse(struct msg_peer *peer, const struct msg *msg, const struct err *err)
{
	(void)msg_reply_err(peer, msg->type, msg->serial, err);
}

static void refuse_form(struct msg_peer *peer, const struct msg *msg)
{
	struct err err;

	err_set(&err, -EBADMSG, "malformed request");
	refuse(peer, msg, &err);
}

static void answer_attached(struct msg_peer *peer, const struct msg *msg, int r,
			    const struct buf *reply, const struct err *err)
{
	if (r < 0) {
		log_warn("attach: %s", err_text(err));
		refuse(peer, msg, err);
		return;
	}
	(void)msg_reply(peer, msg->type, msg->serial, buf_str(reply), NULL, 0);
}

static void take_attach(struct msg_peer *peer, struct msg *msg)
{
	OWN(arena_done) struct arena arena = { 0 };
	OWN(buf_done) struct buf reply = { 0 };
	struct netd_attach attach;
	struct err err;
	int r;

	arena_init(&arena, ATTACH_MEMORY_MAX);
	buf_init(&reply, MSG_BODY_INLINE_MAX);
	r = netd_attach_decode(msg->body, &arena, &attach, &err);
	if (r == 0)
		r = main_attach(netd_of(peer), &attach, msg, &reply, &err);
	answer_attached(peer, msg, r, &reply, &err);
}

static void take_connect(struct msg_peer *peer, struct msg *msg)
{
	OWN(arena_done) struct arena arena = { 0 };
	OWN(buf_done) struct buf reply = { 0 };
	struct netd_attach_network network;
	struct str id;
	struct err err;
	int r;

	arena_init(&arena, ATTACH_MEMORY_MAX);
	buf_init(&reply, MSG_BODY_INLINE_MAX);
	r = netd_connect_decode(msg->body, &arena, &id, &network, &err);
	if (r == 0)
		r = main_connect(netd_of(peer), id, &network, msg, &reply, &err);
	answer_attached(peer, msg, r, &reply, &err);
}

static void take_disconnect(struct msg_peer *peer, struct msg *msg)
{
	OWN(buf_done) struct buf reply = { 0 };
	struct str id, network;
	struct wire in;
	struct err err;

	wire_init(&in, msg->body.ptr, msg->body.len);
	id = wire_str(&in, NETD_ID_MAX);
	network = wire_str(&in, NETD_NAME_MAX);
	if (wire_end(&in) < 0) {
		refuse_form(peer, msg);
		return;
	}
	buf_init(&reply, MSG_BODY_INLINE_MAX);
	answer_attached(peer, msg, main_disconnect(netd_of(peer), id, network, msg, &reply, &err),
			&reply, &err);
}

static void take_detach(struct msg_peer *peer, struct msg *msg)
{
	struct netd *netd = netd_of(peer);
	struct attachment *attachment;
	struct str id;
	struct wire in;

	wire_init(&in, msg->body.ptr, msg->body.len);
	id = wire_str(&in, NETD_ID_MAX);
	if (wire_end(&in) < 0) {
		refuse_form(peer, msg);
		return;
	}
	attachment = attachment_find(&netd->attachments, id);
	if (attachment)
		main_detach(netd, attachment);
	(void)msg_reply(peer, msg->type, msg->serial, (struct str){ 0 }, NULL, 0);
}

static bool listed(struct str body, struct str id)
{
	struct wire in;
	uint32_t count;

	wire_init(&in, body.ptr, body.len);
	count = wire_count(&in, NETD_SYNC_MAX);
	for (uint32_t i = 0; i < count; i++)
		if (str_eq(wire_str(&in, NETD_ID_MAX), id))
			return true;
	return false;
}

static void take_sync(struct msg_peer *peer, struct msg *msg)
{
	struct netd *netd = netd_of(peer);
	struct attachment *a, *next;
	struct wire in;
	uint32_t count;

	wire_init(&in, msg->body.ptr, msg->body.len);
	count = wire_count(&in, NETD_SYNC_MAX);
	for (uint32_t i = 0; i < count; i++)
		(void)wire_str(&in, NETD_ID_MAX);
	if (wire_end(&in) < 0) {
		refuse_form(peer, msg);
		return;
	}
	for (a = netd->attachments.first; a; a = next) {
		next = a->next;
		if (listed(msg->body, a->attach.id))
			continue;
		log_notice("container %.*s is gone; detaching it", STR_ARG(a->attach.name));
		main_detach(netd, a);
	}
	main_sweep(netd);
	(void)msg_reply(peer, msg->type, msg->serial, (struct str){ 0 }, NULL, 0);
}

static void put_cidr4(const struct network *network, struct buf *out)
{
	char text[IP4_TEXT_MAX], cidr[IP4_TEXT_MAX + 4];

	if (!network->prefix) {
		wire_put_text(out, "");
		wire_put_text(out, "");
		return;
	}
	snprintf(cidr, sizeof(cidr), "%s/%u", ip4_text(network->subnet, text), network->prefix);
	wire_put_text(out, cidr);
	wire_put_text(out, ip4_text(network_gateway(network), text));
}

static void put_cidr6(const struct network *network, struct buf *out)
{
	char text[IP6_TEXT_MAX], cidr[IP6_TEXT_MAX + 4];
	struct ip6 gateway;

	if (!network->prefix6) {
		wire_put_text(out, "");
		wire_put_text(out, "");
		return;
	}
	gateway = network_gateway6(network);
	snprintf(cidr, sizeof(cidr), "%s/%u", ip6_text(&network->subnet6, text), network->prefix6);
	wire_put_text(out, cidr);
	wire_put_text(out, ip6_text(&gateway, text));
}

static void take_network_set(struct msg_peer *peer, struct msg *msg)
{
	struct network wanted, *made;
	OWN(buf_done) struct buf reply = { 0 };
	struct netd_network_set set;
	struct err err;

	if (netd_network_set_decode(msg->body, &set, &err) < 0) {
		refuse_form(peer, msg);
		return;
	}
	if (main_network_read(&set, &wanted, &err) < 0 ||
	    main_network_set(netd_of(peer), &wanted, &made, &err) < 0) {
		refuse(peer, msg, &err);
		return;
	}
	buf_init(&reply, 256);
	put_cidr4(made, &reply);
	put_cidr6(made, &reply);
	(void)msg_reply(peer, msg->type, msg->serial, buf_str(&reply), NULL, 0);
}

static void take_network_remove(struct msg_peer *peer, struct msg *msg)
{
	struct netd *netd = netd_of(peer);
	struct network *network;
	struct str name;
	struct wire in;
	struct err err;

	wire_init(&in, msg->body.ptr, msg->body.len);
	name = wire_str(&in, NETD_NAME_MAX);
	if (wire_end(&in) < 0) {
		refuse_form(peer, msg);
		return;
	}
	network = network_require(&netd->networks, name, &err);
	if (!network || main_network_remove(netd, network, &err) < 0)
		refuse(peer, msg, &err);
	else
		(void)msg_reply(peer, msg->type, msg->serial, (struct str){ 0 }, NULL, 0);
}

static void list_ip4(const struct network *network, struct arena *arena, struct netd_network *row)
{
	char text[IP4_TEXT_MAX];

	if (!network->prefix)
		return;
	row->subnet = str_from(
		arena_printf(arena, "%s/%u", ip4_text(network->subnet, text), network->prefix));
	row->gateway =
		str_from(arena_text(arena, str_from(ip4_text(network_gateway(network), text))));
}

static void list_ip6(const struct network *network, struct arena *arena, struct netd_network *row)
{
	char text[IP6_TEXT_MAX];
	struct ip6 gateway;

	if (!network->prefix6)
		return;
	gateway = network_gateway6(network);
	row->subnet6 = str_from(
		arena_printf(arena, "%s/%u", ip6_text(&network->subnet6, text), network->prefix6));
	row->gateway6 = str_from(arena_text(arena, str_from(ip6_text(&gateway, text))));
}

static void take_network_list(struct msg_peer *peer, struct msg *msg)
{
	struct netd *netd = netd_of(peer);
	struct netd_network rows[NETWORKS_MAX];
	OWN(arena_done) struct arena arena = { 0 };
	OWN(buf_done) struct buf reply = { 0 };

	arena_init(&arena, ATTACH_MEMORY_MAX);
	buf_init(&reply, MSG_BODY_INLINE_MAX);
	for (size_t i = 0; i < netd->networks.count; i++) {
		const struct network *network = &netd->networks.list[i];

		rows[i] = (struct netd_network){
			.name = str_from(network->name),
			.bridge = str_from(network->bridge),
			.internal = network->internal,
			.fixed = network->fixed,
			.driver = str_from(network_driver_text(network->driver)),
			.containers = main_network_users(netd, network),
		};
		list_ip4(network, &arena, &rows[i]);
		list_ip6(network, &arena, &rows[i]);
	}
	netd_networks_encode(rows, (uint32_t)netd->networks.count, &reply);
	(void)msg_reply(peer, msg->type, msg->serial, buf_str(&reply), NULL, 0);
}

static void send_event(struct main_client *client, enum netd_event_kind kind, const char *text)
{
	const struct netd_event event = { .kind = (uint8_t)kind, .text = str_from(text) };
	OWN(buf_done) struct buf body = { 0 };

	buf_init(&body, 1024);
	netd_event_encode(&event, &body);
	(void)msg_reply_more(&client->peer, NETD_MSG_SUBSCRIBE, client->subscribed, buf_str(&body));
}

static void take_subscribe(struct msg_peer *peer, struct msg *msg)
{
	struct main_client *client = peer->owner;
	char servers[CONF_DNS_MAX * IP_ANY_TEXT_MAX] = "", text[IP_ANY_TEXT_MAX];
	struct netd *netd = client->netd;

	client->subscribed = msg->serial;
	send_event(client, netd->uplink_text[0] ? NETD_EVENT_UPLINK_UP : NETD_EVENT_UPLINK_DOWN,
		   netd->uplink_text);
	for (size_t i = 0; i < netd->dns.server_count; i++)
		snprintf(servers + strlen(servers), sizeof(servers) - strlen(servers), "%s%s",
			 i ? " " : "", ip_any_text(&netd->dns.servers[i], text));
	send_event(client, NETD_EVENT_DNS, servers);
}

void main_client_event(struct netd *netd, enum netd_event_kind kind, const char *text)
{
	for (size_t i = 0; i < MAIN_CLIENTS_MAX; i++)
		if (netd->clients[i].used && netd->clients[i].subscribed)
			send_event(&netd->clients[i], kind, text);
}

static void take_show(struct msg_peer *peer, struct msg *msg)
{
	OWN(buf_done) struct buf text = { 0 };
	OWN(buf_done) struct buf reply = { 0 };
	struct str what;
	struct wire in;
	struct err err;

	wire_init(&in, msg->body.ptr, msg->body.len);
	what = wire_str(&in, SHOW_WORD_MAX);
	if (wire_end(&in) < 0) {
		refuse_form(peer, msg);
		return;
	}
	buf_init(&text, NETD_SHOW_MAX - 1024);
	buf_init(&reply, NETD_SHOW_MAX);
	if (main_show(netd_of(peer), what, &text, &err) < 0) {
		refuse(peer, msg, &err);
		return;
	}
	if (buf_error(&text) < 0) { /* what fits, and a line that says so */
		text.error = 0;
		text.len = text.len < 64 ? 0 : text.len - 64;
		buf_add_text(&text, "\n... cut here\n");
	}
	wire_put_str(&reply, buf_str(&text));
	(void)msg_reply(peer, msg->type, msg->serial, buf_str(&reply), NULL, 0);
}

static void take_rows(struct msg_peer *peer, struct msg *msg)
{
	OWN(buf_done) struct buf rows = { 0 };
	struct str what;
	struct wire in;
	struct err err;

	wire_init(&in, msg->body.ptr, msg->body.len);
	what = wire_str(&in, SHOW_WORD_MAX);
	if (wire_end(&in) < 0) {
		refuse_form(peer, msg);
		return;
	}
	buf_init(&rows, ROWS_MAX);
	if (main_rows(netd_of(peer), what, &rows, &err) < 0)
		refuse(peer, msg, &err);
	else if (buf_error(&rows) < 0)
		refuse_form(peer, msg);
	else
		(void)msg_reply(peer, msg->type, msg->serial, buf_str(&rows), NULL, 0);
}

static void take_probe(struct msg_peer *peer, struct msg *msg)
{
	struct err err;
	OWN_FD int fd = main_probe_start(netd_of(peer), &err);

	if (fd < 0)
		refuse(peer, msg, &err);
	else
		(void)msg_reply(peer, msg->type, msg->serial, (struct str){ 0 }, &fd, 1);
}

/* Beside single values: what conf_from_ini() finds; its record is thrown away. */
static void check_conf(struct ini_config *ini)
{
	static struct conf conf;

	conf_from_ini(ini, &conf);
}

static void take_check(struct msg_peer *peer, struct msg *msg)
{
	OWN(buf_done) struct buf reply = { 0 };
	struct err err = { 0 };

	buf_init(&reply, NETD_SHOW_MAX);
	if ((msg->body.len ? main_conf_issues(netd_of(peer), &reply, &err)
			   : ini_try(&conf_schema, netd_of(peer)->config_fd, check_conf, &reply,
				     &err)) < 0)
		refuse(peer, msg, &err);
	else
		(void)msg_reply(peer, msg->type, msg->serial, buf_str(&reply), NULL, 0);
}

static const struct msg_rule rules[] = {
	{ NETD_MSG_ATTACH, "ATTACH", 17, MSG_BODY_INLINE_MAX, 2, 5, MAIN_IDENTITY_ENGINE,
	  take_attach },
	{ NETD_MSG_DETACH, "DETACH", 4, 4 + NETD_ID_MAX, 0, 0, MAIN_IDENTITY_ENGINE, take_detach },
	{ NETD_MSG_SYNC, "SYNC", 4, 4 + NETD_SYNC_MAX *(4 + NETD_ID_MAX), 0, 0,
	  MAIN_IDENTITY_ENGINE, take_sync },
	{ NETD_MSG_NETWORK_SET, "NETWORK_SET", 9, 2048, 0, 0, MAIN_IDENTITY_ENGINE,
	  take_network_set },
	{ NETD_MSG_NETWORK_REMOVE, "NETWORK_REMOVE", 4, 4 + NETD_NAME_MAX, 0, 0,
	  MAIN_IDENTITY_ENGINE, take_network_remove },
	{ NETD_MSG_NETWORK_LIST, "NETWORK_LIST", 0, 0, 0, 0, BOTH, take_network_list },
	{ NETD_MSG_SUBSCRIBE, "SUBSCRIBE", 0, 0, 0, 0, BOTH, take_subscribe },
	{ NETD_MSG_SHOW, "SHOW", 4, 4 + SHOW_WORD_MAX, 0, 0, BOTH, take_show },
	{ NETD_MSG_CONNECT, "CONNECT", 24, MSG_BODY_INLINE_MAX, 2, 2, MAIN_IDENTITY_ENGINE,
	  take_connect },
	{ NETD_MSG_DISCONNECT, "DISCONNECT", 8, 8 + NETD_ID_MAX + NETD_NAME_MAX, 2, 2,
	  MAIN_IDENTITY_ENGINE, take_disconnect },
	{ NETD_MSG_ROWS, "ROWS", 4, 4 + SHOW_WORD_MAX, 0, 0, BOTH, take_rows },
	{ NETD_MSG_CHECK, "CHECK", 0, 1, 0, 0, BOTH, take_check },
	{ NETD_MSG_PROBE, "PROBE", 0, 0, 0, 0, BOTH, take_probe },
};

static void client_gone(struct msg_peer *peer)
{
	struct main_client *client = peer->owner;

	/* Containers stay attached: an engine that comes back finds them. */
	client->used = false;
	client->subscribed = 0;
}

void main_client_renew(struct netd *netd)
{
	for (size_t i = 0; i < MAIN_CLIENTS_MAX; i++) {
		struct main_client *client = &netd->clients[i];

		if (!client->used || client->peer.identity != MAIN_IDENTITY_ENGINE)
			continue;
		msg_peer_done(&client->peer);
		client->used = false;
		client->subscribed = 0;
	}
}

static uint32_t identify(int fd)
{
	uint32_t uid, gid;
	int pid;

	if (msg_credentials(fd, &uid, &gid, &pid, NULL) < 0)
		return 0;
	return uid == 0			 ? MAIN_IDENTITY_ENGINE
	       : gid == INIT_CONSOLE_GID ? MAIN_IDENTITY_CONSOLE
					 : 0;
}

static void listen_ready(struct loop_io *io, uint32_t events)
{
	struct netd *netd = io->owner;
	OWN_FD int fd = accept4(io->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	uint32_t identity = fd < 0 ? 0 : identify(fd);
	struct err err;

	(void)events;
	for (size_t i = 0; i < MAIN_CLIENTS_MAX && identity; i++) {
		struct main_client *client = &netd->clients[i];

		if (client->used)
			continue;
		*client = (struct main_client){ .netd = netd, .used = true };
		if (msg_peer_init(&client->peer, &netd->loop, take_fd(&fd), identity, rules,
				  ARRAY_LEN(rules), QUEUE_MAX, client_gone, client, &err) < 0) {
			log_err("a client: %s", err_text(&err));
			client->used = false;
		}
		return;
	}
	if (fd >= 0)
		log_warn("a client was turned away: %s",
			 identity ? "too many connections" : "neither root nor the console");
}

int main_client_start(struct netd *netd, int listen_fd, struct err *err)
{
	return loop_add(&netd->loop, &netd->listen_io, listen_fd, EPOLLIN, listen_ready, netd, err);
}
