/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the encoding and reading of rtnetlink messages for links, addresses, routes and neighbours.
 * Pure but for the few calls at the end, which netd main runs. It must never
 * change an object that the caller did not name by index.
 */
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/if_ether.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <string.h>
#include "lib/own.h"
#include "netd/nl/rtnl_dev.h"

/* Since kernels 5.18 and 5.6; older headers lack the names. */
enum { ADDR_ATTR_PROTO = 11, LINK_ATTR_PERM_MAC = 54 };

void rtnl_encode_link_change(const struct rtnl_link_change *change, struct buf *out)
{
	struct ifinfomsg info = { .ifi_index = change->index };
	size_t start;

	if (change->set_up) {
		info.ifi_change = IFF_UP;
		info.ifi_flags = change->up ? IFF_UP : 0;
	}
	start = nl_begin(out, RTM_NEWLINK, 0, &info, sizeof(info));
	if (change->name)
		nl_put_text(out, IFLA_IFNAME, change->name);
	if (change->mtu)
		nl_put_u32(out, IFLA_MTU, change->mtu);
	if (change->mac)
		nl_put(out, IFLA_ADDRESS, change->mac, 6);
	if (change->master || change->set_master)
		nl_put_u32(out, IFLA_MASTER, (uint32_t)change->master);
	nl_end(out, start);
}

void rtnl_encode_bridge(const char *name, const uint8_t mac[6], struct buf *out)
{
	const struct ifinfomsg info = { 0 };
	size_t start, kind, data;

	start = nl_begin(out, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &info, sizeof(info));
	nl_put_text(out, IFLA_IFNAME, name);
	nl_put(out, IFLA_ADDRESS, mac, 6);
	kind = nl_nest(out, IFLA_LINKINFO);
	nl_put_text(out, IFLA_INFO_KIND, "bridge");
	data = nl_nest(out, IFLA_INFO_DATA);
	nl_put_u32(out, IFLA_BR_STP_STATE, 0);
	nl_put_u32(out, IFLA_BR_FORWARD_DELAY, 0);
	nl_put_u8(out, IFLA_BR_MCAST_SNOOPING, 0);
	nl_nest_end(out, data);
	nl_nest_end(out, kind);
	nl_end(out, start);
}

void rtnl_encode_veth(const struct rtnl_veth *veth, struct buf *out)
{
	const struct ifinfomsg info = { 0 };
	size_t start, kind, data, peer;

	start = nl_begin(out, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &info, sizeof(info));
	nl_put_text(out, IFLA_IFNAME, veth->name);
	if (veth->mtu)
		nl_put_u32(out, IFLA_MTU, veth->mtu);
	if (veth->master)
		nl_put_u32(out, IFLA_MASTER, (uint32_t)veth->master);
	kind = nl_nest(out, IFLA_LINKINFO);
	nl_put_text(out, IFLA_INFO_KIND, "veth");
	data = nl_nest(out, IFLA_INFO_DATA);
	peer = nl_nest(out, VETH_INFO_PEER);
	buf_add(out, &info, sizeof(info));
	nl_put_text(out, IFLA_IFNAME, veth->peer_name);
	nl_put(out, IFLA_ADDRESS, veth->peer_mac, 6);
	nl_put_u32(out, IFLA_NET_NS_FD, (uint32_t)veth->peer_netns_fd);
	if (veth->mtu)
		nl_put_u32(out, IFLA_MTU, veth->mtu);
	nl_nest_end(out, peer);
	nl_nest_end(out, data);
	nl_nest_end(out, kind);
	nl_end(out, start);
}

void rtnl_encode_link_del(int index, struct buf *out)
{
	const struct ifinfomsg info = { .ifi_index = index };

	nl_end(out, nl_begin(out, RTM_DELLINK, 0, &info, sizeof(info)));
}

static void put_addr6(const struct rtnl_addr *addr, bool add, struct buf *out)
{
	struct ifa_cacheinfo cache = { .ifa_prefered = UINT32_MAX, .ifa_valid = UINT32_MAX };
	uint32_t flags = (addr->nodad ? (uint32_t)IFA_F_NODAD : 0) |
			 (addr->noroute ? (uint32_t)IFA_F_NOPREFIXROUTE : 0);

	nl_put(out, IFA_LOCAL, addr->ip6.b, sizeof(addr->ip6.b));
	if (!add)
		return;
	if (addr->valid_s >= 0)
		cache.ifa_valid = (uint32_t)addr->valid_s;
	if (addr->preferred_s >= 0)
		cache.ifa_prefered = (uint32_t)addr->preferred_s;
	nl_put(out, IFA_CACHEINFO, &cache, sizeof(cache));
	nl_put_u32(out, IFA_FLAGS, flags);
	nl_put_u8(out, ADDR_ATTR_PROTO, addr->proto);
}

