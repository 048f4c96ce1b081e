/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the routes of network.ini that are on no link, against those that the kernel has. Pure, used
 * by netd main. It must never touch the guards of container networks, which are such routes, too.
 */
#include "netd/container/network.h"
#include "netd/link/nowhere.h"

static struct rtnl_route wanted_route(const struct conf_uplink *uplink,
				      const struct conf_route *route)
{
	return (struct rtnl_route){ .v6 = route->v6,
				    .dst = route->dst.ip4,
				    .dst6 = route->dst6.ip6,
				    .prefix = route->v6 ? route->dst6.prefix : route->dst.prefix,
				    .metric = route->metric ? route->metric : uplink->metric,
				    .table = route->table ? route->table : RTNL_TABLE_MAIN,
				    .type = route->type,
				    .proto = RTNL_OURS };
}

static bool same(const struct rtnl_route *a, const struct rtnl_route *b)
{
	return a->v6 == b->v6 && a->type == b->type && a->prefix == b->prefix &&
	       a->metric == b->metric && a->table == b->table && a->proto == b->proto &&
	       (a->v6 ? ip6_equal(&a->dst6, &b->dst6) : a->dst == b->dst);
}

/* Is it one of network.ini's? */
static bool find(const struct conf *conf, const struct rtnl_route *found)
{
	for (size_t i = 0; i < conf->uplink_count; i++)
		for (size_t k = 0; k < conf->uplinks[i].route_count; k++) {
			const struct conf_route *route = &conf->uplinks[i].routes[k];
			struct rtnl_route wanted = wanted_route(&conf->uplinks[i], route);

			if (route->type && !conf->uplinks[i].refused && same(&wanted, found))
				return true;
		}
	return false;
}

static void add(struct link_plan *plan, enum link_step_kind kind, const struct rtnl_route *route)
{
	if (plan->count < LINK_STEPS_MAX)
		plan->steps[plan->count++] = (struct link_step){ .kind = kind, .route = *route };
}

static void add_missing(const struct conf_uplink *uplink, const struct rtnl_state *state,
			struct link_plan *plan)
{
	for (size_t k = 0; k < uplink->route_count; k++) {
		struct rtnl_route wanted = wanted_route(uplink, &uplink->routes[k]);
		bool there = !uplink->routes[k].type;

		for (size_t i = 0; i < state->route_count && !there; i++)
			there = same(&state->routes[i], &wanted);
		if (!there)
			add(plan, LINK_STEP_ROUTE_ADD, &wanted);
	}
}

void nowhere_plan_make(const struct conf *conf, const struct rtnl_state *state,
		       struct link_plan *ret_plan)
{
	ret_plan->index = 0;
	ret_plan->count = 0;
	for (size_t i = 0; i < state->route_count; i++) {
		const struct rtnl_route *route = &state->routes[i];

		if (route->proto == RTNL_OURS && rtnl_route_nowhere(route->type) &&
		    !network_is_guard(route) && !find(conf, route))
			add(ret_plan, LINK_STEP_ROUTE_DEL, route);
	}
	for (size_t i = 0; i < conf->uplink_count; i++)
		if (!conf->uplinks[i].refused)
			add_missing(&conf->uplinks[i], state, ret_plan);
}
