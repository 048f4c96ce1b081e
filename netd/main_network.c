/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the reading of a network that somebody calls for, as network.ini's sections are read by
 * conf_bridge.c. Run by netd main. It must never take a value that network.ini would refuse.
 */
#include <errno.h>
#include "lib/own.h"
#include "netd/conf_read.h"
#include "netd/main_network.h"

/* The same check as for [bridge NAME] in network.ini. */
static int parse_subnet(struct str text, struct network *network, struct err *err)
{
	uint32_t ip4 = 0;
	uint8_t prefix = 0;

	if (!text.len)
		return 0;
	if (ip4_parse_prefix(text, -1, &ip4, &prefix) < 0 || prefix < 8 || prefix > IP4_PAIR ||
	    (ip4 & ~ip4_mask(prefix)) || ip4 >> 24 == 127 || ip4 >> 28 >= 14 || !(ip4 >> 24))
		return err_set(err, -EINVAL,
			       "subnet '%.*s': expected one with a prefix of 8 to 31, such as "
			       "172.21.0.0/16",
			       STR_ARG(text));
	network->subnet = ip4;
	network->prefix = prefix;
	return 0;
}

static bool name_ok(struct str name)
{
	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i];
		bool first =
			(c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

		if (!first && (!i || (c != '_' && c != '.' && c != '-')))
			return false;
	}
	return name.len > 0;
}

/* The same check as for [bridge NAME] in network.ini. */
static int parse_subnet6(const struct netd_network_set *set, struct network *network,
			 struct err *err)
{
	network->no_ip6 = set->no_ip6;
	network->given6 = set->subnet6.len > 0;
	if (!network->given6)
		return 0;
	if (set->no_ip6 ||
	    ip6_parse_prefix(set->subnet6, -1, &network->subnet6, &network->prefix6) < 0 ||
	    !conf_subnet6_ok(&network->subnet6, network->prefix6))
		return err_set(err, -EINVAL,
			       "subnet6 '%.*s': expected one with a prefix of 16 to 112, such as "
			       "fd12:3456:789a:1::/64",
			       STR_ARG(set->subnet6));
	return 0;
}

static int parse_traits(const struct netd_network_set *set, struct network_traits *traits,
			struct err *err)
{
	struct str rest = set->reserved, word;
	int r = network_gate_parse(set->gate4, &traits->gate4, err);

	if (r == 0)
		r = network_gate_parse(set->gate6, &traits->gate6, err);
	if (r == 0 && set->bridge.len &&
	    (conf_check_ifname(set->bridge, err) < 0 ||
	     str_copy(set->bridge, traits->bridge, sizeof(traits->bridge)) < 0))
		r = err_set(err, -EINVAL, "name of its bridge: expected one such as br7");
	/* A number follows it. */
	if (r == 0 && set->ifname_prefix.len &&
	    (conf_check_ifname(set->ifname_prefix, err) < 0 ||
	     str_copy(set->ifname_prefix, traits->ifname_prefix,
		      sizeof(traits->ifname_prefix) - 3) < 0))
		r = err_set(err, -EINVAL, "prefix of interfaces: expected one such as net");
	if (r == 0 && set->gateway6.len && ip6_parse(set->gateway6, &traits->gateway6) < 0)
		r = err_set(err, -EINVAL, "gateway6 '%.*s': expected an IPv6 address",
			    STR_ARG(set->gateway6));
	while (r == 0 && rest.len && str_cut(&rest, ' ', &word))
		r = network_reserve(traits, word, err);
	traits->no_masquerade = set->no_masquerade;
	traits->inhibit4 = set->inhibit4;
	traits->told6 = set->told6;
	return r;
}

/* The same check as for [bridge NAME] in network.ini. */
static int parse_more(const struct netd_network_set *set, struct network *network, struct err *err)
{
	int r = network_driver_parse(set->driver, &network->driver, err);

	if (r == 0)
		r = network_mode_parse(network->driver, set->mode, &network->mode, err);
	if (r == 0)
		r = network_rate_parse(set->rate, &network->rate, err);
	if (r == 0 && set->gateway.len && ip4_parse(set->gateway, &network->gateway) < 0)
		r = err_set(err, -EINVAL, "gateway '%.*s': expected an address",
			    STR_ARG(set->gateway));
	if (r == 0 && set->range.len &&
	    (ip4_parse_prefix(set->range, -1, &network->range, &network->range_len) < 0 ||
	     !network->range_len || network->range & ~ip4_mask(network->range_len)))
		r = err_set(err, -EINVAL, "range '%.*s': expected a subnet such as 172.21.5.0/24",
			    STR_ARG(set->range));
	if (r == 0 && set->host_ip.len && ip4_parse(set->host_ip, &network->host_ip4) < 0)
		r = err_set(err, -EINVAL, "host binding '%.*s': expected an IPv4 address",
			    STR_ARG(set->host_ip));
	if (r == 0 && set->parent.len &&
	    (str_copy(set->parent, network->bridge, sizeof(network->bridge)) < 0 ||
	     conf_check_ifname(set->parent, err) < 0))
		r = err_set(err, -EINVAL, "parent: expected an interface such as eth0");
	if (r == 0 && set->mtu && (set->mtu < 576 || set->mtu > 65535))
		r = err_set(err, -EINVAL, "mtu: expected 576 to 65535");
	if (r == 0)
		r = parse_traits(set, &network->traits, err);
	network->mtu = set->mtu;
	network->no_ip4 = set->no_ip4;
	network->no_icc = set->no_icc;
	return r < 0 ? err_prefix(err, "network %s", network->name) : network_check(network, err);
}

int main_network_read(const struct netd_network_set *set, struct network *ret_network,
		      struct err *err)
{
	struct network wanted = { .internal = set->internal };
	int r;

	if (!name_ok(set->name) || str_copy(set->name, wanted.name, sizeof(wanted.name)) < 0)
		return err_set(err, -EINVAL,
			       "network name: expected letters, digits, '_', '.', '-', at most %d",
			       NETD_NAME_MAX);
	r = parse_subnet(set->subnet, &wanted, err);
	if (r == 0)
		r = parse_subnet6(set, &wanted, err);
	if (r == 0)
		r = parse_more(set, &wanted, err);
	if (r == 0)
		*ret_network = wanted;
	return r;
}
