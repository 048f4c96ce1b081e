/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns what is told of the kernel's neighbours: a table, and rows for programs. Run by netd main.
 */
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
