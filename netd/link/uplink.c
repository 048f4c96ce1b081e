/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the choice of the links that lead out and what they shall look like. Pure, used by netd
 * main. It must never choose a link that somebody put under a master, nor one whose section was
 * refused.
 */
#include <net/if_arp.h>
#include <string.h>
#include "netd/link/uplink.h"

enum { METRIC_DEFAULT = 100 };

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

bool uplink_configure(const struct rtnl_state *state, const struct conf *conf,
		      const struct rtnl_link *link, struct conf_uplink *ret_conf)
{
	if (link->arp_type != ARPHRD_ETHER || (link->flags & IFF_LOOPBACK) || link->master)
		return false;
	for (size_t i = 0; i < conf->uplink_count; i++) {
		const struct conf_uplink *section = &conf->uplinks[i];
		/* A link of a kind of its own is taken only when it is named without wildcards. */
		bool match = !strcmp(section->match, link->name) ||
			     (!link->kind[0] && conf_match(section->match, link->name));

		if (!match)
			continue;
		*ret_conf = *section;
		return !section->refused;
	}
	if (conf->uplink_count || link != first_suitable(state))
		return false;
	*ret_conf = (struct conf_uplink){
		.name = "default", .dhcp = true, .probe = CONF_PROBE_YES, .metric = METRIC_DEFAULT
	};
	return true;
}

static void want_default_route(const struct uplink *uplink, uint32_t gateway,
			       struct link_wanted *wanted)
{
	bool onlink = true;

	if (!gateway || wanted->route_count == LINK_ROUTES_MAX)
		return;
	for (size_t i = 0; i < wanted->addr_count; i++)
		if (((wanted->addrs[i].ip4 ^ gateway) & ip4_mask(wanted->addrs[i].prefix)) == 0)
			onlink = false;
	wanted->routes[wanted->route_count++] = (struct rtnl_route){
		.gateway = gateway,
		.metric = uplink->conf.metric,
		.onlink = onlink,
		.prefsrc = uplink->has_lease && !uplink->conf.addr_count ? uplink->lease.ip4 : 0,
	};
}

void uplink_wanted(const struct uplink *uplink, struct mono now, struct link_wanted *ret_wanted)
{
	const struct conf_uplink *conf = &uplink->conf;
	uint32_t gateway = conf->gateway;

	*ret_wanted = (struct link_wanted){ .index = uplink->index, .up = true, .mtu = conf->mtu };
	for (size_t i = 0; i < conf->addr_count; i++)
		ret_wanted->addrs[ret_wanted->addr_count++] =
			(struct rtnl_addr){ .ip4 = conf->addrs[i].ip4,
					    .prefix = conf->addrs[i].prefix,
					    .valid_s = RTNL_FOREVER };
	if (conf->dhcp && uplink->has_lease) {
		struct rtnl_addr *addr = &ret_wanted->addrs[ret_wanted->addr_count++];
		int64_t age_s = mono_diff_ms(now, uplink->asked) / 1000;

		*addr = (struct rtnl_addr){ .ip4 = uplink->lease.ip4,
					    .prefix = uplink->lease.prefix,
					    .valid_s = RTNL_FOREVER };
		if (uplink->lease.lease_s != UINT32_MAX)
			addr->valid_s =
				age_s < uplink->lease.lease_s ? uplink->lease.lease_s - age_s : 1;
		if (!ret_wanted->mtu)
			ret_wanted->mtu = uplink->lease.mtu;
		if (!gateway && uplink->lease.router_count)
			gateway = uplink->lease.routers[0];
	}
	if (ret_wanted->addr_count)
		want_default_route(uplink, gateway, ret_wanted);
}

struct uplink *uplink_find(struct uplinks *uplinks, int index)
{
	for (size_t i = 0; i < CONF_UPLINKS_MAX; i++)
		if (uplinks->list[i].index == index)
			return &uplinks->list[i];
	return NULL;
}

static void add_server(struct uplink_dns *dns, uint32_t ip4)
{
	for (size_t i = 0; i < dns->server_count; i++)
		if (dns->servers[i] == ip4)
			return;
	if (dns->server_count < CONF_DNS_MAX)
		dns->servers[dns->server_count++] = ip4;
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

void uplink_dns(const struct uplinks *uplinks, struct uplink_dns *ret_dns)
{
	*ret_dns = (struct uplink_dns){ .server_count = 0 };
	for (size_t i = 0; i < CONF_UPLINKS_MAX; i++) {
		const struct uplink *uplink = &uplinks->list[i];

		if (!uplink->index)
			continue;
		for (size_t d = 0; d < uplink->conf.dns_count; d++)
			add_server(ret_dns, uplink->conf.dns[d]);
		for (size_t d = 0; d < uplink->conf.domain_count; d++)
			add_domain(ret_dns, uplink->conf.domains[d]);
		if (!uplink->has_lease)
			continue;
		for (size_t d = 0; d < uplink->lease.dns_count && !uplink->conf.dns_count; d++)
			add_server(ret_dns, uplink->lease.dns[d]);
		if (!uplink->conf.domain_count)
			add_domain(ret_dns, uplink->lease.domain);
	}
}

void uplink_resolv_conf(const struct uplink_dns *dns, struct buf *out)
{
	char text[IP4_TEXT_MAX];

	buf_add_text(out, "# written by netd from network.ini and the leases\n");
	for (size_t i = 0; i < dns->server_count; i++)
		buf_printf(out, "nameserver %s\n", ip4_text(dns->servers[i], text));
	if (dns->domain_count)
		buf_add_text(out, "search");
	for (size_t i = 0; i < dns->domain_count; i++)
		buf_printf(out, " %s", dns->domains[i]);
	if (dns->domain_count)
		buf_add_byte(out, '\n');
	buf_add_text(out, "options timeout:2 attempts:2\n");
}
