/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the container networks and their bridges. Run by netd main. It must never bring a bridge up
 * with an address before the firewall table knows its subnet: the caller loads that first.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "lib/fs.h"
#include "lib/own.h"
#include "lib/sha256.h"
#include "netd/container/network_subnet.h"
#include "netd/link/link_plan.h"

enum { NAME_HASH_DIGITS = 10 };

/* Behind every other route. */
#define GUARD_METRIC UINT32_C(0xfffffff0)

int sysctl_set(int sysctl_fd, const char *path, const char *value, bool optional, struct err *err)
{
	struct err failed;
	int r = fs_write_control(sysctl_fd, path, str_from(value), &failed);

	if (r == -ENOENT && optional)
		return 0;
	return r < 0 ? err_set(err, r, "set sysctl %s to %s: %s", path, value, err_text(&failed))
		     : 0;
}

void network_bridge_name(const char *name, char dst[IFNAMSIZ])
{
	char hex[2 * SHA256_SIZE + 1];
	struct digest digest;
	struct sha256 sha;

	if (!strcmp(name, "bridge")) {
		memcpy(dst, "hoy0", sizeof("hoy0"));
		return;
	}
	sha256_init(&sha);
	sha256_add(&sha, name, strlen(name));
	sha256_end(&sha, &digest);
	str_hex(digest.bytes, sizeof(digest.bytes), hex);
	snprintf(dst, IFNAMSIZ, "br-%.*s", NAME_HASH_DIGITS, hex);
}

uint32_t network_gateway(const struct network *network)
{
	if (network->gateway)
		return network->gateway;
	return network->subnet + (network->prefix < IP4_PAIR);
}

void network_mac_of(uint32_t ip4, const struct ip6 *ip6, uint8_t ret_mac[6])
{
	uint8_t tail[4] = { (uint8_t)(ip4 >> 24), (uint8_t)(ip4 >> 16), (uint8_t)(ip4 >> 8),
			    (uint8_t)ip4 };
	struct digest digest;
	struct sha256 sha;

	/* Of IPv6 alone no four bytes are different for all. */
	if (!ip4) {
		sha256_init(&sha);
		sha256_add(&sha, ip6->b, sizeof(ip6->b));
		sha256_end(&sha, &digest);
		memcpy(tail, digest.bytes, sizeof(tail));
	}
	ret_mac[0] = 2; /* locally administered */
	ret_mac[1] = 0x42;
	memcpy(ret_mac + 2, tail, sizeof(tail));
}

void network_mac(const struct network *network, uint8_t ret_mac[6])
{
	struct ip6 gateway6 = network_gateway6(network);

	network_mac_of(network->prefix ? network_gateway(network) : 0, &gateway6, ret_mac);
}

bool network_is_bridge(const struct network *network)
{
	return network->driver == NETWORK_BRIDGE;
}

static bool lies_in(const struct network *network, uint32_t ip4)
{
	return network->subnet && !((ip4 ^ network->subnet) & ip4_mask(network->prefix));
}

static bool lies_in6(const struct network *network, const struct ip6 *ip6)
{
	return network->given6 && ip6_in_prefix(ip6, &network->subnet6, network->prefix6);
}

bool network_ip4_fits(const struct network *network, uint32_t ip4)
{
	uint32_t host = ip4 & ~ip4_mask(network->prefix);

	return network->prefix && (ip4 & ip4_mask(network->prefix)) == network->subnet &&
	       (network->prefix >= IP4_PAIR || (host && host != ~ip4_mask(network->prefix)));
}

bool network_translates(const struct network *network, bool v6)
{
	return network_gate(network, v6) != NETWORK_GATE_ROUTED && !network->traits.no_masquerade &&
	       (!v6 || ip6_is_ula(&network->subnet6));
}

bool network_is_shut(const struct network *network, bool v6)
{
	return network_translates(network, v6) &&
	       network_gate(network, v6) != NETWORK_GATE_UNPROTECTED;
}

enum network_gate network_gate(const struct network *network, bool v6)
{
	return v6 ? network->traits.gate6 : network->traits.gate4;
}

bool network_has_gateway(const struct network *network, bool v6)
{
	return (v6 ? network->prefix6 : network->prefix && !network->traits.inhibit4) &&
	       network_gate(network, v6) != NETWORK_GATE_ISOLATED;
}

