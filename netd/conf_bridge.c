/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the sections [bridge NAME] of network.ini: the container networks. Run by netd main at start
 * and at RELOAD. It must never let two of them have one subnet.
 */
#include <errno.h>
#include <string.h>
#include "lib/own.h"
#include "netd/conf_read.h"

int conf_check_subnet(struct str value, struct err *err)
{
	uint32_t ip4;
	uint8_t prefix;

	if (ip4_parse_prefix(value, -1, &ip4, &prefix) < 0 || prefix < 8 || prefix > IP4_PAIR ||
	    (ip4 & ~ip4_mask(prefix)) || ip4 >> 24 == 127 || ip4 >> 28 >= 14 || !(ip4 >> 24))
		return err_set(err, -EINVAL,
			       "expected a subnet with a prefix of 8 to 31: 172.21.0.0/16");
	return 0;
}

int conf_check_subnet6(struct str value, struct err *err)
{
	struct ip6 subnet6;
	uint8_t prefix6;

	if (str_is(value, "delegated"))
		return 0;
	if (ip6_parse_prefix(value, -1, &subnet6, &prefix6) < 0 ||
	    !conf_subnet6_ok(&subnet6, prefix6))
		return err_set(err, -EINVAL,
			       "expected a subnet with a prefix of 16 to 112 such as "
			       "fd12:3456:789a:1::/64, or delegated");
	return 0;
}

int conf_check_gateway(struct str value, struct err *err)
{
	uint32_t ip4;

	return ip4_parse(value, &ip4) == 0
		       ? 0
		       : err_set(err, -EINVAL, "expected an address: 172.21.0.1");
}

int conf_check_gateway6(struct str value, struct err *err)
{
	struct ip6 ip6;

	return ip6_parse(value, &ip6) == 0
		       ? 0
		       : err_set(err, -EINVAL, "expected an IPv6 address: fd12:3456:789a:1::1");
}

int conf_check_reserved(struct str value, struct err *err)
{
	struct network_traits traits = { .reserved_count = 0 };

	return network_reserve(&traits, value, err);
}

int conf_check_range(struct str value, struct err *err)
{
	uint32_t ip4;
	uint8_t prefix;

	if (ip4_parse_prefix(value, -1, &ip4, &prefix) < 0 || !prefix || (ip4 & ~ip4_mask(prefix)))
		return err_set(err, -EINVAL, "expected a part of the subnet: 172.21.5.0/24");
	return 0;
}

int conf_check_rate(struct str value, struct err *err)
{
	uint64_t rate;

	return network_rate_parse(value, &rate, err);
}

/* ---- sections ---- */

static int read_reserved(const struct ini_section *section, struct network_traits *traits,
			 struct err *err)
{
	const struct ini_value *value = ini_get(&conf_schema, section, "reserved");
	int r = 0;

	for (; r == 0 && value; value = value->next)
		r = network_reserve(traits, value->text, err);
	return r;
}

static int read_driver(const struct ini_section *section, struct conf_bridge *bridge,
		       struct err *err)
{
	const struct ini_value *gateway = ini_get(&conf_schema, section, "gateway");
	const struct ini_value *range = ini_get(&conf_schema, section, "ip_range");
	int r = network_driver_parse(str_from(ini_text(&conf_schema, section, "driver")),
				     &bridge->driver, err);

	if (r == 0)
		r = network_mode_parse(bridge->driver,
				       str_from(ini_text(&conf_schema, section, "mode")),
				       &bridge->mode, err);
	if (r == 0)
		r = network_rate_parse(str_from(ini_text(&conf_schema, section, "rate")),
				       &bridge->rate, err);
	if (r == 0 && bridge->driver != NETWORK_BRIDGE && !strcmp(bridge->name, "bridge"))
		r = err_set(err, -EINVAL, "the default network is a bridge; use another name");
	(void)str_copy(str_from(ini_text(&conf_schema, section, "parent")), bridge->parent,
		       sizeof(bridge->parent));
	if (r == 0 && (bridge->driver == NETWORK_BRIDGE) != !bridge->parent[0])
		r = err_set(err, -EINVAL,
			    bridge->parent[0] ? "parent is for macvlan and ipvlan alone"
					      : "parent is missing: the interface to share");
	if (gateway)
		(void)ip4_parse(gateway->text, &bridge->gateway);
	if (range)
		(void)ip4_parse_prefix(range->text, -1, &bridge->range, &bridge->range_len);
	bridge->mtu = conf_number(section, "mtu");
	return r;
}

/* The values were checked when the file was read. */
static void read_traits(const struct ini_section *section, struct network_traits *traits)
{
	const struct str modes[2] = { str_from(ini_text(&conf_schema, section, "gateway_mode")),
				      str_from(ini_text(&conf_schema, section, "gateway_mode6")) };

	(void)network_gate_parse(modes[0], &traits->gate4, NULL);
	(void)network_gate_parse(modes[1], &traits->gate6, NULL);
	traits->no_masquerade = !conf_flag(section, "masquerade");
	traits->inhibit4 = conf_flag(section, "inhibit_ipv4");
	(void)ip6_parse(str_from(ini_text(&conf_schema, section, "gateway6")), &traits->gateway6);
	(void)str_copy(str_from(ini_text(&conf_schema, section, "bridge_name")), traits->bridge,
		       sizeof(traits->bridge));
	(void)str_copy(str_from(ini_text(&conf_schema, section, "ifname_prefix")),
		       traits->ifname_prefix, sizeof(traits->ifname_prefix));
}

