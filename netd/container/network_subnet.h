/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_CONTAINER_NETWORK_SUBNET_H
#define HOY_NETD_CONTAINER_NETWORK_SUBNET_H

#include "netd/container/network.h"

/*
 * Pure. The subnets of a network that is to be added: those it asks for, else free ones that
 * overlap nothing in `networks` or `state`. -EADDRINUSE: what it asks for is used, the text says by
 * whom; -ENOSPC: nothing is free; -EAFNOSUPPORT: IPv6 alone, and the kernel has none.
 */
int network_take_subnets(const struct networks *networks, const struct rtnl_state *state,
			 struct network *fresh, struct err *err);
/*
 * Pure. Notes whether an address that netd gave one of the machine's links lies in the network's
 * subnet: that one is what the machine is reached by, and the network gives way. true: it changed.
 */
bool network_note_clash(struct network *network, const struct networks *networks,
			const struct rtnl_state *state);
/* Pure. Gives each network whose IPv6 prefix nobody asked for one below another machine prefix. */
void networks_set_ula(struct networks *networks, const struct ip6 *ula);
/* Pure. Gives each network below a delegated prefix its subnet of another one. */
void networks_set_delegated(struct networks *networks, const struct ip6 *prefix, uint8_t len);

#endif
