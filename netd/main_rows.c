/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns what programs are told of the network: the same as main_show.c prints, as rows of named
 * fields (NETD_MSG_ROWS). Run by netd main. It must never take a field's name away: scripts rely on
 * them.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include "lib/own.h"
#include "netd/api/netd_rows_msg.h"
#include "netd/main_tell.h"
#include "netd/ntp/ntp_client.h"

static void put_text(struct buf *out, const char *name, const char *text)
{
	netd_row_put(out, name, NETD_FIELD_TEXT, str_from(text), 0);
}

static void put_str(struct buf *out, const char *name, struct str text)
{
	netd_row_put(out, name, NETD_FIELD_TEXT, text, 0);
}

static void put_number(struct buf *out, const char *name, int64_t number)
{
	netd_row_put(out, name, NETD_FIELD_NUMBER, STR(""), number);
}

static void put_flag(struct buf *out, const char *name, bool flag)
{
	netd_row_put(out, name, NETD_FIELD_FLAG, STR(""), flag);
}

static void put_cidr(struct buf *out, const char *name, const char *address, uint8_t prefix)
{
	char cidr[IP6_TEXT_MAX + 4];

	snprintf(cidr, sizeof(cidr), "%s/%u", address, prefix);
	put_text(out, name, cidr);
}

static const struct uplink *uplink_of(const struct netd *netd, int index)
{
	for (size_t i = 0; i < CONF_UPLINKS_MAX; i++)
		if (index && netd->uplinks.list[i].index == index)
			return &netd->uplinks.list[i];
	return NULL;
}

static const char *network_of(const struct netd *netd, const char *bridge)
{
	for (size_t i = 0; i < netd->networks.count; i++)
		if (!strcmp(netd->networks.list[i].bridge, bridge))
			return netd->networks.list[i].name;
	return "";
}

static void rows_links(struct netd *netd, const struct rtnl_state *state, struct buf *out)
{
	char mac[MAC_TEXT_MAX];

	for (size_t i = 0; i < state->link_count; i++) {
		const struct rtnl_link *link = &state->links[i];
		const struct rtnl_link *master = rtnl_state_link(state, link->master);
		const struct uplink *uplink = uplink_of(netd, link->index);

		put_text(out, "name", link->name);
		put_number(out, "index", link->index);
		put_text(out, "kind",
			 link->flags & IFF_LOOPBACK ? "loop"
			 : link->kind[0]	    ? link->kind
						    : "ether");
		put_flag(out, "up", (link->flags & IFF_UP) != 0);
		put_flag(out, "carrier", link->carrier);
		put_number(out, "mtu", link->mtu);
		put_text(out, "mac", mac_text(link->mac, mac));
		put_text(out, "master", master ? master->name : "");
		put_text(out, "uplink", uplink ? uplink->conf.name : "");
		put_text(out, "network", network_of(netd, link->name));
		netd_row_end(out);
	}
}

static void rows_addrs(const struct rtnl_state *state, struct buf *out)
{
	char text[IP6_TEXT_MAX];

	for (size_t i = 0; i < state->addr_count; i++) {
		const struct rtnl_addr *addr = &state->addrs[i];
		const struct rtnl_link *link = rtnl_state_link(state, addr->index);

		put_text(out, "link", link ? link->name : "");
		put_cidr(out, "address",
			 addr->v6 ? ip6_text(&addr->ip6, text) : ip4_text(addr->ip4, text),
			 addr->prefix);
		put_number(out, "valid_s", addr->valid_s);
		put_flag(out, "ours", addr->proto == RTNL_OURS);
		put_flag(out, "tentative", addr->tentative);
		put_flag(out, "conflict", addr->dad_failed);
		put_flag(out, "deprecated", addr->preferred_s == 0);
		netd_row_end(out);
	}
}

