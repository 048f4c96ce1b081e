/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the choice of the links that lead out and what they shall look like. Pure, used by netd
 * main. It must never choose a link that somebody put under a master, nor one whose section was
 * refused.
 */
#include <net/if_arp.h>
#include <string.h>
#include "lib/own.h"
#include "lib/sha256.h"
#include "netd/link/uplink.h"

bool uplink_suits(const struct rtnl_link *link)
{
	return link->arp_type == ARPHRD_ETHER && !(link->flags & IFF_LOOPBACK) && !link->master &&
	       !link->kind[0];
}

static const struct rtnl_link *first_suitable(const struct rtnl_state *state)
{
	const struct rtnl_link *first = NULL;

	for (size_t i = 0; i < state->link_count; i++)
		if (uplink_suits(&state->links[i]) &&
		    (!first || state->links[i].index < first->index))
			first = &state->links[i];
	return first;
}

/* No list at all means any address. */
static bool mac_matches(const uint8_t (*list)[6], size_t count, const uint8_t mac[6])
{
	for (size_t i = 0; i < count; i++)
		if (!memcmp(list[i], mac, 6))
			return true;
	return count == 0;
}

/* As networkctl(1) calls it: what has no kind of its own, or is a plain Ethernet port, is "ether".
 */
static const char *uplink_type(const struct rtnl_link *link)
{
	static const char *const kinds[] = {
		"bridge", "bond", "vlan", "macvlan", "ipvlan", "vxlan"
	};

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (!strcmp(kinds[i], link->kind))
			return kinds[i];
	return "ether";
}

static bool section_matches(const struct conf_uplink *section, const struct rtnl_link *link)
{
	bool exact, found = conf_match_list(section->match, link->name, &exact);

	/* A link of a kind of its own is taken only when it is named without wildcards. */
	if (!found || (link->kind[0] && !exact))
		return false;
	if (section->type[0] && !conf_match_list(section->type, uplink_type(link), &exact))
		return false;
	if (section->driver[0] && !conf_match_list(section->driver, link->driver, &exact))
		return false;
	return mac_matches(section->macs, section->mac_count, link->mac) &&
	       mac_matches(section->perm_macs, section->perm_mac_count, link->perm_mac);
}

bool uplink_configure(const struct rtnl_state *state, const struct conf *conf,
		      const struct rtnl_link *link, struct conf_uplink *ret_conf)
{
	const struct rtnl_link *master = link->master ? rtnl_state_link(state, link->master) : NULL;

	if (link->arp_type != ARPHRD_ETHER || (link->flags & IFF_LOOPBACK))
		return false;
	for (size_t i = 0; i < conf->uplink_count; i++) {
		const struct conf_uplink *section = &conf->uplinks[i];

		if (!section_matches(section, link))
			continue;
		/* A part of something is ours where the section says so, or is taken out of ours.
		 */
		if (link->master && (!master || (strcmp(master->name, section->master) != 0 &&
						 master->group != RTNL_OURS)))
			return false;
		*ret_conf = *section;
		return !section->refused && !section->unmanaged;
	}
	if (conf->uplink_count || link != first_suitable(state))
		return false;
	conf_uplink_default(ret_conf);
	return true;
}

static struct rtnl_route *add_route(struct link_wanted *wanted, uint32_t dst, uint8_t prefix,
				    uint32_t gateway, uint32_t metric)
{
	static struct rtnl_route overflow;
	struct rtnl_route *route = wanted->route_count == LINK_ROUTES_MAX
					   ? &overflow
					   : &wanted->routes[wanted->route_count++];

	*route = (struct rtnl_route){ .dst = dst,
				      .prefix = prefix,
				      .gateway = gateway,
				      .metric = metric,
				      .onlink = gateway != 0 };
	for (size_t i = 0; i < wanted->addr_count; i++)
		if (!wanted->addrs[i].v6 &&
		    ((wanted->addrs[i].ip4 ^ gateway) & ip4_mask(wanted->addrs[i].prefix)) == 0)
			route->onlink = false;
	return route;
}

