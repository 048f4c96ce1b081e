/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the schema of network.ini and its records. Run by netd main at start and at RELOAD. It must
 * never guess: a section with a mistake is refused as a whole and the links it names stay as they
 * are.
 */
#include <errno.h>
#include <string.h>
#include "lib/own.h"
#include "netd/conf.h"

static int check_glob(struct str value, struct err *err)
{
	for (size_t i = 0; i < value.len; i++)
		if ((unsigned char)value.ptr[i] <= ' ' || value.ptr[i] == '/')
			return err_set(err, -EINVAL,
				       "expected an interface name such as eth0 or en*");
	return 0;
}

static int check_prefix(struct str value, struct err *err)
{
	uint32_t ip4;
	uint8_t prefix;

	if (ip4_parse_prefix(value, -1, &ip4, &prefix) < 0 || !prefix || ip4 >> 24 == 127 ||
	    ip4 >> 28 >= 14 || !ip4)
		return err_set(err, -EINVAL, "expected an address with its prefix: 192.0.2.7/24");
	return 0;
}

static int check_ip4(struct str value, struct err *err)
{
	uint32_t ip4;

	if (ip4_parse(value, &ip4) < 0 || !ip4 || ip4 >> 28 >= 14)
		return err_set(err, -EINVAL, "expected an IPv4 address: 192.0.2.1");
	return 0;
}

static int check_domain(struct str value, struct err *err)
{
	if (!domain_ok(value))
		return err_set(err, -EINVAL, "expected a domain name: example.org");
	return 0;
}

static int check_subnet(struct str value, struct err *err)
{
	uint32_t ip4;
	uint8_t prefix;

	if (ip4_parse_prefix(value, -1, &ip4, &prefix) < 0 || prefix < 8 || prefix > 29 ||
	    (ip4 & ~ip4_mask(prefix)) || ip4 >> 24 == 127 || ip4 >> 28 >= 14 || !(ip4 >> 24))
		return err_set(err, -EINVAL,
			       "expected a subnet with a prefix of 8 to 29: 172.21.0.0/16");
	return 0;
}

static const struct ini_key keys[] = {
	{ "network", "Match.Name", INI_TYPE_TEXT, false, 1, IFNAMSIZ - 1, "*", NULL, NULL,
	  "interfaces this section is for; * and ? match", check_glob },
	{ "network", "DHCP", INI_TYPE_ENUM, false, 0, 0, NULL, "yes|no|ipv4", NULL,
	  "take an address by DHCPv4; the default is yes unless Address is set", NULL },
	{ "network", "Address", INI_TYPE_TEXT, true, 1, 64, NULL, NULL, NULL,
	  "a static address with its prefix", check_prefix },
	{ "network", "Gateway", INI_TYPE_TEXT, false, 1, 64, NULL, NULL, NULL,
	  "default gateway; beats the one from DHCP", check_ip4 },
	{ "network", "DNS", INI_TYPE_TEXT, true, 1, 64, NULL, NULL, NULL,
	  "a name server; beats those from DHCP", check_ip4 },
	{ "network", "Domains", INI_TYPE_TEXT, true, 1, DOMAIN_MAX - 1, NULL, NULL, NULL,
	  "a search domain; beats the one from DHCP", check_domain },
	{ "network", "MTUBytes", INI_TYPE_UINT, false, 576, 65535, NULL, NULL, "bytes",
	  "MTU of the interface", NULL },
	{ "network", "RouteMetric", INI_TYPE_UINT, false, 1, 65535, "100", NULL, NULL,
	  "metric of the routes; the lowest wins", NULL },
	{ "network", "DuplicateAddressDetection", INI_TYPE_ENUM, false, 0, 0, "yes",
	  "yes|no|strict", NULL,
	  "probe a leased address before use: 3 times 200 ms, or as slowly as RFC 5227 says",
	  NULL },
	{ "bridge", "subnet", INI_TYPE_TEXT, false, 1, 64, NULL, NULL, NULL,
	  "addresses of the network; without it a free one is picked", check_subnet },
	{ "bridge", "internal", INI_TYPE_BOOL, false, 0, 0, "no", NULL, NULL,
	  "no way out and no way in but from containers on it", NULL },
};

const struct ini_schema conf_schema = { "network", keys, ARRAY_LEN(keys) };

