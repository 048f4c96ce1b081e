/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_LINK_NETDEV_H
#define HOY_NETD_LINK_NETDEV_H

#include "netd/conf.h"
#include "netd/nl/rtnl_dev.h"

/*
 * The virtual links that network.ini declares ([netdev NAME]) against those that are there. Pure
 * but for netdev_plan_apply(). Only links of the group RTNL_OURS are removed.
 */
enum { NETDEV_STEPS_MAX = 2 * CONF_NETDEVS_MAX };

enum netdev_step_kind { NETDEV_STEP_DEL, NETDEV_STEP_ADD, NETDEV_STEP_BRIDGE };

struct netdev_step {
	enum netdev_step_kind kind;
	int index;	     /* DEL, BRIDGE */
	char name[IFNAMSIZ]; /* of the link, also where `dev` is not used */
	struct rtnl_dev dev; /* ADD, BRIDGE; points into conf */
};

struct netdev_plan {
	struct netdev_step steps[NETDEV_STEPS_MAX];
	size_t count;
	/* What a declared link waits for, or who has its name; "" = nothing. By its place in conf.
	 */
	char waits[CONF_NETDEVS_MAX][96];
};

void netdev_plan_make(const struct conf *conf, const struct rtnl_state *state,
		      struct netdev_plan *ret_plan);
void netdev_plan_print(const struct netdev_plan *plan, struct buf *out);
/* Runs the steps in order; goes on after a failed one and returns the first error. */
int netdev_plan_apply(const struct netdev_plan *plan, struct nl *nl, struct err *err);

/* The link a section of network.ini puts its VLANs on: the first that it matches; NULL = none yet.
 */
const struct rtnl_link *netdev_parent(const struct conf *conf, const struct rtnl_state *state,
				      const char *vlan);

#endif
