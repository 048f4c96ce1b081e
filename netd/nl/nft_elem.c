/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the elements of the table's sets and maps: networks and published ports. Pure, used by netd
 * main. It must never emit an element twice in one batch: the kernel would refuse the whole of it.
 */
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>
#include <string.h>
#include "lib/own.h"
#include "netd/nl/nft.h"

/* A list of elements is one attribute of at most 64 KiB. */
enum {
	ELEMENTS_PER_MESSAGE = 512,
	PROTO_TCP = 6,
	PROTO_UDP = 17,
	PROTO_ICMP = 1,
	PROTO_ICMP6 = 58
};

struct list {
	size_t message, elements;
};

static struct list list_begin(const char *set, bool add, struct buf *out)
{
	struct list list;

	list.message = nft_begin(out, add ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM,
				 add ? NLM_F_CREATE : 0, NFPROTO_INET);
	nl_put_text(out, NFTA_SET_ELEM_LIST_TABLE, "hoy");
	nl_put_text(out, NFTA_SET_ELEM_LIST_SET, set);
	list.elements = nl_nest(out, NFTA_SET_ELEM_LIST_ELEMENTS);
	return list;
}

static void list_end(struct list list, struct buf *out)
{
	nl_nest_end(out, list.elements);
	nl_end(out, list.message);
}

static void put_value(uint16_t type, const void *data, size_t len, struct buf *out)
{
	size_t nest = nl_nest(out, type);

	nl_put(out, NFTA_DATA_VALUE, data, len);
	nl_nest_end(out, nest);
}

static void put_element(const void *key, size_t len, uint32_t flags, struct buf *out)
{
	size_t elem = nl_nest(out, NFTA_LIST_ELEM);

	put_value(NFTA_SET_ELEM_KEY, key, len, out);
	if (flags)
		nl_put_be32(out, NFTA_SET_ELEM_FLAGS, flags);
	nl_nest_end(out, elem);
}

static void put_be32(uint8_t *dst, uint32_t v)
{
	dst[0] = (uint8_t)(v >> 24);
	dst[1] = (uint8_t)(v >> 16);
	dst[2] = (uint8_t)(v >> 8);
	dst[3] = (uint8_t)v;
}

static void put_interval(const char *set, const struct nft_network *network, bool add,
			 struct buf *out)
{
	uint32_t size = network->prefix ? UINT32_C(1) << (32 - network->prefix) : 0;
	struct list list = list_begin(set, add, out);
	uint8_t key[4];

	put_be32(key, network->subnet);
	put_element(key, sizeof(key), 0, out);
	put_be32(key, network->subnet + size);
	put_element(key, sizeof(key), NFT_SET_ELEM_INTERVAL_END, out);
	list_end(list, out);
}

static void put_interval6(const char *set, const struct nft_network *network, bool add,
			  struct buf *out)
{
	struct list list = list_begin(set, add, out);
	struct ip6 end = network->subnet6;

	/* One in the prefix's last bit, carried upward; prefixes above 64 have room below it. */
	for (unsigned bit = network->prefix6; bit-- > 0;) {
		end.b[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
		if (end.b[bit / 8] & 0x80 >> bit % 8)
			break;
	}
	put_element(network->subnet6.b, sizeof(end.b), 0, out);
	put_element(end.b, sizeof(end.b), NFT_SET_ELEM_INTERVAL_END, out);
	list_end(list, out);
}

static void put_name(const char *set, const struct nft_network *network, int times, bool add,
		     struct buf *out)
{
	struct list list = list_begin(set, add, out);
	char key[2 * IFNAMSIZ] = { 0 };