static void put_addr4(const struct rtnl_addr *addr, bool add, struct buf *out)
{
	struct ifa_cacheinfo cache = { .ifa_prefered = UINT32_MAX, .ifa_valid = UINT32_MAX };

	nl_put_be32(out, IFA_LOCAL, addr->ip4);
	nl_put_be32(out, IFA_ADDRESS, addr->ip4);
	if (!add)
		return;
	if (addr->prefix < 31)
		nl_put_be32(out, IFA_BROADCAST, addr->ip4 | ~ip4_mask(addr->prefix));
	if (addr->valid_s >= 0) {
		uint32_t valid = addr->valid_s < UINT32_MAX ? (uint32_t)addr->valid_s : UINT32_MAX;

		cache.ifa_valid = cache.ifa_prefered = valid;
	}
	if (addr->deprecated)
		cache.ifa_prefered = 0;
	nl_put(out, IFA_CACHEINFO, &cache, sizeof(cache));
	if (addr->label[0])
		nl_put_text(out, IFA_LABEL, addr->label);
	if (addr->noroute)
		nl_put_u32(out, IFA_FLAGS, IFA_F_NOPREFIXROUTE);
	nl_put_u8(out, ADDR_ATTR_PROTO, addr->proto);
}

void rtnl_encode_addr(const struct rtnl_addr *addr, bool add, struct buf *out)
{
	const struct ifaddrmsg info = { .ifa_family = addr->v6 ? AF_INET6 : AF_INET,
					.ifa_prefixlen = addr->prefix,
					.ifa_scope = addr->scope,
					.ifa_index = (uint32_t)addr->index };
	size_t start = nl_begin(out, add ? RTM_NEWADDR : RTM_DELADDR,
				add ? NLM_F_CREATE | NLM_F_REPLACE : 0, &info, sizeof(info));

	if (addr->v6)
		put_addr6(addr, add, out);
	else
		put_addr4(addr, add, out);
	nl_end(out, start);
}

static void put_ip6(struct buf *out, uint16_t type, const struct ip6 *ip6)
{
	if (!ip6_is_zero(ip6))
		nl_put(out, type, ip6->b, sizeof(ip6->b));
}

static void put_route_places(const struct rtnl_route *route, struct buf *out)
{
	if (route->v6) {
		if (route->prefix)
			nl_put(out, RTA_DST, route->dst6.b, sizeof(route->dst6.b));
		put_ip6(out, RTA_GATEWAY, &route->gateway6);
		put_ip6(out, RTA_PREFSRC, &route->prefsrc6);
		return;
	}
	if (route->prefix)
		nl_put_be32(out, RTA_DST, route->dst);
	if (route->gateway)
		nl_put_be32(out, RTA_GATEWAY, route->gateway);
	if (route->prefsrc)
		nl_put_be32(out, RTA_PREFSRC, route->prefsrc);
}

void rtnl_encode_route(const struct rtnl_route *route, bool add, struct buf *out)
{
	const struct rtmsg info = {
		.rtm_family = route->v6 ? AF_INET6 : AF_INET,
		.rtm_dst_len = route->prefix,
		.rtm_table = route->table && route->table < 256 ? (uint8_t)route->table
			     : route->table			? (uint8_t)RT_TABLE_UNSPEC
								: (uint8_t)RT_TABLE_MAIN,
		.rtm_protocol = route->proto,
		.rtm_scope = route->v6 ? (uint8_t)RT_SCOPE_UNIVERSE : route->scope,
		.rtm_type = route->type ? route->type : RTN_UNICAST,
		.rtm_flags = route->onlink ? RTNH_F_ONLINK : 0,
	};
	size_t start = nl_begin(out, add ? RTM_NEWROUTE : RTM_DELROUTE,
				add ? NLM_F_CREATE | NLM_F_REPLACE : 0, &info, sizeof(info));

	put_route_places(route, out);
	if (route->table)
		nl_put_u32(out, RTA_TABLE, route->table);
	if (route->out)
		nl_put_u32(out, RTA_OIF, (uint32_t)route->out);
	if (route->metric)
		nl_put_u32(out, RTA_PRIORITY, route->metric);
	if (route->mtu && add) {
		size_t metrics = nl_nest(out, RTA_METRICS);

		nl_put_u32(out, RTAX_MTU, route->mtu);
		nl_nest_end(out, metrics);
	}
	nl_end(out, start);
}

