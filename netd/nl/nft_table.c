/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the shape of the table "inet hoy": its sets, chains and rules, as data below. Pure, used by
 * netd main. It must never depend on how many ports or networks there are; those are elements.
 */
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>
#include <linux/netfilter_ipv4.h>
#include <linux/rtnetlink.h>
#include "lib/own.h"
#include "netd/nl/nft.h"

/* Types as nft(8) numbers them, so that its listing reads well; six bits each in a concatenation.
 */
enum {
	TYPE_IPV4_ADDR = 7,
	TYPE_IPV6_ADDR = 8,
	TYPE_INET_PROTO = 12,
	TYPE_INET_SERVICE = 13,
	TYPE_IFNAME = 41,
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

#define CONCAT2(a, b)	 ((a) << 6 | (b))
#define CONCAT3(a, b, c) (CONCAT2(a, b) << 6 | (c))

struct set {
	const char *name;
	uint32_t flags;
	uint32_t key_type, key_len;
	uint32_t data_type, data_len;
};

static const struct set sets[] = {
	{ "pub4", NFT_SET_MAP, CONCAT3(TYPE_IPV4_ADDR, TYPE_INET_PROTO, TYPE_INET_SERVICE), 12,
	  CONCAT2(TYPE_IPV4_ADDR, TYPE_INET_SERVICE), 8 },
	{ "any4", NFT_SET_MAP, CONCAT2(TYPE_INET_PROTO, TYPE_INET_SERVICE), 8,
	  CONCAT2(TYPE_IPV4_ADDR, TYPE_INET_SERVICE), 8 },
	{ "pub6", NFT_SET_MAP, CONCAT3(TYPE_IPV6_ADDR, TYPE_INET_PROTO, TYPE_INET_SERVICE), 24,
	  CONCAT2(TYPE_IPV6_ADDR, TYPE_INET_SERVICE), 20 },
	{ "any6", NFT_SET_MAP, CONCAT2(TYPE_INET_PROTO, TYPE_INET_SERVICE), 8,
	  CONCAT2(TYPE_IPV6_ADDR, TYPE_INET_SERVICE), 20 },
	{ "nets4", NFT_SET_INTERVAL, TYPE_IPV4_ADDR, 4, 0, 0 },
	{ "nets6", NFT_SET_INTERVAL, TYPE_IPV6_ADDR, 16, 0, 0 },
	{ "nat6", NFT_SET_INTERVAL, TYPE_IPV6_ADDR, 16, 0, 0 },
	{ "brs", 0, TYPE_IFNAME, IFNAMSIZ, 0, 0 },
	{ "inner", 0, TYPE_IFNAME, IFNAMSIZ, 0, 0 },
	{ "splice", NFT_SET_MAP, TYPE_INET_PROTO, 1, TYPE_INET_SERVICE, 2 },
	{ "pairs", 0, CONCAT2(TYPE_IFNAME, TYPE_IFNAME), 2 * IFNAMSIZ, 0, 0 },
};

struct chain {
	const char *name;
	const char *type; /* NULL = regular */
	uint32_t hook;
	int32_t priority;
	uint32_t policy;
};

static const struct chain chains[] = {
	{ "guard", "filter", NF_INET_PRE_ROUTING, NF_IP_PRI_RAW, NF_ACCEPT },
	{ "pub", NULL, 0, 0, 0 },
	{ "pre", "nat", NF_INET_PRE_ROUTING, NF_IP_PRI_NAT_DST, NF_ACCEPT },
	{ "out", "nat", NF_INET_LOCAL_OUT, NF_IP_PRI_NAT_DST, NF_ACCEPT },
	{ "opin", NULL, 0, 0, 0 },
	{ "oppub", NULL, 0, 0, 0 },
	{ "opout", NULL, 0, 0, 0 },
	{ "oproute", NULL, 0, 0, 0 },
	{ "in", "filter", NF_INET_LOCAL_IN, NF_IP_PRI_FILTER, NF_ACCEPT },
	{ "fwdc", "filter", NF_INET_FORWARD, NF_IP_PRI_FILTER, NF_DROP },
	{ "pst", "nat", NF_INET_POST_ROUTING, NF_IP_PRI_NAT_SRC, NF_ACCEPT },
};

static void put_set(const struct set *set, uint32_t id, struct buf *out)
{
	/* A note for nft(8): type "key byte order", four bytes, 1 = host; else it prints names as
	 * "".
	 */
	static const uint8_t host_order[] = { 0, 4, 1, 0, 0, 0 };
	size_t start = nft_begin(out, NFT_MSG_NEWSET, NLM_F_CREATE, NFPROTO_INET);

	nl_put_text(out, NFTA_SET_TABLE, "hoy");
	nl_put_text(out, NFTA_SET_NAME, set->name);
	nl_put_be32(out, NFTA_SET_FLAGS, set->flags);
	nl_put_be32(out, NFTA_SET_KEY_TYPE, set->key_type);
	nl_put_be32(out, NFTA_SET_KEY_LEN, set->key_len);
	if (set->data_len) {
		nl_put_be32(out, NFTA_SET_DATA_TYPE, set->data_type);
		nl_put_be32(out, NFTA_SET_DATA_LEN, set->data_len);
	}
	nl_put_be32(out, NFTA_SET_ID, id);
	if (set->key_type == TYPE_IFNAME)
		nl_put(out, NFTA_SET_USERDATA, host_order, sizeof(host_order));
	nl_end(out, start);
}

static void put_chain(const struct chain *chain, struct buf *out)
{
	size_t start = nft_begin(out, NFT_MSG_NEWCHAIN, NLM_F_CREATE, NFPROTO_INET), hook;

	nl_put_text(out, NFTA_CHAIN_TABLE, "hoy");
	nl_put_text(out, NFTA_CHAIN_NAME, chain->name);
	if (chain->type) {
		nl_put_text(out, NFTA_CHAIN_TYPE, chain->type);
		nl_put_be32(out, NFTA_CHAIN_POLICY, chain->policy);
		hook = nl_nest(out, NFTA_CHAIN_HOOK);
		nl_put_be32(out, NFTA_HOOK_HOOKNUM, chain->hook);
		nl_put_be32(out, NFTA_HOOK_PRIORITY, (uint32_t)chain->priority);
		nl_nest_end(out, hook);
	}
	nl_end(out, start);
}

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

static void address_in_nets(uint32_t offset, struct buf *out)
{
	nft_expr_payload(out, NFT_PAYLOAD_NETWORK_HEADER, offset, 4, NFT_REG_1);
	nft_expr_lookup(out, "nets4", false);
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
	address_in_nets(OFFSET_DADDR, out);
	name_in(NFT_META_IIFNAME, "brs", true, out);
	in_not_lo(out);
	nft_expr_verdict(out, NF_DROP, NULL);
}

/* Answers to what containers asked for come to the machine's own address: nothing of theirs is
 * lost. Subnets that are not translated are closed by chain fwdc. */
static void guard_direct6(struct buf *out)
{
	is_ipv6(out);
	address6_in(OFFSET6_DADDR, "nat6", out);
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
	address_in_nets(OFFSET_SADDR, out);
	address_in_nets(OFFSET_DADDR, out);
	nft_expr_masquerade(out);
}

static void masquerade_outside(struct buf *out)
{
	is_ipv4(out);
	address_in_nets(OFFSET_SADDR, out);
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
	for (size_t i = 0; i < ARRAY_LEN(sets); i++)
		put_set(&sets[i], (uint32_t)i + 1, out);
	for (size_t i = 0; i < ARRAY_LEN(chains); i++)
		put_chain(&chains[i], out);
	for (size_t i = 0; i < ARRAY_LEN(rules); i++)
		put_rule(i, out);
	nft_encode_rules(content->rules, out);
	nft_encode_networks(content->networks, content->network_count, true, out);
	nft_encode_ports(content->ports, content->port_count, true, out);
	nft_encode_splice(content->splice_port, content->splice_udp_port, out);
	nft_batch_end(out);
}