static void rows_routes(const struct rtnl_state *state, struct buf *out)
{
	char dst[IP6_TEXT_MAX], gateway[IP6_TEXT_MAX];

	for (size_t i = 0; i < state->route_count; i++) {
		const struct rtnl_route *route = &state->routes[i];
		const struct rtnl_link *link = rtnl_state_link(state, route->out);
		bool via = route->v6 ? !ip6_is_zero(&route->gateway6) : route->gateway != 0;

		put_cidr(out, "destination",
			 route->v6 ? ip6_text(&route->dst6, dst) : ip4_text(route->dst, dst),
			 route->prefix);
		put_text(out, "gateway",
			 !via	     ? ""
			 : route->v6 ? ip6_text(&route->gateway6, gateway)
				     : ip4_text(route->gateway, gateway));
		put_text(out, "link", link ? link->name : "");
		put_text(out, "type",
			 rtnl_route_nowhere(route->type) ? rtnl_route_nowhere(route->type)
							 : "unicast");
		put_number(out, "metric", route->metric);
		put_number(out, "table", route->table);
		put_flag(out, "ours", route->proto == RTNL_OURS);
		netd_row_end(out);
	}
}

static void rows_dns(const struct netd *netd, struct buf *out)
{
	const struct main_dns *told = &netd->forwarder;
	char text[DNS_UPSTREAM_TEXT_MAX];

	for (size_t i = 0; i < told->upstreams.count; i++) {
		put_text(out, "server", dns_upstream_text(&told->upstreams.list[i], text));
		put_flag(out, "tls", told->upstreams.list[i].tls);
		put_text(out, "state", told->states[i]);
		netd_row_end(out);
	}
	for (size_t i = 0; i < netd->dns.domain_count; i++) {
		put_text(out, "search", netd->dns.domains[i]);
		netd_row_end(out);
	}
	for (const struct attachment *a = netd->attachments.first; a; a = a->next) {
		for (uint32_t i = 0; i < a->attach.network_count; i++) {
			put_str(out, "container", a->attach.name);
			put_str(out, "network", a->attach.networks[i].name);
			put_str(out, "ip4", a->attach.networks[i].ip4);
			put_str(out, "ip6", a->attach.networks[i].ip6);
			netd_row_end(out);
		}
	}
}

static void row_lease4(const struct uplink *uplink, struct buf *out)
{
	int64_t age = mono_diff_ms(mono_now(), uplink->asked) / 1000;
	char text[IP4_TEXT_MAX];

	put_text(out, "link", uplink->name);
	put_text(out, "protocol", "DHCPv4");
	put_text(out, "state", uplink->dhcp_state);
	if (uplink->has_lease) {
		put_cidr(out, "address", ip4_text(uplink->lease.ip4, text), uplink->lease.prefix);
		put_text(out, "server", ip4_text(uplink->lease.server, text));
		put_number(out, "valid_s",
			   uplink->lease.lease_s == UINT32_MAX
				   ? RTNL_FOREVER
				   : (int64_t)uplink->lease.lease_s - age);
		put_number(out, "renew_s", (int64_t)uplink->lease.t1_s - age);
	}
	netd_row_end(out);
}

static void row_lease6(const struct uplink *uplink, struct buf *out)
{
	int64_t age = mono_diff_ms(mono_now(), uplink->asked6) / 1000;
	const struct dhcp6_lease *lease = &uplink->lease6;
	char text[IP6_TEXT_MAX];

	put_text(out, "link", uplink->name);
	put_text(out, "protocol", "DHCPv6");
	put_text(out, "state", uplink->dhcp6_state);
	if (uplink->has_lease6) {
		int64_t valid_s = dhcp6_lease_valid_s(lease);

		if (lease->addr_count)
			put_cidr(out, "address", ip6_text(&lease->addrs[0].ip6, text), 128);
		if (lease->prefix_count)
			put_cidr(out, "prefix", ip6_text(&lease->prefixes[0].ip6, text),
				 lease->prefixes[0].len);
		put_number(out, "valid_s", valid_s == DHCP6_FOREVER ? RTNL_FOREVER : valid_s - age);
	}
	netd_row_end(out);
}