const char *rtnl_route_nowhere(uint8_t type)
{
	static const char *const names[] = { "blackhole", "unreachable", "prohibit", "throw" };

	return type >= RTNL_TYPE_BLACKHOLE && type <= RTNL_TYPE_THROW
		       ? names[type - RTNL_TYPE_BLACKHOLE]
		       : NULL;
}

void rtnl_encode_neigh(int index, uint32_t ip4, const uint8_t mac[6], struct buf *out)
{
	const struct ndmsg info = { .ndm_family = AF_INET,
				    .ndm_ifindex = index,
				    .ndm_state = NUD_PERMANENT };
	size_t start =
		nl_begin(out, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &info, sizeof(info));

	nl_put_be32(out, NDA_DST, ip4);
	nl_put(out, NDA_LLADDR, mac, 6);
	nl_end(out, start);
}

static bool read_isolated(struct str data)
{
	struct nl_attr attr;

	while (nl_attr_next(&data, &attr))
		if (attr.type == IFLA_BRPORT_ISOLATED)
			return nl_attr_u8(&attr) != 0;
	return false;
}

static void read_link_kind(const struct nl_attr *info, struct rtnl_link *link)
{
	char master[sizeof(link->kind)];
	bool port = false;
	struct str rest = info->data;
	struct nl_attr attr;

	while (nl_attr_next(&rest, &attr)) {
		if (attr.type == IFLA_INFO_KIND &&
		    !nl_attr_text(&attr, link->kind, sizeof(link->kind)))
			memcpy(link->kind, "?", 2); /* some kind: so not hardware */
		if (attr.type == IFLA_INFO_DATA)    /* it comes behind the kind */
			rtnl_read_dev(attr.data, link);
		if (attr.type == IFLA_INFO_SLAVE_KIND)
			port = nl_attr_text(&attr, master, sizeof(master)) &&
			       !strcmp(master, "bridge");
		if (attr.type == IFLA_INFO_SLAVE_DATA && port)
			link->isolated = read_isolated(attr.data);
	}
}

int rtnl_read_link(const struct nl_message *message, struct rtnl_link *ret_link)
{
	struct rtnl_link link = { 0 };
	struct ifinfomsg info;
	struct nl_attr attr;
	struct str rest;

	if (message->type != RTM_NEWLINK && message->type != RTM_DELLINK)
		return -ENOMSG;
	if (message->body.len < sizeof(info))
		return -EBADMSG;
	memcpy(&info, message->body.ptr, sizeof(info));
	link.index = info.ifi_index;
	link.flags = info.ifi_flags;
	link.arp_type = info.ifi_type;
	rest = str_skip(message->body, sizeof(info));
	while (nl_attr_next(&rest, &attr)) {
		if (attr.type == IFLA_IFNAME && !nl_attr_text(&attr, link.name, sizeof(link.name)))
			return -EBADMSG;
		if (attr.type == IFLA_MTU)
			link.mtu = nl_attr_u32(&attr);
		if (attr.type == IFLA_MASTER)
			link.master = (int)nl_attr_u32(&attr);
		if (attr.type == IFLA_GROUP)
			link.group = nl_attr_u32(&attr);
		if (attr.type == IFLA_LINK)
			link.parent = (int)nl_attr_u32(&attr);
		if (attr.type == IFLA_QDISC)
			(void)nl_attr_text(&attr, link.qdisc, sizeof(link.qdisc));
		if (attr.type == IFLA_CARRIER)
			link.carrier = nl_attr_u8(&attr) != 0;
		if (attr.type == IFLA_ADDRESS && attr.data.len == 6)
			memcpy(link.mac, attr.data.ptr, 6);
		if (attr.type == LINK_ATTR_PERM_MAC && attr.data.len == 6)
			memcpy(link.perm_mac, attr.data.ptr, 6);
		if (attr.type == IFLA_LINKINFO)
			read_link_kind(&attr, &link);
	}
	if (link.index <= 0 || !link.name[0])
		return -EBADMSG;
	*ret_link = link;
	return 0;
}

