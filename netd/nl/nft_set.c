/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the sets, maps and chains of the table "inet hoy", as data below. Pure, used by netd main.
 * It must never hold an element of them: nft_elem.c has those.
 */
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netlink.h>
#include "lib/own.h"
#include "netd/nl/nft.h"

/* Types as nft(8) numbers them, so that its listing reads well; six bits each in a concatenation.
 */
enum {
	TYPE_NF_PROTO = 2,
	TYPE_IPV4_ADDR = 7,
	TYPE_IPV6_ADDR = 8,
	TYPE_INET_PROTO = 12,
	TYPE_INET_SERVICE = 13,
	TYPE_IFNAME = 41,
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
	{ "nat4", NFT_SET_INTERVAL, TYPE_IPV4_ADDR, 4, 0, 0 },
	{ "nat6", NFT_SET_INTERVAL, TYPE_IPV6_ADDR, 16, 0, 0 },
	{ "shut4", NFT_SET_INTERVAL, TYPE_IPV4_ADDR, 4, 0, 0 },
	{ "shut6", NFT_SET_INTERVAL, TYPE_IPV6_ADDR, 16, 0, 0 },
	{ "brs", 0, TYPE_IFNAME, IFNAMSIZ, 0, 0 },
	{ "inner", 0, TYPE_IFNAME, IFNAMSIZ, 0, 0 },
	{ "splice", NFT_SET_MAP, TYPE_INET_PROTO, 1, TYPE_INET_SERVICE, 2 },
	{ "pairs", 0, CONCAT2(TYPE_IFNAME, TYPE_IFNAME), 2 * IFNAMSIZ, 0, 0 },
	{ "open", 0, CONCAT3(TYPE_IFNAME, TYPE_NF_PROTO, TYPE_INET_PROTO), IFNAMSIZ + 8, 0, 0 },
	{ "reach4", 0, CONCAT3(TYPE_IPV4_ADDR, TYPE_INET_PROTO, TYPE_INET_SERVICE), 12, 0, 0 },
	{ "reach6", 0, CONCAT3(TYPE_IPV6_ADDR, TYPE_INET_PROTO, TYPE_INET_SERVICE), 24, 0, 0 },
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
	{ "reach", NULL, 0, 0, 0 },
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

void nft_encode_sets(struct buf *out)
{
	for (size_t i = 0; i < ARRAY_LEN(sets); i++)
		put_set(&sets[i], (uint32_t)i + 1, out);
	for (size_t i = 0; i < ARRAY_LEN(chains); i++)
		put_chain(&chains[i], out);
}
