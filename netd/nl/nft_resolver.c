/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the small table inside a container that makes its resolver answer on 127.0.0.11:53 while its
 * sockets sit on other ports: so a container may itself listen on port 53 of every address. Ports
 * are rewritten without connection tracking. Encoding is pure; netd main sends it over a socket
 * that the engine opened in that namespace. It must never touch a packet of another address.
 */
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netlink.h>
#include "lib/own.h"
#include "netd/nl/nft.h"

enum {
	PROTO_TCP = 6,
	PROTO_UDP = 17,
	DNS_PORT = 53,
	OFFSET_SADDR = 12, /* in the IPv4 header */
	OFFSET_DADDR = 16,
	OFFSET_SPORT = 0, /* in the TCP and UDP headers */
	OFFSET_DPORT = 2,
	CHECKSUM_TCP = 16,
	CHECKSUM_UDP = 6,
};

static void port_is(struct buf *out, uint32_t offset, uint16_t port)
{
	const uint8_t bytes[2] = { (uint8_t)(port >> 8), (uint8_t)port };

	nft_expr_payload(out, NFT_PAYLOAD_TRANSPORT_HEADER, offset, sizeof(bytes), NFT_REG_1);
	nft_expr_cmp(out, NFT_REG_1, true, bytes, sizeof(bytes));
}

static void set_port(struct buf *out, uint32_t offset, uint16_t port, uint8_t proto)
{
	const uint8_t bytes[2] = { (uint8_t)(port >> 8), (uint8_t)port };
	struct nft_expr expr = nft_expr_begin(out, "immediate");
	size_t data;

	nl_put_be32(out, NFTA_IMMEDIATE_DREG, NFT_REG_1);
	data = nl_nest(out, NFTA_IMMEDIATE_DATA);
	nl_put(out, NFTA_DATA_VALUE, bytes, sizeof(bytes));
	nl_nest_end(out, data);
	nft_expr_end(out, expr);
	expr = nft_expr_begin(out, "payload");
	nl_put_be32(out, NFTA_PAYLOAD_SREG, NFT_REG_1);
	nl_put_be32(out, NFTA_PAYLOAD_BASE, NFT_PAYLOAD_TRANSPORT_HEADER);
	nl_put_be32(out, NFTA_PAYLOAD_OFFSET, offset);
	nl_put_be32(out, NFTA_PAYLOAD_LEN, sizeof(bytes));
	nl_put_be32(out, NFTA_PAYLOAD_CSUM_TYPE, NFT_PAYLOAD_CSUM_INET);
	nl_put_be32(out, NFTA_PAYLOAD_CSUM_OFFSET,
		    proto == PROTO_UDP ? CHECKSUM_UDP : CHECKSUM_TCP);
	nft_expr_end(out, expr);
}

/* One direction of one protocol: where the address and port are these, put `to` in place of the
 * port. */
static void put_rule(struct buf *out, uint8_t proto, bool question, uint16_t port, uint16_t to)
{
	static const uint8_t resolver[4] = { 127, 0, 0, 11 };
	const uint8_t family = NFPROTO_IPV4;
	size_t start = nft_begin(out, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, NFPROTO_INET);
	size_t list;

	nl_put_text(out, NFTA_RULE_TABLE, "hoy");
	nl_put_text(out, NFTA_RULE_CHAIN, "resolver");
	list = nl_nest(out, NFTA_RULE_EXPRESSIONS);
	nft_expr_meta(out, NFT_META_NFPROTO, NFT_REG_1);
	nft_expr_cmp(out, NFT_REG_1, true, &family, sizeof(family));
	nft_expr_payload(out, NFT_PAYLOAD_NETWORK_HEADER, question ? OFFSET_DADDR : OFFSET_SADDR,
			 sizeof(resolver), NFT_REG_1);
	nft_expr_cmp(out, NFT_REG_1, true, resolver, sizeof(resolver));
	nft_expr_meta(out, NFT_META_L4PROTO, NFT_REG_1);
	nft_expr_cmp(out, NFT_REG_1, true, &proto, sizeof(proto));
	port_is(out, question ? OFFSET_DPORT : OFFSET_SPORT, port);
	set_port(out, question ? OFFSET_DPORT : OFFSET_SPORT, to, proto);
	nl_nest_end(out, list);
	nl_end(out, start);
}

static void put_chain(struct buf *out)
{
	size_t start = nft_begin(out, NFT_MSG_NEWCHAIN, NLM_F_CREATE, NFPROTO_INET), hook;

	nl_put_text(out, NFTA_CHAIN_TABLE, "hoy");
	nl_put_text(out, NFTA_CHAIN_NAME, "resolver");
	nl_put_text(out, NFTA_CHAIN_TYPE, "filter");
	nl_put_be32(out, NFTA_CHAIN_POLICY, NF_ACCEPT);
	hook = nl_nest(out, NFTA_CHAIN_HOOK);
	nl_put_be32(out, NFTA_HOOK_HOOKNUM, NF_INET_LOCAL_OUT);
	nl_put_be32(out, NFTA_HOOK_PRIORITY, (uint32_t)NF_IP_PRI_RAW);
	nl_nest_end(out, hook);
	nl_end(out, start);
}

static void put_table(struct buf *out, uint16_t type)
{
	size_t start =
		nft_begin(out, type, type == NFT_MSG_NEWTABLE ? NLM_F_CREATE : 0, NFPROTO_INET);

	nl_put_text(out, NFTA_TABLE_NAME, "hoy");
	nl_end(out, start);
}

void nft_encode_resolver(uint16_t udp_port, uint16_t tcp_port, struct buf *out)
{
	nft_batch_begin(out);
	put_table(out, NFT_MSG_NEWTABLE); /* so that there is one to delete */
	put_table(out, NFT_MSG_DELTABLE);
	put_table(out, NFT_MSG_NEWTABLE);
	put_chain(out);
	put_rule(out, PROTO_UDP, true, DNS_PORT, udp_port);
	put_rule(out, PROTO_TCP, true, DNS_PORT, tcp_port);
	put_rule(out, PROTO_UDP, false, udp_port, DNS_PORT);
	put_rule(out, PROTO_TCP, false, tcp_port, DNS_PORT);
	nft_batch_end(out);
}

int nft_redirect_resolver(int netfilter_fd, uint16_t udp_port, uint16_t tcp_port, struct err *err)
{
	OWN(nl_done) struct nl nl = { .fd = -1 };
	OWN(buf_done) struct buf batch = { 0 };
	int r = nl_adopt(&nl, netfilter_fd, err);

	if (r < 0)
		return r;
	buf_init(&batch, 16 << 10);
	nft_encode_resolver(udp_port, tcp_port, &batch);
	return nl_call(&nl, &batch, "redirect the container's resolver", err);
}
