/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the difference between a wanted link and the kernel's. Pure but for link_plan_apply(), which
 * netd main runs. It must never remove an address or a route that is not marked as ours, nor one
 * that is wanted: a renewed lease changes lifetimes and nothing else.
 */
#include <errno.h>
#include <string.h>
#include "netd/link/link_plan.h"

/* Lifetimes tick; below this difference an address counts as unchanged. */
enum { LIFETIME_SLACK_S = 5 };

static struct link_step *step(struct link_plan *plan, enum link_step_kind kind)
{
	static struct link_step overflow;

	if (plan->count == LINK_STEPS_MAX)
		return &overflow;
	plan->steps[plan->count].kind = kind;
	return &plan->steps[plan->count++];
}

static bool same_addr(const struct rtnl_addr *a, const struct rtnl_addr *b)
{
	return a->v6 == b->v6 && a->ip4 == b->ip4 && a->prefix == b->prefix &&
	       (!a->v6 || ip6_equal(&a->ip6, &b->ip6));
}

static bool same_lifetime(int64_t a, int64_t b)
{
	if (a < 0 || b < 0)
		return a < 0 && b < 0;
	return a - b <= LIFETIME_SLACK_S && b - a <= LIFETIME_SLACK_S;
}

static uint32_t table_of(const struct rtnl_route *route)
{
	return route->table ? route->table : RTNL_TABLE_MAIN;
}

/* The key by which the kernel tells routes apart, and what may differ under it. */
static bool same_route_key(const struct rtnl_route *a, const struct rtnl_route *b)
{
	return a->v6 == b->v6 && a->dst == b->dst && a->prefix == b->prefix &&
	       table_of(a) == table_of(b) && a->metric == b->metric &&
	       (!a->v6 || ip6_equal(&a->dst6, &b->dst6));
}

static bool same_route(const struct rtnl_route *a, const struct rtnl_route *b)
{
	return same_route_key(a, b) && a->gateway == b->gateway && a->prefsrc == b->prefsrc &&
	       a->out == b->out && a->mtu == b->mtu &&
	       (!a->v6 ||
		(ip6_equal(&a->gateway6, &b->gateway6) && ip6_equal(&a->prefsrc6, &b->prefsrc6)));
}

static bool has_gateway(const struct rtnl_route *route)
{
	return route->v6 ? !ip6_is_zero(&route->gateway6) : route->gateway != 0;
}

static void plan_removals(const struct link_wanted *wanted, const struct rtnl_state *state,
			  struct link_plan *plan)
{
	for (size_t i = 0; i < state->route_count; i++) {
		const struct rtnl_route *route = &state->routes[i];
		bool keep = route->out != wanted->index || route->proto != RTNL_OURS;

		for (size_t w = 0; w < wanted->route_count && !keep; w++)
			keep = same_route_key(route, &wanted->routes[w]);
		if (!keep)
			step(plan, LINK_STEP_ROUTE_DEL)->route = *route;
	}
	for (size_t i = 0; i < state->addr_count; i++) {
		const struct rtnl_addr *addr = &state->addrs[i];
		bool keep = addr->index != wanted->index || addr->proto != RTNL_OURS;

		for (size_t w = 0; w < wanted->addr_count && !keep; w++)
			keep = same_addr(addr, &wanted->addrs[w]);
		if (!keep)
			step(plan, LINK_STEP_ADDR_DEL)->addr = *addr;
	}
}

static void plan_additions(const struct link_wanted *wanted, const struct rtnl_state *state,
			   struct link_plan *plan)
{
	for (size_t w = 0; w < wanted->addr_count; w++) {
		struct rtnl_addr addr = wanted->addrs[w];
		bool there = false;

		addr.index = wanted->index;
		addr.proto = RTNL_OURS;
		for (size_t i = 0; i < state->addr_count && !there; i++) {
			const struct rtnl_addr *now = &state->addrs[i];

			/* One that somebody else set is good enough, whatever its lifetime. */
			there = now->index == addr.index && same_addr(now, &addr) &&
				(now->proto != RTNL_OURS ||
				 (same_lifetime(now->valid_s, addr.valid_s) &&
				  (!addr.v6 || same_lifetime(now->preferred_s, addr.preferred_s))));
		}
		if (!there)
			step(plan, LINK_STEP_ADDR_ADD)->addr = addr;
	}
	for (size_t w = 0; w < wanted->route_count; w++) {
		struct rtnl_route route = wanted->routes[w];
		bool there = false;

		route.out = wanted->index;
		route.proto = RTNL_OURS;
		route.scope = has_gateway(&route) ? RTNL_SCOPE_GLOBAL : RTNL_SCOPE_LINK;
		for (size_t i = 0; i < state->route_count && !there; i++)
			there = same_route(&state->routes[i], &route);
		if (!there)
			step(plan, LINK_STEP_ROUTE_ADD)->route = route;
	}
}

static void plan_link(const struct link_wanted *wanted, const struct rtnl_link *link,
		      struct link_plan *plan)
{
	bool up = (link->flags & IFF_UP) != 0;
	bool new_mac = wanted->mac && memcmp(wanted->mac, link->mac, 6) != 0;

	bool new_master = wanted->set_master && wanted->master != link->master;

	/* Many drivers take another address only while they are down. */
	if (up && (wanted->down || new_mac || (new_master && wanted->bonded))) {
		step(plan, LINK_STEP_DOWN);
		up = false;
	}
	if (new_mac)
		memcpy(step(plan, LINK_STEP_MAC)->mac, wanted->mac, 6);
	if (wanted->mtu && wanted->mtu != link->mtu)
		step(plan, LINK_STEP_MTU)->mtu = wanted->mtu;
	if (new_master)
		step(plan, LINK_STEP_MASTER)->master = wanted->master;
	if (wanted->up && !wanted->down && !up)
		step(plan, LINK_STEP_UP);
}

