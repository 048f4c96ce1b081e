/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_LINK_LINK_PLAN_H
#define HOY_NETD_LINK_LINK_PLAN_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/buf.h"
#include "netd/nl/rtnl.h"

/*
 * What a link shall look like, against what the kernel says: the difference as a list of steps.
 * Only addresses and routes marked RTNL_OURS are ever removed; what others set stays.
 */
enum { LINK_ADDRS_MAX = 32, LINK_ROUTES_MAX = 48, LINK_STEPS_MAX = 128 };

struct link_wanted {
	int index;
	bool up;
	bool down;	    /* taken down; up has no meaning then */
	const uint8_t *mac; /* NULL = as it is */
	bool set_master;    /* also to none */
	int master;
	bool bonded;  /* that is a bond: it takes parts only while they are down */
	uint32_t mtu; /* 0 = as it is */
	struct rtnl_addr addrs[LINK_ADDRS_MAX];
	size_t addr_count;
	struct rtnl_route routes[LINK_ROUTES_MAX]; /* out is filled in by the plan */
	size_t route_count;
};

enum link_step_kind {
	LINK_STEP_DOWN,
	LINK_STEP_MAC,
	LINK_STEP_MTU,
	LINK_STEP_MASTER,
	LINK_STEP_UP,
	LINK_STEP_ROUTE_DEL,
	LINK_STEP_ADDR_DEL,
	LINK_STEP_ADDR_ADD, /* also: new lifetime for an address that is there */
	LINK_STEP_ROUTE_ADD,
};

struct link_step {
	enum link_step_kind kind;
	struct rtnl_addr addr;
	struct rtnl_route route;
	uint32_t mtu;
	uint8_t mac[6];
	int master;
};

struct link_plan {
	int index;
	struct link_step steps[LINK_STEPS_MAX];
	size_t count;
};

/* Pure. A link that is not in the state gives an empty plan. */
void link_plan_make(const struct link_wanted *wanted, const struct rtnl_state *state,
		    struct link_plan *ret_plan);

/* One line per step, for logs and golden tests. */
void link_plan_print(const struct link_plan *plan, struct buf *out);

/* Runs the steps in order; goes on after a failed one and returns the first error. */
int link_plan_apply(const struct link_plan *plan, struct nl *nl, struct err *err);

#endif
