/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the dns role: names of containers, sockets inside their namespaces, questions to upstreams.
 * The only process that parses DNS; it has no capability and an empty root. It must never be told
 * more than names and addresses.
 */
#include <errno.h>
#include "lib/arena.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/own.h"
#include "netd/dns/dns_msg.h"
#include "netd/dns/dns_server.h"
#include "netd/dns/dns_tls.h"
#include "netd/role.h"

enum {
	ATTACH_MEMORY_MAX = 64 << 10,
	AUTHORITIES_MAX = 1 << 20,
	FILES_MAX = 2 * DNS_CONTAINERS_MAX + DNS_PENDING_MAX + DNS_STREAMS_MAX + 32,
};

static struct {
	struct loop loop;
	struct msg_peer main;
	struct dns_table table;
	uint32_t upstream_serial;
} role;

static void take_attach(struct msg_peer *peer, struct msg *msg)
{
	OWN(arena_done) struct arena arena = { 0 };
	struct netd_attach attach;
	int udp = msg_take_fd(msg, 0), tcp = msg_take_fd(msg, 1), index;
	struct err err;

	(void)peer;
	arena_init(&arena, ATTACH_MEMORY_MAX);
	if (netd_attach_decode(msg->body, &arena, &attach, &err) < 0)
		fatal("from main: %s", err_text(&err));
	index = dns_table_set(&role.table, &attach);
	if (index < 0) {
		log_err("no room for the names of container %.*s", STR_ARG(attach.id));
		own_close(&udp);
		own_close(&tcp);
		return;
	}
	if (dns_server_add(index, udp, tcp, &err) < 0)
		log_err("resolver of container %.*s: %s", STR_ARG(attach.id), err_text(&err));
}

static void take_detach(struct msg_peer *peer, struct msg *msg)
{
	struct str id;
	struct wire in;
	int index;

	(void)peer;
	wire_init(&in, msg->body.ptr, msg->body.len);
	id = wire_str(&in, NETD_ID_MAX);
	if (wire_end(&in) < 0)
		fatal("malformed DETACH from main");
	index = dns_table_find(&role.table, id);
	if (index < 0)
		return;
	dns_server_remove(index);
	dns_table_remove(&role.table, index);
}

static int make_trust(int authorities, const struct dns_upstreams *upstreams,
		      struct dns_trust **ret_trust, struct err *err)
{
	OWN(buf_done) struct buf pem = { 0 };
	int r = 0;

	buf_init(&pem, AUTHORITIES_MAX + 1);
	if (authorities >= 0)
		r = fs_read_fd(authorities, AUTHORITIES_MAX, &pem, err);
	return r < 0 ? r : dns_trust_new(buf_str(&pem), upstreams, ret_trust, err);
}

static void take_upstream(struct msg_peer *peer, struct msg *msg)
{
	struct dns_upstreams upstreams;
	struct dns_trust *trust = NULL;
	OWN_FD int authorities = msg_take_fd(msg, 0);
	struct wire in;
	bool tls = false;
	struct err err;

	(void)peer;
	wire_init(&in, msg->body.ptr, msg->body.len);
	role.upstream_serial = wire_u32(&in);
	if (in.error || dns_upstreams_decode(str_make(in.ptr, in.left), &upstreams) < 0)
		fatal("malformed UPSTREAM from main");
	for (size_t i = 0; i < upstreams.count; i++)
		tls |= upstreams.list[i].tls;
	/* Without trust no such server is asked at all, and its state says so. */
	if (tls && make_trust(authorities, &upstreams, &trust, &err) < 0)
		log_err("DNS over TLS: %s", err_text(&err));
	dns_forward_upstreams(&upstreams, trust);
}

static void tell_link(size_t server, const char *text)
{
	OWN(buf_done) struct buf body = { 0 };
	struct err err;

	buf_init(&body, 512);
	wire_put_u32(&body, role.upstream_serial);
	wire_put_u8(&body, (uint8_t)server);
	wire_put_text(&body, text);
	if (msg_peer_send(&role.main, DNS_MSG_LINK, buf_str(&body), NULL, 0, &err) < 0)
		log_err("tell main: %s", err_text(&err));
}

static const struct msg_rule rules[] = {
	{ DNS_MSG_ATTACH, "ATTACH", 17, MSG_BODY_INLINE_MAX, 0, 2, 1, take_attach },
	{ DNS_MSG_DETACH, "DETACH", 5, 4 + NETD_ID_MAX, 0, 0, 1, take_detach },
	{ DNS_MSG_UPSTREAM, "UPSTREAM", 12, 2048, 0, 1, 1, take_upstream },
};

int role_dns(void)
{
	role_meet(&role.loop, &role.main, "dns", rules, ARRAY_LEN(rules));
	if (dns_table_init(&role.table) < 0 || dns_server_init(&role.loop, &role.table) < 0 ||
	    dns_forward_init(&role.loop, dns_server_deliver, tell_link) < 0)
		fatal("no memory for the tables");
	return role_serve(&role.loop, SANDBOX_PROFILE_INET, ROLE_UID_DNS, FILES_MAX);
}