void link_plan_make(const struct link_wanted *wanted, const struct rtnl_state *state,
		    struct link_plan *ret_plan)
{
	const struct rtnl_link *link = rtnl_state_link(state, wanted->index);

	ret_plan->index = wanted->index;
	ret_plan->count = 0;
	if (!link)
		return;
	plan_link(wanted, link, ret_plan);
	plan_removals(wanted, state, ret_plan);
	plan_additions(wanted, state, ret_plan);
}

static void print_addr(const char *verb, const struct rtnl_addr *addr, struct buf *out)
{
	char text[IP4_TEXT_MAX], text6[IP6_TEXT_MAX];

	buf_printf(out, "%s address %s/%u", verb,
		   addr->v6 ? ip6_text(&addr->ip6, text6) : ip4_text(addr->ip4, text),
		   addr->prefix);
	if (addr->valid_s >= 0)
		buf_printf(out, " for %lld s", (long long)addr->valid_s);
	buf_add_byte(out, '\n');
}

static void print_route(const char *verb, const struct rtnl_route *route, struct buf *out)
{
	char dst[IP6_TEXT_MAX], gateway[IP6_TEXT_MAX];

	if (route->v6) {
		ip6_text(&route->dst6, dst);
		ip6_text(&route->gateway6, gateway);
	} else {
		ip4_text(route->dst, dst);
		ip4_text(route->gateway, gateway);
	}
	buf_printf(out, "%s route %s/%u %s%s metric %u", verb, dst, route->prefix,
		   rtnl_route_nowhere(route->type) ? "" : "via ",
		   rtnl_route_nowhere(route->type) ? rtnl_route_nowhere(route->type) : gateway,
		   route->metric);
	if (route->mtu)
		buf_printf(out, " mtu %u", route->mtu);
	buf_add_byte(out, '\n');
}

void link_plan_print(const struct link_plan *plan, struct buf *out)
{
	char mac[MAC_TEXT_MAX];

	for (size_t i = 0; i < plan->count; i++) {
		const struct link_step *s = &plan->steps[i];

		switch (s->kind) {
		case LINK_STEP_DOWN:
			buf_add_text(out, "set down\n");
			break;
		case LINK_STEP_MAC:
			buf_printf(out, "set address %s\n", mac_text(s->mac, mac));
			break;
		case LINK_STEP_MTU:
			buf_printf(out, "set mtu %u\n", s->mtu);
			break;
		case LINK_STEP_MASTER:
			buf_printf(out, "set master %d\n", s->master);
			break;
		case LINK_STEP_UP:
			buf_add_text(out, "set up\n");
			break;
		case LINK_STEP_ROUTE_DEL:
			print_route("remove", &s->route, out);
			break;
		case LINK_STEP_ADDR_DEL:
			print_addr("remove", &s->addr, out);
			break;
		case LINK_STEP_ADDR_ADD:
			print_addr("set", &s->addr, out);
			break;
		case LINK_STEP_ROUTE_ADD:
			print_route("set", &s->route, out);
			break;
		}
	}
}

static void encode_step(const struct link_plan *plan, const struct link_step *s, struct buf *out)
{
	struct rtnl_link_change change = { .index = plan->index };

	switch (s->kind) {
	case LINK_STEP_DOWN:
		change.set_up = true;
		rtnl_encode_link_change(&change, out);
		break;
	case LINK_STEP_MAC:
		change.mac = s->mac;
		rtnl_encode_link_change(&change, out);
		break;
	case LINK_STEP_MTU:
		change.mtu = s->mtu;
		rtnl_encode_link_change(&change, out);
		break;
	case LINK_STEP_MASTER:
		change.set_master = true;
		change.master = s->master;
		rtnl_encode_link_change(&change, out);
		break;
	case LINK_STEP_UP:
		change.set_up = change.up = true;
		rtnl_encode_link_change(&change, out);
		break;
	case LINK_STEP_ROUTE_DEL:
	case LINK_STEP_ROUTE_ADD:
		rtnl_encode_route(&s->route, s->kind == LINK_STEP_ROUTE_ADD, out);
		break;
	case LINK_STEP_ADDR_DEL:
	case LINK_STEP_ADDR_ADD:
		rtnl_encode_addr(&s->addr, s->kind == LINK_STEP_ADDR_ADD, out);
		break;
	}
}

int link_plan_apply(const struct link_plan *plan, struct nl *nl, struct err *err)
{
	int result = 0;

	for (size_t i = 0; i < plan->count; i++) {
		const struct link_step *s = &plan->steps[i];
		struct link_plan one = { .index = plan->index, .count = 1 };
		struct buf request, text;
		struct err failed;
		int r;

		one.steps[0] = *s;
		buf_init(&request, 1024);
		buf_init(&text, 256);
		encode_step(plan, s, &request);
		link_plan_print(&one, &text);
		if (text.len)
			text.data[text.len - 1] = 0; /* its newline */
		r = nl_call(nl, &request, buf_text(&text), &failed);
		/* Gone already is what we wanted: a deleted address takes its routes along. */
		if (r < 0 && s->kind != LINK_STEP_ROUTE_DEL && s->kind != LINK_STEP_ADDR_DEL &&
		    !result)
			result = err_set(err, r, "%s", failed.text);
		buf_done(&request);
		buf_done(&text);
	}
	return result;
}
