/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_CONTAINER_DIRECT_H
#define HOY_NETD_CONTAINER_DIRECT_H

#include "netd/container/network.h"
#include "netd/container/veth.h"

/*
 * Interfaces of containers on a network that shares an interface of the host: macvlan and ipvlan.
 * They have no end on the host.
 */

/*
 * Makes the interface inside and sets it up, or keeps what is there and right. -ENODEV: the
 * network's interface of the host is not there.
 */
int direct_ensure(const struct veth *veth, const struct network *network, struct nl *host,
		  struct nl *inside, int netns_fd, struct err *err);
/* Removes it where `ifname` inside is such an interface; another one is left alone. */
void direct_remove(const char *ifname, struct nl *inside);

#endif
