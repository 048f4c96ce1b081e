/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the encoding of nf_tables expressions and of the messages around them. Pure, used by netd
 * main. It must never know what a rule is for: that is nft_table.c.
 */
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include "netd/nl/nft.h"

size_t nft_begin(struct buf *out, uint16_t type, uint16_t flags, uint8_t family)
{
	const struct nfgenmsg header = { .nfgen_family = family, .version = NFNETLINK_V0 };

	return nl_begin(out, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), flags, &header,
			sizeof(header));
}

static void batch_mark(struct buf *out, uint16_t type)
{
	/* The subsystem rides in res_id, in network byte order. */
	const struct nfgenmsg header = { .nfgen_family = AF_UNSPEC,
					 .res_id = NFNL_SUBSYS_NFTABLES << 8 };

	nl_end(out, nl_begin(out, type, 0, &header, sizeof(header)));
}

void nft_batch_begin(struct buf *out)
{
	batch_mark(out, NFNL_MSG_BATCH_BEGIN);
}

void nft_batch_end(struct buf *out)
{
	batch_mark(out, NFNL_MSG_BATCH_END);
}

struct nft_expr nft_expr_begin(struct buf *out, const char *name)
{
	struct nft_expr expr;

	expr.elem = nl_nest(out, NFTA_LIST_ELEM);
	nl_put_text(out, NFTA_EXPR_NAME, name);
	expr.data = nl_nest(out, NFTA_EXPR_DATA);
	return expr;
}

void nft_expr_end(struct buf *out, struct nft_expr expr)
{
	nl_nest_end(out, expr.data);
	nl_nest_end(out, expr.elem);
}

void nft_expr_meta(struct buf *out, uint32_t key, uint32_t reg)
{
	struct nft_expr expr = nft_expr_begin(out, "meta");

	nl_put_be32(out, NFTA_META_KEY, key);
	nl_put_be32(out, NFTA_META_DREG, reg);
	nft_expr_end(out, expr);
}

void nft_expr_ct(struct buf *out, uint32_t key, uint32_t reg)
{
	struct nft_expr expr = nft_expr_begin(out, "ct");

	nl_put_be32(out, NFTA_CT_KEY, key);
	nl_put_be32(out, NFTA_CT_DREG, reg);
	nft_expr_end(out, expr);
}

void nft_expr_ct_original(struct buf *out, uint32_t key, uint32_t reg)
{
	struct nft_expr expr = nft_expr_begin(out, "ct");

	nl_put_be32(out, NFTA_CT_KEY, key);
	nl_put_be32(out, NFTA_CT_DREG, reg);
	nl_put_u8(out, NFTA_CT_DIRECTION, 0); /* IP_CT_DIR_ORIGINAL */
	nft_expr_end(out, expr);
}

void nft_expr_payload(struct buf *out, uint32_t base, uint32_t offset, uint32_t len, uint32_t reg)
{
	struct nft_expr expr = nft_expr_begin(out, "payload");

	nl_put_be32(out, NFTA_PAYLOAD_DREG, reg);
	nl_put_be32(out, NFTA_PAYLOAD_BASE, base);
	nl_put_be32(out, NFTA_PAYLOAD_OFFSET, offset);
	nl_put_be32(out, NFTA_PAYLOAD_LEN, len);
	nft_expr_end(out, expr);
}

static void put_value(struct buf *out, uint16_t type, const void *data, size_t len)
{
	size_t nest = nl_nest(out, type);

	nl_put(out, NFTA_DATA_VALUE, data, len);
	nl_nest_end(out, nest);
}

void nft_expr_cmp(struct buf *out, uint32_t reg, bool equal, const void *data, size_t len)
{
	struct nft_expr expr = nft_expr_begin(out, "cmp");

	nl_put_be32(out, NFTA_CMP_SREG, reg);
	nl_put_be32(out, NFTA_CMP_OP, equal ? NFT_CMP_EQ : NFT_CMP_NEQ);
	put_value(out, NFTA_CMP_DATA, data, len);
	nft_expr_end(out, expr);
}

void nft_expr_range(struct buf *out, uint32_t reg, const void *first, const void *last, size_t len)
{
	struct nft_expr expr = nft_expr_begin(out, "range");

	nl_put_be32(out, NFTA_RANGE_SREG, reg);
	nl_put_be32(out, NFTA_RANGE_OP, NFT_RANGE_EQ);
	put_value(out, NFTA_RANGE_FROM_DATA, first, len);
	put_value(out, NFTA_RANGE_TO_DATA, last, len);
	nft_expr_end(out, expr);
}

