/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the kernel's present state: links, addresses and routes in bounded arrays. Run by netd main.
 * It must never keep more than its caps, nor say that there was no more.
 */
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include "lib/own.h"
#include "netd/nl/rtnl.h"

enum { LIST_FIRST = 16 };

/* For one more behind `count`: a list has 16 places, then twice as many as it had. A container's is
 * short, and its start waits for it. */
static bool has_room(void **list, size_t count, size_t size, size_t max)
{
	size_t room = count ? 2 * count : LIST_FIRST;
	void *more;

	if (count == max)
		return false;
	if (count && (count < LIST_FIRST || (count & (count - 1))))
		return true;
	more = realloc(*list, room * size);
	if (more)
		*list = more;
	return more != NULL;
}

static int keep_link(const struct nl_message *message, void *owner, struct err *err)
{
	struct rtnl_state *state = owner;
	struct rtnl_link link;

	(void)err;
	if (rtnl_read_link(message, &link) < 0)
		return 0;
	if (!has_room((void **)&state->links, state->link_count, sizeof(link), RTNL_LINKS_MAX))
		state->more = true;
	else
		state->links[state->link_count++] = link;
	return 0;
}

static int keep_addr(const struct nl_message *message, void *owner, struct err *err)
{
	struct rtnl_state *state = owner;
	struct rtnl_addr addr;

	(void)err;
	if (rtnl_read_addr(message, &addr) < 0)
		return 0;
	if (!has_room((void **)&state->addrs, state->addr_count, sizeof(addr), RTNL_ADDRS_MAX))
		state->more = true;
	else
		state->addrs[state->addr_count++] = addr;
	return 0;
}

static int keep_route(const struct nl_message *message, void *owner, struct err *err)
{
	struct rtnl_state *state = owner;
	struct rtnl_route route;

	(void)err;
	if (rtnl_read_route(message, &route) < 0 || route.proto == RTPROT_KERNEL ||
	    (route.table != RT_TABLE_MAIN && route.proto != RTNL_OURS))
		return 0;
	if (!has_room((void **)&state->routes, state->route_count, sizeof(route), RTNL_ROUTES_MAX))
		state->more = true;
	else
		state->routes[state->route_count++] = route;
	return 0;
}

void rtnl_state_done(struct rtnl_state *state)
{
	if (!state)
		return;
	free(state->links);
	free(state->addrs);
	free(state->routes);
	*state = (struct rtnl_state){ 0 };
}

static int dump(struct nl *nl, uint16_t type, nl_dump_fn *fn, struct rtnl_state *state,
		struct err *err)
{
	/* The longest of the three headers; its first byte is the family in each. */
	struct rtmsg header = { .rtm_family = AF_UNSPEC };
	struct ifinfomsg link = { .ifi_family = AF_UNSPEC };
	OWN(buf_done) struct buf request = { 0 };
	size_t start;

	buf_init(&request, 256);
	if (type == RTM_GETLINK) {
		start = nl_begin(&request, type, 0, &link, sizeof(link));
		nl_put_u32(&request, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	} else if (type == RTM_GETADDR)
		start = nl_begin(&request, type, 0, &header, sizeof(struct ifaddrmsg));
	else
		start = nl_begin(&request, type, 0, &header, sizeof(header));
	nl_end(&request, start);
	return nl_dump(nl, &request, fn, state, "read the network state", err);
}

int rtnl_state_load(struct nl *nl, struct rtnl_state *ret_state, struct err *err)
{
	OWN(rtnl_state_done) struct rtnl_state state = { 0 };
	int r;

	r = dump(nl, RTM_GETLINK, keep_link, &state, err);
	if (r == 0)
		r = dump(nl, RTM_GETADDR, keep_addr, &state, err);
	if (r == 0)
		r = dump(nl, RTM_GETROUTE, keep_route, &state, err);
	if (r < 0)
		return r;
	*ret_state = state;
	state = (struct rtnl_state){ 0 };
	return 0;
}

void rtnl_state_drivers(struct nl *nl, struct rtnl_state *state)
{
	for (size_t i = 0; i < state->link_count; i++) {
		struct rtnl_link *link = &state->links[i];
		struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
		struct ifreq request = { .ifr_data = (void *)&info };

		memcpy(request.ifr_name, link->name, sizeof(request.ifr_name));
		/* The kernel takes this of any socket; the family that asks by netlink is not built
		 * in everywhere. */
		if (ioctl(nl->fd, SIOCETHTOOL, &request) == 0)
			(void)str_copy(str_make(info.driver,
						strnlen(info.driver, sizeof(link->driver) - 1)),
				       link->driver, sizeof(link->driver));
	}
}

const struct rtnl_link *rtnl_state_link(const struct rtnl_state *state, int index)
{
	for (size_t i = 0; i < state->link_count; i++)
		if (state->links[i].index == index)
			return &state->links[i];
	return NULL;
}

const struct rtnl_link *rtnl_state_named(const struct rtnl_state *state, const char *name)
{
	for (size_t i = 0; i < state->link_count; i++)
		if (!strcmp(state->links[i].name, name))
			return &state->links[i];
	return NULL;
}
