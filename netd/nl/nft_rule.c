/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the operator's rules and policies as rows of the table's four chains for them. Pure, used by
 * netd main. It must never leave a chain without its last row: the policy decides what no rule met.
 */
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include "lib/own.h"
#include "netd/nl/nft.h"

enum {
	OFFSET_SADDR = 12, /* in the IPv4 header */
	OFFSET_DADDR = 16,
	OFFSET6_SADDR = 8, /* in the IPv6 header */
	OFFSET6_DADDR = 24,
	OFFSET_DPORT = 2, /* in the TCP and UDP headers */
	COMMENT_TYPE = 0, /* of a rule's user data, as nft(8) reads it */
	NAME_TEXT_MAX = RULE_NAME_MAX + 16,
	LOG_TEXT_MAX = RULE_NAME_MAX + 24,
	LOG_BURST = 20,
};

const char *const nft_rule_chains[RULE_WAYS] = { "opin", "oppub", "opout", "oproute" };

static void put_be16(uint8_t *dst, uint16_t v)
{
	dst[0] = (uint8_t)(v >> 8);
	dst[1] = (uint8_t)v;
}

static void is_byte(uint32_t key, uint8_t value, struct buf *out)
{
	nft_expr_meta(out, key, NFT_REG_1);
	nft_expr_cmp(out, NFT_REG_1, true, &value, sizeof(value));
}

/* The interface that faces the outside on that way: the whole name, or what stands before '*'. */
static void is_interface(const struct rule *rule, const char *interface, struct buf *out)
{
	char name[IFNAMSIZ] = "";
	size_t len = interface ? strnlen(interface, IFNAMSIZ - 1) : 0;
	bool prefix = len && interface[len - 1] == '*';

	if (!len || (prefix && len == 1))
		return;
	memcpy(name, interface, len);
	nft_expr_meta(out, rule->way == RULE_OUTBOUND ? NFT_META_OIFNAME : NFT_META_IIFNAME,
		      NFT_REG_1);
	nft_expr_cmp(out, NFT_REG_1, true, name, prefix ? len - 1 : IFNAMSIZ);
}