void nft_expr_mask(struct buf *out, uint32_t reg, const void *mask, size_t len)
{
	static const uint8_t zero[16];
	struct nft_expr expr = nft_expr_begin(out, "bitwise");

	nl_put_be32(out, NFTA_BITWISE_SREG, reg);
	nl_put_be32(out, NFTA_BITWISE_DREG, reg);
	nl_put_be32(out, NFTA_BITWISE_LEN, (uint32_t)len);
	put_value(out, NFTA_BITWISE_MASK, mask, len);
	put_value(out, NFTA_BITWISE_XOR, zero, len);
	nft_expr_end(out, expr);
}

void nft_expr_lookup(struct buf *out, const char *set, bool invert)
{
	struct nft_expr expr = nft_expr_begin(out, "lookup");

	nl_put_text(out, NFTA_LOOKUP_SET, set);
	nl_put_be32(out, NFTA_LOOKUP_SREG, NFT_REG_1);
	if (invert)
		nl_put_be32(out, NFTA_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
	nft_expr_end(out, expr);
}

void nft_expr_map(struct buf *out, const char *map, uint32_t dreg)
{
	struct nft_expr expr = nft_expr_begin(out, "lookup");

	nl_put_text(out, NFTA_LOOKUP_SET, map);
	nl_put_be32(out, NFTA_LOOKUP_SREG, NFT_REG_1);
	nl_put_be32(out, NFTA_LOOKUP_DREG, dreg);
	nft_expr_end(out, expr);
}

void nft_expr_fib_daddr_type(struct buf *out)
{
	struct nft_expr expr = nft_expr_begin(out, "fib");

	nl_put_be32(out, NFTA_FIB_DREG, NFT_REG_1);
	nl_put_be32(out, NFTA_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
	nl_put_be32(out, NFTA_FIB_FLAGS, NFTA_FIB_F_DADDR);
	nft_expr_end(out, expr);
}

void nft_expr_dnat(struct buf *out, uint8_t family, uint32_t addr_reg, uint32_t port_reg)
{
	struct nft_expr expr = nft_expr_begin(out, "nat");

	nl_put_be32(out, NFTA_NAT_TYPE, NFT_NAT_DNAT);
	nl_put_be32(out, NFTA_NAT_FAMILY, family);
	nl_put_be32(out, NFTA_NAT_REG_ADDR_MIN, addr_reg);
	nl_put_be32(out, NFTA_NAT_REG_PROTO_MIN, port_reg);
	nft_expr_end(out, expr);
}

void nft_expr_redirect(struct buf *out, uint32_t port_reg)
{
	struct nft_expr expr = nft_expr_begin(out, "redir");

	nl_put_be32(out, NFTA_REDIR_REG_PROTO_MIN, port_reg);
	nft_expr_end(out, expr);
}

void nft_expr_masquerade(struct buf *out)
{
	nft_expr_end(out, nft_expr_begin(out, "masq"));
}

void nft_expr_reject(struct buf *out, bool tcp)
{
	struct nft_expr expr = nft_expr_begin(out, "reject");

	nl_put_be32(out, NFTA_REJECT_TYPE, tcp ? NFT_REJECT_TCP_RST : NFT_REJECT_ICMPX_UNREACH);
	if (!tcp)
		nl_put_u8(out, NFTA_REJECT_ICMP_CODE, NFT_REJECT_ICMPX_ADMIN_PROHIBITED);
	nft_expr_end(out, expr);
}

static void put_object(struct buf *out, uint32_t type, const char *object)
{
	struct nft_expr expr = nft_expr_begin(out, "objref");

	nl_put_be32(out, NFTA_OBJREF_IMM_TYPE, type);
	nl_put_text(out, NFTA_OBJREF_IMM_NAME, object);
	nft_expr_end(out, expr);
}

void nft_expr_limit(struct buf *out, const char *object)
{
	put_object(out, NFT_OBJECT_LIMIT, object);
}

void nft_expr_count(struct buf *out, const char *object)
{
	put_object(out, NFT_OBJECT_COUNTER, object);
}

void nft_expr_log(struct buf *out, const char *prefix)
{
	struct nft_expr expr = nft_expr_begin(out, "log");

	nl_put_text(out, NFTA_LOG_PREFIX, prefix);
	nl_put_be32(out, NFTA_LOG_LEVEL, NFT_LOGLEVEL_NOTICE);
	nft_expr_end(out, expr);
}

void nft_expr_verdict(struct buf *out, int32_t code, const char *chain)
{
	struct nft_expr expr = nft_expr_begin(out, "immediate");
	size_t data, verdict;

	nl_put_be32(out, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	data = nl_nest(out, NFTA_IMMEDIATE_DATA);
	verdict = nl_nest(out, NFTA_DATA_VERDICT);
	nl_put_be32(out, NFTA_VERDICT_CODE, (uint32_t)code);
	if (chain)
		nl_put_text(out, NFTA_VERDICT_CHAIN, chain);
	nl_nest_end(out, verdict);
	nl_nest_end(out, data);
	nft_expr_end(out, expr);
}
