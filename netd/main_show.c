/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the texts that the console shows of the network. Run by netd main. It must never print a
 * byte that came from the network without escaping it.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include "lib/own.h"
#include "netd/link/netdev.h"
#include "netd/main_tell.h"

static const struct uplink *uplink_of(const struct netd *netd, int index)
{
	for (size_t i = 0; i < CONF_UPLINKS_MAX; i++)
		if (netd->uplinks.list[i].index == index)
			return &netd->uplinks.list[i];
	return NULL;
}

static const struct network *network_of(const struct netd *netd, const char *bridge)
{
	for (size_t i = 0; i < netd->networks.count; i++)
		if (!strcmp(netd->networks.list[i].bridge, bridge))
			return &netd->networks.list[i];
	return NULL;
}

/* Asked of the kernel's links, not of our uplinks: after a start they are a scan behind. */
static bool is_matched(const struct netd *netd, const struct rtnl_state *state, const char *name)
{
	for (size_t i = 0; i < state->link_count; i++) {
		struct conf_uplink conf;

		if (uplink_configure(state, &netd->conf, &state->links[i], &conf) &&
		    !strcmp(conf.name, name))
			return true;
	}
	return false;
}

/* Sections that wait for an interface, and those that were refused. */
static void show_absent(const struct netd *netd, const struct rtnl_state *state, struct buf *out)
{
	for (size_t i = 0; i < netd->conf.uplink_count; i++) {
		const struct conf_uplink *conf = &netd->conf.uplinks[i];

		if (conf->refused)
			buf_printf(out, "[network %s] is refused: see `config issues`\n",
				   conf->name);
		else if (!conf->unmanaged && !is_matched(netd, state, conf->name))
			buf_printf(out, "[network %s] waits: no interface matches %s\n", conf->name,
				   conf->match);
	}
}

/* Virtual links of network.ini that are not there, or are in somebody's way. */
static void show_waiting(const struct netd *netd, const struct rtnl_state *state, struct buf *out)
{
	static struct netdev_plan plan;

	netdev_plan_make(&netd->conf, state, &plan);
	for (size_t i = 0; i < netd->conf.netdev_count; i++)
		if (plan.waits[i][0])
			buf_printf(out, "[netdev %s] waits: %s\n", netd->conf.netdevs[i].name,
				   plan.waits[i]);
}

static void show_links(struct netd *netd, const struct rtnl_state *state, struct buf *out)
{
	char mac[MAC_TEXT_MAX];

	buf_printf(out, "%-15s %-8s %-10s %-6s %-18s %s\n", "LINK", "KIND", "STATE", "MTU", "MAC",
		   "ROLE");
	for (size_t i = 0; i < state->link_count; i++) {
		const struct rtnl_link *link = &state->links[i];
		const struct rtnl_link *master = rtnl_state_link(state, link->master);
		const struct uplink *uplink = uplink_of(netd, link->index);
		const struct network *network = network_of(netd, link->name);

		buf_printf(out, "%-15s %-8s %-10s %-6u %-18s ", link->name,
			   link->flags & IFF_LOOPBACK ? "loop"
			   : link->kind[0]	      ? link->kind
						      : "ether",
			   !(link->flags & IFF_UP) ? "down"
			   : link->carrier	   ? "up"
						   : "no-carrier",
			   link->mtu, mac_text(link->mac, mac));
		if (uplink)
			buf_printf(out, "uplink [network %s]\n", uplink->conf.name);
		else if (network)
			buf_printf(out, "network %s\n", network->name);
		else
			buf_printf(out, "%s\n", master ? master->name : "-");
	}
	show_absent(netd, state, out);
	show_waiting(netd, state, out);
}

static void cidr_text(const char *address, uint8_t prefix, char dst[IP6_TEXT_MAX + 4])
{
	snprintf(dst, IP6_TEXT_MAX + 4, "%s/%u", address, prefix);
}

static int wider(int width, const char *text)
{
	int len = (int)strlen(text);

	return len > width ? len : width;
}

static void addr_cidr(const struct rtnl_addr *addr, char dst[IP6_TEXT_MAX + 4])
{
	char text[IP6_TEXT_MAX];

	cidr_text(addr->v6 ? ip6_text(&addr->ip6, text) : ip4_text(addr->ip4, text), addr->prefix,
		  dst);
}

