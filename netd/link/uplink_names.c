/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns whom the machine asks: name servers, search domains and time servers of all uplinks, in
 * their order. Pure, used by netd main. It must never name a server that network.ini said not to
 * use.
 */
#include <string.h>
#include "netd/link/uplink.h"

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

const char *uplink_hostname(const struct uplinks *uplinks)
{
	bool done[CONF_UPLINKS_MAX] = { false }, waits = false;
	const struct uplink *uplink;

	while ((uplink = next_uplink(uplinks, done))) {
		if (!uplink->conf.dhcp || !uplink->conf.dhcp4.use_hostname)
			continue;
		if (uplink->has_lease && uplink->lease.hostname[0])
			return uplink->lease.hostname;
		waits |= !uplink->has_lease;
	}
	return waits ? NULL : "";
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
	char text[IP4_TEXT_MAX], text6[IP6_TEXT_MAX];

	ret_servers->count = 0;
	while ((uplink = next_uplink(uplinks, done))) {
		const struct conf_uplink *conf = &uplink->conf;

		for (size_t i = 0; i < conf->ntp_count; i++)
			add_time_server(ret_servers, conf->ntp[i]);
		for (size_t i = 0; uplink->has_lease && conf->dhcp && conf->dhcp4.use_ntp &&
				   !conf->ntp_count && i < uplink->lease.ntp_count;
		     i++)
			add_time_server(ret_servers, ip4_text(uplink->lease.ntp[i], text));
		for (size_t i = 0; uplink->has_lease6 && conf->dhcp6.use_ntp && !conf->ntp_count &&
				   i < uplink->lease6.ntp_count;
		     i++)
			if (!ip6_is_link_local(&uplink->lease6.ntp[i]))
				add_time_server(ret_servers,
						ip6_text(&uplink->lease6.ntp[i], text6));
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
