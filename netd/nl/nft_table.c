/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the rules of the table "inet hoy", as data below. Pure, used by netd main. They must never
 * depend on how many ports or networks there are; those are elements.
 */
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>
#include <linux/netfilter_ipv4.h>
#include <linux/rtnetlink.h>
#include "lib/own.h"
#include "netd/nl/nft.h"

enum {
	OFFSET_SADDR = 12, /* in the IPv4 header */
	OFFSET_DADDR = 16,
	OFFSET6_SADDR = 8, /* in the IPv6 header */
	OFFSET6_DADDR = 24,
	OFFSET_DPORT = 2,	   /* in the TCP and UDP headers */
	REG_SECOND = NFT_REG32_01, /* four bytes behind NFT_REG_1 */
	REG_THIRD = NFT_REG32_02,
	REG_BEHIND6 = NFT_REG32_04, /* behind an IPv6 address in NFT_REG_1 */
	REG_BEHIND6_SECOND = NFT_REG32_05,
	LOOPBACK_NET = 127,
	ND_FIRST = 130, /* ICMPv6: listeners, routers, neighbours, redirects */
	ND_LAST = 137,
	DHCP6_CLIENT = 546,
};

/* ---- the parts rules are made of ---- */

static void is_family(uint8_t family, struct buf *out)
{
	nft_expr_meta(out, NFT_META_NFPROTO, NFT_REG_1);
	nft_expr_cmp(out, NFT_REG_1, true, &family, sizeof(family));
}

static void is_ipv4(struct buf *out)
{
	is_family(NFPROTO_IPV4, out);
}

static void is_ipv6(struct buf *out)
{
	is_family(NFPROTO_IPV6, out);
}

static void in_lo(bool equal, struct buf *out)
{
	const char lo[IFNAMSIZ] = "lo";

	nft_expr_meta(out, NFT_META_IIFNAME, NFT_REG_1);
	nft_expr_cmp(out, NFT_REG_1, equal, lo, sizeof(lo));
}

static void in_not_lo(struct buf *out)
{
	in_lo(false, out);
}

static void is_proto(uint8_t proto, struct buf *out)
{
	nft_expr_meta(out, NFT_META_L4PROTO, NFT_REG_1);
	nft_expr_cmp(out, NFT_REG_1, true, &proto, sizeof(proto));
}

static void name_in(uint32_t key, const char *set, bool invert, struct buf *out)
{
	nft_expr_meta(out, key, NFT_REG_1);
	nft_expr_lookup(out, set, invert);
}

static void address_is_loopback(uint32_t offset, struct buf *out)
{
	const uint8_t net = LOOPBACK_NET;

	nft_expr_payload(out, NFT_PAYLOAD_NETWORK_HEADER, offset, 1, NFT_REG_1);
	nft_expr_cmp(out, NFT_REG_1, true, &net, sizeof(net));
}

static void address_in(uint32_t offset, const char *set, struct buf *out)
{
	nft_expr_payload(out, NFT_PAYLOAD_NETWORK_HEADER, offset, 4, NFT_REG_1);
	nft_expr_lookup(out, set, false);
}

static void address6_in(uint32_t offset, const char *set, struct buf *out)
{
	nft_expr_payload(out, NFT_PAYLOAD_NETWORK_HEADER, offset, 16, NFT_REG_1);
	nft_expr_lookup(out, set, false);
}

static void ct_has(uint32_t key, uint32_t bits, struct buf *out)
{
	const uint32_t zero = 0;

	nft_expr_ct(out, key, NFT_REG_1);
	nft_expr_mask(out, NFT_REG_1, &bits, sizeof(bits));
	nft_expr_cmp(out, NFT_REG_1, false, &zero, sizeof(zero));
}

/* ---- the rules, in order; each function is one rule's expressions ---- */

/* Every packet comes by here: what most of them fail stands first. */
static void guard_to_loopback(struct buf *out)
{
	is_ipv4(out);
	address_is_loopback(OFFSET_DADDR, out);
	in_not_lo(out);
	nft_expr_verdict(out, NF_DROP, NULL);
}

static void guard_from_loopback(struct buf *out)
{
	is_ipv4(out);
	address_is_loopback(OFFSET_SADDR, out);
	in_not_lo(out);
	nft_expr_verdict(out, NF_DROP, NULL);
}

