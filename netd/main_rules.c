/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns what is told of the operator's firewall rules: as a table, as rows for programs, and which
 * of them decides about a place. Run by netd main. It must never leave a policy out: it decides
 * where no rule does.
 */
#include "lib/own.h"
#include "netd/api/netd_rows_msg.h"
#include "netd/main_tell.h"

static void put_mistakes(const struct netd *netd, struct buf *out)
{
	if (netd->conf.rules.refused)
		buf_add_text(out, "[firewall] or [rule] of network.ini has mistakes (see the log): "
				  "nothing is let in until they are mended\n");
	else if (netd->rules_kept)
		buf_add_text(out, "[firewall] or [rule] of network.ini has mistakes (see the log): "
				  "these are the rules from before\n");
}

static void show_rule(const struct rule *rule, struct buf *out)
{
	buf_printf(out, "%-10s %-7s %-16s %-10s ", rule_way_names[rule->way],
		   rule_action_names[rule->action], rule->name,
		   rule->interface[0] ? rule->interface : "*");
	rule_print_protocols(rule, out);
	buf_add_text(out, " port ");
	rule_print_ports(rule, out);
	buf_add_text(out, " from ");
	rule_print_prefixes(rule->sources, rule->source_count, out);
	buf_add_text(out, " to ");
	rule_print_prefixes(rule->destinations, rule->destination_count, out);
	buf_add_byte(out, '\n');
}

void main_rules_show(const struct netd *netd, struct buf *out)
{
	const struct rules *rules = &netd->conf.rules;

	put_mistakes(netd, out);
	buf_printf(out, "%-10s %-7s %-16s %-10s %s\n", "ON", "ACTION", "RULE", "INTERFACE", "WHAT");
	for (unsigned way = 0; way < RULE_WAYS; way++) {
		for (size_t i = 0; i < rules->count; i++)
			if (rules->list[i].way == way)
				show_rule(&rules->list[i], out);
		buf_printf(out, "%-10s %-7s %-16s %-10s %s\n", rule_way_names[way],
			   rule_action_names[rules->policies[way]], "-", "*", "all else");
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

static void row_of_rule(const struct rule *rule, struct buf *out)
{
	OWN(buf_done) struct buf text = { 0 };

	buf_init(&text, 4096);
	put_field(out, "on", rule_way_names[rule->way]);
	put_field(out, "action", rule_action_names[rule->action]);
	put_field(out, "rule", rule->name);
	put_field(out, "interface", rule->interface[0] ? rule->interface : "*");
	rule_print_protocols(rule, &text);
	put_built(out, "protocol", &text);
	rule_print_ports(rule, &text);
	put_built(out, "port", &text);
	rule_print_prefixes(rule->sources, rule->source_count, &text);
	put_built(out, "source", &text);
	rule_print_prefixes(rule->destinations, rule->destination_count, &text);
	put_built(out, "destination", &text);
	netd_row_end(out);
}

void main_rules_rows(const struct netd *netd, struct buf *out)
{
	const struct rules *rules = &netd->conf.rules;

	for (unsigned way = 0; way < RULE_WAYS; way++) {
		for (size_t i = 0; i < rules->count; i++)
			if (rules->list[i].way == way)
				row_of_rule(&rules->list[i], out);
		put_field(out, "on", rule_way_names[way]);
		put_field(out, "action", rule_action_names[rules->policies[way]]);
		put_field(out, "policy",
			  rules->refused     ? "refused"
			  : netd->rules_kept ? "kept"
					     : "set");
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
	if (rule->interface[0])
		buf_printf(out, " over %s", rule->interface);
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
