/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the table "bridge hoy": what a container may not say to its bridge, whoever listens there.
 * Pure, used by netd main. It must never look at ports that are not a container's: an uplink may be
 * a bridge, with routers and DHCP servers behind it.
 */
#include <linux/if_ether.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>
#include "lib/own.h"
#include "netd/nl/nft.h"

enum {
	PRE_ROUTING = 0, /* NF_BR_PRE_ROUTING */
	PRIORITY = -300, /* NF_BR_PRI_NAT_DST_BRIDGED */
	ROUTER_ADVERT = 134,
	REDIRECT = 137,
	DHCP_SERVER = 67,
	DHCP6_SERVER = 547,
};

static void put_table(uint16_t type, uint32_t table_flags, struct buf *out)
{
	size_t start =
		nft_begin(out, type, type == NFT_MSG_NEWTABLE ? NLM_F_CREATE : 0, NFPROTO_BRIDGE);

	nl_put_text(out, NFTA_TABLE_NAME, "hoy");
	if (type == NFT_MSG_NEWTABLE)
		nl_put_be32(out, NFTA_TABLE_FLAGS, table_flags);
	nl_end(out, start);
}

static void put_chain(struct buf *out)
{
	size_t start = nft_begin(out, NFT_MSG_NEWCHAIN, NLM_F_CREATE, NFPROTO_BRIDGE), hook;

	nl_put_text(out, NFTA_CHAIN_TABLE, "hoy");
	nl_put_text(out, NFTA_CHAIN_NAME, "ports");
	nl_put_text(out, NFTA_CHAIN_TYPE, "filter");
	nl_put_be32(out, NFTA_CHAIN_POLICY, NF_ACCEPT);
	hook = nl_nest(out, NFTA_CHAIN_HOOK);
	nl_put_be32(out, NFTA_HOOK_HOOKNUM, PRE_ROUTING);
	nl_put_be32(out, NFTA_HOOK_PRIORITY, (uint32_t)PRIORITY);
	nl_nest_end(out, hook);
	nl_end(out, start);
}

/* A container's end is called vHASH.N (container/veth.c). */
static void from_container(struct buf *out)
{
	uint8_t mask[IFNAMSIZ] = { 0xff, [1 + NFT_PORT_HASH_DIGITS] = 0xff };
	uint8_t name[IFNAMSIZ] = { 'v', [1 + NFT_PORT_HASH_DIGITS] = '.' };

	nft_expr_meta(out, NFT_META_IIFNAME, NFT_REG_1);
	nft_expr_mask(out, NFT_REG_1, mask, sizeof(mask));
	nft_expr_cmp(out, NFT_REG_1, true, name, sizeof(name));
}

static void carries(uint16_t ether_type, uint8_t protocol, struct buf *out)
{
	const uint8_t type[] = { (uint8_t)(ether_type >> 8), (uint8_t)ether_type };

	nft_expr_meta(out, NFT_META_L4PROTO, NFT_REG_1);
	nft_expr_cmp(out, NFT_REG_1, true, &protocol, sizeof(protocol));
	nft_expr_meta(out, NFT_META_PROTOCOL, NFT_REG_1);
	nft_expr_cmp(out, NFT_REG_1, true, type, sizeof(type));
}

static const struct {
	uint16_t ether_type;
	uint8_t protocol;
	uint8_t icmp;	 /* its type, 0 = the port counts */
	uint16_t source; /* port */
} dropped[] = {
	{ ETH_P_IPV6, IPPROTO_ICMPV6, ROUTER_ADVERT, 0 },
	{ ETH_P_IPV6, IPPROTO_ICMPV6, REDIRECT, 0 },
	{ ETH_P_IP, IPPROTO_UDP, 0, DHCP_SERVER },
	{ ETH_P_IPV6, IPPROTO_UDP, 0, DHCP6_SERVER },
};

static void put_rule(size_t i, struct buf *out)
{
	const uint8_t port[] = { (uint8_t)(dropped[i].source >> 8), (uint8_t)dropped[i].source };
	size_t start = nft_begin(out, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, NFPROTO_BRIDGE);
	size_t list;

	nl_put_text(out, NFTA_RULE_TABLE, "hoy");
	nl_put_text(out, NFTA_RULE_CHAIN, "ports");
	list = nl_nest(out, NFTA_RULE_EXPRESSIONS);
	/* Most packets are of another protocol: that is asked first. */
	carries(dropped[i].ether_type, dropped[i].protocol, out);
	from_container(out);
	if (dropped[i].icmp) {
		nft_expr_payload(out, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1, NFT_REG_1);
		nft_expr_cmp(out, NFT_REG_1, true, &dropped[i].icmp, 1);
	} else {
		nft_expr_payload(out, NFT_PAYLOAD_TRANSPORT_HEADER, 0, sizeof(port), NFT_REG_1);
		nft_expr_cmp(out, NFT_REG_1, true, port, sizeof(port));
	}
	nft_expr_verdict(out, NF_DROP, NULL);
	nl_nest_end(out, list);
	nl_end(out, start);
}

void nft_encode_bridge_claim(uint32_t table_flags, struct buf *out)
{
	nft_batch_begin(out);
	put_table(NFT_MSG_NEWTABLE, table_flags, out);
	nft_batch_end(out);
}

void nft_encode_bridge(uint32_t table_flags, struct buf *out)
{
	nft_batch_begin(out);
	put_table(NFT_MSG_DELTABLE, 0, out);
	put_table(NFT_MSG_NEWTABLE, table_flags, out);
	put_chain(out);
	for (size_t i = 0; i < ARRAY_LEN(dropped); i++)
		put_rule(i, out);
	nft_batch_end(out);
}
