/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the sections of network.ini beside [network] that say something about links: [route],
 * [address], [netdev]. Run by netd main at start and at RELOAD. It must never let a mistake in one
 * section change another.
 */
#include <errno.h>
#include <linux/if_link.h>
#include <string.h>
#include "lib/own.h"
#include "netd/conf_read.h"
#include "netd/nl/rtnl.h"

const struct ini_value *conf_values(const struct ini_section *section, const char *key)
{
	for (const struct ini_entry *entry = section->entries; entry; entry = entry->next)
		if (!strcmp(entry->key->key, key))
			return entry->values;
	return NULL;
}

bool conf_flag(const struct ini_section *section, const char *key)
{
	return ini_number(&conf_schema, section, key, 0) != 0;
}

uint32_t conf_number(const struct ini_section *section, const char *key)
{
	return (uint32_t)ini_number(&conf_schema, section, key, 0);
}

static const char *text(const struct ini_section *section, const char *key)
{
	return ini_text(&conf_schema, section, key);
}

int conf_check_ifname(struct str value, struct err *err)
{
	bool bad = str_is(value, ".") || str_is(value, "..") || str_is(value, "lo");

	for (size_t i = 0; i < value.len; i++)
		bad |= value.ptr[i] <= ' ' || value.ptr[i] == '/' || value.ptr[i] == ':' ||
		       value.ptr[i] == 0x7f;
	return bad ? err_set(err, -EINVAL, "expected the name of an interface such as vlan10") : 0;
}

void conf_read_parts(struct ini_config *ini, struct ini_section *section,
		     struct conf_uplink *uplink)
{
	static const char *const children[] = { "VLAN", "MACVLAN", "IPVLAN" };
	const char *bond = text(section, "Bond"), *bridge = text(section, "Bridge");
	const struct ini_value *v;

	for (size_t i = 0; i < ARRAY_LEN(children); i++)
		for (v = conf_values(section, children[i]);
		     v && uplink->vlan_count < CONF_VLANS_MAX; v = v->next)
			if (str_copy(v->text, uplink->vlans[uplink->vlan_count], IFNAMSIZ) == 0)
				uplink->vlan_count++;
	if (!bond[0] && !bridge[0])
		return;
	if ((bond[0] && bridge[0]) || uplink->addr_count || uplink->addr6_count) {
		ini_complain(
			ini, section, NULL,
			"[network %s]: a part of a bond or bridge has neither an address nor a "
			"second one; give the address to that interface's own section",
			section->name);
		uplink->refused = true;
		return;
	}
	uplink->bonded = bond[0] != 0;
	(void)str_copy(str_from(bond[0] ? bond : bridge), uplink->master, sizeof(uplink->master));
	uplink->accept_ra = false;
	uplink->no_ip6 = true;
}

static struct conf_uplink *uplink_named(struct conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->uplink_count; i++)
		if (!strcmp(conf->uplinks[i].name, name))
			return &conf->uplinks[i];
	return NULL;
}

static struct conf_uplink *require_network(struct ini_config *ini, struct ini_section *section,
					   struct conf *conf)
{
	const char *network = text(section, "Network");
	struct conf_uplink *uplink = uplink_named(conf, network);

	if (!uplink)
		ini_complain(ini, section, ini_get(&conf_schema, section, "Network"),
			     "[%s %s]: Network = %s names no [network] section", section->kind,
			     section->name, network);
	return uplink;
}

static bool read_source(const struct ini_section *section, struct conf_route *route)
{
	const struct ini_value *v = ini_get(&conf_schema, section, "PreferredSource");

	if (!v)
		return true;
	return route->v6 ? ip6_parse(v->text, &route->source6) == 0
			 : ip4_parse(v->text, &route->source) == 0;
}

/* RTNL_TYPE_*, 0 = on the link. */
static uint8_t route_type(const char *name)
{
	static const char *const types[] = { "blackhole", "unreachable", "prohibit", "throw" };

	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (!strcmp(types[i], name))
			return (uint8_t)(RTNL_TYPE_BLACKHOLE + i);
	return 0;
}