static void show_addrs(const struct rtnl_state *state, struct buf *out)
{
	char cidr[IP6_TEXT_MAX + 4], life[32];
	int width = (int)sizeof("ADDRESS"), names = (int)sizeof("LINK");

	for (size_t i = 0; i < state->addr_count; i++) {
		const struct rtnl_link *link = rtnl_state_link(state, state->addrs[i].index);

		addr_cidr(&state->addrs[i], cidr);
		width = wider(width, cidr);
		names = wider(names, link ? link->name : "?");
	}
	buf_printf(out, "%-*s %-*s %-9s %s\n", names, "LINK", width, "ADDRESS", "VALID", "SET BY");
	for (size_t i = 0; i < state->addr_count; i++) {
		const struct rtnl_addr *addr = &state->addrs[i];
		const struct rtnl_link *link = rtnl_state_link(state, addr->index);

		addr_cidr(addr, cidr);
		if (addr->valid_s < 0)
			snprintf(life, sizeof(life), "for ever");
		else
			snprintf(life, sizeof(life), "%lld s", (long long)addr->valid_s);
		buf_printf(out, "%-*s %-*s %-9s %s%s\n", names, link ? link->name : "?", width,
			   cidr, life, addr->proto == RTNL_OURS ? "netd" : "other",
			   addr->dad_failed	    ? ", somebody else has it"
			   : addr->tentative	    ? ", not yet usable"
			   : addr->preferred_s == 0 ? ", deprecated"
						    : "");
	}
}

/* Where a route leads to and over what, as words. */
static void route_words(const struct rtnl_route *route, char dst[IP6_TEXT_MAX + 4],
			char over[IP6_TEXT_MAX])
{
	bool via = route->v6 ? !ip6_is_zero(&route->gateway6) : route->gateway != 0;
	const char *nowhere = rtnl_route_nowhere(route->type);
	char text[IP6_TEXT_MAX];

	if (!route->prefix && !route->v6)
		snprintf(dst, IP6_TEXT_MAX + 4, "default");
	else
		cidr_text(route->v6 ? ip6_text(&route->dst6, text) : ip4_text(route->dst, text),
			  route->prefix, dst);
	if (nowhere || !via)
		snprintf(over, IP6_TEXT_MAX, "%s", nowhere ? nowhere : "-");
	else if (route->v6)
		ip6_text(&route->gateway6, over);
	else
		ip4_text(route->gateway, over);
}

static void show_routes(const struct rtnl_state *state, struct buf *out)
{
	int wide = (int)sizeof("DESTINATION"), gate = (int)sizeof("GATEWAY");
	char dst[IP6_TEXT_MAX + 4], over[IP6_TEXT_MAX];

	for (size_t i = 0; i < state->route_count; i++) {
		route_words(&state->routes[i], dst, over);
		wide = wider(wide, dst);
		gate = wider(gate, over);
	}
	buf_printf(out, "%-*s %-*s %-15s %-10s %s\n", wide, "DESTINATION", gate, "GATEWAY", "LINK",
		   "METRIC", "SET BY");
	for (size_t i = 0; i < state->route_count; i++) {
		const struct rtnl_route *route = &state->routes[i];
		const struct rtnl_link *link = rtnl_state_link(state, route->out);

		route_words(route, dst, over);
		buf_printf(out, "%-*s %-*s %-15s %-10u %s\n", wide, dst, gate, over,
			   link ? link->name : "-", route->metric,
			   route->proto == RTNL_OURS ? "netd" : "other");
	}
}

static void show_dns(const struct netd *netd, struct buf *out)
{
	main_dns_show(netd, out);
	for (size_t i = 0; i < netd->dns.domain_count; i++)
		buf_printf(out, "search %s\n", netd->dns.domains[i]);
	for (const struct attachment *a = netd->attachments.first; a; a = a->next)
		for (uint32_t i = 0; i < a->attach.network_count; i++)
			buf_printf(out, "name %.*s %.*s%s%.*s on %.*s\n", STR_ARG(a->attach.name),
				   STR_ARG(a->attach.networks[i].ip4),
				   a->attach.networks[i].ip4.len && a->attach.networks[i].ip6.len
					   ? " "
					   : "",
				   STR_ARG(a->attach.networks[i].ip6),
				   STR_ARG(a->attach.networks[i].name));
}