static int check_traits(const struct network *network, struct err *err)
{
	const struct network_traits *traits = &network->traits;
	bool isolated =
		traits->gate4 == NETWORK_GATE_ISOLATED || traits->gate6 == NETWORK_GATE_ISOLATED;

	if (!network_is_bridge(network) && (traits->bridge[0] || traits->gate4 || traits->gate6 ||
					    traits->no_masquerade || traits->inhibit4))
		return err_set(
			err, -EINVAL,
			"network %s: gateway modes, masquerade, inhibit_ipv4 and the name of "
			"a bridge are for bridges: a shared segment has its own",
			network->name);
	if (isolated && !network->internal)
		return err_set(err, -EINVAL,
			       "network %s: gateway mode isolated is for internal networks",
			       network->name);
	if (!ip6_is_zero(&traits->gateway6) && (!lies_in6(network, &traits->gateway6) ||
						ip6_equal(&traits->gateway6, &network->subnet6)))
		return err_set(err, -EINVAL,
			       "network %s: its gateway6 is no address of its subnet6",
			       network->name);
	for (uint8_t i = 0; i < traits->reserved_count; i++) {
		const struct ip_any *one = &traits->reserved[i];
		char text[IP_ANY_TEXT_MAX];

		if (one->v6 ? !lies_in6(network, &one->ip6) : !lies_in(network, one->ip4))
			return err_set(err, -EINVAL,
				       "network %s: %s is reserved and no address of its subnet",
				       network->name, ip_any_text(one, text));
	}
	return 0;
}

int network_check(struct network *network, struct err *err)
{
	const char *name = network->name;

	if (network->no_ip4 && network->no_ip6)
		return err_set(err, -EINVAL, "network %s: neither IPv4 nor IPv6 leaves it nothing",
			       name);
	if (network->no_ip4 && (network->prefix || network->gateway || network->range_len))
		return err_set(err, -EINVAL,
			       "network %s: it has no IPv4, so no IPv4 subnet, gateway or range",
			       name);
	if (check_traits(network, err) < 0)
		return err->code;
	if (network_is_bridge(network) != !network->bridge[0])
		return err_set(
			err, -EINVAL,
			network->bridge[0]
				? "network %s: parent is for macvlan and ipvlan alone"
				: "network %s: name the interface to share with parent = ...",
			name);
	if (network->gateway &&
	    (!lies_in(network, network->gateway) || !network_ip4_fits(network, network->gateway)))
		return err_set(err, -EINVAL, "network %s: its gateway is no address of its subnet",
			       name);
	if (network->range_len &&
	    (!lies_in(network, network->range) || network->range_len < network->prefix))
		return err_set(err, -EINVAL, "network %s: its range is no part of its subnet",
			       name);
	if (network_is_bridge(network))
		return 0;
	if (network->internal)
		return err_set(err, -EINVAL,
			       "network %s: internal is for bridges: a shared segment is open",
			       name);
	if (network->delegated)
		return err_set(err, -EINVAL, "network %s: a delegated prefix is for bridges", name);
	if (network->no_icc || network->host_ip4)
		return err_set(err, -EINVAL,
			       "network %s: icc = no and host_binding are for bridges: a shared "
			       "segment is open",
			       name);
	/* Whose IPv6 prefix it is the shared segment knows, not we. */
	network->no_ip6 = !network->given6;
	return network->no_ip4 && network->no_ip6
		       ? err_set(err, -EINVAL,
				 "network %s: %s without IPv4 needs subnet6, the segment's own",
				 name, network_driver_text(network->driver))
		       : 0;
}

struct ip6 network_gateway6(const struct network *network)
{
	if (!ip6_is_zero(&network->traits.gateway6))
		return network->traits.gateway6;
	return ip6_plus(&network->subnet6, 1);
}

struct network *network_find(struct networks *networks, struct str name)
{
	for (size_t i = 0; i < networks->count; i++)
		if (str_is(name, networks->list[i].name))
			return &networks->list[i];
	return NULL;
}

struct network *network_require(struct networks *networks, struct str name, struct err *err)
{
	struct network *network = network_find(networks, name);
	const char *why = conf_refused_why(&networks->refused, name);
	const char *names[NETWORKS_MAX], *nearest;
	char shown[NETD_NAME_MAX * 4];