/* Before the default network gets the subnet that it has without a section. */
static int check_families(const struct conf_bridge *bridge, struct err *err)
{
	if (bridge->no_ip4 && bridge->no_ip6)
		return err_set(err, -EINVAL, "ipv4 = no and ipv6 = no leave it without addresses");
	if (bridge->no_ip4 && (bridge->subnet || bridge->gateway || bridge->range_len))
		return err_set(
			err, -EINVAL,
			"subnet, gateway and ip_range are of IPv4, which ipv4 = no takes away; "
			"use subnet6");
	return 0;
}

void conf_add_bridge(struct ini_config *ini, struct ini_section *section, struct conf *conf)
{
	struct conf_bridge bridge = { 0 }, *slot;
	const struct ini_value *subnet = ini_get(&conf_schema, section, "subnet");
	const struct ini_value *subnet6 = ini_get(&conf_schema, section, "subnet6");
	struct err err;

	if (section->bad)
		return;
	if (!section->name[0] ||
	    str_copy(str_from(section->name), bridge.name, sizeof(bridge.name)) < 0 ||
	    conf->bridge_count == CONF_BRIDGES_MAX) {
		ini_complain(ini, section, NULL,
			     "[bridge %s]: expected a name of 1 to %d bytes, at most %d bridges",
			     section->name, NETD_NAME_MAX, CONF_BRIDGES_MAX);
		return;
	}
	if (subnet)
		(void)ip4_parse_prefix(subnet->text, -1, &bridge.subnet, &bridge.prefix);
	bridge.delegated = subnet6 && str_is(subnet6->text, "delegated");
	if (subnet6 && !bridge.delegated)
		(void)ip6_parse_prefix(subnet6->text, -1, &bridge.subnet6, &bridge.prefix6);
	bridge.no_ip4 = !conf_flag(section, "ipv4");
	bridge.no_ip6 = !conf_flag(section, "ipv6");
	bridge.no_icc = !conf_flag(section, "icc");
	(void)ip4_parse(str_from(ini_text(&conf_schema, section, "host_binding")),
			&bridge.host_ip4);
	bridge.internal = ini_number(&conf_schema, section, "internal", 0) != 0;
	read_traits(section, &bridge.traits);
	if (read_driver(section, &bridge, &err) < 0 || check_families(&bridge, &err) < 0 ||
	    read_reserved(section, &bridge.traits, &err) < 0) {
		ini_complain(ini, section, NULL, "[bridge %s]: %s", section->name, err.text);
		return;
	}
	slot = strcmp(bridge.name, "bridge") ? &conf->bridges[conf->bridge_count++]
					     : &conf->bridges[0];
	if (!bridge.subnet && !bridge.no_ip4 && slot == &conf->bridges[0]) {
		bridge.subnet = slot->subnet;
		bridge.prefix = slot->prefix;
	}
	for (size_t i = 0; i < conf->bridge_count && bridge.subnet; i++) {
		const struct conf_bridge *other = &conf->bridges[i];
		uint32_t mask =
			ip4_mask(other->prefix < bridge.prefix ? other->prefix : bridge.prefix);

		if (other == slot || !other->subnet || ((other->subnet ^ bridge.subnet) & mask))
			continue;
		ini_complain(ini, section, subnet,
			     "subnet of [bridge %s] overlaps that of [bridge %s]; choose another",
			     bridge.name, other->name);
		if (slot != &conf->bridges[0])
			conf->bridge_count--;
		return;
	}
	*slot = bridge;
}

/* ---- those that cost their network ---- */

void conf_refuse(struct conf_refused_list *refused, const char *name, const char *why)
{
	struct conf_refused *one = &refused->list[refused->count];

	if (refused->count == CONF_REFUSED_MAX ||
	    str_copy(str_from(name), one->name, sizeof(one->name)) < 0)
		return;
	(void)str_copy(str_head(str_from(why), sizeof(one->why) - 1), one->why, sizeof(one->why));
	refused->count++;
}

const char *conf_refused_why(const struct conf_refused_list *refused, struct str name)
{
	for (size_t i = 0; i < refused->count; i++)
		if (str_is(name, refused->list[i].name))
			return refused->list[i].why;
	return NULL;
}

static bool is_bridge(const struct conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->bridge_count; i++)
		if (!strcmp(conf->bridges[i].name, name))
			return true;
	return false;
}

void conf_note_refused(const struct ini_config *ini, struct conf *conf)
{
	for (const struct ini_section *s = ini->sections; s; s = s->next) {
		const char *why = "a mistake in network.ini";

		if (strcmp(s->kind, "bridge") != 0 || !s->name[0] || is_bridge(conf, s->name))
			continue;
		for (const struct ini_issue *issue = ini->issues; issue; issue = issue->next)
			if (!strcmp(issue->kind, "bridge") && !strcmp(issue->name, s->name))
				why = issue->text;
		conf_refuse(&conf->refused, s->name, why);
	}
}