static void read_ip6(const struct nl_attr *attr, struct ip6 *ip6)
{
	if (attr->data.len == sizeof(ip6->b))
		memcpy(ip6->b, attr->data.ptr, sizeof(ip6->b));
}

static void read_addr_flags(uint32_t flags, struct rtnl_addr *addr)
{
	addr->nodad = (flags & IFA_F_NODAD) != 0;
	addr->noroute = (flags & IFA_F_NOPREFIXROUTE) != 0;
	addr->tentative = (flags & IFA_F_TENTATIVE) != 0;
	addr->dad_failed = (flags & IFA_F_DADFAILED) != 0;
}

static void read_addr_attr(const struct nl_attr *attr, bool local, struct rtnl_addr *addr)
{
	struct ifa_cacheinfo cache;

	if (attr->type == IFA_LOCAL || (attr->type == IFA_ADDRESS && !local)) {
		if (addr->v6)
			read_ip6(attr, &addr->ip6);
		else
			addr->ip4 = nl_attr_be32(attr);
	}
	if (attr->type == ADDR_ATTR_PROTO)
		addr->proto = nl_attr_u8(attr);
	if (attr->type == IFA_FLAGS)
		read_addr_flags(nl_attr_u32(attr), addr);
	if (attr->type == IFA_CACHEINFO && attr->data.len >= sizeof(cache)) {
		memcpy(&cache, attr->data.ptr, sizeof(cache));
		if (cache.ifa_valid != UINT32_MAX)
			addr->valid_s = cache.ifa_valid;
		if (cache.ifa_prefered != UINT32_MAX)
			addr->preferred_s = cache.ifa_prefered;
	}
}

int rtnl_read_addr(const struct nl_message *message, struct rtnl_addr *ret_addr)
{
	struct rtnl_addr addr = { .valid_s = RTNL_FOREVER, .preferred_s = RTNL_FOREVER };
	struct ifaddrmsg info;
	struct nl_attr attr;
	struct str rest;
	bool local = false;

	if (message->type != RTM_NEWADDR && message->type != RTM_DELADDR)
		return -ENOMSG;
	if (message->body.len < sizeof(info))
		return -EBADMSG;
	memcpy(&info, message->body.ptr, sizeof(info));
	if (info.ifa_family != AF_INET && info.ifa_family != AF_INET6)
		return -ENOMSG;
	addr.v6 = info.ifa_family == AF_INET6;
	if (info.ifa_prefixlen > (addr.v6 ? 128 : 32))
		return -EBADMSG;
	addr.index = (int)info.ifa_index;
	addr.prefix = info.ifa_prefixlen;
	rest = str_skip(message->body, sizeof(info));
	while (nl_attr_next(&rest, &attr)) {
		read_addr_attr(&attr, local, &addr);
		local |= attr.type == IFA_LOCAL;
	}
	*ret_addr = addr;
	return 0;
}

static uint32_t read_route_mtu(struct str metrics)
{
	struct nl_attr attr;

	while (nl_attr_next(&metrics, &attr))
		if (attr.type == RTAX_MTU)
			return nl_attr_u32(&attr);
	return 0;
}

static void read_route_attr(const struct nl_attr *attr, struct rtnl_route *route)
{
	if (attr->type == RTA_DST && route->v6)
		read_ip6(attr, &route->dst6);
	else if (attr->type == RTA_DST)
		route->dst = nl_attr_be32(attr);
	if (attr->type == RTA_GATEWAY && route->v6)
		read_ip6(attr, &route->gateway6);
	else if (attr->type == RTA_GATEWAY)
		route->gateway = nl_attr_be32(attr);
	if (attr->type == RTA_PREFSRC && route->v6)
		read_ip6(attr, &route->prefsrc6);
	else if (attr->type == RTA_PREFSRC)
		route->prefsrc = nl_attr_be32(attr);
	if (attr->type == RTA_OIF)
		route->out = (int)nl_attr_u32(attr);
	if (attr->type == RTA_PRIORITY)
		route->metric = nl_attr_u32(attr);
	if (attr->type == RTA_TABLE)
		route->table = nl_attr_u32(attr);
	if (attr->type == RTA_METRICS)
		route->mtu = read_route_mtu(attr->data);
}