	if (network)
		return network;
	if (why) {
		err_set(err, -ENOENT, "network %.*s is refused: %s", STR_ARG(name), why);
		return NULL;
	}
	for (size_t i = 0; i < networks->count; i++)
		names[i] = networks->list[i].name;
	nearest = str_nearest(name, names, networks->count);
	str_escape(name, shown, sizeof(shown));
	if (nearest)
		err_set(err, -ENOENT, "unknown network '%s'; did you mean '%s'?", shown, nearest);
	else
		err_set(err, -ENOENT,
			"unknown network '%s'; declare it as [bridge %s] in network.ini", shown,
			shown);
	return NULL;
}

bool network_is_guard(const struct rtnl_route *route)
{
	return route->proto == RTNL_OURS && route->type == RTNL_TYPE_PROHIBIT &&
	       route->metric == GUARD_METRIC;
}

bool network_has_guard(const struct network *network, const struct rtnl_state *state)
{
	bool found = network->prefix == 0, found6 = network->prefix6 == 0;

	for (size_t i = 0; i < state->route_count; i++) {
		const struct rtnl_route *route = &state->routes[i];

		if (!network_is_guard(route))
			continue;
		if (route->v6)
			found6 |= route->prefix == network->prefix6 &&
				  ip6_equal(&route->dst6, &network->subnet6);
		else
			found |= route->dst == network->subnet && route->prefix == network->prefix;
	}
	return found && found6;
}

static int set_guard(const struct network *network, bool v6, bool add, struct nl *nl,
		     struct err *err)
{
	const struct rtnl_route route = { .v6 = v6,
					  .dst = v6 ? 0 : network->subnet,
					  .dst6 = network->subnet6,
					  .prefix = v6 ? network->prefix6 : network->prefix,
					  .metric = GUARD_METRIC,
					  .type = RTNL_TYPE_PROHIBIT,
					  .proto = RTNL_OURS };
	OWN(buf_done) struct buf request = { 0 };

	buf_init(&request, 256);
	rtnl_encode_route(&route, add, &request);
	return nl_call(nl, &request, "guard a container network's subnet", err);
}

static int set_guards(const struct network *network, bool add, struct nl *nl, struct err *err)
{
	int r = network->prefix ? set_guard(network, false, add, nl, err) : 0;

	if (network->prefix6 && (r == 0 || !add))
		r = set_guard(network, true, add, nl, err);
	return r;
}

void network_drop_guard6(const struct network *network, struct nl *nl)
{
	if (network->prefix6 && network_is_bridge(network))
		(void)set_guard(network, true, false, nl, NULL);
}

void networks_drop_guards(const struct networks *networks, const struct rtnl_state *state,
			  struct nl *nl)
{
	for (size_t i = 0; i < state->route_count; i++) {
		const struct rtnl_route *route = &state->routes[i];
		OWN(buf_done) struct buf request = { 0 };
		bool known = !network_is_guard(route);

		for (size_t k = 0; k < networks->count && !known; k++) {
			const struct network *network = &networks->list[k];

			known = route->v6 ? route->prefix == network->prefix6 &&
						    ip6_equal(&route->dst6, &network->subnet6)
					  : route->prefix == network->prefix &&
						    route->dst == network->subnet;
		}
		if (known)
			continue;
		buf_init(&request, 256);
		rtnl_encode_route(route, false, &request);
		(void)nl_call(nl, &request, "remove a guard of no network", NULL);
	}
}

static bool same_network(const struct network *there, const struct network *wanted)
{
	return there->driver == wanted->driver && there->mode == wanted->mode &&
	       (network_is_bridge(there) || !strcmp(there->bridge, wanted->bridge)) &&
	       there->gateway == wanted->gateway && there->range == wanted->range &&
	       there->range_len == wanted->range_len && there->mtu == wanted->mtu &&
	       there->rate == wanted->rate && there->internal == wanted->internal &&
	       there->delegated == wanted->delegated && there->no_ip4 == wanted->no_ip4 &&
	       there->no_ip6 == wanted->no_ip6 && there->no_icc == wanted->no_icc &&
	       there->host_ip4 == wanted->host_ip4 &&
	       network_traits_same(&there->traits, &wanted->traits) &&
	       (!wanted->subnet ||
		(there->subnet == wanted->subnet && there->prefix == wanted->prefix)) &&
	       (!wanted->given6 || (there->given6 && there->prefix6 == wanted->prefix6 &&
				    ip6_equal(&there->subnet6, &wanted->subnet6)));
}