static void want_configured(const struct uplink *uplink, struct link_wanted *wanted)
{
	const struct conf_uplink *conf = &uplink->conf;

	for (size_t i = 0; i < conf->addr_count; i++) {
		const struct conf_addr_more *more = &conf->more[i];
		struct rtnl_addr *addr = &wanted->addrs[wanted->addr_count++];

		*addr = (struct rtnl_addr){ .ip4 = conf->addrs[i].ip4,
					    .prefix = conf->addrs[i].prefix,
					    .scope = more->scope,
					    .noroute = more->noroute,
					    .deprecated = more->deprecated,
					    .valid_s = RTNL_FOREVER };
		memcpy(addr->label, more->label, sizeof(addr->label));
	}
}

static void want_leased_address(const struct uplink *uplink, struct mono now,
				struct link_wanted *wanted)
{
	struct rtnl_addr *addr = &wanted->addrs[wanted->addr_count++];
	int64_t age_s = mono_diff_ms(now, uplink->asked) / 1000;

	*addr = (struct rtnl_addr){ .ip4 = uplink->lease.ip4,
				    .prefix = uplink->lease.prefix,
				    .valid_s = RTNL_FOREVER };
	if (uplink->lease.lease_s != UINT32_MAX)
		addr->valid_s = age_s < uplink->lease.lease_s ? uplink->lease.lease_s - age_s : 1;
	if (!wanted->mtu && uplink->conf.dhcp4.use_mtu)
		wanted->mtu = uplink->lease.mtu;
}

static bool in_containers(const struct uplink *uplink, const struct dhcp_route *route)
{
	for (size_t i = 0; i < uplink->inner_count; i++)
		if (route->prefix >= uplink->inner[i].prefix &&
		    !((route->dst ^ uplink->inner[i].ip4) & ip4_mask(uplink->inner[i].prefix)))
			return true;
	return false;
}

/* RFC 3442: where a server gives classless routes its router option does not count. */
static void want_leased_routes(const struct uplink *uplink, uint32_t metric,
			       struct link_wanted *wanted)
{
	const struct dhcp_lease *lease = &uplink->lease;
	enum conf_use_routes use = uplink->conf.dhcp4.use_routes;
	uint32_t source = uplink->conf.addr_count ? 0 : lease->ip4;
	uint32_t shift = uplink->conf.dhcp4.metric ? uplink->conf.dhcp4.metric : metric;

	if (use == CONF_USE_ROUTES_NO)
		return;
	if (!lease->classless && lease->router_count && !uplink->conf.gateway)
		add_route(wanted, 0, 0, lease->routers[0], shift)->prefsrc = source;
	for (size_t i = 0; i < lease->route_count; i++) {
		const struct dhcp_route *route = &lease->routes[i];

		if (route->prefix ? use != CONF_USE_ROUTES_ALL || in_containers(uplink, route)
				  : uplink->conf.gateway != 0)
			continue;
		add_route(wanted, route->dst, route->prefix, route->gateway, shift)->prefsrc =
			source;
	}
}

static void want_static_routes(const struct uplink *uplink, uint32_t metric,
			       struct link_wanted *wanted)
{
	for (size_t i = 0; i < uplink->conf.route_count; i++) {
		const struct conf_route *route = &uplink->conf.routes[i];
		struct rtnl_route *made;

		if (route->v6 || route->type)
			continue;
		made = add_route(wanted, route->dst.ip4, route->dst.prefix, route->gateway,
				 route->metric ? route->metric : metric);
		made->mtu = route->mtu;
		made->table = route->table;
		made->prefsrc = route->source;
		made->onlink |= route->onlink && route->gateway;
	}
}

