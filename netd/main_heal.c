/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns putting back what somebody else took away from the container networks: bridges, their
 * addresses, the host ends of containers. Run by netd main on each look at the kernel's state. It
 * must never change what is as it should be.
 */
#include <stdio.h>
#include <string.h>
#include "lib/log.h"
#include "lib/own.h"
#include "netd/container/network_subnet.h"
#include "netd/container/veth.h"
#include "netd/main_tell.h"

static bool has_gateway(const struct rtnl_state *state, const struct network *network)
{
	bool found = !network_has_gateway(network, false),
	     found6 = !network_has_gateway(network, true);

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

/* What containers share came or went: who is attached to it has to be attached again. */
static void look_at_shared(struct netd *netd, struct network *network,
			   const struct rtnl_state *state)
{
	const struct rtnl_link *link = rtnl_state_named(state, network->bridge);
	int before = network->index;

	network->index = link ? link->index : 0;
	if (network->index == before)
		return;
	if (!link)
		log_warn("network %s: interface %s, which it shares, is gone", network->name,
			 network->bridge);
	else if (main_network_users(netd, network))
		main_client_renew(netd);
}

/* The bridge follows its ports by itself. */
static void follow_mtu(struct netd *netd, struct attachment *a, const struct network *network,
		       const struct veth *place, const struct rtnl_link *link, uint32_t mtu)
{
	struct veth veth = *place;
	struct err err;

	veth.mtu = network->mtu ? network->mtu : mtu;
	veth.rate = network->rate;
	/* A container that nobody attached to this netd yet is set right when that is done. */
	if (a->inside.fd >= 0 && veth_set_mtu(&veth, link, &netd->route, &a->inside, &err) < 0)
		log_warn("container %.*s: %s", STR_ARG(a->attach.name), err_text(&err));
}

static void heal_end(struct netd *netd, struct attachment *a, uint32_t i,
		     const struct rtnl_state *state, uint32_t mtu)
{
	const struct network *network = network_find(&netd->networks, a->attach.networks[i].name);
	struct veth veth = { 0 };
	const struct rtnl_link *link;
	struct err err;

	veth_name(&veth, a->tag, a->slots[i]);
	link = rtnl_state_named(state, veth.host_name);
	/* Without its host end the inner one is gone as well: the engine has to attach again. */
	if (!network || !network_is_bridge(network) || !link)
		return;
	follow_mtu(netd, a, network, &veth, link, mtu);
	if (link->master == network->index && (link->flags & IFF_UP) &&
	    link->isolated == network->no_icc)
		return;
	log_warn("container %.*s: its interface was not as network %s has it; put back",
		 STR_ARG(a->attach.name), network->name);
	if ((link->master != network->index &&
	     rtnl_link_join(&netd->route, link->index, network->index, &err) < 0) ||
	    rtnl_port_isolate(&netd->route, link->index, network->no_icc, &err) < 0 ||
	    rtnl_link_up(&netd->route, link->index, &err) < 0)
		log_err("%s", err_text(&err));
}

/* Its IPv4 address goes as well: it may be a neighbour's, and the kernel keeps it while a link is
 * down. */
static int close_network(struct netd *netd, const struct network *network,
			 const struct rtnl_state *state, struct err *err)
{
	const struct rtnl_link *link = rtnl_state_named(state, network->bridge);
	OWN(buf_done) struct buf request = { 0 };

	if (!link)
		return 0;
	buf_init(&request, 4096);
	for (size_t i = 0; i < state->addr_count; i++)
		if (state->addrs[i].index == link->index && !state->addrs[i].v6)
			rtnl_encode_addr(&state->addrs[i], false, &request);
	if (link->flags & IFF_UP)
		rtnl_encode_link_change(
			&(struct rtnl_link_change){ .index = link->index, .set_up = true },
			&request);
	return request.len ? nl_call(&netd->route, &request, "close a network", err) : 0;
}

/* The machine's own addresses come first: were the network open, the guard would take what is sent
 * to them for something that wants in to a container. */
static bool give_way(struct netd *netd, const struct rtnl_state *state)
{
	bool changed = false, failed = false;
	struct err err;

	for (size_t i = 0; i < netd->networks.count; i++) {
		struct network *network = &netd->networks.list[i];

		if (!network_is_bridge(network) ||
		    !network_note_clash(network, &netd->networks, state))
			continue;
		changed = true;
		if (network->clash[0])
			log_err("network %s is closed: its subnet overlaps %s; give it another",
				network->name, network->clash);
		else
			log_notice("network %s is open again", network->name);
	}
	if (changed)
		failed = main_firewall_load(netd, &err) < 0;
	for (size_t i = 0; i < netd->networks.count && !failed; i++)
		if (netd->networks.list[i].clash[0])
			failed = close_network(netd, &netd->networks.list[i], state, &err) < 0;
	if (failed)
		log_err("%s", err_text(&err));
	return !failed;
}

bool main_heal(struct netd *netd, struct rtnl_state *state)
{
	bool failed = !give_way(netd, state), changed = false;
	struct err err;
	uint32_t mtu;

	for (size_t i = 0; i < netd->networks.count; i++) {
		struct network *network = &netd->networks.list[i];
		const char *what;

		if (!network_is_bridge(network)) {
			look_at_shared(netd, network, state);
			continue;
		}
		what = network->clash[0] ? NULL : fault(state, network);
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
		if (main_link_state(netd, state, &err) < 0) {
			log_err("%s", err_text(&err));
			return false;
		}
	}
	mtu = main_mtu(netd, state);
	for (struct attachment *a = netd->attachments.first; a; a = a->next)
		for (uint32_t i = 0; i < a->attach.network_count; i++)
			heal_end(netd, a, i, state, mtu);
	return !failed;
}

/* ---- what a netd that died in the middle of a change left behind ---- */

/* PREFIX, ten hex digits, and a dot with a number where that belongs to the name. */
static bool is_made_name(const char *name, const char *prefix, bool numbered)
{
	size_t len = strlen(prefix), digits;

	if (strncmp(name, prefix, len) != 0)
		return false;
	digits = strspn(name + len, "0123456789abcdef");
	name += len + digits;
	return digits == 10 &&
	       (numbered ? name[0] == '.' && strspn(name + 1, "0123456789") == strlen(name + 1)
			 : !name[0]);
}

static bool is_network(const struct netd *netd, int index)
{
	for (size_t i = 0; i < netd->networks.count; i++)
		if (network_is_bridge(&netd->networks.list[i]) &&
		    netd->networks.list[i].index == index)
			return true;
	return false;
}

static bool is_attached(const struct netd *netd, const char *host_name)
{
	for (const struct attachment *a = netd->attachments.first; a; a = a->next) {
		/* Of a thousand others only the tag is looked at. */
		if (strncmp(host_name + 1, a->tag, strlen(a->tag)) != 0)
			continue;
		for (uint32_t i = 0; i < a->attach.network_count; i++) {
			struct veth veth = { 0 };

			veth_name(&veth, a->tag, a->slots[i]);
			if (!strcmp(veth.host_name, host_name))
				return true;
		}
	}
	return false;
}

static bool is_orphan(const struct netd *netd, const struct rtnl_link *link)
{
	if (!strcmp(link->kind, "veth"))
		return is_made_name(link->name, "v", true) && is_network(netd, link->master) &&
		       !is_attached(netd, link->name);
	return !strcmp(link->kind, "bridge") && is_made_name(link->name, "br-", false) &&
	       link->mac[0] == 2 && link->mac[1] == 0x42 && !is_network(netd, link->index);
}

void main_sweep(struct netd *netd)
{
	OWN(rtnl_state_done) struct rtnl_state state = { 0 };
	struct err err;

	if (rtnl_state_load(&netd->route, &state, &err) < 0) {
		log_err("%s", err_text(&err));
		return;
	}
	for (size_t i = 0; i < state.link_count; i++) {
		if (!is_orphan(netd, &state.links[i]))
			continue;
		log_notice("interface %s belongs to nobody; removed", state.links[i].name);
		if (veth_remove(state.links[i].name, &netd->route, &err) < 0)
			log_err("%s", err_text(&err));
	}
	networks_drop_guards(&netd->networks, &state, &netd->route);
}
