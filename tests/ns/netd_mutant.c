/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No test: lets tests/ns/netd_rules.py load netd's firewall table without one of its rules, in
 * place of a netd that is dead. Words: rule to leave out (-1 = none), then "net BRIDGE SUBNET
 * SUBNET6 open|internal|routed|unprotected", "port PROTO HOST PORT TO PORT", "reach PROTO TO PORT"
 * and "policy WAY ACTION" in any number.
 * Prints the chain of each rule.
 */
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/own.h"
#include "netd/ip4.h"
#include "netd/nl/nft.h"

enum { ROWS_MAX = 32, BATCH_MAX = 1 << 20 };

static struct nft_network networks[ROWS_MAX];
static struct nft_port ports[ROWS_MAX];
static struct rules operator_rules;
static struct nft_content content = { .networks = networks,
				      .ports = ports,
				      .rules = &operator_rules };

static int fail(const char *what)
{
	(void)fprintf(stderr, "netd_mutant: %s\n", what);
	return 1;
}

static uint16_t number(const char *text)
{
	return (uint16_t)strtoul(text, NULL, 10);
}

static int take_network(char **words)
{
	struct nft_network *network = &networks[content.network_count];

	if (content.network_count++ == ROWS_MAX ||
	    str_copy(str_from(words[0]), network->bridge, IFNAMSIZ) < 0 ||
	    ip4_parse_prefix(str_from(words[1]), -1, &network->subnet, &network->prefix) < 0 ||
	    ip6_parse_prefix(str_from(words[2]), -1, &network->subnet6, &network->prefix6) < 0)
		return -1;
	network->internal = !strcmp(words[3], "internal");
	network->gate4 = !strcmp(words[3], "routed")	    ? NETWORK_GATE_ROUTED
			 : !strcmp(words[3], "unprotected") ? NETWORK_GATE_UNPROTECTED
							    : NETWORK_GATE_NAT;
	network->gate6 = network->gate4;
	network->nat4 = network->nat6 = network->gate4 != NETWORK_GATE_ROUTED;
	network->shut4 = network->shut6 = network->gate4 == NETWORK_GATE_NAT;
	return 0;
}

static int take_port(char **words)
{
	struct nft_port *port = &ports[content.port_count];

	port->v6 = strchr(words[1], ':') != NULL;
	if (content.port_count++ == ROWS_MAX ||
	    (port->v6 ? ip6_parse(str_from(words[1]), &port->host_ip6) < 0 ||
				ip6_parse(str_from(words[3]), &port->to_ip6) < 0
		      : ip4_parse(str_from(words[1]), &port->host_ip4) < 0 ||
				ip4_parse(str_from(words[3]), &port->to_ip4) < 0))
		return -1;
	port->proto = (uint8_t)number(words[0]);
	port->host_port = number(words[2]);
	port->to_port = number(words[4]);
	port->count = 1;
	return 0;
}

static int take_reach(char **words)
{
	char *as_port[] = { words[0], words[1], words[2], words[1], words[2] };

	ports[content.port_count].routed = true;
	return take_port(as_port);
}

static int take_policy(char **words)
{
	for (unsigned way = 0; way < RULE_WAYS; way++)
		for (unsigned action = 0; action < RULE_ACTIONS; action++) {
			if (strcmp(words[0], rule_way_names[way]) != 0 ||
			    strcmp(words[1], rule_action_names[action]) != 0)
				continue;
			operator_rules.policies[way] = (enum rule_action)action;
			return 0;
		}
	return -1;
}

static int take_splice(char **words)
{
	content.splice_port = content.splice_udp_port = number(words[0]);
	return 0;
}

static const struct {
	const char *word;
	int count; /* of the words behind it */
	int (*take)(char **words);
} kinds[] = {
	{ "net", 4, take_network },   { "port", 5, take_port },	    { "reach", 3, take_reach },
	{ "policy", 2, take_policy }, { "splice", 1, take_splice },
};

/* The number of words that were taken; 0 = they are malformed. */
static int take_words(char **words, int count)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (!strcmp(words[0], kinds[i].word) && kinds[i].count < count &&
		    kinds[i].take(words + 1) == 0)
			return kinds[i].count + 1;
	return 0;
}

static void print_chain(const struct nl_message *message)
{
	struct str rest = str_skip(message->body, sizeof(struct nfgenmsg));
	struct nl_attr attr;
	char chain[32];

	while (nl_attr_next(&rest, &attr))
		if (attr.type == NFTA_RULE_CHAIN && nl_attr_text(&attr, chain, sizeof(chain)))
			(void)puts(chain);
}

/* Copies the messages of a batch but for rule number `without`. */
static void copy_batch(struct str batch, int without, struct buf *out)
{
	struct nl_message message;
	struct str before = batch;
	int rule = 0;

	while (nl_message_next(&batch, &message)) {
		bool is_rule = message.type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE);

		if (is_rule)
			print_chain(&message);
		if (!is_rule || rule++ != without)
			buf_add(out, before.ptr, before.len - batch.len);
		before = batch;
	}
}

int main(int argc, char **argv)
{
	OWN(nft_done) struct nft nft = { .nl.fd = -1 };
	OWN(buf_done) struct buf whole = { 0 };
	OWN(buf_done) struct buf batch = { 0 };
	struct err err;
	int without;

	if (argc < 2)
		return fail("which rule?");
	without = (int)strtol(argv[1], NULL, 10);
	rules_default(&operator_rules);
	for (int i = 2; i < argc;) {
		int taken = take_words(argv + i, argc - i);

		if (!taken)
			return fail("malformed words");
		i += taken;
	}
	if (nft_open(&nft, &err) < 0)
		return fail(err_text(&err));
	buf_init(&whole, BATCH_MAX);
	buf_init(&batch, BATCH_MAX);
	nft_encode_table(nft.table_flags, &content, &whole);
	copy_batch(buf_str(&whole), without, &batch);
	if (nl_call(&nft.nl, &batch, "load the table", &err) < 0)
		return fail(err_text(&err));
	return 0;
}