struct ip6 uplink_stable_address(const struct uplink *uplink, const struct ip6 *prefix,
				 uint8_t tries)
{
	struct ip6 ip6 = ip6_network(prefix, 64);
	struct digest digest;
	struct sha256 sha;

	/* One that somebody else has gives way to one of the other kind. */
	if (!tries && !ip6_is_zero(&uplink->conf.token)) {
		memcpy(ip6.b + 8, uplink->conf.token.b + 8, 8);
		return ip6;
	}
	sha256_init(&sha);
	sha256_add(&sha, ip6.b, 8);
	sha256_add(&sha, uplink->name, strnlen(uplink->name, sizeof(uplink->name)));
	sha256_add(&sha, uplink->mac, sizeof(uplink->mac));
	sha256_add(&sha, &tries, 1);
	sha256_add(&sha, uplink->secret, sizeof(uplink->secret));
	sha256_end(&sha, &digest);
	memcpy(ip6.b + 8, digest.bytes, 8);
	/* Not one that is kept for others: routers' anycast, reserved (RFC 5453). */
	if (ip6_low(&ip6) < 256 || ip6_low(&ip6) >> 8 == UINT64_C(0xfdffffffffffff))
		ip6 = ip6_plus(&ip6, 0x1000);
	return ip6;
}

/* Shortened by what runs out; 1 at least: the next look removes it. */
static int64_t left_s(int64_t until_ns, struct mono now)
{
	if (until_ns == ND_NEVER)
		return RTNL_FOREVER;
	return until_ns > now.ns + 1000000000 ? (until_ns - now.ns) / 1000000000 : 1;
}

static void want_configured6(const struct uplink *uplink, struct link_wanted *wanted)
{
	const struct conf_uplink *conf = &uplink->conf;

	for (size_t i = 0; i < conf->addr6_count; i++)
		wanted->addrs[wanted->addr_count++] =
			(struct rtnl_addr){ .v6 = true,
					    .ip6 = conf->addrs6[i].ip6,
					    .prefix = conf->addrs6[i].prefix,
					    .nodad = conf->more6[i].nodad,
					    .noroute = conf->more6[i].noroute,
					    .valid_s = RTNL_FOREVER,
					    .preferred_s =
						    conf->more6[i].deprecated ? 0 : RTNL_FOREVER };
}

static struct rtnl_route *add_route6(struct link_wanted *wanted, uint32_t metric)
{
	static struct rtnl_route overflow;
	struct rtnl_route *route = wanted->route_count == LINK_ROUTES_MAX
					   ? &overflow
					   : &wanted->routes[wanted->route_count++];

	*route = (struct rtnl_route){ .v6 = true, .metric = metric };
	return route;
}

static bool in_containers6(const struct uplink *uplink, const struct nd_known_route *route)
{
	for (size_t i = 0; i < uplink->inner6_count; i++)
		if (route->len >= uplink->inner6[i].prefix &&
		    ip6_in_prefix(&route->prefix, &uplink->inner6[i].ip6, uplink->inner6[i].prefix))
			return true;
	return false;
}

/* What a router says of ::/0 in an option counts, and not what its header says (RFC 4191 3.1). */
static const struct nd_known_route *said_better(const struct uplink *uplink,
						const struct ip6 *router)
{
	for (size_t i = 0; i < uplink->known.route_count && uplink->conf.ra_routes; i++)
		if (!uplink->known.routes[i].len &&
		    ip6_equal(&uplink->known.routes[i].router, router))
			return &uplink->known.routes[i];
	return NULL;
}

static void want_known_default(const struct uplink *uplink, uint32_t metric,
			       struct link_wanted *wanted)
{
	const struct nd_known *known = &uplink->known;
	const struct ip6 *best = NULL;
	int preference = 0;

	if (!ip6_is_zero(&uplink->conf.gateway6))
		return;
	for (size_t i = 0; i < known->router_count; i++) {
		const struct nd_known_router *router = &known->routers[i];

		if (said_better(uplink, &router->ip6) || (best && router->preference <= preference))
			continue;
		best = &router->ip6;
		preference = router->preference;
	}
	for (size_t i = 0; i < known->route_count && uplink->conf.ra_routes; i++) {
		const struct nd_known_route *route = &known->routes[i];

		if (route->len || (best && route->preference <= preference))
			continue;
		best = &route->router;
		preference = route->preference;
	}
	if (best)
		add_route6(wanted, metric)->gateway6 = *best;
}

