/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_LINK_NOWHERE_H
#define HOY_NETD_LINK_NOWHERE_H

#include "netd/conf.h"
#include "netd/link/link_plan.h"

/*
 * Routes of network.ini that lead nowhere ([route NAME] Type = blackhole ...): they are on no link,
 * so they hold whatever becomes of the links of their section. Pure; link_plan_apply() runs it.
 */
void nowhere_plan_make(const struct conf *conf, const struct rtnl_state *state,
		       struct link_plan *ret_plan);

#endif
