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
	uint8_t prefix;
	uint32_t gateway;	  /* 0 = no default route over this one */
	struct ip6 ip6, gateway6; /* zero = none */
	uint8_t prefix6;
	uint32_t mtu; /* 0 = the kernel's default */
};

/* Names and MAC follow from id, position and address, so that they are the same after a restart. */
void veth_name(struct veth *veth, struct str container_id, unsigned position);

/*
 * Makes the pair and sets up the inner end over `inside`, a netlink socket in that namespace; what
 * is there and right is kept as it is (adoption).
 */
int veth_ensure(const struct veth *veth, struct nl *host, struct nl *inside, int netns_fd,
		struct err *err);
/* Removes the pair by its host end; a missing one is success. */
int veth_remove(const char *host_name, struct nl *host, struct err *err);

/* Brings lo up inside. */
int veth_loopback(struct nl *inside, struct err *err);

#endif