int rtnl_read_route(const struct nl_message *message, struct rtnl_route *ret_route)
{
	struct rtnl_route route = { 0 };
	struct nl_attr attr;
	struct rtmsg info;
	struct str rest;

	if (message->type != RTM_NEWROUTE && message->type != RTM_DELROUTE)
		return -ENOMSG;
	if (message->body.len < sizeof(info))
		return -EBADMSG;
	memcpy(&info, message->body.ptr, sizeof(info));
	if ((info.rtm_family != AF_INET && info.rtm_family != AF_INET6) ||
	    (info.rtm_flags & RTM_F_CLONED))
		return -ENOMSG;
	route.v6 = info.rtm_family == AF_INET6;
	if (info.rtm_dst_len > (route.v6 ? 128 : 32))
		return -EBADMSG;
	route.prefix = info.rtm_dst_len;
	route.proto = info.rtm_protocol;
	route.scope = info.rtm_scope;
	route.type = info.rtm_type;
	route.table = info.rtm_table;
	route.onlink = (info.rtm_flags & RTNH_F_ONLINK) != 0;
	rest = str_skip(message->body, sizeof(info));
	while (nl_attr_next(&rest, &attr))
		read_route_attr(&attr, &route);
	if (rtnl_route_nowhere(route.type))
		route.out = 0; /* the kernel says lo for IPv6 */
	*ret_route = route;
	return 0;
}

int rtnl_watch(struct nl *nl, struct err *err)
{
	static const int groups[] = { RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV4_ROUTE,
				      RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV6_ROUTE };
	int r = nl_open(nl, NETLINK_ROUTE, err);

	for (size_t i = 0; i < ARRAY_LEN(groups) && r == 0; i++)
		r = nl_join(nl, groups[i], err);
	return r;
}

int rtnl_link_up(struct nl *nl, int index, struct err *err)
{
	const struct rtnl_link_change change = { .index = index, .set_up = true, .up = true };
	OWN(buf_done) struct buf request = { 0 };

	buf_init(&request, 256);
	rtnl_encode_link_change(&change, &request);
	return nl_call(nl, &request, "bring a link up", err);
}

int rtnl_port_isolate(struct nl *nl, int index, bool isolated, struct err *err)
{
	const struct ifinfomsg info = { .ifi_family = AF_BRIDGE, .ifi_index = index };
	OWN(buf_done) struct buf request = { 0 };
	size_t start, port;

	buf_init(&request, 256);
	start = nl_begin(&request, RTM_SETLINK, 0, &info, sizeof(info));
	port = nl_nest(&request, IFLA_PROTINFO);
	nl_put_u8(&request, IFLA_BRPORT_ISOLATED, isolated);
	nl_nest_end(&request, port);
	nl_end(&request, start);
	return nl_call(nl, &request, "keep a network's containers from each other", err);
}

int rtnl_link_join(struct nl *nl, int index, int master, struct err *err)
{
	const struct rtnl_link_change change = {
		.index = index, .set_up = true, .up = true, .master = master
	};
	OWN(buf_done) struct buf request = { 0 };

	buf_init(&request, 256);
	rtnl_encode_link_change(&change, &request);
	return nl_call(nl, &request, "put a link on its bridge", err);
}

struct wanted_link {
	const char *name;
	struct rtnl_link link;
	bool found;
};

static int match_link(const struct nl_message *message, void *owner, struct err *err)
{
	struct wanted_link *wanted = owner;
	struct rtnl_link link;

	(void)err;
	if (rtnl_read_link(message, &link) == 0 && !strcmp(link.name, wanted->name)) {
		wanted->link = link;
		wanted->found = true;
	}
	return 0;
}

int rtnl_find_link(struct nl *nl, const char *name, struct rtnl_link *ret_link, struct err *err)
{
	const struct ifinfomsg info = { .ifi_family = AF_UNSPEC };
	struct wanted_link wanted = { .name = name };
	OWN(buf_done) struct buf request = { 0 };
	size_t start;
	int r;

	if (strlen(name) >= IFNAMSIZ) /* the kernel has none of such a name */
		return err_set(err, -ENODEV, "no network interface %s", name);
	buf_init(&request, 256);
	start = nl_begin(&request, RTM_GETLINK, 0, &info, sizeof(info));
	nl_put_u32(&request, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	nl_put_text(&request, IFLA_IFNAME, name);
	nl_end(&request, start);
	/* By its name: with a thousand containers each list of all links is a megabyte. */
	r = nl_get(nl, &request, match_link, &wanted, "find a link", err);
	if (r < 0 && r != -ENODEV)
		return r;
	if (!wanted.found)
		return err_set(err, -ENODEV, "no network interface %s", name);
	*ret_link = wanted.link;
	return 0;
}