/* The kernel lets one driver share an interface, and ipvlan has one mode for all of them. */
static int check_parent(const struct networks *networks, const struct network *fresh,
			struct err *err)
{
	for (size_t i = 0; i < networks->count; i++) {
		const struct network *other = &networks->list[i];

		if (network_is_bridge(other) || strcmp(other->bridge, fresh->bridge) != 0 ||
		    (other->driver == fresh->driver &&
		     (other->driver != NETWORK_IPVLAN || other->mode == fresh->mode)))
			continue;
		return err_set(
			err, -EBUSY,
			"network %s: network %s shares interface %s by %s %s already; choose "
			"the same or another parent",
			fresh->name, other->name, fresh->bridge, network_driver_text(other->driver),
			network_mode_text(other->driver, other->mode));
	}
	return 0;
}

static int name_bridge(const struct networks *networks, struct network *fresh, struct err *err)
{
	if (!fresh->traits.bridge[0])
		network_bridge_name(fresh->name, fresh->bridge);
	else
		memcpy(fresh->bridge, fresh->traits.bridge, sizeof(fresh->bridge));
	for (size_t i = 0; i < networks->count; i++)
		if (!strcmp(networks->list[i].bridge, fresh->bridge))
			return err_set(err, -EEXIST, "network %s: interface %s is network %s's",
				       fresh->name, fresh->bridge, networks->list[i].name);
	return 0;
}

int network_add(struct networks *networks, const struct network *wanted,
		const struct rtnl_state *state, struct network **ret_network, struct err *err)
{
	struct network *there = network_find(networks, str_from(wanted->name)), fresh = *wanted;
	char text[IP4_TEXT_MAX], subnet[IP4_TEXT_MAX + 5] = "no IPv4";
	int r;

	if (there) {
		if (there->prefix)
			snprintf(subnet, sizeof(subnet), "%s/%u", ip4_text(there->subnet, text),
				 there->prefix);
		if (!same_network(there, wanted))
			return err_set(
				err, -EEXIST,
				"network %s exists with other values (%s%s%s); remove it first",
				there->name, subnet, there->internal ? ", internal" : "",
				there->prefix6 ? ", IPv6" : "");
		*ret_network = there;
		return 0;
	}
	if (networks->count == NETWORKS_MAX)
		return err_set(err, -ENOSPC, "network %s: at most %d networks", wanted->name,
			       NETWORKS_MAX);
	r = network_is_bridge(&fresh) ? name_bridge(networks, &fresh, err)
				      : check_parent(networks, &fresh, err);
	if (r == 0)
		r = network_take_subnets(networks, state, &fresh, err);
	if (r < 0)
		return r;
	networks->list[networks->count] = fresh;
	*ret_network = &networks->list[networks->count++];
	return 0;
}

void network_remove(struct networks *networks, struct network *network)
{
	size_t i = (size_t)(network - networks->list);

	memmove(network, network + 1, (networks->count - i - 1) * sizeof(*network));
	networks->count--;
}

void network_to_nft(const struct network *network, struct nft_network *ret_nft)
{
	*ret_nft = (struct nft_network){ .subnet = network->subnet,
					 .prefix = network->prefix,
					 .internal = network->internal,
					 .no_icc = network->no_icc,
					 .subnet6 = network->subnet6,
					 .prefix6 = network->prefix6,
					 .nat4 = network_translates(network, false),
					 .nat6 = network_translates(network, true),
					 .shut4 = network_is_shut(network, false),
					 .shut6 = network_is_shut(network, true),
					 .gate4 = network->traits.gate4,
					 .gate6 = network->traits.gate6 };
	memcpy(ret_nft->bridge, network->bridge, sizeof(ret_nft->bridge));
}