static void guard_direct(struct buf *out)
{
	is_ipv4(out);
	address_in(OFFSET_DADDR, "shut4", out);
	name_in(NFT_META_IIFNAME, "brs", true, out);
	in_not_lo(out);
	nft_expr_verdict(out, NF_DROP, NULL);
}

/* As above: answers to what containers asked for come to the machine's own address, so nothing of
 * theirs is lost. Subnets that are not translated are closed by chain fwdc. */
static void guard_direct6(struct buf *out)
{
	is_ipv6(out);
	address6_in(OFFSET6_DADDR, "shut6", out);
	name_in(NFT_META_IIFNAME, "brs", true, out);
	in_not_lo(out);
	nft_expr_verdict(out, NF_DROP, NULL);
}

static void pub_one_address(struct buf *out)
{
	is_ipv4(out);
	nft_expr_payload(out, NFT_PAYLOAD_NETWORK_HEADER, OFFSET_DADDR, 4, NFT_REG_1);
	nft_expr_meta(out, NFT_META_L4PROTO, REG_SECOND);
	nft_expr_payload(out, NFT_PAYLOAD_TRANSPORT_HEADER, OFFSET_DPORT, 2, REG_THIRD);
	nft_expr_map(out, "pub4", NFT_REG_1);
	nft_expr_dnat(out, NFPROTO_IPV4, NFT_REG_1, REG_SECOND);
}

static void pub_any_address(struct buf *out)
{
	is_ipv4(out);
	nft_expr_meta(out, NFT_META_L4PROTO, NFT_REG_1);
	nft_expr_payload(out, NFT_PAYLOAD_TRANSPORT_HEADER, OFFSET_DPORT, 2, REG_SECOND);
	nft_expr_map(out, "any4", NFT_REG_1);
	nft_expr_dnat(out, NFPROTO_IPV4, NFT_REG_1, REG_SECOND);
}

static void pub_one_address6(struct buf *out)
{
	is_ipv6(out);
	nft_expr_payload(out, NFT_PAYLOAD_NETWORK_HEADER, OFFSET6_DADDR, 16, NFT_REG_1);
	nft_expr_meta(out, NFT_META_L4PROTO, REG_BEHIND6);
	nft_expr_payload(out, NFT_PAYLOAD_TRANSPORT_HEADER, OFFSET_DPORT, 2, REG_BEHIND6_SECOND);
	nft_expr_map(out, "pub6", NFT_REG_1);
	nft_expr_dnat(out, NFPROTO_IPV6, NFT_REG_1, REG_BEHIND6);
}

static void pub_any_address6(struct buf *out)
{
	is_ipv6(out);
	nft_expr_meta(out, NFT_META_L4PROTO, NFT_REG_1);
	nft_expr_payload(out, NFT_PAYLOAD_TRANSPORT_HEADER, OFFSET_DPORT, 2, REG_SECOND);
	nft_expr_map(out, "any6", NFT_REG_1);
	nft_expr_dnat(out, NFPROTO_IPV6, NFT_REG_1, REG_BEHIND6);
}

static void to_loopback6(struct buf *out)
{
	static const uint8_t loopback[16] = { [15] = 1 };

	is_ipv6(out);
	nft_expr_payload(out, NFT_PAYLOAD_NETWORK_HEADER, OFFSET6_DADDR, 16, NFT_REG_1);
	nft_expr_cmp(out, NFT_REG_1, true, loopback, sizeof(loopback));
}

/* Behind a lookup that found the port published. */
static void to_splice(struct buf *out)
{
	nft_expr_meta(out, NFT_META_L4PROTO, NFT_REG_1);
	nft_expr_map(out, "splice", NFT_REG_1);
	nft_expr_redirect(out, NFT_REG_1);
}

static void splice_one_address(struct buf *out)
{
	to_loopback6(out);
	nft_expr_meta(out, NFT_META_L4PROTO, REG_BEHIND6);
	nft_expr_payload(out, NFT_PAYLOAD_TRANSPORT_HEADER, OFFSET_DPORT, 2, REG_BEHIND6_SECOND);
	nft_expr_map(out, "pub6", NFT_REG_1);
	to_splice(out);
}

