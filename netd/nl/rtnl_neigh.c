/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns reading the kernel's table of neighbours. Run by netd main, for people only. It must never
 * change an entry but by asking whether a neighbour answers.
 */
#include "netd/nl/rtnl_neigh.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include "lib/own.h"

int rtnl_read_neigh(const struct nl_message *message, struct rtnl_neigh *ret_neigh)
{
	struct rtnl_neigh neigh = { 0 };
	struct nl_attr attr;
	struct ndmsg head;
	bool address = false;
	struct str rest;

	if (message->type != RTM_NEWNEIGH)
		return -ENOMSG;
	if (message->body.len < sizeof(head))
		return -EBADMSG;
	memcpy(&head, message->body.ptr, sizeof(head));
	if (head.ndm_family != AF_INET && head.ndm_family != AF_INET6)
		return -ENOMSG;
	neigh.index = head.ndm_ifindex;
	neigh.v6 = head.ndm_family == AF_INET6;
	neigh.state = head.ndm_state;
	neigh.router = (head.ndm_flags & NTF_ROUTER) != 0;
	rest = str_skip(message->body, NLMSG_ALIGN(sizeof(head)));
	while (nl_attr_next(&rest, &attr)) {
		if (attr.type == NDA_DST && !neigh.v6 && attr.data.len == sizeof(uint32_t)) {
			neigh.ip4 = nl_attr_be32(&attr);
			address = true;
		} else if (attr.type == NDA_DST && neigh.v6 &&
			   attr.data.len == sizeof(neigh.ip6.b)) {
			memcpy(neigh.ip6.b, attr.data.ptr, sizeof(neigh.ip6.b));
			address = true;
		} else if (attr.type == NDA_LLADDR && attr.data.len == sizeof(neigh.mac)) {
			memcpy(neigh.mac, attr.data.ptr, sizeof(neigh.mac));
			neigh.has_mac = true;
		}
	}
	if (!address)
		return -EBADMSG;
	*ret_neigh = neigh;
	return 0;
}

static int keep_neigh(const struct nl_message *message, void *owner, struct err *err)
{
	struct rtnl_neighs *neighs = owner;
	struct rtnl_neigh neigh;

	(void)err;
	/* NOARP is lo's and multicast's: nobody was asked for. */
	if (rtnl_read_neigh(message, &neigh) < 0 || neigh.state & NUD_NOARP)
		return 0;
	neighs->more = neighs->more || neighs->count == RTNL_NEIGHS_MAX;
	if (neighs->count < RTNL_NEIGHS_MAX)
		neighs->list[neighs->count++] = neigh;
	return 0;
}

int rtnl_neighs_load(struct nl *nl, struct rtnl_neighs *ret_neighs, struct err *err)
{
	const struct ndmsg head = { .ndm_family = AF_UNSPEC };
	OWN(rtnl_neighs_done) struct rtnl_neighs neighs = { 0 };
	OWN(buf_done) struct buf request = { 0 };
	size_t start;
	int r;

	neighs.list = calloc(RTNL_NEIGHS_MAX, sizeof(*neighs.list));
	if (!neighs.list)
		return err_set(err, -ENOMEM, "no memory for the neighbours");
	buf_init(&request, 256);
	start = nl_begin(&request, RTM_GETNEIGH, NLM_F_REQUEST | NLM_F_DUMP, &head, sizeof(head));
	nl_end(&request, start);
	r = nl_dump(nl, &request, keep_neigh, &neighs, "list the neighbours", err);
	if (r < 0)
		return r;
	*ret_neighs = neighs;
	neighs = (struct rtnl_neighs){ 0 };
	return 0;
}

void rtnl_neighs_done(struct rtnl_neighs *neighs)
{
	if (!neighs)
		return;
	free(neighs->list);
	*neighs = (struct rtnl_neighs){ 0 };
}

/* Known: probed as after a long silence; unknown: as for a first packet. */
int rtnl_neigh_ask(struct nl *nl, const struct rtnl_neigh *neigh, struct err *err)
{
	const struct ndmsg head = { .ndm_family = neigh->v6 ? AF_INET6 : AF_INET,
				    .ndm_ifindex = neigh->index,
				    .ndm_state = neigh->has_mac ? NUD_PROBE : NUD_NONE,
				    .ndm_flags = neigh->has_mac ? 0 : NTF_USE };
	OWN(buf_done) struct buf batch = { 0 };
	size_t start;

	buf_init(&batch, 256);
	start = nl_begin(&batch, RTM_NEWNEIGH,
			 NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, &head,
			 sizeof(head));
	if (neigh->v6)
		nl_put(&batch, NDA_DST, neigh->ip6.b, sizeof(neigh->ip6.b));
	else
		nl_put_be32(&batch, NDA_DST, neigh->ip4);
	if (neigh->has_mac)
		nl_put(&batch, NDA_LLADDR, neigh->mac, sizeof(neigh->mac));
	nl_end(&batch, start);
	return nl_call(nl, &batch, "look for a neighbour", err);
}

const char *rtnl_neigh_state(uint16_t state)
{
	static const struct {
		uint16_t bit;
		const char *name;
	} names[] = { { NUD_PERMANENT, "permanent" }, { NUD_REACHABLE, "reachable" },
		      { NUD_STALE, "stale" },	      { NUD_DELAY, "delay" },
		      { NUD_PROBE, "probe" },	      { NUD_INCOMPLETE, "incomplete" },
		      { NUD_FAILED, "failed" } };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (state & names[i].bit)
			return names[i].name;
	return "none";
}