static void rows_routers(const struct uplink *uplink, struct buf *out)
{
	int64_t now = mono_now().ns;
	char text[IP6_TEXT_MAX];

	for (size_t k = 0; k < uplink->known.router_count; k++) {
		put_text(out, "link", uplink->name);
		put_text(out, "protocol", "RA");
		put_text(out, "router", ip6_text(&uplink->known.routers[k].ip6, text));
		put_number(out, "valid_s", (uplink->known.routers[k].until_ns - now) / 1000000000);
		netd_row_end(out);
	}
	for (size_t k = 0; k < uplink->known.prefix_count; k++) {
		const struct nd_known_prefix *prefix = &uplink->known.prefixes[k];

		put_text(out, "link", uplink->name);
		put_text(out, "protocol", "RA");
		put_cidr(out, "prefix", ip6_text(&prefix->prefix, text), prefix->len);
		put_flag(out, "addresses", prefix->valid_ns != 0);
		put_flag(out, "on_link", prefix->onlink_ns != 0);
		netd_row_end(out);
	}
	for (size_t k = 0; k < uplink->known.route_count; k++) {
		const struct nd_known_route *route = &uplink->known.routes[k];

		put_text(out, "link", uplink->name);
		put_text(out, "protocol", "RA");
		put_cidr(out, "route", ip6_text(&route->prefix, text), route->len);
		put_text(out, "router", ip6_text(&route->router, text));
		put_flag(out, "used", uplink->conf.ra_routes);
		netd_row_end(out);
	}
}

static void rows_leases(const struct netd *netd, struct buf *out)
{
	for (size_t i = 0; i < CONF_UPLINKS_MAX; i++) {
		const struct uplink *uplink = &netd->uplinks.list[i];

		if (!uplink->index)
			continue;
		if (uplink->conf.dhcp)
			row_lease4(uplink, out);
		if (uplink->dhcp6_started)
			row_lease6(uplink, out);
		rows_routers(uplink, out);
	}
}

static void row_port(const struct attachment *a, struct netd_port row, struct buf *out)
{
	const struct netd_port *port = &row;
	char text[IP6_TEXT_MAX];
	struct ip6 ip6;

	memcpy(ip6.b, port->host_ip6, sizeof(ip6.b));
	put_text(out, "protocol", port->proto == IPPROTO_UDP ? "udp" : "tcp");
	put_text(out, "address",
		 !ip6_is_zero(&ip6) ? ip6_text(&ip6, text)
		 : port->host_ip4   ? ip4_text(port->host_ip4, text)
				    : "");
	put_flag(out, "ip4", port->families != NETD_PORT_IP6 && ip6_is_zero(&ip6));
	put_flag(out, "ip6", port->families != NETD_PORT_IP4 && !port->host_ip4);
	put_number(out, "port", port->host_port);
	put_number(out, "to", port->container_port);
	put_number(out, "count", port->count);
	put_str(out, "container", a->attach.name);
	netd_row_end(out);
}

static void rows_ports(struct netd *netd, struct buf *out)
{
	for (const struct attachment *a = netd->attachments.first; a; a = a->next)
		for (uint32_t i = 0; i < a->attach.port_count; i++)
			row_port(a, attachment_port(a, &netd->networks, i), out);
}

static void rows_networks(const struct netd *netd, struct buf *out)
{
	char text[IP6_TEXT_MAX];

	for (size_t i = 0; i < netd->networks.count; i++) {
		const struct network *network = &netd->networks.list[i];

		put_text(out, "name", network->name);
		put_text(out, "bridge", network->bridge);
		put_text(out, "driver", network_driver_text(network->driver));
		put_text(out, "mode", network_mode_text(network->driver, network->mode));
		put_flag(out, "waits", !network->index);
		put_text(out, "overlaps", network->clash);
		put_number(out, "rate", (int64_t)network->rate);
		put_number(out, "mtu", network->mtu);
		if (network->prefix)
			put_cidr(out, "subnet", ip4_text(network->subnet, text), network->prefix);
		if (network->prefix6)
			put_cidr(out, "subnet6", ip6_text(&network->subnet6, text),
				 network->prefix6);
		put_flag(out, "internal", network->internal);
		put_flag(out, "icc", !network->no_icc);
		put_text(out, "host_binding",
			 network->host_ip4 ? ip4_text(network->host_ip4, text) : "");
		put_flag(out, "declared", network->fixed);
		put_flag(out, "delegated", network->delegated);
		put_number(out, "containers", main_network_users(netd, network));
		netd_row_end(out);
	}
	for (size_t i = 0; i < netd->networks.refused.count; i++) {
		put_text(out, "name", netd->networks.refused.list[i].name);
		put_text(out, "refused", netd->networks.refused.list[i].why);
		netd_row_end(out);
	}
}

