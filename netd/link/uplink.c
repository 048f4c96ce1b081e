/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the choice of the links that lead out and what they shall look like. Pure, used by netd
 * main. It must never choose a link that somebody put under a master, nor one whose section was
 * refused.
 */
#include <net/if_arp.h>
#include <string.h>
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

static bool section_matches(const struct conf_uplink *section, const struct rtnl_link *link)
{
	bool exact, found = conf_match_list(section->match, link->name, &exact);

	/* A link of a kind of its own is taken only when it is named without wildcards. */
	if (!found || (link->kind[0] && !exact))
		return false;
	for (size_t i = 0; i < section->mac_count; i++)
		if (!memcmp(section->macs[i], link->mac, 6))
			return true;
	return section->mac_count == 0;
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

		if (route->v6)
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

static void want_known(const struct uplink *uplink, struct mono now, uint32_t metric,
		       struct link_wanted *wanted)
{
	const struct nd_known_router *router = nd_known_router(&uplink->known);

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
	if (router && ip6_is_zero(&uplink->conf.gateway6))
		add_route6(wanted, metric)->gateway6 = router->ip6;
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

		if (!route->v6)
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

static void add_server(struct uplink_dns *dns, const struct ip_any *server)
{
	for (size_t i = 0; i < dns->server_count; i++)
		if (ip_any_equal(&dns->servers[i], server))
			return;
	if (dns->server_count < CONF_DNS_MAX)
		dns->servers[dns->server_count++] = *server;
}

static void add_domain(struct uplink_dns *dns, const char *domain)
{
	for (size_t i = 0; i < dns->domain_count; i++)
		if (str_is_nocase(str_from(domain), dns->domains[i]))
			return;
	if (domain[0] && dns->domain_count < CONF_DOMAINS_MAX &&
	    str_copy(str_from(domain), dns->domains[dns->domain_count], DOMAIN_MAX) == 0)
		dns->domain_count++;
}

static void add_leased_dns(const struct uplink *uplink, struct uplink_dns *dns)
{
	const struct conf_uplink *conf = &uplink->conf;

	for (size_t d = 0; d < uplink->lease.dns_count && !conf->dns_count && conf->dhcp4.use_dns;
	     d++)
		add_server(dns, &(struct ip_any){ .ip4 = uplink->lease.dns[d] });
	if (!conf->domain_count && conf->dhcp4.use_domains)
		add_domain(dns, uplink->lease.domain);
}

static void add_known_dns(const struct uplink *uplink, struct uplink_dns *dns)
{
	const struct nd_known *known = &uplink->known;

	for (size_t d = 0; d < known->dns_count && !uplink->conf.dns_count && uplink->conf.ra_dns;
	     d++)
		add_server(dns, &(struct ip_any){ .v6 = true,
						  .ip6 = known->dns[d],
						  .scope = ip6_is_link_local(&known->dns[d])
								   ? (uint32_t)uplink->index
								   : 0 });
	for (size_t d = 0;
	     d < known->domain_count && !uplink->conf.domain_count && uplink->conf.ra_domains; d++)
		add_domain(dns, known->domains[d]);
}

static void add_leased_dns6(const struct uplink *uplink, struct uplink_dns *dns)
{
	const struct conf_uplink *conf = &uplink->conf;
	const struct dhcp6_lease *lease = &uplink->lease6;

	for (size_t d = 0; d < lease->dns_count && !conf->dns_count && conf->dhcp6.use_dns; d++)
		add_server(dns, &(struct ip_any){ .v6 = true,
						  .ip6 = lease->dns[d],
						  .scope = ip6_is_link_local(&lease->dns[d])
								   ? (uint32_t)uplink->index
								   : 0 });
	for (size_t d = 0;
	     d < lease->domain_count && !conf->domain_count && conf->dhcp6.use_domains; d++)
		add_domain(dns, lease->domains[d]);
}

static void add_uplink_dns(const struct uplink *uplink, struct uplink_dns *dns)
{
	const struct conf_uplink *conf = &uplink->conf;

	for (size_t d = 0; d < conf->dns_count; d++) {
		struct ip_any server = conf->dns[d];

		server.scope =
			server.v6 && ip6_is_link_local(&server.ip6) ? (uint32_t)uplink->index : 0;
		add_server(dns, &server);
	}
	for (size_t d = 0; d < conf->domain_count; d++)
		add_domain(dns, conf->domains[d]);
	if (uplink->has_lease && conf->dhcp)
		add_leased_dns(uplink, dns);
	if (uplink->has_lease6)
		add_leased_dns6(uplink, dns);
	if (conf->accept_ra)
		add_known_dns(uplink, dns);
}

/* One after the other: those that can be reached first, then by metric; NULL at the end. */
static const struct uplink *next_uplink(const struct uplinks *uplinks, bool done[CONF_UPLINKS_MAX])
{
	const struct uplink *best = NULL;

	for (size_t i = 0; i < CONF_UPLINKS_MAX; i++) {
		const struct uplink *u = &uplinks->list[i];

		if (u->index && !done[i] &&
		    (!best || u->carrier > best->carrier ||
		     (u->carrier == best->carrier && u->metric < best->metric)))
			best = u;
	}
	if (best)
		done[best - uplinks->list] = true;
	return best;
}

void uplink_dns(const struct uplinks *uplinks, struct uplink_dns *ret_dns)
{
	bool done[CONF_UPLINKS_MAX] = { false };
	const struct uplink *uplink;

	*ret_dns = (struct uplink_dns){ .server_count = 0 };
	while ((uplink = next_uplink(uplinks, done)))
		add_uplink_dns(uplink, ret_dns);
}

static void add_time_server(struct uplink_time_servers *servers, const char *text)
{
	for (size_t i = 0; i < servers->count; i++)
		if (!strcmp(servers->list[i], text))
			return;
	if (servers->count < UPLINK_TIME_SERVERS_MAX &&
	    str_copy(str_from(text), servers->list[servers->count], DOMAIN_MAX) == 0)
		servers->count++;
}

void uplink_time_servers(const struct uplinks *uplinks, struct uplink_time_servers *ret_servers)
{
	bool done[CONF_UPLINKS_MAX] = { false };
	const struct uplink *uplink;
	char text[IP4_TEXT_MAX];

	ret_servers->count = 0;
	while ((uplink = next_uplink(uplinks, done))) {
		const struct conf_uplink *conf = &uplink->conf;

		for (size_t i = 0; i < conf->ntp_count; i++)
			add_time_server(ret_servers, conf->ntp[i]);
		for (size_t i = 0; uplink->has_lease && conf->dhcp && conf->dhcp4.use_ntp &&
				   !conf->ntp_count && i < uplink->lease.ntp_count;
		     i++)
			add_time_server(ret_servers, ip4_text(uplink->lease.ntp[i], text));
	}
}

void uplink_resolv_conf(const struct uplink_dns *dns, bool own, struct buf *out)
{
	char text[IP_ANY_TEXT_MAX];

	buf_add_text(out, "# written by netd from network.ini, leases and routers\n");
	if (own)
		buf_add_text(out, "nameserver 127.0.0.53\n");
	for (size_t i = 0; i < dns->server_count && !own; i++)
		buf_printf(out, "nameserver %s\n", ip_any_text(&dns->servers[i], text));
	if (dns->domain_count)
		buf_add_text(out, "search");
	for (size_t i = 0; i < dns->domain_count; i++)
		buf_printf(out, " %s", dns->domains[i]);
	if (dns->domain_count)
		buf_add_byte(out, '\n');
	buf_add_text(out, "options timeout:2 attempts:2\n");
}