static const struct ini_value *values(const struct ini_section *section, const char *key)
{
	for (const struct ini_entry *entry = section->entries; entry; entry = entry->next)
		if (!strcmp(entry->key->key, key))
			return entry->values;
	return NULL;
}

static void add_uplink(struct ini_config *ini, struct ini_section *section, struct conf *conf)
{
	struct conf_uplink *uplink = &conf->uplinks[conf->uplink_count];
	const char *dhcp, *probe;
	const struct ini_value *v;

	if (conf->uplink_count == CONF_UPLINKS_MAX ||
	    str_copy(str_from(section->name), uplink->name, sizeof(uplink->name)) < 0) {
		ini_complain(ini, section, NULL,
			     "[network %s]: at most %d networks, names of %d bytes", section->name,
			     CONF_UPLINKS_MAX, NETD_NAME_MAX);
		return;
	}
	conf->uplink_count++;
	(void)str_copy(str_from(ini_text(&conf_schema, section, "Match.Name")), uplink->match,
		       sizeof(uplink->match));
	uplink->refused = section->bad;
	if (section->bad)
		return;
	for (v = values(section, "Address"); v && uplink->addr_count < CONF_ADDRS_MAX; v = v->next)
		if (ip4_parse_prefix(v->text, -1, &uplink->addrs[uplink->addr_count].ip4,
				     &uplink->addrs[uplink->addr_count].prefix) == 0)
			uplink->addr_count++;
	for (v = values(section, "DNS"); v && uplink->dns_count < CONF_DNS_MAX; v = v->next)
		if (ip4_parse(v->text, &uplink->dns[uplink->dns_count]) == 0)
			uplink->dns_count++;
	for (v = values(section, "Domains"); v && uplink->domain_count < CONF_DOMAINS_MAX;
	     v = v->next)
		if (str_copy(v->text, uplink->domains[uplink->domain_count], DOMAIN_MAX) == 0)
			uplink->domain_count++;
	v = ini_get(&conf_schema, section, "Gateway");
	if (v)
		(void)ip4_parse(v->text, &uplink->gateway);
	dhcp = ini_text(&conf_schema, section, "DHCP");
	uplink->dhcp = dhcp[0] ? strcmp(dhcp, "no") != 0 : uplink->addr_count == 0;
	probe = ini_text(&conf_schema, section, "DuplicateAddressDetection");
	uplink->probe = !strcmp(probe, "strict") ? CONF_PROBE_STRICT
			: !strcmp(probe, "no")	 ? CONF_PROBE_NO
						 : CONF_PROBE_YES;
	uplink->mtu = (uint32_t)ini_number(&conf_schema, section, "MTUBytes", 0);
	uplink->metric = (uint32_t)ini_number(&conf_schema, section, "RouteMetric", 100);
}

static void add_bridge(struct ini_config *ini, struct ini_section *section, struct conf *conf)
{
	struct conf_bridge bridge = { 0 }, *slot;
	const struct ini_value *subnet = ini_get(&conf_schema, section, "subnet");

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
	bridge.internal = ini_number(&conf_schema, section, "internal", 0) != 0;
	slot = strcmp(bridge.name, "bridge") ? &conf->bridges[conf->bridge_count++]
					     : &conf->bridges[0];
	if (!bridge.subnet && slot == &conf->bridges[0]) {
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

void conf_from_ini(struct ini_config *ini, struct conf *ret_conf)
{
	*ret_conf = (struct conf){ .bridge_count = 1 };
	ret_conf->bridges[0] =
		(struct conf_bridge){ .name = "bridge", .subnet = 0xac140000, .prefix = 16 };
	for (struct ini_section *section = ini->sections; section; section = section->next) {
		if (!strcmp(section->kind, "network"))
			add_uplink(ini, section, ret_conf);
		else if (!strcmp(section->kind, "bridge"))
			add_bridge(ini, section, ret_conf);
	}
}

bool conf_match(const char *glob, const char *name)
{
	const char *star = NULL, *retry = NULL;

	while (*name) {
		if (*glob == '?' || *glob == *name) {
			glob++;
			name++;
		} else if (*glob == '*') {
			star = ++glob;
			retry = name;
		} else if (star) {
			glob = star;
			name = ++retry;
		} else {
			return false;
		}
	}
	while (*glob == '*')
		glob++;
	return !*glob;
}
