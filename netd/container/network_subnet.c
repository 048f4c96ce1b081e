/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns which subnets a container network gets: free ones, told apart from those of the host's links
 * and routes. Pure, used by netd main. It must never let two networks overlap.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "lib/own.h"
#include "lib/sha256.h"
#include "netd/container/network_subnet.h"

/* Where a network without a subnet gets one: 172.18.0.0/16 up to 172.31, then 192.168.x.0/20. */
static const struct conf_addr pool[] = {
	{ 0xac120000, 16 }, { 0xac130000, 16 }, { 0xac140000, 16 }, { 0xac150000, 16 },
	{ 0xac160000, 16 }, { 0xac170000, 16 }, { 0xac180000, 16 }, { 0xac190000, 16 },
	{ 0xac1a0000, 16 }, { 0xac1b0000, 16 }, { 0xac1c0000, 16 }, { 0xac1d0000, 16 },
	{ 0xac1e0000, 16 }, { 0xac1f0000, 16 }, { 0xc0a81000, 20 }, { 0xc0a82000, 20 },
	{ 0xc0a83000, 20 }, { 0xc0a84000, 20 }, { 0xc0a85000, 20 }, { 0xc0a86000, 20 },
	{ 0xc0a87000, 20 }, { 0xc0a88000, 20 }, { 0xc0a89000, 20 }, { 0xc0a8a000, 20 },
	{ 0xc0a8b000, 20 }, { 0xc0a8c000, 20 }, { 0xc0a8d000, 20 }, { 0xc0a8e000, 20 },
	{ 0xc0a8f000, 20 },
};

static bool overlaps(uint32_t a, uint8_t a_prefix, uint32_t b, uint8_t b_prefix)
{
	return ((a ^ b) & ip4_mask(a_prefix < b_prefix ? a_prefix : b_prefix)) == 0;
}

/* The subnet of the interface that is shared may be the network's. */
static bool is_shared(const struct network *wanted, const struct rtnl_state *state, int index)
{
	const struct rtnl_link *link =
		network_is_bridge(wanted) ? NULL : rtnl_state_link(state, index);

	return link && !strcmp(link->name, wanted->bridge);
}

/* Who uses a part of this subnet: text into who, "" = nobody. Our own bridge does not count. */
static void subnet_holder(const struct networks *networks, const struct rtnl_state *state,
			  const struct network *wanted, char *who, size_t cap)
{
	who[0] = 0;
	for (size_t i = 0; i < state->addr_count; i++) {
		const struct rtnl_addr *addr = &state->addrs[i];
		const struct rtnl_link *link = rtnl_state_link(state, addr->index);

		if (!addr->v6 &&
		    overlaps(wanted->subnet, wanted->prefix, addr->ip4, addr->prefix) &&
		    (!link || strcmp(link->name, wanted->bridge) != 0))
			snprintf(who, cap, "interface %s", link ? link->name : "?");
	}
	for (size_t i = 0; i < state->route_count; i++) {
		const struct rtnl_route *route = &state->routes[i];

		if (!route->v6 && route->prefix && !rtnl_route_nowhere(route->type) &&
		    !is_shared(wanted, state, route->out) &&
		    overlaps(wanted->subnet, wanted->prefix, route->dst, route->prefix))
			snprintf(who, cap, "a route of the host");
	}
	for (size_t i = 0; i < networks->count; i++) {
		const struct network *other = &networks->list[i];

		if (other->prefix &&
		    overlaps(wanted->subnet, wanted->prefix, other->subnet, other->prefix))
			snprintf(who, cap, "network %s", other->name);
	}
}

static bool is_bridge_of(const struct networks *networks, const char *link)
{
	for (size_t i = 0; i < networks->count; i++)
		if (network_is_bridge(&networks->list[i]) &&
		    !strcmp(networks->list[i].bridge, link))
			return true;
	return false;
}