	memcpy(key, network->bridge, strnlen(network->bridge, IFNAMSIZ));
	memcpy(key + IFNAMSIZ, key, IFNAMSIZ);
	put_element(key, (size_t)times * IFNAMSIZ, 0, out);
	list_end(list, out);
}

/* What everybody outside is let in to, in one family. */
static void put_open(const struct nft_network *network, bool v6, bool add, struct buf *out)
{
	const uint8_t protocols[] = { v6 ? PROTO_ICMP6 : PROTO_ICMP, PROTO_TCP, PROTO_UDP };
	enum network_gate gate = v6 ? network->gate6 : network->gate4;
	size_t count = gate == NETWORK_GATE_UNPROTECTED ? ARRAY_LEN(protocols)
		       : gate == NETWORK_GATE_ROUTED	? 1
							: 0;
	uint8_t key[IFNAMSIZ + 8] = { 0 };
	struct list list;

	if (!count || !(v6 ? network->prefix6 : network->prefix))
		return;
	list = list_begin("open", add, out);
	memcpy(key, network->bridge, strnlen(network->bridge, IFNAMSIZ));
	key[IFNAMSIZ] = v6 ? NFPROTO_IPV6 : NFPROTO_IPV4;
	for (size_t i = 0; i < count; i++) {
		key[IFNAMSIZ + 4] = protocols[i];
		put_element(key, sizeof(key), 0, out);
	}
	list_end(list, out);
}

static void put_subnets(const struct nft_network *network, bool add, struct buf *out)
{
	if (network->prefix) {
		put_interval("nets4", network, add, out);
		if (network->nat4)
			put_interval("nat4", network, add, out);
		if (network->shut4)
			put_interval("shut4", network, add, out);
	}
	if (network->prefix6) {
		put_interval6("nets6", network, add, out);
		if (network->nat6)
			put_interval6("nat6", network, add, out);
		if (network->shut6)
			put_interval6("shut6", network, add, out);
	}
}

void nft_encode_networks(const struct nft_network *networks, size_t count, bool add,
			 struct buf *out)
{
	for (size_t i = 0; i < count; i++) {
		put_subnets(&networks[i], add, out);
		put_open(&networks[i], false, add, out);
		put_open(&networks[i], true, add, out);
		put_name("brs", &networks[i], 1, add, out);
		if (!networks[i].no_icc)
			put_name("pairs", &networks[i], 2, add, out);
		if (networks[i].internal)
			put_name("inner", &networks[i], 1, add, out);
	}
}

static bool has_host(const struct nft_port *port)
{
	return port->v6 ? !ip6_is_zero(&port->host_ip6) : port->host_ip4 != 0;
}

/* The address and the room it takes. */
static size_t put_address(uint8_t *dst, bool v6, uint32_t ip4, const struct ip6 *ip6)
{
	if (!v6)
		put_be32(dst, ip4);
	else
		memcpy(dst, ip6->b, sizeof(ip6->b));
	return v6 ? sizeof(ip6->b) : 4;
}

/* Each field of a concatenation takes a whole number of four-byte registers. */
static void put_port(const struct nft_port *port, uint16_t n, bool add, struct buf *out)
{
	uint16_t from = (uint16_t)(port->host_port + n), to = (uint16_t)(port->to_port + n);
	uint8_t key[24] = { 0 }, data[20] = { 0 };
	size_t elem = nl_nest(out, NFTA_LIST_ELEM), at = 0;

	if (has_host(port) || port->routed)
		at = put_address(key, port->v6, port->host_ip4, &port->host_ip6);
	key[at] = port->proto;
	key[at + 4] = (uint8_t)(from >> 8);
	key[at + 5] = (uint8_t)from;
	put_value(NFTA_SET_ELEM_KEY, key, at + 8, out);
	if (add && !port->routed) {
		at = put_address(data, port->v6, port->to_ip4, &port->to_ip6);
		data[at] = (uint8_t)(to >> 8);
		data[at + 1] = (uint8_t)to;
		put_value(NFTA_SET_ELEM_DATA, data, at + 4, out);
	}
	nl_nest_end(out, elem);
}

static const struct map {
	const char *name;
	bool v6, one_address, routed;
} maps[] = {
	{ "pub4", false, true, false },	 { "any4", false, false, false },
	{ "pub6", true, true, false },	 { "any6", true, false, false },
	{ "reach4", false, true, true }, { "reach6", true, true, true },
};

/* Two ports of the host may lead to one of a container: where that itself is published, they are
 * one element. */
static bool named_before(const struct nft_port *ports, size_t i, uint16_t n)
{
	const struct nft_port *port = &ports[i];
	uint32_t number = (uint32_t)port->to_port + n;

	for (size_t k = 0; k < i && port->routed; k++)
		if (ports[k].routed && ports[k].v6 == port->v6 && ports[k].proto == port->proto &&
		    ports[k].to_ip4 == port->to_ip4 && ip6_equal(&ports[k].to_ip6, &port->to_ip6) &&
		    number >= ports[k].to_port &&
		    number < (uint32_t)ports[k].to_port + ports[k].count)
			return true;
	return false;
}

static void put_map(const struct map *map, const struct nft_port *ports, size_t count, bool add,
		    struct buf *out)
{
	struct list list = { 0 };
	size_t open = 0;

	for (size_t i = 0; i < count; i++) {
		if (ports[i].v6 != map->v6 || has_host(&ports[i]) != map->one_address ||
		    ports[i].routed != map->routed)
			continue;
		for (uint16_t n = 0; n < ports[i].count; n++) {
			if (named_before(ports, i, n))
				continue;
			if (open == 0)
				list = list_begin(map->name, add, out);
			put_port(&ports[i], n, add, out);
			if (++open == ELEMENTS_PER_MESSAGE) {
				list_end(list, out);
				open = 0;
			}
		}
	}
	if (open)
		list_end(list, out);
}

void nft_encode_ports(const struct nft_port *ports, size_t count, bool add, struct buf *out)
{
	for (size_t i = 0; i < ARRAY_LEN(maps); i++)
		put_map(&maps[i], ports, count, add, out);
}

void nft_encode_splice(uint16_t tcp_port, uint16_t udp_port, struct buf *out)
{
	const struct {
		uint8_t proto;
		uint16_t port;
	} rows[] = { { PROTO_TCP, tcp_port }, { PROTO_UDP, udp_port } };
	struct list list;

	if (!tcp_port && !udp_port)
		return;
	list = list_begin("splice", true, out);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const uint8_t data[2] = { (uint8_t)(rows[i].port >> 8), (uint8_t)rows[i].port };
		size_t elem;

		if (!rows[i].port)
			continue;
		elem = nl_nest(out, NFTA_LIST_ELEM);
		put_value(NFTA_SET_ELEM_KEY, &rows[i].proto, sizeof(rows[i].proto), out);
		put_value(NFTA_SET_ELEM_DATA, data, sizeof(data), out);
		nl_nest_end(out, elem);
	}
	list_end(list, out);
}

void nft_encode_change(const struct nft_change *change, struct buf *out)
{
	nft_batch_begin(out);
	nft_encode_ports(change->port_del, change->port_del_count, false, out);
	if (change->network_del)
		nft_encode_networks(change->network_del, 1, false, out);
	if (change->network_add)
		nft_encode_networks(change->network_add, 1, true, out);
	nft_encode_ports(change->port_add, change->port_add_count, true, out);
	nft_batch_end(out);
}
