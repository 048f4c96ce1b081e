/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_CONTAINER_VETH_H
#define HOY_NETD_CONTAINER_VETH_H

#include "lib/err.h"
#include "netd/api/netd_msg.h"
#include "netd/nl/rtnl.h"

/* One interface of a container: a veth pair between a bridge and the container's namespace. */
struct veth {
	char host_name[IFNAMSIZ];
	char ifname[IFNAMSIZ]; /* inside: eth0, eth1 ... */
	uint8_t mac[6];
	int bridge_index;
	uint32_t ip4;
	uint8_t prefix;		  /* 0 = no IPv4 */
	uint32_t gateway;	  /* 0 = no default route over this one */
	struct ip6 ip6, gateway6; /* zero = none */
	uint8_t prefix6;
	uint32_t mtu;  /* 0 = the kernel's default */
	uint64_t rate; /* bits per second, each way; 0 = no limit */
	bool isolated; /* from the network's other containers */
	/* Without a gateway: the default route is the interface itself; of IPv4, of IPv6. */
	bool way_out, way_out6;
};

/* Names and MAC follow from id, position and address, so that they are the same after a restart.
 * tag: an attachment's. */
void veth_name(struct veth *veth, const char *tag, unsigned position);

/*
 * Makes the pair and sets up the inner end over `inside`, a netlink socket in that namespace; what
 * is there and right is kept as it is (adoption).
 */
int veth_ensure(const struct veth *veth, struct nl *host, struct nl *inside, int netns_fd,
		struct err *err);
/* Removes the pair by its host end; a missing one is success. */
int veth_remove(const char *host_name, struct nl *host, struct err *err);

/* What veth_ensure() does to the inner end, for an interface that is there: addresses, routes, how
 * fast it may send. */
int veth_set_up(const struct veth *veth, struct nl *inside, struct err *err);
/* How fast the interface may send; what is there and right is kept. */
int veth_set_rate(const struct rtnl_link *link, uint64_t rate, struct nl *nl, struct err *err);

/* The largest packet of both ends, the inner one first; 0 = the kernel's default. The host end has
 * it also when the inner one cannot be set, which is an error. */
int veth_set_mtu(const struct veth *veth, const struct rtnl_link *outer, struct nl *host,
		 struct nl *inside, struct err *err);

/* Brings lo up inside. */
int veth_loopback(struct nl *inside, struct err *err);

#endif
