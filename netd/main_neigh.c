/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns what is told of the kernel's neighbours: a table, and rows for programs; whether gateways
 * answer. Run by netd main.
 */
#include <linux/neighbour.h>
#include <string.h>
#include "lib/log.h"
#include "lib/own.h"
#include "netd/api/netd_rows_msg.h"
#include "netd/main_tell.h"
#include "netd/nl/rtnl_neigh.h"

/* One neighbour as text. */
struct shown {
	char address[IP6_TEXT_MAX], mac[MAC_TEXT_MAX];
	const char *link;
};

static void make(const struct rtnl_state *state, const struct rtnl_neigh *neigh,
		 struct shown *ret_shown)
{
	const struct rtnl_link *link = rtnl_state_link(state, neigh->index);

	*ret_shown = (struct shown){ .link = link ? link->name : "?" };
	if (neigh->v6)
		(void)ip6_text(&neigh->ip6, ret_shown->address);
	else
		(void)ip4_text(neigh->ip4, ret_shown->address);
	if (neigh->has_mac)
		(void)mac_text(neigh->mac, ret_shown->mac);
}

int main_neigh_show(struct netd *netd, const struct rtnl_state *state, struct buf *out,
		    struct err *err)
{
	OWN(rtnl_neighs_done) struct rtnl_neighs neighs = { 0 };
	struct shown shown;
	int r = rtnl_neighs_load(&netd->route, &neighs, err);

	if (r < 0)
		return r;
	buf_printf(out, "%-12s %-25s %-18s %s\n", "LINK", "ADDRESS", "MAC", "STATE");
	for (size_t i = 0; i < neighs.count; i++) {
		make(state, &neighs.list[i], &shown);
		buf_printf(out, "%-12s %-25s %-18s %s%s\n", shown.link, shown.address,
			   shown.mac[0] ? shown.mac : "-", rtnl_neigh_state(neighs.list[i].state),
			   neighs.list[i].router ? ", router" : "");
	}
	if (neighs.more)
		buf_printf(out, "... and more than %d\n", RTNL_NEIGHS_MAX);
	return 0;
}

/* What is known of the gateway of a default route; an unknown one has its address alone. */
static struct rtnl_neigh gateway_of(const struct rtnl_route *route,
				    const struct rtnl_neighs *neighs)
{
	struct rtnl_neigh wanted = {
		.index = route->out, .v6 = route->v6, .ip4 = route->gateway, .ip6 = route->gateway6
	};

	for (size_t i = 0; i < neighs->count; i++) {
		const struct rtnl_neigh *neigh = &neighs->list[i];

		if (neigh->index == wanted.index && neigh->v6 == wanted.v6 &&
		    (wanted.v6 ? !memcmp(&neigh->ip6, &wanted.ip6, sizeof(wanted.ip6))
			       : neigh->ip4 == wanted.ip4))
			return *neigh;
	}
	return wanted;
}

/* Nothing to ask: it answers, or is being asked, or cannot be. */
static bool asked(const struct rtnl_neigh *neigh)
{
	return neigh->state & (NUD_REACHABLE | NUD_PERMANENT | NUD_PROBE | NUD_INCOMPLETE);
}

int main_neigh_gateways(struct netd *netd, const struct rtnl_state *state, struct buf *out,
			struct err *err)
{
	OWN(rtnl_neighs_done) struct rtnl_neighs neighs = { 0 };
	struct shown shown;
	int r = rtnl_neighs_load(&netd->route, &neighs, err);

	if (r < 0)
		return r;
	buf_printf(out, "%-12s %-40s %-12s %s\n", "DESTINATION", "GATEWAY", "LINK", "STATE");
	for (size_t i = 0; i < state->route_count; i++) {
		const struct rtnl_route *route = &state->routes[i];
		struct rtnl_neigh neigh = gateway_of(route, &neighs);
		struct err why = { 0 };

		if (route->prefix || rtnl_route_nowhere(route->type) ||
		    (route->v6 ? ip6_is_zero(&route->gateway6) : !route->gateway))
			continue;
		make(state, &neigh, &shown);
		if (!asked(&neigh) && rtnl_neigh_ask(&netd->route, &neigh, &why) < 0)
			log_warn("gateway %s: %s", shown.address, err_text(&why));
		buf_printf(out, "%-12s %-40s %-12s %s\n", route->v6 ? "::/0" : "default",
			   shown.address, shown.link, rtnl_neigh_state(neigh.state));
	}
	return 0;
}

static void put_text(struct buf *out, const char *name, const char *text)
{
	netd_row_put(out, name, NETD_FIELD_TEXT, str_from(text), 0);
}

int main_neigh_rows(struct netd *netd, const struct rtnl_state *state, struct buf *out,
		    struct err *err)
{
	OWN(rtnl_neighs_done) struct rtnl_neighs neighs = { 0 };
	struct shown shown;
	int r = rtnl_neighs_load(&netd->route, &neighs, err);

	for (size_t i = 0; r == 0 && i < neighs.count; i++) {
		make(state, &neighs.list[i], &shown);
		put_text(out, "link", shown.link);
		put_text(out, "address", shown.address);
		put_text(out, "mac", shown.mac);
		put_text(out, "state", rtnl_neigh_state(neighs.list[i].state));
		netd_row_put(out, "router", NETD_FIELD_FLAG, STR(""), neighs.list[i].router);
		netd_row_end(out);
	}
	return r;
}
