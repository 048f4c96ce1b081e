/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns which virtual links there shall be and the difference to those that are. Pure but for
 * netdev_plan_apply(), which netd main runs. It must never remove a link that does not carry our
 * group, nor take over a foreign one of another kind.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "lib/own.h"
#include "netd/link/netdev.h"
#include "netd/link/uplink.h"

static const enum rtnl_dev_kind kinds[] = {
	[CONF_NETDEV_VLAN] = RTNL_DEV_VLAN,	[CONF_NETDEV_BOND] = RTNL_DEV_BOND,
	[CONF_NETDEV_BRIDGE] = RTNL_DEV_BRIDGE, [CONF_NETDEV_MACVLAN] = RTNL_DEV_MACVLAN,
	[CONF_NETDEV_IPVLAN] = RTNL_DEV_IPVLAN, [CONF_NETDEV_VETH] = RTNL_DEV_VETH,
	[CONF_NETDEV_DUMMY] = RTNL_DEV_DUMMY,
};

/* What lies on another interface; the key of that one's section which names it, else NULL. */
static const char *parent_key(const struct conf_netdev *netdev)
{
	return netdev->kind == CONF_NETDEV_VLAN	     ? "VLAN"
	       : netdev->kind == CONF_NETDEV_MACVLAN ? "MACVLAN"
	       : netdev->kind == CONF_NETDEV_IPVLAN  ? "IPVLAN"
						     : NULL;
}

static struct rtnl_dev dev_of(const struct conf_netdev *netdev)
{
	return (struct rtnl_dev){ .name = netdev->name,
				  .kind = kinds[netdev->kind],
				  .mode = netdev->mode,
				  .peer = netdev->peer,
				  .netns_fd = -1,
				  .mac = netdev->set_mac ? netdev->mac : NULL,
				  .group = RTNL_OURS,
				  .vlan_id = netdev->vlan_id,
				  .bond_mode = netdev->bond_mode,
				  .bond_watch_ms = netdev->bond_watch_ms,
				  .bond_lacp_fast = netdev->bond_lacp_fast,
				  .stp = netdev->stp,
				  .vlan_filtering = netdev->vlan_filtering };
}

static bool lists(const struct conf_uplink *uplink, const char *vlan)
{
	for (size_t i = 0; i < uplink->vlan_count; i++)
		if (!strcmp(uplink->vlans[i], vlan))
			return true;
	return false;
}

const struct rtnl_link *netdev_parent(const struct conf *conf, const struct rtnl_state *state,
				      const char *vlan)
{
	for (size_t i = 0; i < state->link_count; i++) {
		struct conf_uplink uplink;

		if (uplink_configure(state, conf, &state->links[i], &uplink) &&
		    lists(&uplink, vlan))
			return &state->links[i];
	}
	return NULL;
}

static const struct conf_netdev *declared(const struct conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->netdev_count; i++)
		if (!strcmp(conf->netdevs[i].name, name))
			return &conf->netdevs[i];
	return NULL;
}

static bool same_dev(const struct conf_netdev *netdev, int parent, const struct rtnl_link *link)
{
	if (strcmp(link->kind, rtnl_dev_kind_text(dev_of(netdev).kind)) != 0)
		return false;
	if (netdev->kind == CONF_NETDEV_VLAN)
		return link->vlan_id == netdev->vlan_id && (!parent || link->parent == parent);
	if (parent_key(netdev))
		return link->mode == netdev->mode && (!parent || link->parent == parent);
	return netdev->kind != CONF_NETDEV_BOND || link->bond_mode == netdev->bond_mode;
}

static struct netdev_step *step(struct netdev_plan *plan, enum netdev_step_kind kind,
				const char *name)
{
	static struct netdev_step overflow;
	struct netdev_step *s = &overflow;

	if (plan->count < NETDEV_STEPS_MAX)
		s = &plan->steps[plan->count++];
	*s = (struct netdev_step){ .kind = kind };
	(void)str_copy(str_from(name), s->name, sizeof(s->name));
	return s;
}

static void plan_one(const struct conf *conf, size_t i, const struct rtnl_state *state,
		     struct netdev_plan *plan)
{
	const struct conf_netdev *netdev = &conf->netdevs[i];
	const struct rtnl_link *link = rtnl_state_named(state, netdev->name);
	const struct rtnl_link *parent =
		parent_key(netdev) ? netdev_parent(conf, state, netdev->name) : NULL;
	/* Made for a section that does not list it any more: a boot would not make it either. */
	bool unlisted = link && link->group == RTNL_OURS && parent_key(netdev) && !parent;
	struct netdev_step *s;