static void splice_any_address(struct buf *out)
{
	to_loopback6(out);
	nft_expr_meta(out, NFT_META_L4PROTO, NFT_REG_1);
	nft_expr_payload(out, NFT_PAYLOAD_TRANSPORT_HEADER, OFFSET_DPORT, 2, REG_SECOND);
	nft_expr_map(out, "any6", NFT_REG_1);
	to_splice(out);
}

static void local_to_pub(struct buf *out)
{
	const uint32_t local = RTN_LOCAL;

	nft_expr_fib_daddr_type(out);
	nft_expr_cmp(out, NFT_REG_1, true, &local, sizeof(local));
	nft_expr_verdict(out, NFT_JUMP, "pub");
}

static void in_own(struct buf *out)
{
	in_lo(true, out);
	nft_expr_verdict(out, NF_ACCEPT, NULL);
}

/* Without these the machine would lose its addresses and its neighbours. */
static void in_neighbours(struct buf *out)
{
	const uint8_t first = ND_FIRST, last = ND_LAST;

	is_ipv6(out);
	is_proto(IPPROTO_ICMPV6, out);
	nft_expr_payload(out, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1, NFT_REG_1);
	nft_expr_range(out, NFT_REG_1, &first, &last, 1);
	nft_expr_verdict(out, NF_ACCEPT, NULL);
}

static void in_dhcp(struct buf *out)
{
	const uint8_t ports[] = { 0, 67, 0, 68 }; /* server's and client's */

	is_ipv4(out);
	is_proto(IPPROTO_UDP, out);
	nft_expr_payload(out, NFT_PAYLOAD_TRANSPORT_HEADER, 0, sizeof(ports), NFT_REG_1);
	nft_expr_cmp(out, NFT_REG_1, true, ports, sizeof(ports));
	nft_expr_verdict(out, NF_ACCEPT, NULL);
}

static void in_dhcp6(struct buf *out)
{
	const uint8_t port[] = { DHCP6_CLIENT >> 8, DHCP6_CLIENT & 0xff };
	const uint8_t link_local[] = { 0xfe, 0x80 }, mask[] = { 0xff, 0xc0 };

	is_ipv6(out);
	nft_expr_payload(out, NFT_PAYLOAD_NETWORK_HEADER, OFFSET6_SADDR, sizeof(mask), NFT_REG_1);
	nft_expr_mask(out, NFT_REG_1, mask, sizeof(mask));
	nft_expr_cmp(out, NFT_REG_1, true, link_local, sizeof(link_local));
	is_proto(IPPROTO_UDP, out);
	nft_expr_payload(out, NFT_PAYLOAD_TRANSPORT_HEADER, OFFSET_DPORT, sizeof(port), NFT_REG_1);
	nft_expr_cmp(out, NFT_REG_1, true, port, sizeof(port));
	nft_expr_verdict(out, NF_ACCEPT, NULL);
}

static void in_others(struct buf *out)
{
	nft_expr_verdict(out, NFT_JUMP, nft_rule_chains[RULE_INBOUND]);
}

/* Also of chain in. */
static void forward_established(struct buf *out)
{
	ct_has(NFT_CT_STATE, NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | NF_CT_STATE_BIT(IP_CT_RELATED),
	       out);
	nft_expr_verdict(out, NF_ACCEPT, NULL);
}

static void forward_invalid(struct buf *out)
{
	ct_has(NFT_CT_STATE, NF_CT_STATE_INVALID_BIT, out);
	nft_expr_verdict(out, NF_DROP, NULL);
}

static void forward_same_bridge(struct buf *out)
{
	nft_expr_meta(out, NFT_META_IIFNAME, NFT_REG_1);
	nft_expr_meta(out, NFT_META_OIFNAME, NFT_REG_2);
	nft_expr_lookup(out, "pairs", false);
	nft_expr_verdict(out, NF_ACCEPT, NULL);
}

static void forward_from_internal(struct buf *out)
{
	name_in(NFT_META_IIFNAME, "inner", false, out);
	nft_expr_verdict(out, NF_DROP, NULL);
}

static void forward_to_internal(struct buf *out)
{
	name_in(NFT_META_OIFNAME, "inner", false, out);
	nft_expr_verdict(out, NF_DROP, NULL);
}

