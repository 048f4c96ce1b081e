/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the sections [firewall] and [rule NAME] of network.ini. Run by netd main at start and at
 * RELOAD. It must never let a mistake open anything: one rule that cannot be read refuses all of
 * them, and so does a section that may have been meant to be one.
 */
#include <errno.h>
#include <string.h>
#include "lib/own.h"
#include "netd/conf_read.h"
#include "netd/rule.h"

/* ---- values ---- */

static int parse_ports(struct str value, struct rule_ports *ret_ports)
{
	struct str first;
	uint64_t a, b;

	if (!str_cut(&value, '-', &first))
		return -EINVAL;
	if (str_to_u64(first, 1, 65535, &a) < 0)
		return -EINVAL;
	b = a;
	if (value.ptr && value.len && str_to_u64(value, 1, 65535, &b) < 0)
		return -EINVAL;
	*ret_ports = (struct rule_ports){ (uint16_t)a, (uint16_t)b };
	return a <= b ? 0 : -EINVAL;
}

int rule_check_ports(struct str value, struct err *err)
{
	struct rule_ports ports;

	if (parse_ports(value, &ports) < 0 || str_ends(value, STR("-")))
		return err_set(err, -EINVAL, "expected a port or a range: 443 or 8000-8099");
	return 0;
}

static int parse_prefix(struct str value, struct rule_prefix *ret_prefix)
{
	struct rule_prefix prefix = { .v6 = false };

	if (ip6_parse_prefix(value, 128, &prefix.ip6, &prefix.len) == 0) {
		struct ip6 network = ip6_network(&prefix.ip6, prefix.len);

		prefix.v6 = true;
		*ret_prefix = prefix;
		return ip6_equal(&network, &prefix.ip6) ? 0 : -EINVAL;
	}
	if (ip4_parse_prefix(value, 32, &prefix.ip4, &prefix.len) < 0)
		return -EINVAL;
	*ret_prefix = prefix;
	return prefix.ip4 & ~ip4_mask(prefix.len) ? -EINVAL : 0;
}

int rule_check_prefix(struct str value, struct err *err)
{
	struct rule_prefix prefix;

	if (parse_prefix(value, &prefix) < 0)
		return err_set(err, -EINVAL,
			       "expected an address or a subnet without host bits: 192.0.2.7, "
			       "10.0.0.0/8 or 2001:db8::/32");
	return 0;
}

int rule_check_interface(struct str value, struct err *err)
{
	bool bad = value.len >= IFNAMSIZ || str_is(value, "lo");

	for (size_t i = 0; i < value.len; i++)
		bad |= value.ptr[i] <= ' ' || value.ptr[i] == '/' || value.ptr[i] == 0x7f ||
		       (value.ptr[i] == '*' && i + 1 < value.len);
	if (bad)
		return err_set(err, -EINVAL, "expected an interface such as eth0 or wlan*");
	return 0;
}

int rule_check_limit(struct str value, struct err *err)
{
	struct rule_limit limit;

	if (rule_parse_limit(value, &limit) < 0)
		return err_set(err, -EINVAL,
			       "expected a number and s, m or h: 10/m, at most 100000");
	return 0;
}

/* ---- sections ---- */

static int number_of(const char *const *names, int count, const char *name)
{
	int i = 0;

	while (i < count && strcmp(names[i], name) != 0)
		i++;
	return i;
}

static size_t read_prefixes(const struct ini_section *section, const char *key,
			    struct rule_prefix *list)
{
	const struct ini_value *v = conf_values(section, key);
	size_t count = 0;

	for (; v && count < RULE_PARTS_MAX; v = v->next)
		if (parse_prefix(v->text, &list[count]) == 0)
			count++;
	return v ? RULE_PARTS_MAX + 1 : count;
}

static void read_protocols(const struct ini_section *section, struct rule *rule)
{
	for (const struct ini_value *v = conf_values(section, "protocol"); v; v = v->next)
		rule->protocols |= rule_protocol(v->text);
}

static void read_ports(const struct ini_section *section, struct rule *rule)
{
	const struct ini_value *v = conf_values(section, "port");

	for (; v && rule->port_count < RULE_PARTS_MAX; v = v->next)
		if (parse_ports(v->text, &rule->ports[rule->port_count]) == 0)
			rule->port_count++;
	if (v)
		rule->port_count = RULE_PARTS_MAX + 1;
}

static void read_interfaces(const struct ini_section *section, struct rule *rule)
{
	const struct ini_value *v = conf_values(section, "interface");

	for (; v && rule->interface_count < RULE_PARTS_MAX; v = v->next)
		if (str_copy(v->text, rule->interfaces[rule->interface_count], IFNAMSIZ) == 0)
			rule->interface_count++;
	if (v)
		rule->interface_count = RULE_PARTS_MAX + 1;
}

