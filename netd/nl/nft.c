/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the nf_tables and conntrack sockets: claiming the table, loading and changing it, forgetting
 * stale flows. Run by netd main. It must never leave a moment without rules: each change is one
 * transaction, and the claimed table outlives this process.
 */
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include "lib/own.h"
#include "netd/nl/nft.h"

enum {
	PROTO_UDP = 17,
	TABLE_OWNER = 2,   /* NFT_TABLE_F_OWNER, kernel 5.12 */
	TABLE_PERSIST = 4, /* NFT_TABLE_F_PERSIST, kernel 6.9 */
	/* Bits of CTA_FILTER_ORIG_FLAGS, kernel 6.8 for deletion. */
	CT_FILTER_IP_DST = 1 << 1,
	CT_FILTER_PROTO_NUM = 1 << 3,
	CT_FILTER_DST_PORT = 1 << 5,
};

static int claim(struct nft *nft, uint32_t table_flags, struct err *err)
{
	OWN(buf_done) struct buf batch = { 0 };

	buf_init(&batch, 4096);
	nft_encode_claim(table_flags, &batch);
	return nl_call(&nft->nl, &batch, "claim the firewall table inet hoy", err);
}

static int drop_plain(struct nft *nft)
{
	OWN(buf_done) struct buf batch = { 0 };

	buf_init(&batch, 4096);
	nft_encode_drop(&batch);
	return nl_call(&nft->nl, &batch, "drop the old firewall table", NULL);
}

int nft_open(struct nft *nft, struct err *err)
{
	int r = nl_open(&nft->nl, NETLINK_NETFILTER, err);

	if (r < 0)
		return r;
	nft->table_flags = TABLE_OWNER | TABLE_PERSIST;
	r = claim(nft, nft->table_flags, NULL);
	if (r == -EOPNOTSUPP || r == -EINVAL) {
		/* A table that nobody owned cannot become owned: make room and ask again. */
		(void)drop_plain(nft);
		r = claim(nft, nft->table_flags, NULL);
	}
	if (r == -EOPNOTSUPP || r == -EINVAL) {
		nft->table_flags = 0;
		r = claim(nft, 0, err);
	} else if (r == -EPERM) {
		r = err_set(err, -EPERM,
			    "the firewall table inet hoy belongs to another running process");
	} else if (r < 0) {
		r = err_sys(err, r, "claim the firewall table inet hoy");
	}
	if (r < 0)
		nft_done(nft);
	return r;
}

void nft_done(struct nft *nft)
{
	if (nft)
		nl_done(&nft->nl);
}

bool nft_owned(const struct nft *nft)
{
	return (nft->table_flags & TABLE_OWNER) != 0;
}

int nft_load(struct nft *nft, const struct nft_content *content, struct err *err)
{
	OWN(buf_done) struct buf batch = { 0 };

	buf_init(&batch, NL_BATCH_MAX);
	nft_encode_table(nft->table_flags, content, &batch);
	return nl_call(&nft->nl, &batch, "load the firewall table", err);
}

int nft_load_bridge(struct nft *nft, struct err *err)
{
	OWN(buf_done) struct buf batch = { 0 };
	int r;

	buf_init(&batch, 1 << 16);
	nft_encode_bridge_claim(nft->table_flags, &batch);
	r = nl_call(&nft->nl, &batch, "claim the table of the bridges", err);
	if (r < 0)
		return r;
	buf_clear(&batch);
	nft_encode_bridge(nft->table_flags, &batch);
	return nl_call(&nft->nl, &batch, "load the table of the bridges", err);
}

int nft_apply(struct nft *nft, const struct nft_change *change, struct err *err)
{
	OWN(buf_done) struct buf batch = { 0 };

	if (!change->network_add && !change->network_del && !change->port_add_count &&
	    !change->port_del_count)
		return 0;
	buf_init(&batch, NL_BATCH_MAX);
	nft_encode_change(change, &batch);
	return nl_call(&nft->nl, &batch, "change the firewall table", err);
}