static void rows_firewall(struct netd *netd, struct buf *out)
{
	for (size_t i = 0; i < netd->networks.count; i++) {
		const struct network *network = &netd->networks.list[i];

		bool bridge = network_is_bridge(network);

		put_text(out, "network", network->name);
		put_flag(out, "owned", bridge && nft_owned(&netd->nft));
		put_text(out, "from_outside",
			 !bridge	     ? "segment"
			 : network->internal ? "closed"
					     : "published");
		put_text(out, "to_outside", network->internal ? "closed" : "open");
		put_text(out, "gateway_mode", network_gate_text(network_gate(network, false)));
		put_text(out, "gateway_mode6", network_gate_text(network_gate(network, true)));
		put_flag(out, "ip4_translated",
			 bridge && !network->internal && network->prefix &&
				 network_translates(network, false));
		put_flag(out, "ip6_translated",
			 bridge && !network->internal && network->prefix6 &&
				 network_translates(network, true));
		netd_row_end(out);
	}
}

static void rows_time(const struct netd *netd, struct buf *out)
{
	const struct main_time_report *report = &netd->time.report;

	for (size_t i = 0; i < netd->time.servers.count; i++) {
		put_text(out, "server", netd->time.servers.list[i]);
		netd_row_end(out);
	}
	put_flag(out, "synchronised", report->synchronised);
	put_flag(out, "agreed", report->verdict == NTP_VERDICT_AGREE);
	put_number(out, "offset_us", report->offset_ns / 1000);
	put_number(out, "servers", report->agreed);
	netd_row_end(out);
}

/* "why" and "trace" line by line: a station of the way by its number, chain and words. */
static int rows_told(struct netd *netd, struct str what, struct buf *out, struct err *err)
{
	static const struct str verdict = STR("verdict: ");
	bool trace = str_starts(what, STR("trace "));
	OWN(buf_done) struct buf text = { 0 };
	struct str rest, line, chain;
	uint64_t number;
	int r;

	buf_init(&text, NETD_SHOW_MAX);
	r = main_show(netd, what, &text, err);
	rest = buf_str(&text);
	while (r == 0 && rest.len && str_cut(&rest, '\n', &line)) {
		line = str_trim(line);
		if (str_starts(line, verdict)) {
			put_str(out, "verdict", str_skip(line, verdict.len));
		} else if (trace && str_cut(&line, ' ', &chain) &&
			   str_to_u64(chain, 1, 99, &number) == 0) {
			put_number(out, "step", (int64_t)number);
			(void)str_cut(&line, ' ', &chain);
			put_str(out, "chain", chain);
			put_str(out, "what", str_trim(line));
		} else {
			put_str(out, "line", line);
		}
		netd_row_end(out);
	}
	return r;
}

int main_rows(struct netd *netd, struct str what, struct buf *out, struct err *err)
{
	OWN(rtnl_state_done) struct rtnl_state state = { 0 };
	char shown[128];
	int r = main_link_state(netd, &state, err);

	if (r < 0)
		return r;
	if (str_is(what, "links"))
		rows_links(netd, &state, out);
	else if (str_is(what, "addrs"))
		rows_addrs(&state, out);
	else if (str_is(what, "routes"))
		rows_routes(&state, out);
	else if (str_is(what, "dns"))
		rows_dns(netd, out);
	else if (str_is(what, "leases"))
		rows_leases(netd, out);
	else if (str_is(what, "ports"))
		rows_ports(netd, out);
	else if (str_is(what, "time"))
		rows_time(netd, out);
	else if (str_is(what, "networks"))
		rows_networks(netd, out);
	else if (str_is(what, "firewall"))
		rows_firewall(netd, out);
	else if (str_is(what, "neigh"))
		return main_neigh_rows(netd, &state, out, err);
	else if (str_is(what, "rules"))
		main_rules_rows(netd, out);
	else if (str_starts(what, STR("why ")) || str_starts(what, STR("trace ")))
		return rows_told(netd, what, out, err);
	else
		return err_set(err, -EINVAL, "unknown word '%s'; try it without --json",
			       (str_escape(what, shown, sizeof(shown)), shown));
	return 0;
}
