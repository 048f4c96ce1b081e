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
#include "lib/sha256.h"
#include "netd/container/veth.h"
#include "netd/link/link_plan.h"

enum { HASH_DIGITS = 10, METRIC6 = 1024 /* the kernel's own, which it shows */ };

void veth_name(struct veth *veth, struct str container_id, unsigned position)
{
	char hex[2 * SHA256_SIZE + 1];
	struct digest digest;
	struct sha256 sha;

	sha256_init(&sha);
	sha256_add(&sha, container_id.ptr, container_id.len);
	sha256_end(&sha, &digest);
	str_hex(digest.bytes, sizeof(digest.bytes), hex);
	snprintf(veth->host_name, sizeof(veth->host_name), "v%.*s.%u", HASH_DIGITS, hex,
		 position % 100);
	snprintf(veth->ifname, sizeof(veth->ifname), "eth%u", position % 100);
	veth->mac[0] = 2; /* locally administered */
	veth->mac[1] = 0x42;
	for (int i = 0; i < 4; i++)
		veth->mac[2 + i] = (uint8_t)(veth->ip4 >> (24 - 8 * i));
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

static bool is_ours(const struct veth *veth, struct nl *host, struct nl *inside)
{
	struct rtnl_link outer, inner;

	return rtnl_find_link(host, veth->host_name, &outer, NULL) == 0 &&
	       outer.master == veth->bridge_index &&
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
	if (!ip6_is_zero(&veth->gateway6))
		wanted->routes[wanted->route_count++] = (struct rtnl_route){
			.v6 = true, .gateway6 = veth->gateway6, .metric = METRIC6
		};
}

static int set_up_inside(const struct veth *veth, struct nl *inside, struct err *err)
{
	OWN(rtnl_state_done) struct rtnl_state state = { 0 };
	struct link_wanted wanted = { .up = true, .addr_count = 1 };
	const struct rtnl_link *link;
	struct link_plan plan;
	int r = rtnl_state_load(inside, &state, err);

	if (r < 0)
		return r;
	link = rtnl_state_named(&state, veth->ifname);
	if (!link)
		return err_set(err, -ENODEV, "interface %s is not in the container", veth->ifname);
	wanted.index = link->index;
	wanted.addrs[0] = (struct rtnl_addr){ .ip4 = veth->ip4,
					      .prefix = veth->prefix,
					      .valid_s = RTNL_FOREVER };
	if (veth->gateway) {
		wanted.routes[0] = (struct rtnl_route){ .gateway = veth->gateway };
		wanted.route_count = 1;
	}
	want_ip6(veth, &wanted);
	link_plan_make(&wanted, &state, &plan);
	return link_plan_apply(&plan, inside, err);
}

int veth_ensure(const struct veth *veth, struct nl *host, struct nl *inside, int netns_fd,
		struct err *err)
{
	struct rtnl_link outer;
	int r = 0;

	if (!is_ours(veth, host, inside))
		r = make(veth, host, netns_fd, err);
	if (r == 0)
		r = rtnl_find_link(host, veth->host_name, &outer, err);
	if (r == 0 && !(outer.flags & IFF_UP))
		r = rtnl_link_up(host, outer.index, err);
	if (r == 0)
		r = set_up_inside(veth, inside, err);
	return r;
}