void nft_encode_forget(const struct nft_port *port, uint16_t host_port, struct buf *out)
{
	const struct nfgenmsg header = { .nfgen_family = port->v6 ? AF_INET6 : AF_INET,
					 .version = NFNETLINK_V0 };
	uint32_t fields = CT_FILTER_PROTO_NUM | CT_FILTER_DST_PORT;
	size_t start, tuple, part;

	start = nl_begin(out, NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE, 0, &header,
			 sizeof(header));
	tuple = nl_nest(out, CTA_TUPLE_ORIG);
	/* Not the IPv6 address: kernels take a filter with one for all flows but those. */
	if (!port->v6 && port->host_ip4) {
		fields |= CT_FILTER_IP_DST;
		part = nl_nest(out, CTA_TUPLE_IP);
		nl_put_be32(out, CTA_IP_V4_DST, port->host_ip4);
		nl_nest_end(out, part);
	}
	part = nl_nest(out, CTA_TUPLE_PROTO);
	nl_put_u8(out, CTA_PROTO_NUM, port->proto);
	nl_put_be16(out, CTA_PROTO_DST_PORT, host_port);
	nl_nest_end(out, part);
	nl_nest_end(out, tuple);
	part = nl_nest(out, CTA_FILTER);
	nl_put_u32(out, CTA_FILTER_ORIG_FLAGS, fields);
	nl_put_u32(out, CTA_FILTER_REPLY_FLAGS, 0);
	nl_nest_end(out, part);
	nl_end(out, start);
}

