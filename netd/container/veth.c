/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the interfaces of containers. Run by netd main with sockets that the engine opened inside
 * the namespaces. It must never touch an interface of a container that it did not make: ours are
 * found by name and MAC.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "lib/own.h"
#include "netd/container/network.h"
#include "netd/container/veth.h"
#include "netd/link/link_plan.h"
#include "netd/nl/nft.h"
#include "netd/nl/rtnl_tc.h"

enum {
	MTU_DEFAULT = 1500,
	METRIC6 = 1024 /* the kernel's own, which it shows */
};

void veth_name(struct veth *veth, const char *tag, unsigned position)
{
	struct ip6 from = veth->ip6;

	snprintf(veth->host_name, sizeof(veth->host_name), "v%.*s.%u", NFT_PORT_HASH_DIGITS, tag,
		 position % 100);
	snprintf(veth->ifname, sizeof(veth->ifname), "eth%u", position % 100);
	/* Without any address (yet) it is still another one than its neighbours'. */
	if (!veth->ip4 && ip6_is_zero(&from))
		memcpy(from.b, tag, strnlen(tag, sizeof(from.b)));
	network_mac_of(veth->ip4, &from, veth->mac);
}

int veth_remove(const char *host_name, struct nl *host, struct err *err)
{
	OWN(buf_done) struct buf request = { 0 };
	struct rtnl_link link;
	int r;

	if (rtnl_find_link(host, host_name, &link, NULL) < 0)
		return 0;
	buf_init(&request, 256);
	rtnl_encode_link_del(link.index, &request);
	r = nl_call(host, &request, "remove a container's interface", err);
	return r == -ENODEV ? 0 : r;
}

int veth_loopback(struct nl *inside, struct err *err)
{
	struct rtnl_link lo;
	int r = rtnl_find_link(inside, "lo", &lo, err);

	if (r == 0 && !(lo.flags & IFF_UP))
		r = rtnl_link_up(inside, lo.index, err);
	return r < 0 ? err_prefix(err, "inside the container") : 0;
}

static bool is_ours(const struct veth *veth, struct nl *host, struct nl *inside,
		    struct rtnl_link *ret_outer)
{
	struct rtnl_link inner;

	return rtnl_find_link(host, veth->host_name, ret_outer, NULL) == 0 &&
	       ret_outer->master == veth->bridge_index &&
	       rtnl_find_link(inside, veth->ifname, &inner, NULL) == 0 &&
	       memcmp(inner.mac, veth->mac, 6) == 0;
}

static int make(const struct veth *veth, struct nl *host, int netns_fd, struct err *err)
{
	const struct rtnl_veth pair = {
		.name = veth->host_name,
		.peer_name = veth->ifname,
		.peer_mac = veth->mac,
		.peer_netns_fd = netns_fd,
		.master = veth->bridge_index,
		.mtu = veth->mtu,
	};
	OWN(buf_done) struct buf request = { 0 };
	int r = veth_remove(veth->host_name, host, err);

	if (r < 0)
		return r;
	buf_init(&request, 1024);
	rtnl_encode_veth(&pair, &request);
	return nl_call(host, &request, "make a container's interface", err);
}

static void want_ip6(const struct veth *veth, struct link_wanted *wanted)
{
	if (ip6_is_zero(&veth->ip6))
		return;
	/* netd gave it away: nobody else has it, so it is used at once. */
	wanted->addrs[wanted->addr_count++] = (struct rtnl_addr){ .v6 = true,
								  .ip6 = veth->ip6,
								  .prefix = veth->prefix6,
								  .valid_s = RTNL_FOREVER,
								  .preferred_s = RTNL_FOREVER,
								  .nodad = true };
	if (!ip6_is_zero(&veth->gateway6) || veth->way_out6)
		wanted->routes[wanted->route_count++] = (struct rtnl_route){
			.v6 = true, .gateway6 = veth->gateway6, .metric = METRIC6
		};
}

int veth_set_rate(const struct rtnl_link *link, uint64_t rate, struct nl *nl, struct err *err)
{
	bool limited = !strcmp(link->qdisc, "tbf");
	OWN(buf_done) struct buf request = { 0 };

	if (!rate && !limited)
		return 0;
	buf_init(&request, 512);
	if (rate)
		rtnl_encode_rate(link->index, rate, link->mtu, &request);
	else
		rtnl_encode_no_rate(link->index, &request);
	return nl_call(nl, &request, "limit how fast a container's interface may send", err);
}