bool network_note_clash(struct network *network, const struct networks *networks,
			const struct rtnl_state *state)
{
	char clash[NETWORK_CLASH_MAX] = "", text[IP4_TEXT_MAX];
	bool changed;

	for (size_t i = 0; i < state->addr_count && network->prefix; i++) {
		const struct rtnl_addr *addr = &state->addrs[i];
		const struct rtnl_link *link = rtnl_state_link(state, addr->index);

		if (addr->v6 || addr->proto != RTNL_OURS || !link ||
		    is_bridge_of(networks, link->name) ||
		    !overlaps(network->subnet, network->prefix, addr->ip4, addr->prefix))
			continue;
		snprintf(clash, sizeof(clash), "%s/%u of %s", ip4_text(addr->ip4, text),
			 addr->prefix, link->name);
	}
	changed = strcmp(clash, network->clash) != 0;
	memcpy(network->clash, clash, sizeof(clash));
	return changed;
}

static int pick_subnet(const struct networks *networks, const struct rtnl_state *state,
		       struct network *wanted, struct err *err)
{
	char who[96];

	for (size_t i = 0; i < ARRAY_LEN(pool); i++) {
		wanted->subnet = pool[i].ip4;
		wanted->prefix = pool[i].prefix;
		subnet_holder(networks, state, wanted, who, sizeof(who));
		if (!who[0])
			return 0;
	}
	return err_set(err, -ENOSPC, "network %s: no free subnet; give one with subnet = ...",
		       wanted->name);
}

static bool overlaps6(const struct network *wanted, const struct ip6 *b, uint8_t b_prefix)
{
	return ip6_in_prefix(&wanted->subnet6, b,
			     wanted->prefix6 < b_prefix ? wanted->prefix6 : b_prefix);
}

/* As subnet_holder(). */
static void subnet6_holder(const struct networks *networks, const struct rtnl_state *state,
			   const struct network *wanted, char *who, size_t cap)
{
	who[0] = 0;
	for (size_t i = 0; i < state->addr_count; i++) {
		const struct rtnl_addr *addr = &state->addrs[i];
		const struct rtnl_link *link = rtnl_state_link(state, addr->index);

		if (addr->v6 && overlaps6(wanted, &addr->ip6, addr->prefix) &&
		    (!link || strcmp(link->name, wanted->bridge) != 0))
			snprintf(who, cap, "interface %s", link ? link->name : "?");
	}
	for (size_t i = 0; i < state->route_count; i++) {
		const struct rtnl_route *route = &state->routes[i];

		if (route->v6 && route->prefix && !rtnl_route_nowhere(route->type) &&
		    !is_shared(wanted, state, route->out) &&
		    overlaps6(wanted, &route->dst6, route->prefix))
			snprintf(who, cap, "a route of the host");
	}
	for (size_t i = 0; i < networks->count; i++) {
		const struct network *other = &networks->list[i];

		if (other->prefix6 && strcmp(other->name, wanted->name) != 0 &&
		    overlaps6(wanted, &other->subnet6, other->prefix6))
			snprintf(who, cap, "network %s", other->name);
	}
}

/* The subnet number below the machine's prefix follows from the name; a taken one gives way. */
static void pick_subnet6(const struct networks *networks, struct network *network)
{
	const struct rtnl_state nothing = { 0 };
	struct digest digest;
	struct sha256 sha;
	char who[96];

	network->subnet6 = networks->ula;
	network->prefix6 = ip6_is_zero(&networks->ula) ? 0 : 64;
	if (!network->prefix6)
		return;
	sha256_init(&sha);
	sha256_add(&sha, network->name, strlen(network->name));
	sha256_end(&sha, &digest);
	memcpy(network->subnet6.b + 6, digest.bytes, 2);
	for (;;) {
		subnet6_holder(networks, &nothing, network, who, sizeof(who));
		if (!who[0])
			return;
		if (!++network->subnet6.b[7])
			network->subnet6.b[6]++;
	}
}