void conf_add_route(struct ini_config *ini, struct ini_section *section, struct conf *conf)
{
	const struct ini_value *v = ini_get(&conf_schema, section, "Gateway");
	struct conf_route route = { .metric = conf_number(section, "Metric"),
				    .mtu = conf_number(section, "MTUBytes"),
				    .table = conf_number(section, "Table"),
				    .onlink = conf_flag(section, "GatewayOnLink"),
				    .type = route_type(text(section, "Type")) };
	struct conf_uplink *uplink = section->bad ? NULL : require_network(ini, section, conf);
	bool families = true;

	if (!uplink)
		return;
	if (uplink->route_count == CONF_ROUTES_MAX) {
		ini_complain(ini, section, NULL, "[route %s]: network %s has its %d routes already",
			     section->name, uplink->name, CONF_ROUTES_MAX);
		return;
	}
	if (v && ip4_parse(v->text, &route.gateway) < 0)
		route.v6 = ip6_parse(v->text, &route.gateway6) == 0;
	v = ini_get(&conf_schema, section, "Destination");
	if (v && !str_is(v->text, "default")) {
		bool four = ip4_parse_prefix(v->text, 32, &route.dst.ip4, &route.dst.prefix) == 0;

		families = !(four && route.v6);
		if (!four)
			route.v6 = ip6_parse_prefix(v->text, 128, &route.dst6.ip6,
						    &route.dst6.prefix) == 0;
	}
	if (route.type && (v = ini_get(&conf_schema, section, "Gateway")) != NULL) {
		ini_complain(ini, section, v, "[route %s]: Type = %s leads over no Gateway",
			     section->name, text(section, "Type"));
		return;
	}
	if (!families || (route.v6 && route.gateway) || !read_source(section, &route)) {
		ini_complain(ini, section, v,
			     "[route %s]: Destination, Gateway and PreferredSource are of two "
			     "families",
			     section->name);
		return;
	}
	uplink->routes[uplink->route_count++] = route;
}

void conf_add_address(struct ini_config *ini, struct ini_section *section, struct conf *conf)
{
	const struct ini_value *v = ini_get(&conf_schema, section, "Address");
	struct conf_uplink *uplink = section->bad ? NULL : require_network(ini, section, conf);
	const char *scope = text(section, "Scope");
	struct conf_addr_more more = {
		.scope = !strcmp(scope, "host")	  ? 254
			 : !strcmp(scope, "link") ? 253
						  : 0,
		.deprecated = !strcmp(text(section, "PreferredLifetime"), "0"),
		.nodad = !strcmp(text(section, "DuplicateAddressDetection"), "none"),
		.noroute = !conf_flag(section, "AddPrefixRoute"),
	};
	struct conf_addr four;
	struct conf_addr6 six;

	if (!uplink)
		return;
	(void)str_copy(str_from(text(section, "Label")), more.label, sizeof(more.label));
	if (uplink->master[0] || !v) {
		ini_complain(ini, section, v,
			     v ? "[address %s]: network %s is a part of a bond or bridge"
			       : "[address %s]: Address is missing; network %s has none of it",
			     section->name, uplink->name);
	} else if (uplink->addr_count < CONF_ADDRS_MAX &&
		   ip4_parse_prefix(v->text, -1, &four.ip4, &four.prefix) == 0) {
		uplink->more[uplink->addr_count] = more;
		uplink->addrs[uplink->addr_count++] = four;
	} else if (uplink->addr6_count < CONF_ADDRS_MAX &&
		   ip6_parse_prefix(v->text, -1, &six.ip6, &six.prefix) == 0) {
		uplink->more6[uplink->addr6_count] = more;
		uplink->addrs6[uplink->addr6_count++] = six;
	} else {
		ini_complain(ini, section, v,
			     "[address %s]: network %s has its %d addresses already", section->name,
			     uplink->name, CONF_ADDRS_MAX);
	}
}

static uint8_t bond_mode(const char *name)
{
	static const char *const modes[] = { "balance-rr", "active-backup", "balance-xor",
					     "broadcast",  "802.3ad",	    "balance-tlb",
					     "balance-alb" };
	uint8_t mode = 0;

	while (mode + 1U < sizeof(modes) / sizeof(*modes) && strcmp(modes[mode], name) != 0)
		mode++;
	return mode;
}