/* A container that goes by an address of the machine is no stranger. */
static void forward_hairpin(struct buf *out)
{
	ct_has(NFT_CT_STATUS, IPS_DST_NAT, out);
	name_in(NFT_META_IIFNAME, "brs", false, out);
	nft_expr_verdict(out, NF_ACCEPT, NULL);
}

static void forward_published(struct buf *out)
{
	ct_has(NFT_CT_STATUS, IPS_DST_NAT, out);
	nft_expr_verdict(out, NFT_JUMP, nft_rule_chains[RULE_PUBLISHED]);
}

/* Gateway modes nat-unprotected (TCP, UDP and ICMP) and routed (ICMP): element by element. */
static void forward_open(struct buf *out)
{
	name_in(NFT_META_IIFNAME, "brs", true, out);
	nft_expr_meta(out, NFT_META_OIFNAME, NFT_REG_1);
	nft_expr_meta(out, NFT_META_NFPROTO, REG_BEHIND6);
	nft_expr_meta(out, NFT_META_L4PROTO, REG_BEHIND6_SECOND);
	nft_expr_lookup(out, "open", false);
	nft_expr_verdict(out, NFT_JUMP, nft_rule_chains[RULE_PUBLISHED]);
}

/* Gateway mode routed: published is the container's own address and port. */
static void forward_reach(struct buf *out)
{
	is_ipv4(out);
	nft_expr_payload(out, NFT_PAYLOAD_NETWORK_HEADER, OFFSET_DADDR, 4, NFT_REG_1);
	nft_expr_meta(out, NFT_META_L4PROTO, REG_SECOND);
	nft_expr_payload(out, NFT_PAYLOAD_TRANSPORT_HEADER, OFFSET_DPORT, 2, REG_THIRD);
	nft_expr_lookup(out, "reach4", false);
	nft_expr_verdict(out, NFT_JUMP, "reach");
}

static void forward_reach6(struct buf *out)
{
	is_ipv6(out);
	nft_expr_payload(out, NFT_PAYLOAD_NETWORK_HEADER, OFFSET6_DADDR, 16, NFT_REG_1);
	nft_expr_meta(out, NFT_META_L4PROTO, REG_BEHIND6);
	nft_expr_payload(out, NFT_PAYLOAD_TRANSPORT_HEADER, OFFSET_DPORT, 2, REG_BEHIND6_SECOND);
	nft_expr_lookup(out, "reach6", false);
	nft_expr_verdict(out, NFT_JUMP, "reach");
}

static void reach_from_bridge(struct buf *out)
{
	name_in(NFT_META_IIFNAME, "brs", false, out);
	nft_expr_verdict(out, NF_ACCEPT, NULL);
}

static void reach_from_outside(struct buf *out)
{
	nft_expr_verdict(out, NFT_JUMP, nft_rule_chains[RULE_PUBLISHED]);
}

static void forward_outside(struct buf *out)
{
	name_in(NFT_META_IIFNAME, "brs", false, out);
	name_in(NFT_META_OIFNAME, "brs", true, out);
	nft_expr_verdict(out, NFT_JUMP, nft_rule_chains[RULE_OUTBOUND]);
}

static void forward_routed(struct buf *out)
{
	name_in(NFT_META_IIFNAME, "brs", true, out);
	name_in(NFT_META_OIFNAME, "brs", true, out);
	nft_expr_verdict(out, NFT_JUMP, nft_rule_chains[RULE_ROUTED]);
}

static void masquerade_loopback(struct buf *out)
{
	ct_has(NFT_CT_STATUS, IPS_DST_NAT, out);
	is_ipv4(out);
	address_is_loopback(OFFSET_SADDR, out);
	nft_expr_masquerade(out);
}

static void masquerade_hairpin(struct buf *out)
{
	ct_has(NFT_CT_STATUS, IPS_DST_NAT, out);
	is_ipv4(out);
	address_in(OFFSET_SADDR, "nets4", out);
	address_in(OFFSET_DADDR, "nets4", out);
	nft_expr_masquerade(out);
}

static void masquerade_outside(struct buf *out)
{
	is_ipv4(out);
	address_in(OFFSET_SADDR, "nat4", out);
	name_in(NFT_META_OIFNAME, "brs", true, out);
	nft_expr_masquerade(out);
}