static void want_known_routes(const struct uplink *uplink, uint32_t metric,
			      struct link_wanted *wanted)
{
	for (size_t i = 0; i < uplink->known.route_count; i++) {
		const struct nd_known_route *known = &uplink->known.routes[i];
		struct rtnl_route *route;

		if (!known->len || in_containers6(uplink, known) ||
		    !nd_known_route_leads(&uplink->known, known))
			continue;
		route = add_route6(wanted, metric);
		route->dst6 = known->prefix;
		route->prefix = known->len;
		route->gateway6 = known->router;
	}
}

static void want_known(const struct uplink *uplink, struct mono now, uint32_t metric,
		       struct link_wanted *wanted)
{
	for (size_t i = 0; i < uplink->known.prefix_count; i++) {
		const struct nd_known_prefix *prefix = &uplink->known.prefixes[i];

		/* The route of the prefix is a thing of its own: it may be on the link or not. */
		if (prefix->valid_ns && wanted->addr_count < LINK_ADDRS_MAX)
			wanted->addrs[wanted->addr_count++] = (struct rtnl_addr){
				.v6 = true,
				.ip6 = uplink_stable_address(uplink, &prefix->prefix,
							     uplink->tries[i]),
				.prefix = 64,
				.valid_s = left_s(prefix->valid_ns, now),
				.preferred_s = prefix->preferred_ns > now.ns
						       ? left_s(prefix->preferred_ns, now)
						       : 0,
				.noroute = true,
			};
		if (prefix->onlink_ns) {
			struct rtnl_route *route = add_route6(wanted, metric);

			route->dst6 = prefix->prefix;
			route->prefix = prefix->len;
		}
	}
	want_known_default(uplink, metric, wanted);
	if (uplink->conf.ra_routes)
		want_known_routes(uplink, metric, wanted);
}

/* Seconds that are left of a lease's time; 0 = it is over. */
static int64_t lease_left_s(const struct uplink *uplink, struct mono now, uint32_t seconds)
{
	int64_t left = (int64_t)seconds - mono_diff_ms(now, uplink->asked6) / 1000;

	if (seconds == DHCP6_FOREVER)
		return RTNL_FOREVER;
	return left > 0 ? left : 0;
}

static void want_leased6(const struct uplink *uplink, struct mono now, struct link_wanted *wanted)
{
	for (size_t i = 0; i < uplink->lease6.addr_count; i++) {
		const struct dhcp6_item *item = &uplink->lease6.addrs[i];
		int64_t valid_s = lease_left_s(uplink, now, item->valid_s);

		if (!valid_s || wanted->addr_count == LINK_ADDRS_MAX)
			continue;
		/* Who else is on the link is for the routers to say. */
		wanted->addrs[wanted->addr_count++] = (struct rtnl_addr){
			.v6 = true,
			.ip6 = item->ip6,
			.prefix = 128,
			.valid_s = valid_s,
			.preferred_s = lease_left_s(uplink, now, item->preferred_s),
			.noroute = true,
		};
	}
}

static void want_static_routes6(const struct uplink *uplink, uint32_t metric,
				struct link_wanted *wanted)
{
	for (size_t i = 0; i < uplink->conf.route_count; i++) {
		const struct conf_route *route = &uplink->conf.routes[i];
		struct rtnl_route *made;

		if (!route->v6 || route->type)
			continue;
		made = add_route6(wanted, route->metric ? route->metric : metric);
		made->dst6 = route->dst6.ip6;
		made->prefix = route->dst6.prefix;
		made->gateway6 = route->gateway6;
		made->mtu = route->mtu;
		made->table = route->table;
		made->prefsrc6 = route->source6;
		made->onlink = route->onlink && !ip6_is_zero(&route->gateway6);
	}
}

