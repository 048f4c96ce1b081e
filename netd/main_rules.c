/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns which of the operator's firewall rules are in force, and what is told of them: as a table,
 * as rows for programs, and which of them decides about a place. Run by netd main. It must never
 * tell of a rule that the kernel has not, or leave a policy out: it decides where no rule does.
 */
#include <inttypes.h>
#include <string.h>
#include "lib/log.h"
#include "lib/own.h"
#include "netd/api/netd_rows_msg.h"
#include "netd/main_tell.h"

static bool outbound_closes(const struct rules *rules)
{
	bool closes = rules->policies[RULE_OUTBOUND] != RULE_ACCEPT;

	for (size_t i = 0; i < rules->count; i++)
		closes |= rules->list[i].way == RULE_OUTBOUND;
	return closes;
}

int main_rules_load(struct netd *netd, main_rules_load_fn *load, struct err *err)
{
	struct err first;

	netd->rules_unfit = false;
	if (load(netd, &first) == 0) {
		netd->has_rules |= !netd->conf.rules.refused;
		return 0;
	}
	log_err("network.ini: the kernel refuses [firewall] and [rule]: %s: %s", err_text(&first),
		netd->has_rules ? "the rules stay as they were" : "nothing is let in");
	if (netd->has_rules)
		netd->conf.rules = netd->rules_before;
	else
		rules_close(&netd->conf.rules, outbound_closes(&netd->conf.rules));
	netd->rules_unfit = true;
	return load(netd, err);
}

static void put_mistakes(const struct netd *netd, struct buf *out)
{
	if (!netd->conf.rules.refused && !netd->rules_kept && !netd->rules_unfit)
		return;
	buf_printf(out, "%s (see the log): %s\n",
		   netd->rules_unfit ? "the kernel refuses [firewall] and [rule] of network.ini"
				     : "[firewall] or [rule] of network.ini has mistakes",
		   netd->conf.rules.refused ? "nothing is let in until they are mended"
					    : "these are the rules from before");
}

static void put_more(const struct rule *rule, struct buf *out)
{
	if (rule->limit.count) {
		buf_add_text(out, " at most ");
		rule_print_limit(rule, out);
	}
	if (rule->log)
		buf_add_text(out, " logged");
}

/* ---- how many packets met what ---- */

struct counted {
	struct nft_count list[RULES_MAX + RULE_WAYS];
	size_t count;
};

static void load_counts(struct netd *netd, struct counted *ret_counted)
{
	struct err err;

	if (nft_counts(&netd->nft, ret_counted->list, ARRAY_LEN(ret_counted->list),
		       &ret_counted->count, &err) < 0)
		log_warn("%s", err_text(&err));
}

static struct nft_count count_of(const struct counted *counted, const char *prefix,
				 const char *name)
{
	size_t len = strlen(prefix);

	for (size_t i = 0; i < counted->count; i++)
		if (!strncmp(counted->list[i].name, prefix, len) &&
		    !strcmp(counted->list[i].name + len, name))
			return counted->list[i];
	return (struct nft_count){ .packets = 0 };
}

static void show_rule(const struct rule *rule, const struct counted *counted, struct buf *out)
{
	struct nft_count met = count_of(counted, "", rule->name);
	OWN(buf_done) struct buf interfaces = { 0 };

	buf_init(&interfaces, 512);
	rule_print_interfaces(rule, &interfaces);
	buf_printf(out, "%-10s %-7s %-16s %8" PRIu64 " %10" PRIu64 " %-10s ",
		   rule_way_names[rule->way], rule_action_names[rule->action], rule->name,
		   met.packets, met.bytes, buf_text(&interfaces));
	rule_print_protocols(rule, out);
	buf_add_text(out, " port ");
	rule_print_ports(rule, out);
	buf_add_text(out, " from ");
	rule_print_prefixes(rule->sources, rule->source_count, out);
	buf_add_text(out, " to ");
	rule_print_prefixes(rule->destinations, rule->destination_count, out);
	put_more(rule, out);
	buf_add_byte(out, '\n');
}

void main_rules_show(struct netd *netd, struct buf *out)
{
	const struct rules *rules = &netd->conf.rules;
	struct counted counted = { .count = 0 };

	load_counts(netd, &counted);
	put_mistakes(netd, out);
	buf_printf(out, "%-10s %-7s %-16s %8s %10s %-10s %s\n", "ON", "ACTION", "RULE", "PACKETS",
		   "BYTES", "INTERFACE", "WHAT");
	for (unsigned way = 0; way < RULE_WAYS; way++) {
		struct nft_count met;

		for (size_t i = 0; i < rules->count; i++)
			if (rules->list[i].way == way)
				show_rule(&rules->list[i], &counted, out);
		met = count_of(&counted, NFT_COUNT_POLICY, rule_way_names[way]);
		buf_printf(out, "%-10s %-7s %-16s %8" PRIu64 " %10" PRIu64 " %-10s %s\n",
			   rule_way_names[way], rule_action_names[rules->policies[way]], "-",
			   met.packets, met.bytes, "*", "all else");
	}
}