static void show_routers(const struct netd *netd, struct buf *out)
{
	int64_t now = mono_now().ns;
	char text[IP6_TEXT_MAX];

	for (size_t i = 0; i < CONF_UPLINKS_MAX; i++) {
		const struct uplink *uplink = &netd->uplinks.list[i];

		for (size_t k = 0; uplink->index && k < uplink->known.router_count; k++)
			buf_printf(out, "%s router %s valid %lld s\n", uplink->name,
				   ip6_text(&uplink->known.routers[k].ip6, text),
				   (long long)((uplink->known.routers[k].until_ns - now) /
					       1000000000));
		for (size_t k = 0; uplink->index && k < uplink->known.prefix_count; k++) {
			const struct nd_known_prefix *prefix = &uplink->known.prefixes[k];

			buf_printf(out, "%s prefix %s/%u%s%s\n", uplink->name,
				   ip6_text(&prefix->prefix, text), prefix->len,
				   prefix->valid_ns ? " addresses" : "",
				   prefix->onlink_ns ? " on-link" : "");
		}
		for (size_t k = 0; uplink->index && k < uplink->known.route_count; k++) {
			const struct nd_known_route *route = &uplink->known.routes[k];

			buf_printf(out, "%s route %s/%u", uplink->name,
				   ip6_text(&route->prefix, text), route->len);
			buf_printf(out, " via %s%s\n", ip6_text(&route->router, text),
				   uplink->conf.ra_routes ? "" : " not used");
		}
	}
}

static void show_lease6(const struct uplink *uplink, struct buf *out)
{
	int64_t age = mono_diff_ms(mono_now(), uplink->asked6) / 1000;
	const struct dhcp6_lease *lease = &uplink->lease6;
	char text[IP6_TEXT_MAX];

	buf_printf(out, "%s DHCPv6 %s", uplink->name,
		   uplink->dhcp6_state[0] ? uplink->dhcp6_state : "starting");
	for (size_t i = 0; uplink->has_lease6 && i < lease->addr_count; i++)
		buf_printf(out, " %s", ip6_text(&lease->addrs[i].ip6, text));
	for (size_t i = 0; uplink->has_lease6 && i < lease->prefix_count; i++)
		buf_printf(out, " prefix %s/%u", ip6_text(&lease->prefixes[i].ip6, text),
			   lease->prefixes[i].len);
	if (uplink->has_lease6 && (lease->addr_count || lease->prefix_count) &&
	    dhcp6_lease_valid_s(lease) != DHCP6_FOREVER)
		buf_printf(out, " valid %lld s", (long long)(dhcp6_lease_valid_s(lease) - age));
	buf_add_byte(out, '\n');
}

static void show_leases(const struct netd *netd, struct buf *out)
{
	char ip4[IP4_TEXT_MAX], server[IP4_TEXT_MAX];

	for (size_t i = 0; i < CONF_UPLINKS_MAX; i++) {
		const struct uplink *uplink = &netd->uplinks.list[i];
		int64_t age = mono_diff_ms(mono_now(), uplink->asked) / 1000;

		if (!uplink->index || !uplink->conf.dhcp)
			continue;
		buf_printf(out, "%s %s", uplink->name,
			   uplink->dhcp_state[0] ? uplink->dhcp_state : "starting");
		if (!uplink->has_lease) {
			buf_add_byte(out, '\n');
			continue;
		}
		buf_printf(out, " %s/%u from %s", ip4_text(uplink->lease.ip4, ip4),
			   uplink->lease.prefix, ip4_text(uplink->lease.server, server));
		if (uplink->lease.lease_s == UINT32_MAX)
			buf_add_text(out, " for ever\n");
		else
			buf_printf(out, " valid %lld s renew in %lld s\n",
				   (long long)(uplink->lease.lease_s - age),
				   (long long)(uplink->lease.t1_s - age));
	}
	for (size_t i = 0; i < CONF_UPLINKS_MAX; i++)
		if (netd->uplinks.list[i].index && netd->uplinks.list[i].dhcp6_started)
			show_lease6(&netd->uplinks.list[i], out);
	show_routers(netd, out);
	if (!out->len)
		buf_add_text(out, "no link takes its address by DHCP\n");
}

static const char *host_text(const struct netd_port *port, char dst[IP6_TEXT_MAX])
{
	struct ip6 ip6;

	memcpy(ip6.b, port->host_ip6, sizeof(ip6.b));
	if (!ip6_is_zero(&ip6))
		return ip6_text(&ip6, dst);
	if (port->host_ip4)
		return ip4_text(port->host_ip4, dst);
	return port->families == NETD_PORT_IP4	 ? "0.0.0.0"
	       : port->families == NETD_PORT_IP6 ? "::"
						 : "*";
}