/* The same below a delegated prefix, with as many bits as there are up to 64 (16 at most). */
static void pick_delegated(const struct networks *networks, struct network *network)
{
	unsigned bits = 64U - networks->delegated_len < 16 ? 64U - networks->delegated_len : 16;
	uint32_t number, count = UINT32_C(1) << bits;
	const struct rtnl_state nothing = { 0 };
	struct digest digest;
	struct sha256 sha;
	char who[96];

	network->prefix6 = 0;
	if (!networks->delegated_len)
		return;
	sha256_init(&sha);
	sha256_add(&sha, network->name, strlen(network->name));
	sha256_end(&sha, &digest);
	number = (uint32_t)digest.bytes[0] << 8 | digest.bytes[1];
	for (uint32_t i = 0; i < count; i++, number++) {
		network->subnet6 = networks->delegated;
		network->subnet6.b[7] |= (uint8_t)(number % count);
		network->subnet6.b[6] |= (uint8_t)(number % count >> 8);
		network->prefix6 = 64;
		subnet6_holder(networks, &nothing, network, who, sizeof(who));
		if (!who[0])
			return;
	}
	network->prefix6 = 0;
}

void networks_set_delegated(struct networks *networks, const struct ip6 *prefix, uint8_t len)
{
	networks->delegated = ip6_network(prefix, len);
	networks->delegated_len = len;
	for (size_t i = 0; i < networks->count; i++)
		if (networks->list[i].delegated)
			networks->list[i].prefix6 = 0;
	for (size_t i = 0; i < networks->count; i++)
		if (networks->list[i].delegated)
			pick_delegated(networks, &networks->list[i]);
}

void networks_set_ula(struct networks *networks, const struct ip6 *ula)
{
	networks->ula = *ula;
	for (size_t i = 0; i < networks->count; i++)
		if (!networks->list[i].given6 && !networks->list[i].delegated)
			networks->list[i].prefix6 = 0;
	for (size_t i = 0; i < networks->count; i++)
		if (!networks->list[i].given6 && !networks->list[i].no_ip6 &&
		    !networks->list[i].delegated)
			pick_subnet6(networks, &networks->list[i]);
}

static int check_subnet4(const struct networks *networks, const struct rtnl_state *state,
			 struct network *fresh, struct err *err)
{
	char who[96], subnet[IP4_TEXT_MAX];

	if (fresh->no_ip4)
		return 0;
	if (!fresh->subnet && pick_subnet(networks, state, fresh, err) < 0)
		return -ENOSPC;
	subnet_holder(networks, state, fresh, who, sizeof(who));
	if (!who[0])
		return 0;
	return err_set(err, -EADDRINUSE, "network %s: subnet %s/%u is used by %s; choose another",
		       fresh->name, ip4_text(fresh->subnet, subnet), fresh->prefix, who);
}

static int check_subnet6(const struct networks *networks, const struct rtnl_state *state,
			 struct network *fresh, struct err *err)
{
	char who[96], subnet[IP6_TEXT_MAX];

	if (fresh->no_ip4 && ip6_is_zero(&networks->ula))
		return err_set(err, -EAFNOSUPPORT,
			       "network %s: IPv6 alone, and this kernel has none", fresh->name);
	if (fresh->no_ip6 || ip6_is_zero(&networks->ula)) {
		fresh->prefix6 = 0;
		return 0;
	}
	if (fresh->delegated) {
		pick_delegated(networks, fresh);
		return 0;
	}
	if (!fresh->given6) {
		pick_subnet6(networks, fresh);
		return 0;
	}
	subnet6_holder(networks, state, fresh, who, sizeof(who));
	if (!who[0])
		return 0;
	return err_set(err, -EADDRINUSE, "network %s: subnet6 %s/%u is used by %s; choose another",
		       fresh->name, ip6_text(&fresh->subnet6, subnet), fresh->prefix6, who);
}

int network_take_subnets(const struct networks *networks, const struct rtnl_state *state,
			 struct network *fresh, struct err *err)
{
	int r = check_subnet4(networks, state, fresh, err);

	return r == 0 ? check_subnet6(networks, state, fresh, err) : r;
}
