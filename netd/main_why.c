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
#include "netd/main.h"

struct place {
	uint32_t ip4;
	uint16_t port;
	uint8_t proto;
	char text[40]; /* "10.9.0.2:80/tcp" */
};

static int parse(struct str what, struct place *ret_place, struct err *err)
{
	struct place place = { .proto = IPPROTO_TCP };
	char text[IP4_TEXT_MAX];
	struct str host = what;
	uint64_t number;

	if (str_ends(what, STR("/udp")))
		place.proto = IPPROTO_UDP;
	if (str_ends(what, STR("/udp")) || str_ends(what, STR("/tcp")))
		what.len -= 4;
	if (!str_cut(&what, ':', &host) || ip4_parse(host, &place.ip4) < 0 ||
	    str_to_u64(what, 1, 65535, &number) < 0)
		return err_set(err, -EINVAL,
			       "expected an address and a port, such as 192.0.2.1:80 or "
			       "192.0.2.1:53/udp");
	place.port = (uint16_t)number;
	snprintf(place.text, sizeof(place.text), "%s:%u/%s", ip4_text(place.ip4, text), place.port,
		 place.proto == IPPROTO_UDP ? "udp" : "tcp");
	*ret_place = place;
	return 0;
}

static const struct network *network_around(const struct netd *netd, uint32_t ip4)
{
	for (size_t i = 0; i < netd->networks.count; i++) {
		const struct network *network = &netd->networks.list[i];

		if (!((ip4 ^ network->subnet) & ip4_mask(network->prefix)))
			return network;
	}
	return NULL;
}

static bool is_local(const struct rtnl_state *state, uint32_t ip4)
{
	for (size_t i = 0; i < state->addr_count; i++)
		if (state->addrs[i].ip4 == ip4)
			return true;
	return ip4 >> 24 == 127;
}

/* As the firewall looks: the port on this one address, then on every address. */
static const struct netd_port *find_port(const struct netd *netd, const struct place *place,
					 bool one_address, const struct attachment **ret_holder)
{
	for (const struct attachment *a = netd->attachments.first; a; a = a->next) {
		for (uint32_t i = 0; i < a->attach.port_count; i++) {
			const struct netd_port *port = &a->attach.ports[i];

			if (port->proto != place->proto || place->port < port->host_port ||
			    place->port >= port->host_port + port->count ||
			    port->host_ip4 != (one_address ? place->ip4 : 0))
				continue;
			*ret_holder = a;
			return port;
		}
	}
	return NULL;
}

static void why_published(struct netd *netd, const struct place *place,
			  const struct netd_port *port, const struct attachment *holder,
			  struct buf *out)
{
	struct nft_port row[NETD_PORTS_MAX];
	char text[IP4_TEXT_MAX];
	size_t i = (size_t)(port - holder->attach.ports);

	buf_printf(out, "%s is published by container %.*s (map %s)\n", place->text,
		   STR_ARG(holder->attach.name), port->host_ip4 ? "pub4" : "any4");
	if (attachment_nft_ports(holder, &netd->networks, row, NULL) == 0)
		buf_printf(out, "it leads to %s:%u there\n", ip4_text(row[i].to_ip4, text),
			   row[i].to_port + place->port - port->host_port);
	if (place->ip4 >> 24 == 127)
		buf_add_text(out,
			     "open to this machine only: chain guard drops 127/8 that comes in "
			     "over a wire\n");
	else
		buf_add_text(out, "open to this machine, its containers but those on internal "
				  "networks, and all who reach that address\n");
}

static void why_container(const struct network *network, const struct place *place, struct buf *out)
{
	buf_printf(out, "%s is inside container network %s\n", place->text, network->name);
	buf_printf(out, "open to containers of that network and to this machine\n");
	buf_add_text(out, "closed to everybody outside: chain guard drops what comes in from there "
			  "for a container's address\n");
	buf_add_text(out, "closed to other container networks: chain fwdc lets bridges reach the "
			  "outside only\n");
}

static void why_absent(const struct netd *netd, const struct place *place, struct buf *out)
{
	struct place other = *place;
	const struct attachment *holder;

	buf_printf(out, "no container publishes %s: it is up to a socket of the machine itself\n",
		   place->text);
	other.proto = place->proto == IPPROTO_TCP ? IPPROTO_UDP : IPPROTO_TCP;
	if (find_port(netd, &other, true, &holder) || find_port(netd, &other, false, &holder))
		buf_printf(out, "container %.*s publishes that port for %s\n",
			   STR_ARG(holder->attach.name),
			   other.proto == IPPROTO_UDP ? "udp" : "tcp");
	other = (struct place){ .ip4 = INADDR_LOOPBACK,
				.port = place->port,
				.proto = place->proto };
	if (place->ip4 != INADDR_LOOPBACK && find_port(netd, &other, true, &holder))
		buf_printf(out, "container %.*s publishes that port on 127.0.0.1 alone\n",
			   STR_ARG(holder->attach.name));
}

int main_why(struct netd *netd, const struct rtnl_state *state, struct str what, struct buf *out,
	     struct err *err)
{
	const struct attachment *holder;
	const struct netd_port *port;
	const struct network *network;
	struct place place;
	int r = parse(what, &place, err);

	if (r < 0)
		return r;
	network = network_around(netd, place.ip4);
	if (!is_local(state, place.ip4)) {
		if (network)
			why_container(network, &place, out);
		else
			buf_printf(out,
				   "%s is not on this machine: no interface has that address\n",
				   place.text);
		return 0;
	}
	port = find_port(netd, &place, true, &holder);
	if (!port)
		port = find_port(netd, &place, false, &holder);
	if (port)
		why_published(netd, &place, port, holder, out);
	else
		why_absent(netd, &place, out);
	return 0;
}