static enum conf_netdev_kind netdev_kind(const char *name)
{
	static const char *const kinds[] = {
		[CONF_NETDEV_VLAN] = "vlan",	 [CONF_NETDEV_BOND] = "bond",
		[CONF_NETDEV_BRIDGE] = "bridge", [CONF_NETDEV_MACVLAN] = "macvlan",
		[CONF_NETDEV_IPVLAN] = "ipvlan", [CONF_NETDEV_VETH] = "veth",
		[CONF_NETDEV_DUMMY] = "dummy",
	};
	size_t kind = 0;

	while (kind + 1 < ARRAY_LEN(kinds) && strcmp(kinds[kind], name) != 0)
		kind++;
	return (enum conf_netdev_kind)kind;
}

/* As the kernel numbers them. */
static uint8_t netdev_mode(enum conf_netdev_kind kind, const struct ini_section *section)
{
	static const struct {
		enum conf_netdev_kind kind;
		const char *name;
		uint8_t mode;
	} modes[] = {
		{ CONF_NETDEV_MACVLAN, "private", MACVLAN_MODE_PRIVATE },
		{ CONF_NETDEV_MACVLAN, "vepa", MACVLAN_MODE_VEPA },
		{ CONF_NETDEV_MACVLAN, "bridge", MACVLAN_MODE_BRIDGE },
		{ CONF_NETDEV_MACVLAN, "passthru", MACVLAN_MODE_PASSTHRU },
		{ CONF_NETDEV_IPVLAN, "L2", IPVLAN_MODE_L2 },
		{ CONF_NETDEV_IPVLAN, "L3", IPVLAN_MODE_L3 },
		{ CONF_NETDEV_IPVLAN, "L3S", IPVLAN_MODE_L3S },
	};
	const char *name = kind == CONF_NETDEV_MACVLAN ? text(section, "MACVLAN.Mode")
						       : text(section, "IPVLAN.Mode");

	for (size_t i = 0; i < ARRAY_LEN(modes); i++)
		if (modes[i].kind == kind && !strcmp(modes[i].name, name))
			return modes[i].mode;
	return 0;
}

void conf_add_netdev(struct ini_config *ini, struct ini_section *section, struct conf *conf)
{
	struct conf_netdev *netdev = &conf->netdevs[conf->netdev_count];
	const struct ini_value *mac = ini_get(&conf_schema, section, "MACAddress");
	struct err err;

	if (section->bad)
		return;
	if (conf->netdev_count == CONF_NETDEVS_MAX || !section->name[0] ||
	    conf_check_ifname(str_from(section->name), &err) < 0 ||
	    str_copy(str_from(section->name), netdev->name, sizeof(netdev->name)) < 0) {
		ini_complain(
			ini, section, NULL,
			"[netdev %s]: expected the name of an interface, 1 to %d bytes without "
			"'/' and ':', at most %d of them",
			section->name, IFNAMSIZ - 1, CONF_NETDEVS_MAX);
		return;
	}
	netdev->set_mac = mac && mac_parse(mac->text, netdev->mac) == 0;
	netdev->kind = netdev_kind(text(section, "Kind"));
	netdev->mode = netdev_mode(netdev->kind, section);
	(void)str_copy(str_from(text(section, "Peer.Name")), netdev->peer, sizeof(netdev->peer));
	netdev->vlan_id = (uint16_t)conf_number(section, "VLAN.Id");
	netdev->bond_mode = bond_mode(text(section, "Bond.Mode"));
	netdev->bond_watch_ms = conf_number(section, "Bond.MIIMonitorSec");
	netdev->bond_lacp_fast = !strcmp(text(section, "Bond.LACPTransmitRate"), "fast");
	netdev->stp = conf_flag(section, "Bridge.STP");
	netdev->vlan_filtering = conf_flag(section, "Bridge.VLANFiltering");
	if (netdev->kind == CONF_NETDEV_VLAN && !netdev->vlan_id)
		ini_complain(ini, section, NULL, "[netdev %s]: a VLAN needs VLAN.Id = 1 to 4094",
			     section->name);
	else if (netdev->kind == CONF_NETDEV_VETH &&
		 (!netdev->peer[0] || !strcmp(netdev->peer, netdev->name)))
		ini_complain(ini, section, NULL,
			     "[netdev %s]: a veth needs Peer.Name, the name of its other end",
			     section->name);
	else
		conf->netdev_count++;
}
