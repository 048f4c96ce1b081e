/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the encoding of requests for virtual links. Pure, used by netd main. It must never make a
 * link in place of one that is there: every request says so.
 */
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <string.h>
#include "netd/nl/rtnl_dev.h"

const char *rtnl_dev_kind_text(enum rtnl_dev_kind kind)
{
	switch (kind) {
	case RTNL_DEV_VLAN:
		return "vlan";
	case RTNL_DEV_BOND:
		return "bond";
	case RTNL_DEV_BRIDGE:
		return "bridge";
	case RTNL_DEV_MACVLAN:
		return "macvlan";
	case RTNL_DEV_IPVLAN:
		return "ipvlan";
	case RTNL_DEV_VETH:
		return "veth";
	case RTNL_DEV_DUMMY:
		return "dummy";
	}
	return "?";
}

static void put_bridge(const struct rtnl_dev *dev, struct buf *out)
{
	nl_put_u32(out, IFLA_BR_STP_STATE, dev->stp);
	if (dev->set_filtering)
		nl_put_u8(out, IFLA_BR_VLAN_FILTERING, dev->vlan_filtering);
	/* Without STP nobody can make a loop by it: ports carry at once. */
	if (!dev->stp)
		nl_put_u32(out, IFLA_BR_FORWARD_DELAY, 0);
}

static void put_bond(const struct rtnl_dev *dev, struct buf *out)
{
	nl_put_u8(out, IFLA_BOND_MODE, dev->bond_mode);
	nl_put_u32(out, IFLA_BOND_MIIMON, dev->bond_watch_ms);
	if (dev->bond_mode == 4) /* 802.3ad, the only one that knows a rate */
		nl_put_u8(out, IFLA_BOND_AD_LACP_RATE, dev->bond_lacp_fast);
}

static void put_peer(const struct rtnl_dev *dev, struct buf *out)
{
	const struct ifinfomsg info = { 0 };
	size_t peer = nl_nest(out, VETH_INFO_PEER);

	buf_add(out, &info, sizeof(info));
	nl_put_text(out, IFLA_IFNAME, dev->peer);
	nl_nest_end(out, peer);
}

static void put_data(const struct rtnl_dev *dev, struct buf *out)
{
	switch (dev->kind) {
	case RTNL_DEV_VLAN:
		nl_put_u16(out, IFLA_VLAN_ID, dev->vlan_id);
		break;
	case RTNL_DEV_BOND:
		put_bond(dev, out);
		break;
	case RTNL_DEV_BRIDGE:
		put_bridge(dev, out);
		break;
	case RTNL_DEV_MACVLAN:
		nl_put_u32(out, IFLA_MACVLAN_MODE, dev->mode);
		break;
	case RTNL_DEV_IPVLAN:
		nl_put_u16(out, IFLA_IPVLAN_MODE, (uint16_t)dev->mode);
		break;
	case RTNL_DEV_VETH:
		put_peer(dev, out);
		break;
	case RTNL_DEV_DUMMY:
		break;
	}
}

static void put_kind(const struct rtnl_dev *dev, struct buf *out)
{
	size_t kind = nl_nest(out, IFLA_LINKINFO), data;

	nl_put_text(out, IFLA_INFO_KIND, rtnl_dev_kind_text(dev->kind));
	data = nl_nest(out, IFLA_INFO_DATA);
	put_data(dev, out);
	nl_nest_end(out, data);
	nl_nest_end(out, kind);
}

void rtnl_encode_dev(const struct rtnl_dev *dev, struct buf *out)
{
	const struct ifinfomsg info = { 0 };
	size_t start = nl_begin(out, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &info, sizeof(info));

	nl_put_text(out, IFLA_IFNAME, dev->name);
	if (dev->parent)
		nl_put_u32(out, IFLA_LINK, (uint32_t)dev->parent);
	if (dev->netns_fd >= 0)
		nl_put_u32(out, IFLA_NET_NS_FD, (uint32_t)dev->netns_fd);
	if (dev->mac)
		nl_put(out, IFLA_ADDRESS, dev->mac, 6);
	if (dev->mtu)
		nl_put_u32(out, IFLA_MTU, dev->mtu);
	if (dev->group)
		nl_put_u32(out, IFLA_GROUP, dev->group);
	put_kind(dev, out);
	nl_end(out, start);
}

void rtnl_encode_dev_bridge(int index, const struct rtnl_dev *dev, struct buf *out)
{
	const struct ifinfomsg info = { .ifi_index = index };
	size_t start = nl_begin(out, RTM_NEWLINK, 0, &info, sizeof(info));

	put_kind(dev, out);
	nl_end(out, start);
}

void rtnl_read_dev(struct str data, struct rtnl_link *link)
{
	bool vlan = !strcmp(link->kind, "vlan"), bond = !strcmp(link->kind, "bond"),
	     bridge = !strcmp(link->kind, "bridge"), macvlan = !strcmp(link->kind, "macvlan"),
	     ipvlan = !strcmp(link->kind, "ipvlan");
	struct nl_attr attr;

	while (nl_attr_next(&data, &attr)) {
		if (vlan && attr.type == IFLA_VLAN_ID && attr.data.len == 2)
			memcpy(&link->vlan_id, attr.data.ptr, 2);
		if (bond && attr.type == IFLA_BOND_MODE)
			link->bond_mode = nl_attr_u8(&attr);
		if (macvlan && attr.type == IFLA_MACVLAN_MODE)
			link->mode = (uint8_t)nl_attr_u32(&attr);
		if (ipvlan && attr.type == IFLA_IPVLAN_MODE && attr.data.len == 2)
			link->mode = (uint8_t)attr.data.ptr[0];
		if (bridge && attr.type == IFLA_BR_STP_STATE)
			link->stp = nl_attr_u32(&attr) != 0;
		if (bridge && attr.type == IFLA_BR_VLAN_FILTERING)
			link->vlan_filtering = nl_attr_u8(&attr) != 0;
	}
}
