/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns what the operator's firewall rules mean: the entries they come to, which packets may meet
 * them, their parts as text. Pure, used by netd main. It must never make an entry of two families.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include "lib/own.h"
#include "netd/ip4.h"
#include "netd/rule.h"

const char *const rule_way_names[RULE_WAYS] = { "inbound", "published", "outbound", "routed" };
const char *const rule_action_names[RULE_ACTIONS] = { "accept", "drop", "reject" };

static const struct {
	const char *name;
	unsigned bit;
	uint8_t proto, family;
} protocols[] = {
	{ "tcp", RULE_TCP, IPPROTO_TCP, 0 },
	{ "udp", RULE_UDP, IPPROTO_UDP, 0 },
	{ "icmp", RULE_ICMP, IPPROTO_ICMP, AF_INET },
	{ "icmp", RULE_ICMP, IPPROTO_ICMPV6, AF_INET6 },
};

unsigned rule_protocol(struct str name)
{
	for (size_t i = 0; i < ARRAY_LEN(protocols); i++)
		if (str_is(name, protocols[i].name))
			return protocols[i].bit;
	return 0;
}

void rules_default(struct rules *ret_rules)
{
	memset(ret_rules, 0, sizeof(*ret_rules));
	ret_rules->policies[RULE_ROUTED] = RULE_DROP;
}

/* ---- entries ---- */

static size_t at_least_one(size_t count)
{
	return count ? count : 1;
}

/* Without a protocol there is one choice, else one for each row of the table that it names. */
static size_t protocol_count(const struct rule *rule)
{
	size_t count = 0;

	for (size_t i = 0; i < ARRAY_LEN(protocols); i++)
		count += (rule->protocols & protocols[i].bit) != 0;
	return at_least_one(count);
}

size_t rule_combinations(const struct rule *rule)
{
	return protocol_count(rule) * at_least_one(rule->source_count) *
	       at_least_one(rule->destination_count) * at_least_one(rule->port_count) *
	       at_least_one(rule->interface_count);
}

static size_t take(size_t *number, size_t base)
{
	size_t digit = *number % base;

	*number /= base;
	return digit;
}

static bool join_family(uint8_t *family, uint8_t other)
{
	if (!other || *family == other)
		return true;
	if (*family)
		return false;
	*family = other;
	return true;
}

static bool take_prefix(const struct rule_prefix *list, size_t count, size_t *number,
			uint8_t *family, const struct rule_prefix **ret_prefix)
{
	size_t i = take(number, at_least_one(count));

	*ret_prefix = count ? &list[i] : NULL;
	return !count || join_family(family, list[i].v6 ? AF_INET6 : AF_INET);
}

bool rule_entry(const struct rule *rule, size_t i, struct rule_entry *ret_entry)
{
	size_t which = take(&i, protocol_count(rule));
	size_t ports = take(&i, at_least_one(rule->port_count));
	size_t interface = take(&i, at_least_one(rule->interface_count));

	*ret_entry = (struct rule_entry){
		.ports = rule->port_count ? &rule->ports[ports] : NULL,
		.interface = rule->interface_count ? rule->interfaces[interface] : NULL,
	};
	for (size_t k = 0; rule->protocols && k < ARRAY_LEN(protocols); k++) {
		if (!(rule->protocols & protocols[k].bit) || which-- != 0)
			continue;
		ret_entry->proto = protocols[k].proto;
		ret_entry->family = protocols[k].family;
		break;
	}
	return take_prefix(rule->sources, rule->source_count, &i, &ret_entry->family,
			   &ret_entry->source) &&
	       take_prefix(rule->destinations, rule->destination_count, &i, &ret_entry->family,
			   &ret_entry->destination);
}

/* ---- what is said of them ---- */

static bool has_family(const struct rule_prefix *list, size_t count, bool v6)
{
	for (size_t i = 0; i < count; i++)
		if (list[i].v6 == v6)
			return true;
	return count == 0;
}

bool rule_may_match(const struct rule *rule, enum rule_way way, uint8_t proto, uint16_t port,
		    bool v6)
{
	unsigned bit = proto == IPPROTO_TCP ? RULE_TCP : RULE_UDP;
	bool match = rule->port_count == 0;

	for (size_t i = 0; i < rule->port_count; i++)
		match |= port >= rule->ports[i].first && port <= rule->ports[i].last;
	return match && rule->way == way && (!rule->protocols || (rule->protocols & bit)) &&
	       has_family(rule->sources, rule->source_count, v6) &&
	       has_family(rule->destinations, rule->destination_count, v6);
}

bool rule_is_unconditional(const struct rule *rule)
{
	return !rule->interface_count && !rule->source_count && !rule->destination_count &&
	       !rule->limit.count;
}

void rule_print_prefixes(const struct rule_prefix *list, size_t count, struct buf *out)
{
	char text[IP6_TEXT_MAX];

	for (size_t i = 0; i < count; i++) {
		const struct rule_prefix *prefix = &list[i];

		buf_printf(out, "%s%s", i ? " " : "",
			   prefix->v6 ? ip6_text(&prefix->ip6, text) : ip4_text(prefix->ip4, text));
		if (prefix->len < (prefix->v6 ? 128 : 32))
			buf_printf(out, "/%u", prefix->len);
	}
	if (!count)
		buf_add_byte(out, '*');
}

void rule_print_protocols(const struct rule *rule, struct buf *out)
{
	const char *before = "";

	for (size_t i = 0; i + 1 < ARRAY_LEN(protocols); i++) {
		if (!(rule->protocols & protocols[i].bit))
			continue;
		buf_printf(out, "%s%s", before, protocols[i].name);
		before = " ";
	}
	if (!rule->protocols)
		buf_add_byte(out, '*');
}

void rule_print_ports(const struct rule *rule, struct buf *out)
{
	for (size_t i = 0; i < rule->port_count; i++) {
		buf_printf(out, "%s%u", i ? " " : "", rule->ports[i].first);
		if (rule->ports[i].last != rule->ports[i].first)
			buf_printf(out, "-%u", rule->ports[i].last);
	}
	if (!rule->port_count)
		buf_add_byte(out, '*');
}

void rule_print_interfaces(const struct rule *rule, struct buf *out)
{
	for (size_t i = 0; i < rule->interface_count; i++)
		buf_printf(out, "%s%s", i ? " " : "", rule->interfaces[i]);
	if (!rule->interface_count)
		buf_add_byte(out, '*');
}

static const struct {
	const char *unit;
	uint32_t seconds;
} units[] = { { "s", 1 }, { "m", 60 }, { "h", 3600 } };

int rule_parse_limit(struct str value, struct rule_limit *ret_limit)
{
	struct str number;
	uint64_t count;

	if (!str_cut(&value, '/', &number) || str_to_u64(number, 1, RULE_LIMIT_MAX, &count) < 0)
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (!str_is(value, units[i].unit))
			continue;
		*ret_limit = (struct rule_limit){ (uint32_t)count, units[i].seconds };
		return 0;
	}
	return -EINVAL;
}

void rule_print_limit(const struct rule *rule, struct buf *out)
{
	for (size_t i = 0; rule->limit.count && i < ARRAY_LEN(units); i++)
		if (units[i].seconds == rule->limit.seconds)
			buf_printf(out, "%u/%s", rule->limit.count, units[i].unit);
	if (!rule->limit.count)
		buf_add_byte(out, '*');
}
