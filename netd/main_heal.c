/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns putting back what somebody else took away from the container networks: bridges, their
 * addresses, the host ends of containers. Run by netd main on each look at the kernel's state. It
 * must never change what is as it should be.
 */
#include <stdio.h>
#include "lib/log.h"
#include "lib/own.h"
#include "netd/container/veth.h"
#include "netd/main.h"

static bool has_gateway(const struct rtnl_state *state, const struct network *network)
{
	bool found = false, found6 = network->prefix6 == 0;

	for (size_t i = 0; i < state->addr_count; i++) {
		const struct rtnl_addr *addr = &state->addrs[i];
		struct ip6 gateway6 = network_gateway6(network);

		if (addr->index != network->index)
			continue;
		if (addr->v6)
			found6 |= addr->prefix == network->prefix6 &&
				  ip6_equal(&addr->ip6, &gateway6);
		else
			found |= addr->prefix == network->prefix &&
				 addr->ip4 == network_gateway(network);
	}
	return found && found6;
}

/* What is wrong with the network; NULL = nothing. */
static const char *fault(const struct rtnl_state *state, const struct network *network)
{
	const struct rtnl_link *link = rtnl_state_named(state, network->bridge);

	if (!link)
		return "its bridge is gone";
	if (link->index != network->index)
		return "its bridge is another one";
	if (!(link->flags & IFF_UP))
		return "its bridge is down";
	if (!has_gateway(state, network))
		return "its gateway address is gone";
	return network_has_guard(network, state) ? NULL : "its guard route is gone";
}

static void heal_end(struct netd *netd, const struct attachment *a, uint32_t i,
		     const struct rtnl_state *state)
{
	const struct network *network = network_find(&netd->networks, a->attach.networks[i].name);
	struct veth veth = { 0 };
	const struct rtnl_link *link;
	struct err err;

	veth_name(&veth, a->attach.id, a->slots[i]);
	link = rtnl_state_named(state, veth.host_name);
	/* Without its host end the inner one is gone as well: the engine has to attach again. */
	if (!network || !link || (link->master == network->index && (link->flags & IFF_UP)))
		return;
	log_warn("container %.*s: its interface was taken off network %s; put back",
		 STR_ARG(a->attach.name), network->name);
	if (rtnl_link_join(&netd->route, link->index, network->index, &err) < 0)
		log_err("%s", err_text(&err));
}

bool main_heal(struct netd *netd, struct rtnl_state *state)
{
	bool failed = false, changed = false;
	struct err err;

	for (size_t i = 0; i < netd->networks.count; i++) {
		struct network *network = &netd->networks.list[i];
		const char *what = fault(state, network);

		if (!what)
			continue;
		changed = true;
		if (network->index)
			log_warn("network %s: %s; repairing", network->name, what);
		if (network_ensure(network, &netd->route, netd->sysctl_fd, &err) == 0)
			continue;
		log_err("%s", err_text(&err));
		failed = true;
	}
	if (changed) { /* bridges may have other indexes now */
		rtnl_state_done(state);
		if (rtnl_state_load(&netd->route, state, &err) < 0) {
			log_err("%s", err_text(&err));
			return false;
		}
	}
	for (const struct attachment *a = netd->attachments.first; a; a = a->next)
		for (uint32_t i = 0; i < a->attach.network_count; i++)
			heal_end(netd, a, i, state);
	return !failed;
}
