/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the answer to "network why HOST:PORT": which published port, rule or absence decides what
 * becomes of a packet to that place. Run by netd main. It must never change anything, and never
 * name a rule that the firewall table does not have.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include "lib/own.h"
#include "netd/main_place.h"
#include "netd/main_tell.h"

/* "ADDRESS:PORT" with an IPv6 address in brackets. */
static int parse_host(struct str *what, struct place *place)
{
	struct str host;

	if (what->len && what->ptr[0] == '[') {
		ptrdiff_t end = str_find(*what, ']');

		if (end < 0)
			return -EINVAL;
		host = str_skip(str_head(*what, (size_t)end), 1);
		*what = str_skip(*what, (size_t)end + 1);
		place->v6 = true;
		if (!what->len || what->ptr[0] != ':')
			return -EINVAL;
		*what = str_skip(*what, 1);
		return ip6_parse(host, &place->ip6);
	}
	return str_cut(what, ':', &host) ? ip4_parse(host, &place->ip4) : -EINVAL;
}

int place_parse(struct str what, struct place *ret_place, struct err *err)
{
	struct place place = { .proto = IPPROTO_TCP };
	char text[IP6_TEXT_MAX];
	uint64_t number;

	if (str_ends(what, STR("/udp")))
		place.proto = IPPROTO_UDP;
	if (str_ends(what, STR("/udp")) || str_ends(what, STR("/tcp")))
		what.len -= 4;
	if (parse_host(&what, &place) < 0 || str_to_u64(what, 1, 65535, &number) < 0)
		return err_set(err, -EINVAL,
			       "expected an address and a port, such as 192.0.2.1:80, "
			       "192.0.2.1:53/udp or [::1]:80");
	place.port = (uint16_t)number;
	snprintf(place.text, sizeof(place.text), place.v6 ? "[%s]:%u/%s" : "%s:%u/%s",
		 place.v6 ? ip6_text(&place.ip6, text) : ip4_text(place.ip4, text), place.port,
		 place.proto == IPPROTO_UDP ? "udp" : "tcp");
	*ret_place = place;
	return 0;
}

const struct network *place_network(const struct netd *netd, const struct place *place)
{
	for (size_t i = 0; i < netd->networks.count; i++) {
		const struct network *network = &netd->networks.list[i];

		if (place->v6 ? network->prefix6 && ip6_in_prefix(&place->ip6, &network->subnet6,
								  network->prefix6)
			      : network->prefix && !((place->ip4 ^ network->subnet) &
						     ip4_mask(network->prefix)))
			return network;
	}
	return NULL;
}

static bool is_loopback(const struct place *place)
{
	return place->v6 ? ip6_is_loopback(&place->ip6) : place->ip4 >> 24 == 127;
}

bool place_is_local(const struct rtnl_state *state, const struct place *place)
{
	for (size_t i = 0; i < state->addr_count; i++) {
		const struct rtnl_addr *addr = &state->addrs[i];

		if (addr->v6 == place->v6 &&
		    (addr->v6 ? ip6_equal(&addr->ip6, &place->ip6) : addr->ip4 == place->ip4))
			return true;
	}
	return is_loopback(place);
}

static bool on_host(const struct nft_port *row, const struct place *place, bool one_address)
{
	const struct ip6 zero = { .b = { 0 } };

	if (row->v6 != place->v6)
		return false;
	if (row->v6)
		return ip6_equal(&row->host_ip6, one_address ? &place->ip6 : &zero);
	return row->host_ip4 == (one_address ? place->ip4 : 0);
}

/* As the firewall looks: the port on this one address, then on every address. */
bool place_port(struct netd *netd, const struct place *place, bool one_address,
		const struct attachment **ret_holder, struct nft_port *ret_row)
{
	struct nft_port rows[ATTACHMENT_ROWS * NETD_PORTS_MAX];

	for (const struct attachment *a = netd->attachments.first; a; a = a->next) {
		int count = attachment_nft_ports(a, &netd->networks, rows, NULL);

		for (int i = 0; i < count; i++) {
			const struct nft_port *row = &rows[i];

			if (row->proto != place->proto || place->port < row->host_port ||
			    place->port >= row->host_port + row->count ||
			    !on_host(row, place, one_address))
				continue;
			*ret_holder = a;
			*ret_row = *row;
			return true;
		}
	}
	return false;
}

static void why_published(const struct netd *netd, const struct place *place,
			  const struct nft_port *row, const struct attachment *holder,
			  struct buf *out)
{
	bool any = row->v6 ? ip6_is_zero(&row->host_ip6) : !row->host_ip4;
	unsigned to = (unsigned)(row->to_port + place->port - row->host_port);
	char text[IP6_TEXT_MAX];