/* Publishing on 127.0.0.1 needs route_localnet; the guard chain keeps 127/8 off the wire. */
static int set_bridge_sysctls(const struct network *network, int sysctl_fd, struct err *err)
{
	const struct {
		const char *family, *key, *value;
	} rows[] = {
		{ "ipv6", "accept_ra", "0" },
		{ "ipv6", "accept_dad", "0" },
		{ "ipv6", "accept_redirects", "0" },
		{ "ipv6", "disable_ipv6", network_has_gateway(network, true) ? "0" : "1" },
		{ "ipv4", "route_localnet", "1" },
		{ "ipv4", "rp_filter", "1" },
		{ "ipv4", "send_redirects", "0" },
	};
	char path[80];
	int r = 0;

	for (size_t i = 0; i < ARRAY_LEN(rows) && r == 0; i++) {
		snprintf(path, sizeof(path), "net/%s/conf/%s/%s", rows[i].family, network->bridge,
			 rows[i].key);
		r = sysctl_set(sysctl_fd, path, rows[i].value, rows[i].family[3] == '6', err);
	}
	return r;
}

/* It may come later: who attaches to it until then is told. */
static int find_shared(struct network *network, struct nl *nl, struct err *err)
{
	struct rtnl_link link;
	int r = rtnl_find_link(nl, network->bridge, &link, err);

	network->index = r == 0 ? link.index : 0;
	return r == -ENODEV ? 0 : r;
}

/* A name that somebody chose may be another interface's: the MAC address tells. */
static bool is_its_bridge(const struct network *network, const struct rtnl_link *link)
{
	uint8_t mac[6];

	network_mac(network, mac);
	return !strcmp(link->kind, "bridge") &&
	       (!network->traits.bridge[0] || !memcmp(link->mac, mac, sizeof(mac)));
}

int network_ensure(struct network *network, struct nl *nl, int sysctl_fd, struct err *err)
{
	struct link_wanted wanted = { .up = true };
	uint8_t mac[6];
	OWN(rtnl_state_done) struct rtnl_state state = { 0 };
	OWN(buf_done) struct buf request = { 0 };
	struct rtnl_link link;
	struct link_plan plan;
	int r;

	if (!network_is_bridge(network))
		return find_shared(network, nl, err);
	buf_init(&request, 1024);
	network_mac(network, mac);
	if (rtnl_find_link(nl, network->bridge, &link, NULL) < 0) {
		rtnl_encode_bridge(network->bridge, mac, &request);
		r = nl_call(nl, &request, "make a bridge", err);
		if (r < 0)
			return err_prefix(err, "network %s", network->name);
	} else if (!is_its_bridge(network, &link)) {
		return err_set(err, -EEXIST,
			       "network %s: interface %s is there already and is not its bridge",
			       network->name, network->bridge);
	}
	r = rtnl_state_load(nl, &state, err);
	if (r < 0 || !rtnl_state_named(&state, network->bridge))
		return r < 0 ? r : err_set(err, -ENODEV, "bridge %s vanished", network->bridge);
	network->index = rtnl_state_named(&state, network->bridge)->index;
	r = set_bridge_sysctls(network, sysctl_fd, err);
	if (r < 0)
		return r;
	wanted.index = network->index;
	if (network_has_gateway(network, false))
		wanted.addrs[wanted.addr_count++] =
			(struct rtnl_addr){ .ip4 = network_gateway(network),
					    .prefix = network->prefix,
					    .valid_s = RTNL_FOREVER };
	if (network_has_gateway(network, true))
		wanted.addrs[wanted.addr_count++] =
			(struct rtnl_addr){ .v6 = true,
					    .ip6 = network_gateway6(network),
					    .prefix = network->prefix6,
					    .valid_s = RTNL_FOREVER,
					    .preferred_s = RTNL_FOREVER,
					    .nodad = true };
	link_plan_make(&wanted, &state, &plan);
	r = network_has_guard(network, &state) ? 0 : set_guards(network, true, nl, err);
	if (r == 0)
		r = link_plan_apply(&plan, nl, err);
	return r < 0 ? err_prefix(err, "network %s", network->name) : 0;
}

int network_delete_bridge(const struct network *network, struct nl *nl, struct err *err)
{
	OWN(buf_done) struct buf request = { 0 };
	struct rtnl_link link;

	if (!network_is_bridge(network))
		return 0;
	(void)set_guards(network, false, nl, NULL);
	if (rtnl_find_link(nl, network->bridge, &link, NULL) < 0 || !is_its_bridge(network, &link))
		return 0;
	buf_init(&request, 256);
	rtnl_encode_link_del(link.index, &request);
	return nl_call(nl, &request, "remove a bridge", err);
}