static void want_ip6(const struct uplink *uplink, struct mono now, uint32_t metric,
		     struct link_wanted *wanted)
{
	if (uplink->conf.no_ip6)
		return;
	want_configured6(uplink, wanted);
	if (uplink->conf.accept_ra)
		want_known(uplink, now, metric, wanted);
	if (uplink->has_lease6)
		want_leased6(uplink, now, wanted);
	if (!ip6_is_zero(&uplink->conf.gateway6)) {
		struct rtnl_route *route = add_route6(wanted, metric);

		route->gateway6 = uplink->conf.gateway6;
		/* It may lie outside of the addresses. */
		route->onlink = !ip6_is_link_local(&route->gateway6);
	}
	want_static_routes6(uplink, metric, wanted);
}

bool uplink_note_conflicts(struct uplink *uplink, const struct rtnl_state *state)
{
	bool found = false;

	for (size_t i = 0; i < state->addr_count; i++) {
		const struct rtnl_addr *addr = &state->addrs[i];

		for (size_t k = 0; addr->v6 && addr->dad_failed && addr->index == uplink->index &&
				   k < uplink->known.prefix_count;
		     k++) {
			struct ip6 ours = uplink_stable_address(
				uplink, &uplink->known.prefixes[k].prefix, uplink->tries[k]);

			if (!ip6_equal(&ours, &addr->ip6))
				continue;
			uplink->tries[k]++;
			found = true;
		}
	}
	return found;
}

void uplink_wanted(const struct uplink *uplink, struct mono now, struct link_wanted *ret_wanted)
{
	const struct conf_uplink *conf = &uplink->conf;
	uint32_t metric = uplink->metric ? uplink->metric : conf->metric;

	*ret_wanted = (struct link_wanted){ .index = uplink->index,
					    .up = conf->activation == CONF_ACTIVATION_UP,
					    .down = conf->activation == CONF_ACTIVATION_DOWN,
					    .mac = conf->set_mac ? conf->mac : NULL,
					    .set_master = !conf->master[0] || uplink->master,
					    .master = uplink->master,
					    .bonded = conf->bonded,
					    .mtu = conf->mtu };
	if (conf->activation != CONF_ACTIVATION_DOWN)
		want_ip6(uplink, now, metric, ret_wanted);
	want_configured(uplink, ret_wanted);
	if (conf->dhcp && uplink->has_lease)
		want_leased_address(uplink, now, ret_wanted);
	/* The kernel takes no route without an address, nor on a link that is down. */
	if ((!conf->addr_count && !(conf->dhcp && uplink->has_lease)) ||
	    conf->activation == CONF_ACTIVATION_DOWN)
		return;
	if (conf->gateway)
		add_route(ret_wanted, 0, 0, conf->gateway, metric)->prefsrc =
			uplink->has_lease && !conf->addr_count ? uplink->lease.ip4 : 0;
	if (conf->dhcp && uplink->has_lease)
		want_leased_routes(uplink, metric, ret_wanted);
	want_static_routes(uplink, metric, ret_wanted);
}

/* Lower ones come first: equal metrics would have the kernel replace one link's by the other's. */
void uplinks_rank(struct uplinks *uplinks)
{
	for (size_t i = 0; i < CONF_UPLINKS_MAX; i++)
		uplinks->list[i].metric = 0;
	for (;;) {
		struct uplink *next = NULL;

		for (size_t i = 0; i < CONF_UPLINKS_MAX; i++) {
			struct uplink *u = &uplinks->list[i];

			if (u->index && !u->metric && (!next || u->index < next->index))
				next = u;
		}
		if (!next)
			return;
		next->metric = next->conf.metric;
		for (size_t i = 0; i < CONF_UPLINKS_MAX; i++)
			if (&uplinks->list[i] != next && uplinks->list[i].metric == next->metric) {
				next->metric++;
				i = (size_t)-1; /* from the start: the next one may be taken too */
			}
	}
}

struct uplink *uplink_find(struct uplinks *uplinks, int index)
{
	for (size_t i = 0; i < CONF_UPLINKS_MAX; i++)
		if (uplinks->list[i].index == index)
			return &uplinks->list[i];
	return NULL;
}