	if (link && (unlisted || !same_dev(netdev, parent ? parent->index : 0, link))) {
		if (link->group != RTNL_OURS) {
			snprintf(plan->waits[i], sizeof(plan->waits[i]),
				 "an interface %s of another kind is in the way", netdev->name);
			return;
		}
		step(plan, NETDEV_STEP_DEL, netdev->name)->index = link->index;
		link = NULL;
	}
	if (link) {
		if (netdev->kind != CONF_NETDEV_BRIDGE || link->group != RTNL_OURS ||
		    (link->stp == netdev->stp && link->vlan_filtering == netdev->vlan_filtering))
			return;
		s = step(plan, NETDEV_STEP_BRIDGE, netdev->name);
		s->index = link->index;
		s->dev = dev_of(netdev);
		s->dev.set_filtering = link->vlan_filtering != netdev->vlan_filtering;
		return;
	}
	if (parent_key(netdev) && !parent) {
		snprintf(plan->waits[i], sizeof(plan->waits[i]),
			 "no interface is there whose section has %s = %s", parent_key(netdev),
			 netdev->name);
		return;
	}
	s = step(plan, NETDEV_STEP_ADD, netdev->name);
	s->dev = dev_of(netdev);
	s->dev.set_filtering = netdev->vlan_filtering;
	s->dev.parent = parent ? parent->index : 0;
}

void netdev_plan_make(const struct conf *conf, const struct rtnl_state *state,
		      struct netdev_plan *ret_plan)
{
	ret_plan->count = 0;
	memset(ret_plan->waits, 0, sizeof(ret_plan->waits));
	for (size_t i = 0; i < state->link_count; i++)
		if (state->links[i].group == RTNL_OURS && !declared(conf, state->links[i].name))
			step(ret_plan, NETDEV_STEP_DEL, state->links[i].name)->index =
				state->links[i].index;
	for (size_t i = 0; i < conf->netdev_count; i++)
		plan_one(conf, i, state, ret_plan);
}

static void print_step(const struct netdev_step *s, struct buf *out)
{
	switch (s->kind) {
	case NETDEV_STEP_DEL:
		buf_printf(out, "remove %s\n", s->name);
		break;
	case NETDEV_STEP_BRIDGE:
		buf_printf(out, "set %s stp %d vlan filtering %d\n", s->name, s->dev.stp,
			   s->dev.vlan_filtering);
		break;
	case NETDEV_STEP_ADD:
		buf_printf(out, "make %s %s", rtnl_dev_kind_text(s->dev.kind), s->name);
		if (s->dev.kind == RTNL_DEV_VLAN)
			buf_printf(out, " id %u", s->dev.vlan_id);
		if (s->dev.kind == RTNL_DEV_VETH)
			buf_printf(out, " to %s", s->dev.peer);
		if (s->dev.parent)
			buf_printf(out, " on %d", s->dev.parent);
		buf_add_byte(out, '\n');
		break;
	}
}

void netdev_plan_print(const struct netdev_plan *plan, struct buf *out)
{
	for (size_t i = 0; i < plan->count; i++)
		print_step(&plan->steps[i], out);
}

int netdev_plan_apply(const struct netdev_plan *plan, struct nl *nl, struct err *err)
{
	int result = 0;

	for (size_t i = 0; i < plan->count; i++) {
		const struct netdev_step *s = &plan->steps[i];
		OWN(buf_done) struct buf request = { 0 };
		OWN(buf_done) struct buf text = { 0 };
		struct err failed;
		int r;

		buf_init(&request, 1024);
		buf_init(&text, 128);
		if (s->kind == NETDEV_STEP_DEL)
			rtnl_encode_link_del(s->index, &request);
		else if (s->kind == NETDEV_STEP_ADD)
			rtnl_encode_dev(&s->dev, &request);
		else
			rtnl_encode_dev_bridge(s->index, &s->dev, &request);
		print_step(s, &text);
		text.data[text.len - 1] = 0; /* its newline */
		r = nl_call(nl, &request, buf_text(&text), &failed);
		if (r < 0 && !result)
			result = err_set(err, r, "%s", failed.text);
	}
	return result;
}
