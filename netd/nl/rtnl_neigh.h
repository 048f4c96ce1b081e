/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_NL_RTNL_NEIGH_H
#define HOY_NETD_NL_RTNL_NEIGH_H

#include "netd/nl/rtnl.h"

/* Who is known at which link-layer address, as the kernel has it (rtnetlink(7), RTM_GETNEIGH). */
enum { RTNL_NEIGHS_MAX = 1024 };

struct rtnl_neigh {
	int index;
	bool v6, has_mac;
	uint32_t ip4;
	struct ip6 ip6;
	uint8_t mac[6];
	uint16_t state; /* NUD_* */
	bool router;
};

struct rtnl_neighs {
	struct rtnl_neigh *list;
	size_t count;
	bool more; /* there was more than fits */
};

/* 0, -ENOMSG when it is a message of another kind, -EBADMSG. */
int rtnl_read_neigh(const struct nl_message *message, struct rtnl_neigh *ret_neigh);
int rtnl_neighs_load(struct nl *nl, struct rtnl_neighs *ret_neighs, struct err *err);
void rtnl_neighs_done(struct rtnl_neighs *neighs); /* accepts NULL and zeroed */
/* Has the kernel look whether it answers, at once; its state tells later. An address alone will do.
 */
int rtnl_neigh_ask(struct nl *nl, const struct rtnl_neigh *neigh, struct err *err);
/* "reachable", "stale" ... */
const char *rtnl_neigh_state(uint16_t state);

#endif