static void masquerade_hairpin6(struct buf *out)
{
	ct_has(NFT_CT_STATUS, IPS_DST_NAT, out);
	is_ipv6(out);
	address6_in(OFFSET6_SADDR, "nets6", out);
	address6_in(OFFSET6_DADDR, "nets6", out);
	nft_expr_masquerade(out);
}

static void masquerade_outside6(struct buf *out)
{
	is_ipv6(out);
	address6_in(OFFSET6_SADDR, "nat6", out);
	name_in(NFT_META_OIFNAME, "brs", true, out);
	nft_expr_masquerade(out);
}

static const struct {
	const char *chain;
	void (*put)(struct buf *out);
} rules[] = {
	{ "guard", guard_to_loopback },
	{ "guard", guard_from_loopback },
	{ "guard", guard_direct },
	{ "guard", guard_direct6 },
	{ "pub", pub_one_address },
	{ "pub", pub_any_address },
	{ "pub", pub_one_address6 },
	{ "pub", pub_any_address6 },
	{ "pre", local_to_pub },
	{ "out", splice_one_address },
	{ "out", splice_any_address },
	{ "out", local_to_pub },
	{ "reach", reach_from_bridge },
	{ "reach", reach_from_outside },
	{ "in", in_own },
	{ "in", forward_established },
	{ "in", in_neighbours },
	{ "in", in_dhcp },
	{ "in", in_dhcp6 },
	{ "in", in_others },
	{ "fwdc", forward_established },
	{ "fwdc", forward_invalid },
	{ "fwdc", forward_same_bridge },
	{ "fwdc", forward_from_internal },
	{ "fwdc", forward_to_internal },
	{ "fwdc", forward_hairpin },
	{ "fwdc", forward_published },
	{ "fwdc", forward_open },
	{ "fwdc", forward_reach },
	{ "fwdc", forward_reach6 },
	{ "fwdc", forward_outside },
	{ "fwdc", forward_routed },
	{ "pst", masquerade_loopback },
	{ "pst", masquerade_hairpin },
	{ "pst", masquerade_outside },
	{ "pst", masquerade_hairpin6 },
	{ "pst", masquerade_outside6 },
};

static void put_rule(size_t i, struct buf *out)
{
	size_t start = nft_begin(out, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, NFPROTO_INET);
	size_t list;

	nl_put_text(out, NFTA_RULE_TABLE, "hoy");
	nl_put_text(out, NFTA_RULE_CHAIN, rules[i].chain);
	list = nl_nest(out, NFTA_RULE_EXPRESSIONS);
	rules[i].put(out);
	nl_nest_end(out, list);
	nl_end(out, start);
}

static void put_table(uint16_t type, uint32_t table_flags, struct buf *out)
{
	size_t start =
		nft_begin(out, type, type == NFT_MSG_NEWTABLE ? NLM_F_CREATE : 0, NFPROTO_INET);

	nl_put_text(out, NFTA_TABLE_NAME, "hoy");
	if (type == NFT_MSG_NEWTABLE)
		nl_put_be32(out, NFTA_TABLE_FLAGS, table_flags);
	nl_end(out, start);
}

void nft_encode_claim(uint32_t table_flags, struct buf *out)
{
	nft_batch_begin(out);
	put_table(NFT_MSG_NEWTABLE, table_flags, out);
	nft_batch_end(out);
}

void nft_encode_drop(struct buf *out)
{
	nft_batch_begin(out);
	put_table(NFT_MSG_DELTABLE, 0, out);
	nft_batch_end(out);
}

void nft_encode_table(uint32_t table_flags, const struct nft_content *content, struct buf *out)
{
	nft_batch_begin(out);
	put_table(NFT_MSG_DELTABLE, 0, out);
	put_table(NFT_MSG_NEWTABLE, table_flags, out);
	nft_encode_sets(out);
	for (size_t i = 0; i < ARRAY_LEN(rules); i++)
		put_rule(i, out);
	nft_encode_rules(content->rules, out);
	nft_encode_networks(content->networks, content->network_count, true, out);
	nft_encode_ports(content->ports, content->port_count, true, out);
	nft_encode_splice(content->splice_port, content->splice_udp_port, out);
	nft_batch_end(out);
}