int veth_set_up(const struct veth *veth, struct nl *inside, struct err *err)
{
	OWN(rtnl_state_done) struct rtnl_state state = { 0 };
	struct link_wanted wanted = { .up = true };
	const struct rtnl_link *link;
	struct link_plan plan;
	int r = rtnl_state_load(inside, &state, err);

	if (r < 0)
		return r;
	link = rtnl_state_named(&state, veth->ifname);
	if (!link)
		return err_set(err, -ENODEV, "interface %s is not in the container", veth->ifname);
	wanted.index = link->index;
	if (veth->prefix)
		wanted.addrs[wanted.addr_count++] = (struct rtnl_addr){ .ip4 = veth->ip4,
									.prefix = veth->prefix,
									.valid_s = RTNL_FOREVER };
	/* Without a gateway the route is on the link. */
	if (veth->gateway || veth->way_out) {
		wanted.routes[0] = (struct rtnl_route){ .gateway = veth->gateway };
		wanted.route_count = 1;
	}
	want_ip6(veth, &wanted);
	link_plan_make(&wanted, &state, &plan);
	r = link_plan_apply(&plan, inside, err);
	return r < 0 ? r : veth_set_rate(link, veth->rate, inside, err);
}

static int change_mtu(const struct rtnl_link *link, uint32_t mtu, uint64_t rate, struct nl *nl,
		      struct err *err)
{
	const struct rtnl_link_change change = { .index = link->index, .mtu = mtu };
	OWN(buf_done) struct buf request = { 0 };
	struct rtnl_link changed = *link;
	int r;

	if (link->mtu == mtu)
		return 0;
	buf_init(&request, 256);
	rtnl_encode_link_change(&change, &request);
	r = nl_call(nl, &request, "set the MTU of a container's interface", err);
	changed.mtu = mtu; /* the limit's bucket holds the largest packet */
	return r < 0 || !rate ? r : veth_set_rate(&changed, rate, nl, err);
}

/* The other end of the pair, under whatever name the container has given it. */
static const struct rtnl_link *other_end(const struct rtnl_link *outer,
					 const struct rtnl_state *inside)
{
	const struct rtnl_link *inner = rtnl_state_link(inside, outer->parent);

	return inner && !strcmp(inner->kind, "veth") && inner->parent == outer->index ? inner
										      : NULL;
}

int veth_set_mtu(const struct veth *veth, const struct rtnl_link *outer, struct nl *host,
		 struct nl *inside, struct err *err)
{
	uint32_t mtu = veth->mtu ? veth->mtu : MTU_DEFAULT;
	OWN(rtnl_state_done) struct rtnl_state state = { 0 };
	const struct rtnl_link *inner = NULL;
	int r, outer_r;

	if (outer->mtu == mtu)
		return 0;
	r = rtnl_state_load(inside, &state, err);
	if (r == 0) {
		inner = other_end(outer, &state);
		r = inner ? change_mtu(inner, mtu, veth->rate, inside, err)
			  : err_set(err, -ENODEV,
				    "interface %s is not in it any more: its MTU stays",
				    veth->ifname);
	}
	/*
	 * The host end last, which tells the next look that this is done, and in any case: what a
	 * container did to its own end is said once and not tried at each look.
	 */
	outer_r = change_mtu(outer, mtu, veth->rate, host, r < 0 ? NULL : err);
	return r < 0 ? r : outer_r;
}

int veth_ensure(const struct veth *veth, struct nl *host, struct nl *inside, int netns_fd,
		struct err *err)
{
	struct rtnl_link outer;
	int r = 0;

	if (!is_ours(veth, host, inside, &outer)) {
		r = make(veth, host, netns_fd, err);
		if (r == 0)
			r = rtnl_find_link(host, veth->host_name, &outer, err);
	}
	if (r == 0 && outer.isolated != veth->isolated)
		r = rtnl_port_isolate(host, outer.index, veth->isolated, err);
	if (r == 0 && !(outer.flags & IFF_UP))
		r = rtnl_link_up(host, outer.index, err);
	if (r == 0)
		r = veth_set_rate(&outer, veth->rate, host, err);
	if (r == 0)
		r = veth_set_up(veth, inside, err);
	return r < 0 ? r : veth_set_mtu(veth, &outer, host, inside, err);
}