int nft_forget_flows(const struct nft_port *ports, size_t count, struct err *err)
{
	OWN(nl_done) struct nl nl = { .fd = -1 };
	int r = 0;

	for (size_t i = 0; i < count; i++) {
		if (ports[i].proto != PROTO_UDP)
			continue;
		if (nl.fd < 0)
			r = nl_open(&nl, NETLINK_NETFILTER, err);
		for (uint16_t n = 0; n < ports[i].count && r == 0; n++) {
			OWN(buf_done) struct buf request = { 0 };

			buf_init(&request, 512);
			nft_encode_forget(&ports[i], (uint16_t)(ports[i].host_port + n), &request);
			r = nl_call(&nl, &request, "forget stale UDP flows", err);
			if (r == -ENOENT)
				r = 0;
		}
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- which port a flow asked for ---- */

void nft_encode_flow(uint16_t client_port, uint16_t our_port, struct buf *out)
{
	static const struct ip6 loopback = { .b = { [15] = 1 } };
	const struct nfgenmsg header = { .nfgen_family = AF_INET6, .version = NFNETLINK_V0 };
	size_t start, tuple, part;

	start = nl_begin(out, NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET, 0, &header,
			 sizeof(header));
	tuple = nl_nest(out, CTA_TUPLE_REPLY);
	part = nl_nest(out, CTA_TUPLE_IP);
	nl_put(out, CTA_IP_V6_SRC, loopback.b, sizeof(loopback.b));
	nl_put(out, CTA_IP_V6_DST, loopback.b, sizeof(loopback.b));
	nl_nest_end(out, part);
	part = nl_nest(out, CTA_TUPLE_PROTO);
	nl_put_u8(out, CTA_PROTO_NUM, PROTO_UDP);
	nl_put_be16(out, CTA_PROTO_SRC_PORT, our_port);
	nl_put_be16(out, CTA_PROTO_DST_PORT, client_port);
	nl_nest_end(out, part);
	nl_nest_end(out, tuple);
	nl_end(out, start);
}

static bool inner(struct str body, uint16_t type, struct nl_attr *ret_attr)
{
	while (nl_attr_next(&body, ret_attr))
		if (ret_attr->type == type)
			return true;
	return false;
}

bool nft_read_flow(const struct nl_message *message, uint16_t *ret_port)
{
	struct nl_attr attr;
	const unsigned char *port;

	if (message->type != (NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW) ||
	    message->body.len < sizeof(struct nfgenmsg) ||
	    !inner(str_skip(message->body, sizeof(struct nfgenmsg)), CTA_TUPLE_ORIG, &attr) ||
	    !inner(attr.data, CTA_TUPLE_PROTO, &attr) ||
	    !inner(attr.data, CTA_PROTO_DST_PORT, &attr) || attr.data.len != sizeof(*ret_port))
		return false;
	port = (const unsigned char *)attr.data.ptr;
	*ret_port = (uint16_t)(port[0] << 8 | port[1]);
	return true;
}

struct found_flow {
	uint16_t port;
	bool found;
};

static int take_flow(const struct nl_message *message, void *owner, struct err *err)
{
	struct found_flow *flow = owner;

	(void)err;
	flow->found |= nft_read_flow(message, &flow->port);
	return 0;
}

int nft_flow_port(uint16_t client_port, uint16_t our_port, uint16_t *ret_port, struct err *err)
{
	OWN(nl_done) struct nl nl = { .fd = -1 };
	OWN(buf_done) struct buf request = { 0 };
	struct found_flow flow = { 0 };
	int r = nl_open(&nl, NETLINK_NETFILTER, err);

	if (r < 0)
		return r;
	buf_init(&request, 512);
	nft_encode_flow(client_port, our_port, &request);
	r = nl_get(&nl, &request, take_flow, &flow, "look up a UDP flow to ::1", err);
	if (r == 0 && !flow.found)
		r = err_set(err, -ENOENT, "the kernel tracks no such UDP flow to ::1");
	if (r < 0)
		return r;
	*ret_port = flow.port;
	return 0;
}

/* ---- how many packets met what ---- */

static uint64_t be64(const struct nl_attr *attr)
{
	uint64_t v = 0;

	for (size_t i = 0; attr->data.len == sizeof(v) && i < sizeof(v); i++)
		v = v << 8 | (unsigned char)attr->data.ptr[i];
	return v;
}

bool nft_read_count(const struct nl_message *message, struct nft_count *ret_count)
{
	const size_t prefix = sizeof(NFT_COUNT_PREFIX) - 1;
	struct nft_count count = { .packets = 0 };
	char name[NFT_COUNT_NAME_MAX + sizeof(NFT_COUNT_PREFIX)];
	struct nl_attr attr, data;
	struct str rest;

	if (message->type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWOBJ) ||
	    message->body.len < sizeof(struct nfgenmsg) ||
	    !inner(str_skip(message->body, sizeof(struct nfgenmsg)), NFTA_OBJ_NAME, &attr) ||
	    !nl_attr_text(&attr, name, sizeof(name)) ||
	    strncmp(name, NFT_COUNT_PREFIX, prefix) != 0 ||
	    str_copy(str_from(name + prefix), count.name, sizeof(count.name)) < 0 ||
	    !inner(str_skip(message->body, sizeof(struct nfgenmsg)), NFTA_OBJ_DATA, &data))
		return false;
	rest = data.data;
	while (nl_attr_next(&rest, &attr)) {
		if (attr.type == NFTA_COUNTER_PACKETS)
			count.packets = be64(&attr);
		else if (attr.type == NFTA_COUNTER_BYTES)
			count.bytes = be64(&attr);
	}
	*ret_count = count;
	return true;
}

struct counts {
	struct nft_count *list;
	size_t count, cap;
};

static int take_count(const struct nl_message *message, void *owner, struct err *err)
{
	struct counts *counts = owner;

	(void)err;
	if (counts->count < counts->cap && nft_read_count(message, &counts->list[counts->count]))
		counts->count++;
	return 0;
}

int nft_counts(struct nft *nft, struct nft_count *list, size_t cap, size_t *ret_count,
	       struct err *err)
{
	struct counts counts = { .list = list, .cap = cap };
	OWN(buf_done) struct buf request = { 0 };
	size_t start;
	int r;

	buf_init(&request, 256);
	start = nft_begin(&request, NFT_MSG_GETOBJ, 0, NFPROTO_INET);
	nl_put_text(&request, NFTA_OBJ_TABLE, "hoy");
	nl_put_be32(&request, NFTA_OBJ_TYPE, NFT_OBJECT_COUNTER);
	nl_end(&request, start);
	r = nl_dump(&nft->nl, &request, take_count, &counts, "read the rules' counters", err);
	*ret_count = counts.count;
	return r;
}