static void show_ports(struct netd *netd, struct buf *out)
{
	char host[IP6_TEXT_MAX];
	int wide = (int)sizeof("HOST");

	for (const struct attachment *a = netd->attachments.first; a; a = a->next)
		for (uint32_t i = 0; i < a->attach.port_count; i++) {
			const struct netd_port row = attachment_port(a, &netd->networks, i);

			wide = wider(wide, host_text(&row, host));
		}
	buf_printf(out, "%-6s %-*s %-12s %-12s %s\n", "PROTO", wide, "HOST", "PORT", "TO",
		   "CONTAINER");
	for (const struct attachment *a = netd->attachments.first; a; a = a->next) {
		for (uint32_t i = 0; i < a->attach.port_count; i++) {
			const struct netd_port row = attachment_port(a, &netd->networks, i);
			const struct netd_port *port = &row;
			char from[16], to[16];

			snprintf(from, sizeof(from), port->count > 1 ? "%u-%u" : "%u",
				 port->host_port, port->host_port + port->count - 1);
			snprintf(to, sizeof(to), port->count > 1 ? "%u-%u" : "%u",
				 port->container_port, port->container_port + port->count - 1);
			buf_printf(out, "%-6s %-*s %-12s %-12s %.*s\n",
				   port->proto == IPPROTO_UDP ? "udp" : "tcp", wide,
				   host_text(port, host), from, to, STR_ARG(a->attach.name));
		}
	}
}

static void show_networks(const struct netd *netd, struct buf *out)
{
	char text[IP6_TEXT_MAX], cidr[24], cidr6[IP6_TEXT_MAX + 4];
	int names = (int)sizeof("NETWORK"), wide6 = (int)sizeof("SUBNET6");

	for (size_t i = 0; i < netd->networks.count; i++) {
		const struct network *network = &netd->networks.list[i];

		cidr_text(ip6_text(&network->subnet6, text), network->prefix6, cidr6);
		names = wider(names, network->name);
		wide6 = wider(wide6, network->prefix6 ? cidr6 : "-");
	}
	buf_printf(out, "%-*s %-15s %-19s %-*s %-9s %s\n", names, "NETWORK", "INTERFACE", "SUBNET",
		   wide6, "SUBNET6", "KIND", "CONTAINERS");
	for (size_t i = 0; i < netd->networks.count; i++) {
		const struct network *network = &netd->networks.list[i];

		snprintf(cidr, sizeof(cidr), network->prefix ? "%s/%u" : "-",
			 ip4_text(network->subnet, text), network->prefix);
		cidr_text(ip6_text(&network->subnet6, text), network->prefix6, cidr6);
		buf_printf(out, "%-*s %-15s %-19s %-*s %-9s %u\n", names, network->name,
			   network->bridge, cidr, wide6, network->prefix6 ? cidr6 : "-",
			   network->clash[0]		? "closed"
			   : !network->index		? "waits"
			   : network->internal		? "internal"
			   : network_is_bridge(network) ? "open"
							: network_driver_text(network->driver),
			   main_network_users(netd, network));
	}
	for (size_t i = 0; i < netd->networks.count; i++)
		if (netd->networks.list[i].clash[0])
			buf_printf(
				out,
				"network %s is closed: its subnet overlaps %s; give it another\n",
				netd->networks.list[i].name, netd->networks.list[i].clash);
	for (size_t i = 0; i < netd->networks.refused.count; i++)
		buf_printf(out, "[bridge %s] is refused: %s\n", netd->networks.refused.list[i].name,
			   netd->networks.refused.list[i].why);
}

/* Rows that lead to containers on this network. */
static unsigned published_rows(struct netd *netd, const struct network *network)
{
	struct nft_port rows[ATTACHMENT_ROWS * NETD_PORTS_MAX];
	unsigned ports = 0;

	for (const struct attachment *a = netd->attachments.first; a; a = a->next) {
		int count = attachment_nft_ports(a, &netd->networks, rows, NULL);

		for (int i = 0; i < count; i++) {
			bool here =
				rows[i].v6
					? network->prefix6 &&
						  ip6_in_prefix(&rows[i].to_ip6, &network->subnet6,
								network->prefix6)
					: network->prefix && !((rows[i].to_ip4 ^ network->subnet) &
							       ip4_mask(network->prefix));

			ports += here ? rows[i].count : 0;
		}
	}
	return ports;
}