static void put_field(struct buf *out, const char *name, const char *text)
{
	netd_row_put(out, name, NETD_FIELD_TEXT, str_from(text), 0);
}

static void put_built(struct buf *out, const char *name, struct buf *text)
{
	netd_row_put(out, name, NETD_FIELD_TEXT, buf_str(text), 0);
	buf_clear(text);
}

static void put_met(struct buf *out, struct nft_count met)
{
	netd_row_put(out, "packets", NETD_FIELD_NUMBER, (struct str){ 0 }, (int64_t)met.packets);
	netd_row_put(out, "bytes", NETD_FIELD_NUMBER, (struct str){ 0 }, (int64_t)met.bytes);
}

static void row_of_rule(const struct rule *rule, const struct counted *counted, struct buf *out)
{
	OWN(buf_done) struct buf text = { 0 };

	buf_init(&text, 4096);
	put_field(out, "on", rule_way_names[rule->way]);
	put_field(out, "action", rule_action_names[rule->action]);
	put_field(out, "rule", rule->name);
	rule_print_interfaces(rule, &text);
	put_built(out, "interface", &text);
	rule_print_protocols(rule, &text);
	put_built(out, "protocol", &text);
	rule_print_ports(rule, &text);
	put_built(out, "port", &text);
	rule_print_prefixes(rule->sources, rule->source_count, &text);
	put_built(out, "source", &text);
	rule_print_prefixes(rule->destinations, rule->destination_count, &text);
	put_built(out, "destination", &text);
	rule_print_limit(rule, &text);
	put_built(out, "limit", &text);
	netd_row_put(out, "log", NETD_FIELD_FLAG, (struct str){ 0 }, rule->log);
	put_met(out, count_of(counted, "", rule->name));
	netd_row_end(out);
}

void main_rules_rows(struct netd *netd, struct buf *out)
{
	const struct rules *rules = &netd->conf.rules;
	struct counted counted = { .count = 0 };

	load_counts(netd, &counted);
	for (unsigned way = 0; way < RULE_WAYS; way++) {
		for (size_t i = 0; i < rules->count; i++)
			if (rules->list[i].way == way)
				row_of_rule(&rules->list[i], &counted, out);
		put_field(out, "on", rule_way_names[way]);
		put_field(out, "action", rule_action_names[rules->policies[way]]);
		put_field(out, "policy",
			  rules->refused			  ? "refused"
			  : netd->rules_kept || netd->rules_unfit ? "kept"
								  : "set");
		put_met(out, count_of(&counted, NFT_COUNT_POLICY, rule_way_names[way]));
		netd_row_end(out);
	}
}

static void why_rule(const struct rule *rule, struct buf *out)
{
	buf_printf(out, "rule %s: %s", rule->name, rule_action_names[rule->action]);
	if (rule->source_count) {
		buf_add_text(out, " from ");
		rule_print_prefixes(rule->sources, rule->source_count, out);
	}
	if (rule->destination_count) {
		buf_add_text(out, " to ");
		rule_print_prefixes(rule->destinations, rule->destination_count, out);
	}
	if (rule->interface_count) {
		buf_add_text(out, " over ");
		rule_print_interfaces(rule, out);
	}
	put_more(rule, out);
	if (rule->limit.count)
		buf_add_text(out, "; what comes faster goes on to the next");
	buf_add_byte(out, '\n');
}

bool main_rules_silent(const struct netd *netd, enum rule_way way, uint8_t proto, uint16_t port,
		       bool v6)
{
	const struct rules *rules = &netd->conf.rules;

	for (size_t i = 0; i < rules->count; i++)
		if (rule_may_match(&rules->list[i], way, proto, port, v6))
			return false;
	return rules->policies[way] == RULE_ACCEPT;
}

void main_rules_why(const struct netd *netd, enum rule_way way, uint8_t proto, uint16_t port,
		    bool v6, struct buf *out)
{
	const struct rules *rules = &netd->conf.rules;

	put_mistakes(netd, out);
	buf_add_text(out, "from outside, the first of these that fits decides:\n");
	for (size_t i = 0; i < rules->count; i++) {
		if (!rule_may_match(&rules->list[i], way, proto, port, v6))
			continue;
		why_rule(&rules->list[i], out);
		if (rule_is_unconditional(&rules->list[i]))
			return;
	}
	buf_printf(out, "[firewall] %s: %s\n", rule_way_names[way],
		   rule_action_names[rules->policies[way]]);
}