/* NULL, or what is wrong with the rule as a whole. */
static const char *fault(const struct ini_section *section, const struct rule *rule)
{
	if (!ini_get(&conf_schema, section, "on"))
		return "on is missing: inbound, published, outbound or routed";
	if (!ini_get(&conf_schema, section, "action"))
		return "action is missing: accept, drop or reject";
	if (rule->source_count > RULE_PARTS_MAX || rule->destination_count > RULE_PARTS_MAX ||
	    rule->port_count > RULE_PARTS_MAX || rule->interface_count > RULE_PARTS_MAX)
		return "at most 16 interfaces, sources, destinations and ports each; make a "
		       "second rule";
	if (rule->port_count && (!rule->protocols || (rule->protocols & RULE_ICMP)))
		return "port needs protocol = tcp or udp";
	for (size_t i = 0; i < rule_combinations(rule); i++) {
		struct rule_entry entry;

		if (rule_entry(rule, i, &entry))
			return NULL;
	}
	return "source, destination and protocol are of two families: nothing could match";
}

static size_t count_entries(const struct rule *rule)
{
	size_t combinations = rule_combinations(rule), count = 0;
	struct rule_entry entry;

	for (size_t i = 0; i < combinations; i++)
		count += rule_entry(rule, i, &entry);
	return count;
}

static void refuse(struct ini_config *ini, struct ini_section *section, struct rules *rules,
		   const char *why)
{
	ini_complain(ini, section, NULL, "[rule %s]: %s", section->name, why);
	rules->refused = true;
}

static void add_rule(struct ini_config *ini, struct ini_section *section, struct rules *rules,
		     size_t *entries)
{
	struct rule *rule = &rules->list[rules->count];
	const char *why;

	if (rules->count == RULES_MAX || !section->name[0] ||
	    str_copy(str_from(section->name), rule->name, sizeof(rule->name)) < 0) {
		refuse(ini, section, rules, "expected a name of its own; at most 64 rules");
		return;
	}
	rule->way = (enum rule_way)number_of(rule_way_names, RULE_WAYS,
					     ini_text(&conf_schema, section, "on"));
	rule->action = (enum rule_action)number_of(rule_action_names, RULE_ACTIONS,
						   ini_text(&conf_schema, section, "action"));
	read_interfaces(section, rule);
	(void)rule_parse_limit(str_from(ini_text(&conf_schema, section, "limit")), &rule->limit);
	rule->log = conf_flag(section, "log");
	rule->source_count = read_prefixes(section, "source", rule->sources);
	rule->destination_count = read_prefixes(section, "destination", rule->destinations);
	read_protocols(section, rule);
	read_ports(section, rule);
	why = fault(section, rule);
	if (why) {
		refuse(ini, section, rules, why);
		return;
	}
	*entries += count_entries(rule);
	if (*entries > RULE_ENTRIES_MAX)
		refuse(ini, section, rules,
		       "the combinations of all rules come to more than 1024; join subnets");
	else
		rules->count++;
}

static void read_policies(const struct ini_section *section, struct rules *rules)
{
	for (size_t i = 0; i < RULE_WAYS; i++)
		rules->policies[i] = (enum rule_action)number_of(
			rule_action_names, RULE_ACTIONS,
			ini_text(&conf_schema, section, rule_way_names[i]));
}

/* A section that nobody knows: was one of ours meant? Without a likely other one it counts. */
static bool may_be_ours(const char *kind)
{
	static const char *const kinds[] = { "network", "netdev", "address",  "route",
					     "bridge",	"rule",	  "firewall", NULL };
	const char *nearest;

	for (size_t i = 0; kinds[i]; i++)
		if (!strcmp(kinds[i], kind))
			return false; /* it says so itself, by its mark */
	nearest = str_nearest(str_from(kind), kinds, ARRAY_LEN(kinds) - 1);
	return !nearest || !strcmp(nearest, "rule") || !strcmp(nearest, "firewall");
}

/* Does the text mean to hold back what leaves, as far as it can be read? */
static bool closes_outbound(const struct ini_config *ini)
{
	for (const struct ini_section *s = ini->sections; s; s = s->next) {
		if (!strcmp(s->kind, "firewall") &&
		    strcmp(ini_text(&conf_schema, s, "outbound"), "accept") != 0)
			return true;
		if (!strcmp(s->kind, "rule") &&
		    !strcmp(ini_text(&conf_schema, s, "on"), "outbound"))
			return true;
	}
	return false;
}

void rules_close(struct rules *rules, bool outbound)
{
	rules_default(rules);
	rules->refused = true;
	rules->policies[RULE_INBOUND] = RULE_DROP;
	rules->policies[RULE_PUBLISHED] = RULE_DROP;
	if (outbound)
		rules->policies[RULE_OUTBOUND] = RULE_DROP;
}

void rules_from_ini(struct ini_config *ini, struct rules *ret_rules)
{
	size_t entries = 0;

	rules_default(ret_rules);
	for (const struct ini_issue *issue = ini->issues; issue; issue = issue->next)
		ret_rules->refused |= may_be_ours(issue->kind);
	for (struct ini_section *section = ini->sections; section; section = section->next) {
		bool policy = !strcmp(section->kind, "firewall");

		if (!policy && strcmp(section->kind, "rule") != 0)
			continue;
		if (section->bad)
			ret_rules->refused = true;
		else if (policy)
			read_policies(section, ret_rules);
		else
			add_rule(ini, section, ret_rules, &entries);
	}
	if (ret_rules->refused)
		rules_close(ret_rules, closes_outbound(ini));
}