static void way_out(const struct network *network, char dst[48])
{
	static const char *const ways[] = { "as it is", "translated" };
	bool nat4 = network_translates(network, false), nat6 = network_translates(network, true);

	if (!network_is_bridge(network))
		snprintf(dst, 48, "no firewall of ours");
	else if (network->internal || (!network->prefix && !network->prefix6))
		snprintf(dst, 48, "closed%s", network->internal ? "" : ": no prefix yet");
	else if (!network->prefix)
		snprintf(dst, 48, "IPv6 %s, no IPv4", ways[nat6]);
	else if (!network->prefix6)
		snprintf(dst, 48, "IPv4 %s, no IPv6", ways[nat4]);
	else if (nat4 == nat6)
		snprintf(dst, 48, "both families %s", ways[nat4]);
	else
		snprintf(dst, 48, "IPv4 %s, IPv6 %s", ways[nat4], ways[nat6]);
}

/* "4294967295 published ports, all routed" */
enum { WAY_IN_MAX = 40 };

/* What is let in to the containers' own addresses beyond published ports. */
static const char *let_in(const struct network *network)
{
	enum network_gate gate = NETWORK_GATE_NAT;

	for (int v6 = 0; v6 < 2; v6++)
		if ((v6 ? network->prefix6 : network->prefix) && gate != NETWORK_GATE_UNPROTECTED)
			gate = network_gate(network, v6) ? network_gate(network, v6) : gate;
	return gate == NETWORK_GATE_UNPROTECTED ? ", all routed"
	       : gate == NETWORK_GATE_ROUTED	? ", routed"
						: "";
}

static void way_in(struct netd *netd, const struct network *network, char dst[WAY_IN_MAX])
{
	if (network->internal)
		snprintf(dst, WAY_IN_MAX, "closed");
	else if (!network_is_bridge(network))
		snprintf(dst, WAY_IN_MAX, "open, as its segment is");
	else
		snprintf(dst, WAY_IN_MAX, "%u published ports%s", published_rows(netd, network),
			 let_in(network));
}

static void show_firewall(struct netd *netd, struct buf *out)
{
	int names = (int)sizeof("NETWORK"), wide = (int)sizeof("FROM OUTSIDE");
	char in[WAY_IN_MAX], to[48];

	buf_printf(out, "table inet hoy, %s\n",
		   nft_owned(&netd->nft) ? "owned: a foreign flush passes it by"
					 : "not owned: this kernel cannot protect it");
	for (size_t i = 0; i < netd->networks.count; i++) {
		way_in(netd, &netd->networks.list[i], in);
		names = wider(names, netd->networks.list[i].name);
		wide = wider(wide, in);
	}
	buf_printf(out, "%-*s %-*s %s\n", names, "NETWORK", wide, "FROM OUTSIDE", "TO THE OUTSIDE");
	for (size_t i = 0; i < netd->networks.count; i++) {
		const struct network *network = &netd->networks.list[i];

		way_in(netd, network, in);
		way_out(network, to);
		buf_printf(out, "%-*s %-*s %s\n", names, network->name, wide, in, to);
	}
}

int main_show(struct netd *netd, struct str what, struct buf *out, struct err *err)
{
	OWN(rtnl_state_done) struct rtnl_state state = { 0 };
	size_t count = 0;
	char shown[128];
	int r = main_link_state(netd, &state, err);

	if (r < 0)
		return r;
	while (netd_show_names[count])
		count++;
	if (str_is(what, "links"))
		show_links(netd, &state, out);
	else if (str_is(what, "addrs"))
		show_addrs(&state, out);
	else if (str_is(what, "routes"))
		show_routes(&state, out);
	else if (str_is(what, "dns"))
		show_dns(netd, out);
	else if (str_is(what, "leases"))
		show_leases(netd, out);
	else if (str_is(what, "ports"))
		show_ports(netd, out);
	else if (str_is(what, "time"))
		main_time_show(netd, out);
	else if (str_is(what, "networks"))
		show_networks(netd, out);
	else if (str_is(what, "firewall"))
		show_firewall(netd, out);
	else if (str_is(what, "rules"))
		main_rules_show(netd, out);
	else if (str_is(what, "neigh"))
		return main_neigh_show(netd, &state, out, err);
	else if (str_is(what, "gateways"))
		return main_neigh_gateways(netd, &state, out, err);
	else if (str_starts(what, STR("trace ")))
		return main_trace(netd, &state, str_skip(what, 6), out, err);
	else if (str_starts(what, STR("why ")))
		return main_why(netd, &state, str_skip(what, 4), out, err);
	else {
		const char *nearest = str_nearest(what, netd_show_names, count);

		str_escape(what, shown, sizeof(shown));
		return err_set(
			err, -EINVAL,
			"unknown word '%s'%s%s; expected links, addrs, routes, "
			"neigh, gateways, dns, leases, ports, time, networks, firewall or rules",
			shown, nearest ? "; did you mean " : "", nearest ? nearest : "");
	}
	return 0;
}