	buf_printf(out, "%s is published by container %.*s (map %s%c)\n", place->text,
		   STR_ARG(holder->attach.name), any ? "any" : "pub", row->v6 ? '6' : '4');
	if (row->v6)
		buf_printf(out, "it leads to [%s]:%u there\n", ip6_text(&row->to_ip6, text), to);
	else
		buf_printf(out, "it leads to %s:%u there\n", ip4_text(row->to_ip4, text), to);
	if (is_loopback(place) && place->v6)
		buf_add_text(out, "open to this machine only: role splice carries it\n");
	else if (is_loopback(place))
		buf_add_text(out,
			     "open to this machine only: chain guard drops 127/8 that comes in "
			     "over a wire\n");
	else if (main_rules_silent(netd, RULE_PUBLISHED, place->proto, place->port, place->v6))
		buf_add_text(out, "open to this machine, its containers but those on internal "
				  "networks, and all who reach that address\n");
	else {
		buf_add_text(out, "open to this machine and its containers but those on internal "
				  "networks\n");
		main_rules_why(netd, RULE_PUBLISHED, place->proto, place->port, place->v6, out);
	}
}

/* Whether the place itself is published, in a network to which the machine routes. */
static bool why_routed(struct netd *netd, const struct network *network, const struct place *place,
		       struct buf *out)
{
	const struct attachment *holder;
	struct nft_port row;

	if (network_gate(network, place->v6) != NETWORK_GATE_ROUTED ||
	    !place_port(netd, place, true, &holder, &row) || !row.routed)
		return false;
	buf_printf(out,
		   "container %.*s publishes it there, and %s is routed (set reach%c)\n"
		   "open to this machine, its containers but those on internal networks, and all "
		   "who have a route to that address\n",
		   STR_ARG(holder->attach.name), network->name, place->v6 ? '6' : '4');
	if (!main_rules_silent(netd, RULE_PUBLISHED, place->proto, place->port, place->v6))
		main_rules_why(netd, RULE_PUBLISHED, place->proto, place->port, place->v6, out);
	return true;
}

static void why_container(struct netd *netd, const struct network *network,
			  const struct place *place, struct buf *out)
{
	bool isolated = network_gate(network, place->v6) == NETWORK_GATE_ISOLATED;

	buf_printf(out, "%s is inside container network %s\n", place->text, network->name);
	if (why_routed(netd, network, place, out))
		return;
	buf_printf(out, "open to containers of that network%s\n",
		   isolated ? ", and not to this machine: it has no address there"
			    : " and to this machine");
	if (network->internal)
		buf_add_text(out, "closed to everybody else: the network is internal\n");
	else if (network_gate(network, place->v6) == NETWORK_GATE_UNPROTECTED)
		buf_add_text(out, "open to everybody outside who has a route there: gateway mode "
				  "nat-unprotected (set open)\n");
	else if (network_is_shut(network, place->v6))
		buf_add_text(out, "closed to everybody outside: chain guard drops what comes in "
				  "from there for a container's address\n");
	else
		buf_add_text(out, "closed to everybody outside: nothing publishes it, and chain "
				  "fwdc lets nothing else in\n");
	if (!network->internal)
		buf_add_text(out, "closed to other container networks: chain fwdc lets bridges "
				  "reach the outside only\n");
}

static void why_absent(struct netd *netd, const struct place *place, struct buf *out)
{
	struct place other = *place;
	const struct attachment *holder;
	struct nft_port row;

	buf_printf(out, "no container publishes %s: it is up to a socket of the machine itself\n",
		   place->text);
	other.proto = place->proto == IPPROTO_TCP ? IPPROTO_UDP : IPPROTO_TCP;
	if (place_port(netd, &other, true, &holder, &row) ||
	    place_port(netd, &other, false, &holder, &row))
		buf_printf(out, "container %.*s publishes that port for %s\n",
			   STR_ARG(holder->attach.name),
			   other.proto == IPPROTO_UDP ? "udp" : "tcp");
	other = (struct place){ .ip4 = INADDR_LOOPBACK,
				.port = place->port,
				.proto = place->proto };
	if (!is_loopback(place) && place_port(netd, &other, true, &holder, &row))
		buf_printf(out, "container %.*s publishes that port on 127.0.0.1 alone\n",
			   STR_ARG(holder->attach.name));
	if (!is_loopback(place) &&
	    !main_rules_silent(netd, RULE_INBOUND, place->proto, place->port, place->v6))
		main_rules_why(netd, RULE_INBOUND, place->proto, place->port, place->v6, out);
}

int main_why(struct netd *netd, const struct rtnl_state *state, struct str what, struct buf *out,
	     struct err *err)
{
	const struct attachment *holder;
	const struct network *network;
	struct nft_port row;
	struct place place;
	int r = place_parse(what, &place, err);

	if (r < 0)
		return r;
	network = place_network(netd, &place);
	if (!place_is_local(state, &place)) {
		if (network)
			why_container(netd, network, &place, out);
		else
			buf_printf(out,
				   "%s is not on this machine: no interface has that address\n",
				   place.text);
		return 0;
	}
	if (place_port(netd, &place, true, &holder, &row) ||
	    place_port(netd, &place, false, &holder, &row))
		why_published(netd, &place, &row, holder, out);
	else
		why_absent(netd, &place, out);
	return 0;
}
