/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns macvlan and ipvlan interfaces of containers. Run by netd main with sockets that the engine
 * opened inside the namespaces. It must never change the interface of the host that they share.
 */
#include <errno.h>
#include <string.h>
#include "lib/own.h"
#include "netd/container/direct.h"
#include "netd/nl/rtnl_dev.h"

static bool is_direct(const struct rtnl_link *link)
{
	return !strcmp(link->kind, "macvlan") || !strcmp(link->kind, "ipvlan");
}

static int delete (int index, struct nl *nl, struct err *err)
{
	OWN(buf_done) struct buf request = { 0 };

	buf_init(&request, 256);
	rtnl_encode_link_del(index, &request);
	return nl_call(nl, &request, "remove a container's interface", err);
}

void direct_remove(const char *ifname, struct nl *inside)
{
	struct rtnl_link link;

	if (rtnl_find_link(inside, ifname, &link, NULL) == 0 && is_direct(&link))
		(void)delete (link.index, inside, NULL);
}

static bool is_ours(const struct veth *veth, const struct network *network, struct nl *inside)
{
	struct rtnl_link link;

	return rtnl_find_link(inside, veth->ifname, &link, NULL) == 0 &&
	       !strcmp(link.kind, network_driver_text(network->driver)) &&
	       link.parent == network->index &&
	       (network->driver == NETWORK_IPVLAN || !memcmp(link.mac, veth->mac, 6));
}

/* Born under a name that no interface of the host has: the kernel looks for it there first. */
static int make(const struct veth *veth, const struct network *network, struct nl *host,
		struct nl *inside, int netns_fd, struct err *err)
{
	const struct rtnl_dev dev = {
		.name = veth->host_name,
		.kind = network->driver == NETWORK_IPVLAN ? RTNL_DEV_IPVLAN : RTNL_DEV_MACVLAN,
		.parent = network->index,
		.netns_fd = netns_fd,
		.mac = network->driver == NETWORK_IPVLAN ? NULL : veth->mac,
		.mtu = network->mtu,
		.mode = network->mode,
	};
	struct rtnl_link_change change = { .name = veth->ifname };
	OWN(buf_done) struct buf request = { 0 };
	OWN(buf_done) struct buf rename = { 0 };
	struct rtnl_link link;
	int r;

	direct_remove(veth->ifname, inside);
	direct_remove(veth->host_name, inside); /* half of an attempt that somebody killed */
	buf_init(&request, 512);
	rtnl_encode_dev(&dev, &request);
	r = nl_call(host, &request, "make a container's interface", err);
	if (r == 0)
		r = rtnl_find_link(inside, veth->host_name, &link, err);
	if (r < 0)
		return r;
	change.index = link.index;
	buf_init(&rename, 256);
	rtnl_encode_link_change(&change, &rename);
	r = nl_call(inside, &rename, "name a container's interface", err);
	if (r < 0)
		(void)delete (link.index, inside, NULL);
	return r;
}

int direct_ensure(const struct veth *veth, const struct network *network, struct nl *host,
		  struct nl *inside, int netns_fd, struct err *err)
{
	int r = 0;

	if (!network->index)
		return err_set(err, -ENODEV,
			       "network %s: interface %s, which it shares, is not there",
			       network->name, network->bridge);
	if (!is_ours(veth, network, inside)) {
		/* A pair of a network that had this place before. */
		r = veth_remove(veth->host_name, host, err);
		if (r == 0)
			r = make(veth, network, host, inside, netns_fd, err);
	}
	return r < 0 ? err_prefix(err, "network %s on %s", network->name, network->bridge)
		     : veth_set_up(veth, inside, err);
}