/* Compares the address in the first register, under the prefix's mask. */
static void is_within(const struct rule_prefix *prefix, struct buf *out)
{
	size_t len = prefix->v6 ? 16 : 4;
	uint8_t mask[16] = { 0 }, address[16] = { 0 };

	for (size_t bit = 0; bit < prefix->len; bit++)
		mask[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	if (prefix->v6) {
		memcpy(address, prefix->ip6.b, len);
	} else {
		put_be16(address, (uint16_t)(prefix->ip4 >> 16));
		put_be16(address + 2, (uint16_t)prefix->ip4);
	}
	if (prefix->len < len * 8)
		nft_expr_mask(out, NFT_REG_1, mask, len);
	nft_expr_cmp(out, NFT_REG_1, true, address, len);
}

static void is_source(const struct rule_prefix *prefix, struct buf *out)
{
	if (!prefix)
		return;
	nft_expr_payload(out, NFT_PAYLOAD_NETWORK_HEADER, prefix->v6 ? OFFSET6_SADDR : OFFSET_SADDR,
			 prefix->v6 ? 16 : 4, NFT_REG_1);
	is_within(prefix, out);
}

/* Of a published port what the sender asked for counts, not where it was led to. */
static void is_destination(const struct rule *rule, const struct rule_prefix *prefix,
			   struct buf *out)
{
	if (!prefix)
		return;
	if (rule->way == RULE_PUBLISHED)
		nft_expr_ct_original(out, prefix->v6 ? NFT_CT_DST_IP6 : NFT_CT_DST_IP, NFT_REG_1);
	else
		nft_expr_payload(out, NFT_PAYLOAD_NETWORK_HEADER,
				 prefix->v6 ? OFFSET6_DADDR : OFFSET_DADDR, prefix->v6 ? 16 : 4,
				 NFT_REG_1);
	is_within(prefix, out);
}

static void is_port(const struct rule *rule, const struct rule_ports *ports, struct buf *out)
{
	uint8_t first[2], last[2];

	if (!ports)
		return;
	put_be16(first, ports->first);
	put_be16(last, ports->last);
	if (rule->way == RULE_PUBLISHED)
		nft_expr_ct_original(out, NFT_CT_PROTO_DST, NFT_REG_1);
	else
		nft_expr_payload(out, NFT_PAYLOAD_TRANSPORT_HEADER, OFFSET_DPORT, sizeof(first),
				 NFT_REG_1);
	if (ports->first == ports->last)
		nft_expr_cmp(out, NFT_REG_1, true, first, sizeof(first));
	else
		nft_expr_range(out, NFT_REG_1, first, last, sizeof(first));
}

static void put_action(enum rule_action action, uint8_t proto, struct buf *out)
{
	if (action == RULE_REJECT)
		nft_expr_reject(out, proto == IPPROTO_TCP);
	else
		nft_expr_verdict(out, action == RULE_ACCEPT ? NF_ACCEPT : NF_DROP, NULL);
}

static void put_comment(const char *name, struct buf *out)
{
	uint8_t comment[2 + RULE_NAME_MAX + 1];
	size_t len = strnlen(name, RULE_NAME_MAX) + 1;

	comment[0] = COMMENT_TYPE;
	comment[1] = (uint8_t)len;
	memcpy(comment + 2, name, len - 1);
	comment[1 + len] = 0;
	nl_put(out, NFTA_RULE_USERDATA, comment, len + 2);
}

struct row {
	size_t message, expressions;
};

static struct row row_begin(const char *chain, struct buf *out)
{
	struct row row = { .message = nft_begin(out, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND,
						NFPROTO_INET) };

	nl_put_text(out, NFTA_RULE_TABLE, "hoy");
	nl_put_text(out, NFTA_RULE_CHAIN, chain);
	row.expressions = nl_nest(out, NFTA_RULE_EXPRESSIONS);
	return row;
}

static void row_end(struct row row, const char *name, struct buf *out)
{
	nl_nest_end(out, row.expressions);
	put_comment(name, out);
	nl_end(out, row.message);
}

/* Names of what a rule has for itself. */
#define LIMIT_PREFIX "limit."
#define CHAIN_PREFIX "op."
static const char logs[] = "logs"; /* the limit of all that is logged */

static const char *name_of(const char *prefix, const struct rule *rule, char dst[NAME_TEXT_MAX])
{
	(void)snprintf(dst, NAME_TEXT_MAX, "%s%s", prefix, rule->name);
	return dst;
}

static void put_limit(const char *name, uint32_t count, uint32_t seconds, uint32_t burst,
		      struct buf *out)
{
	size_t start = nft_begin(out, NFT_MSG_NEWOBJ, NLM_F_CREATE, NFPROTO_INET), data;

	nl_put_text(out, NFTA_OBJ_TABLE, "hoy");
	nl_put_text(out, NFTA_OBJ_NAME, name);
	nl_put_be32(out, NFTA_OBJ_TYPE, NFT_OBJECT_LIMIT);
	data = nl_nest(out, NFTA_OBJ_DATA);
	nl_put_be64(out, NFTA_LIMIT_RATE, count);
	nl_put_be64(out, NFTA_LIMIT_UNIT, seconds);
	nl_put_be32(out, NFTA_LIMIT_BURST, burst);
	nl_put_be32(out, NFTA_LIMIT_TYPE, NFT_LIMIT_PKTS);
	nl_nest_end(out, data);
	nl_end(out, start);
}

static void put_counter(const char *name, struct buf *out)
{
	size_t start = nft_begin(out, NFT_MSG_NEWOBJ, NLM_F_CREATE, NFPROTO_INET);

	nl_put_text(out, NFTA_OBJ_TABLE, "hoy");
	nl_put_text(out, NFTA_OBJ_NAME, name);
	nl_put_be32(out, NFTA_OBJ_TYPE, NFT_OBJECT_COUNTER);
	nl_nest_end(out, nl_nest(out, NFTA_OBJ_DATA));
	nl_end(out, start);
}

static const char *policy_count(unsigned way, char dst[NAME_TEXT_MAX])
{
	(void)snprintf(dst, NAME_TEXT_MAX, "%s%s%s", NFT_COUNT_PREFIX, NFT_COUNT_POLICY,
		       rule_way_names[way]);
	return dst;
}

/*
 * What a rule that is logged leads to: the log while there is room in it, then the action in any
 * case. A log without a bound would be a way to fill the machine's.
 */
static void put_log_chain(const struct rule *rule, struct buf *out)
{
	size_t start = nft_begin(out, NFT_MSG_NEWCHAIN, NLM_F_CREATE, NFPROTO_INET);
	char chain[NAME_TEXT_MAX], text[LOG_TEXT_MAX];
	struct row row;

	name_of(CHAIN_PREFIX, rule, chain);
	nl_put_text(out, NFTA_CHAIN_TABLE, "hoy");
	nl_put_text(out, NFTA_CHAIN_NAME, chain);
	nl_end(out, start);
	(void)snprintf(text, sizeof(text), "hoy rule %s %s: ", rule->name,
		       rule_action_names[rule->action]);
	row = row_begin(chain, out);
	nft_expr_limit(out, logs);
	nft_expr_log(out, text);
	row_end(row, rule->name, out);
	if (rule->action == RULE_REJECT && (rule->protocols & RULE_TCP)) {
		row = row_begin(chain, out);
		is_byte(NFT_META_L4PROTO, IPPROTO_TCP, out);
		put_action(rule->action, IPPROTO_TCP, out);
		row_end(row, rule->name, out);
	}
	row = row_begin(chain, out);
	put_action(rule->action, 0, out);
	row_end(row, rule->name, out);
}

/* Rows can only name what is there already. */
static void put_helpers(const struct rules *rules, struct buf *out)
{
	char text[NAME_TEXT_MAX];
	bool any = false;

	for (size_t i = 0; i < rules->count; i++) {
		const struct rule *rule = &rules->list[i];

		if (rule->limit.count)
			put_limit(name_of(LIMIT_PREFIX, rule, text), rule->limit.count,
				  rule->limit.seconds, rule->limit.count, out);
		put_counter(name_of(NFT_COUNT_PREFIX, rule, text), out);
		any |= rule->log;
	}
	for (unsigned way = 0; way < RULE_WAYS; way++)
		put_counter(policy_count(way, text), out);
	if (any)
		put_limit(logs, 1, 1, LOG_BURST, out);
	for (size_t i = 0; i < rules->count; i++)
		if (rules->list[i].log)
			put_log_chain(&rules->list[i], out);
}

static void put_rule(const struct rule *rule, struct buf *out)
{
	size_t combinations = rule_combinations(rule);
	char text[NAME_TEXT_MAX];

	for (size_t i = 0; i < combinations; i++) {
		struct rule_entry entry;
		struct row row;

		if (!rule_entry(rule, i, &entry))
			continue;
		row = row_begin(nft_rule_chains[rule->way], out);
		if (entry.family)
			is_byte(NFT_META_NFPROTO,
				entry.family == AF_INET6 ? NFPROTO_IPV6 : NFPROTO_IPV4, out);
		if (entry.proto)
			is_byte(NFT_META_L4PROTO, entry.proto, out);
		is_interface(rule, entry.interface, out);
		is_source(entry.source, out);
		is_destination(rule, entry.destination, out);
		is_port(rule, entry.ports, out);
		if (rule->limit.count)
			nft_expr_limit(out, name_of(LIMIT_PREFIX, rule, text));
		nft_expr_count(out, name_of(NFT_COUNT_PREFIX, rule, text));
		if (rule->log)
			nft_expr_verdict(out, NFT_GOTO, name_of(CHAIN_PREFIX, rule, text));
		else
			put_action(rule->action, entry.proto, out);
		row_end(row, rule->name, out);
	}
}

void nft_encode_rules(const struct rules *rules, struct buf *out)
{
	char text[NAME_TEXT_MAX];

	put_helpers(rules, out);
	for (size_t i = 0; i < rules->count; i++)
		put_rule(&rules->list[i], out);
	for (unsigned way = 0; way < RULE_WAYS; way++) {
		struct row row = row_begin(nft_rule_chains[way], out);

		nft_expr_count(out, policy_count(way, text));
		put_action(rules->policies[way], 0, out);
		row_end(row, "policy", out);
	}
}
