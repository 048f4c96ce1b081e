/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the wire form of netd's records, for netd itself and for those who call it. Pure: bytes in,
 * structs out. It must never trust a count or a length before the reader has bounded it.
 */
#include <errno.h>
#include <stddef.h>
#include "lib/wire.h"
#include "netd/api/netd_msg.h"

enum {
	IP4_TEXT_LEN = 15,
	IP6_TEXT_LEN = 45,
	MAC_TEXT_LEN = 17,
	SUBNET_TEXT_LEN = 18,
	SUBNET6_TEXT_LEN = 49,
	RESERVED_TEXT_LEN = 16 * (IP6_TEXT_LEN + 1), /* NETWORK_RESERVED_MAX */
	WORD_LEN = 15, /* drivers, modes, gateways, rates, interfaces */
};

const char *const netd_show_names[] = {
	"links", "addrs", "routes",   "neigh",	  "gateways", "dns", "leases",
	"ports", "time",  "networks", "firewall", "rules",    NULL,
};

static int decode_error(struct err *err, const char *what)
{
	return err_set(err, -EBADMSG, "malformed %s record", what);
}

static void encode_network(const struct netd_attach_network *network, struct buf *out)
{
	wire_put_str(out, network->name);
	wire_put_u32(out, network->alias_count);
	for (uint32_t a = 0; a < network->alias_count; a++)
		wire_put_str(out, network->aliases[a]);
	wire_put_str(out, network->ip4);
	wire_put_str(out, network->ip6);
	wire_put_str(out, network->mac);
	wire_put_str(out, network->ifname);
}

void netd_attach_encode(const struct netd_attach *attach, struct buf *out)
{
	wire_put_str(out, attach->id);
	wire_put_str(out, attach->name);
	wire_put_u8(out, attach->flags);
	wire_put_u32(out, attach->network_count);
	for (uint32_t i = 0; i < attach->network_count; i++)
		encode_network(&attach->networks[i], out);
	wire_put_u32(out, attach->port_count);
	for (uint32_t i = 0; i < attach->port_count; i++) {
		const struct netd_port *port = &attach->ports[i];
		wire_put_u8(out, port->proto);
		wire_put_u32(out, port->host_ip4);
		wire_put_u16(out, port->host_port);
		wire_put_u16(out, port->container_port);
		wire_put_u16(out, port->count);
		wire_put_u8(out, port->families);
		wire_put_bytes(out, port->host_ip6, sizeof(port->host_ip6));
	}
}

static int decode_network(struct wire *in, struct arena *arena, struct netd_attach_network *network)
{
	network->name = wire_str(in, NETD_NAME_MAX);
	network->alias_count = wire_count(in, NETD_ALIASES_MAX);
	if (network->alias_count) {
		network->aliases =
			arena_array(arena, network->alias_count, sizeof(*network->aliases));
		if (!network->aliases)
			return -ENOMEM;
	}
	for (uint32_t i = 0; i < network->alias_count; i++)
		network->aliases[i] = wire_str(in, NETD_NAME_MAX);
	network->ip4 = wire_str(in, IP4_TEXT_LEN);
	network->ip6 = wire_str(in, IP6_TEXT_LEN);
	network->mac = wire_str(in, MAC_TEXT_LEN);
	network->ifname = wire_str(in, WORD_LEN);
	return 0;
}

static void decode_port(struct wire *in, struct netd_port *port)
{
	port->proto = wire_u8(in);
	port->host_ip4 = wire_u32(in);
	port->host_port = wire_u16(in);
	port->container_port = wire_u16(in);
	port->count = wire_u16(in);
	port->families = wire_u8(in);
	wire_bytes(in, port->host_ip6, sizeof(port->host_ip6));
}

static bool is_zero(const uint8_t *bytes, size_t n)
{
	uint8_t seen = 0;

	for (size_t i = 0; i < n; i++)
		seen |= bytes[i];
	return seen == 0;
}

static int check_port(const struct netd_port *port, struct err *err)
{
	if (port->proto != 6 && port->proto != 17)
		return err_set(err, -EINVAL,
			       "port %u: protocol %u cannot be published; use tcp or udp",
			       port->host_port, port->proto);
	if (!port->host_port || !port->container_port)
		return err_set(err, -EINVAL, "port 0 cannot be published");
	if ((port->families & ~(NETD_PORT_IP4 | NETD_PORT_IP6)) ||
	    (port->host_ip4 && (port->families & NETD_PORT_IP6 ||
				!is_zero(port->host_ip6, sizeof(port->host_ip6)))) ||
	    (port->families == NETD_PORT_IP4 && !is_zero(port->host_ip6, sizeof(port->host_ip6))))
		return err_set(err, -EINVAL,
			       "port %u: a host address and the families do not fit together",
			       port->host_port);
	if (!port->count || port->host_port + port->count > 65536 ||
	    port->container_port + port->count > 65536)
		return err_set(err, -EINVAL, "port range %u of %u ports is out of bounds",
			       port->host_port, port->count);
	return 0;
}

int netd_attach_decode(struct str body, struct arena *arena, struct netd_attach *ret_attach,
		       struct err *err)
{
	struct netd_attach attach = { 0 };
	struct wire in;

	wire_init(&in, body.ptr, body.len);
	attach.id = wire_str(&in, NETD_ID_MAX);
	attach.name = wire_str(&in, NETD_NAME_MAX);
	attach.flags = wire_u8(&in);
	attach.network_count = wire_count(&in, NETD_NETWORKS_MAX);
	attach.networks = arena_array(arena, attach.network_count + 1, sizeof(*attach.networks));
	for (uint32_t i = 0; attach.networks && i < attach.network_count; i++)
		if (decode_network(&in, arena, &attach.networks[i]) < 0)
			return err_set(err, -ENOMEM, "no memory for the attach record");
	attach.port_count = wire_count(&in, NETD_PORTS_MAX);
	attach.ports = arena_array(arena, attach.port_count + 1, sizeof(*attach.ports));
	if (!attach.networks || !attach.ports)
		return err_set(err, -ENOMEM, "no memory for the attach record");
	for (uint32_t i = 0; i < attach.port_count; i++)
		decode_port(&in, &attach.ports[i]);
	if (wire_end(&in) < 0 || !attach.id.len ||
	    (attach.flags & ~(NETD_ATTACH_NO_FORWARD | NETD_ATTACH_PORTS_WAIT)))
		return decode_error(err, "attach");
	for (uint32_t i = 0; i < attach.port_count; i++) {
		int r = check_port(&attach.ports[i], err);
		if (r < 0)
			return r;
	}
	*ret_attach = attach;
	return 0;
}

void netd_connect_encode(struct str id, const struct netd_attach_network *network, struct buf *out)
{
	wire_put_str(out, id);
	encode_network(network, out);
}

int netd_connect_decode(struct str body, struct arena *arena, struct str *ret_id,
			struct netd_attach_network *ret_network, struct err *err)
{
	struct netd_attach_network network = { .alias_count = 0 };
	struct str id;
	struct wire in;

	wire_init(&in, body.ptr, body.len);
	id = wire_str(&in, NETD_ID_MAX);
	if (decode_network(&in, arena, &network) < 0)
		return err_set(err, -ENOMEM, "no memory for the connect record");
	if (wire_end(&in) < 0 || !id.len || !network.name.len)
		return decode_error(err, "connect");
	*ret_id = id;
	*ret_network = network;
	return 0;
}

void netd_attached_encode(const struct netd_attached *attached, struct buf *out)
{
	wire_put_u32(out, attached->count);
	for (uint32_t i = 0; i < attached->count; i++) {
		const struct netd_attached_network *network = &attached->networks[i];
		wire_put_str(out, network->network);
		wire_put_str(out, network->ip4);
		wire_put_u8(out, network->prefix);
		wire_put_str(out, network->gateway);
		wire_put_str(out, network->mac);
		wire_put_str(out, network->ifname);
		wire_put_str(out, network->ip6);
		wire_put_u8(out, network->prefix6);
		wire_put_str(out, network->gateway6);
		wire_put_str(out, network->host_ip);
		wire_put_u8(out, network->flags);
	}
}

int netd_attached_decode(struct str body, struct arena *arena, struct netd_attached *ret_attached,
			 struct err *err)
{
	struct netd_attached attached = { 0 };
	struct wire in;

	wire_init(&in, body.ptr, body.len);
	attached.count = wire_count(&in, NETD_NETWORKS_MAX);
	attached.networks = arena_array(arena, attached.count + 1, sizeof(*attached.networks));
	if (!attached.networks)
		return err_set(err, -ENOMEM, "no memory for the attached record");
	for (uint32_t i = 0; i < attached.count; i++) {
		struct netd_attached_network *network = &attached.networks[i];
		network->network = wire_str(&in, NETD_NAME_MAX);
		network->ip4 = wire_str(&in, 15);
		network->prefix = wire_u8(&in);
		network->gateway = wire_str(&in, 15);
		network->mac = wire_str(&in, 17);
		network->ifname = wire_str(&in, 15);
		network->ip6 = wire_str(&in, IP6_TEXT_LEN);
		network->prefix6 = wire_u8(&in);
		network->gateway6 = wire_str(&in, IP6_TEXT_LEN);
		network->host_ip = wire_str(&in, 15);
		network->flags = wire_u8(&in);
	}
	if (wire_end(&in) < 0)
		return decode_error(err, "attached");
	*ret_attached = attached;
	return 0;
}

void netd_networks_encode(const struct netd_network *networks, uint32_t count, struct buf *out)
{
	wire_put_u32(out, count);
	for (uint32_t i = 0; i < count; i++) {
		wire_put_str(out, networks[i].name);
		wire_put_str(out, networks[i].subnet);
		wire_put_str(out, networks[i].gateway);
		wire_put_str(out, networks[i].bridge);
		wire_put_u8(out, networks[i].internal);
		wire_put_u8(out, networks[i].fixed);
		wire_put_u32(out, networks[i].containers);
		wire_put_str(out, networks[i].subnet6);
		wire_put_str(out, networks[i].gateway6);
		wire_put_str(out, networks[i].driver);
	}
}

int netd_networks_decode(struct str body, struct arena *arena, struct netd_network **ret_networks,
			 uint32_t *ret_count, struct err *err)
{
	struct netd_network *networks;
	struct wire in;
	uint32_t count;

	wire_init(&in, body.ptr, body.len);
	count = wire_count(&in, NETD_NETWORK_LIST_MAX);
	networks = arena_array(arena, count + 1, sizeof(*networks));
	if (!networks)
		return err_set(err, -ENOMEM, "no memory for the network list");
	for (uint32_t i = 0; i < count; i++) {
		networks[i].name = wire_str(&in, NETD_NAME_MAX);
		networks[i].subnet = wire_str(&in, 18);
		networks[i].gateway = wire_str(&in, 15);
		networks[i].bridge = wire_str(&in, 15);
		networks[i].internal = wire_bool(&in);
		networks[i].fixed = wire_bool(&in);
		networks[i].containers = wire_u32(&in);
		networks[i].subnet6 = wire_str(&in, SUBNET6_TEXT_LEN);
		networks[i].gateway6 = wire_str(&in, IP6_TEXT_LEN);
		networks[i].driver = wire_str(&in, WORD_LEN);
	}
	if (wire_end(&in) < 0)
		return decode_error(err, "network list");
	*ret_networks = networks;
	*ret_count = count;
	return 0;
}

void netd_network_set_encode(const struct netd_network_set *set, struct buf *out)
{
	wire_put_str(out, set->name);
	wire_put_str(out, set->subnet);
	wire_put_u8(out, set->internal);
	netd_network_more_encode(set, out);
}

void netd_network_more_encode(const struct netd_network_set *set, struct buf *out)
{
	wire_put_u8(out, set->no_ip6);
	wire_put_str(out, set->subnet6);
	wire_put_str(out, set->driver);
	wire_put_str(out, set->mode);
	wire_put_str(out, set->parent);
	wire_put_str(out, set->gateway);
	wire_put_str(out, set->range);
	wire_put_str(out, set->rate);
	wire_put_u32(out, set->mtu);
	wire_put_u8(out, set->no_ip4);
	wire_put_u8(out, set->no_icc);
	wire_put_str(out, set->host_ip);
	wire_put_str(out, set->bridge);
	wire_put_str(out, set->ifname_prefix);
	wire_put_str(out, set->gate4);
	wire_put_str(out, set->gate6);
	wire_put_u8(out, set->no_masquerade);
	wire_put_u8(out, set->inhibit4);
	wire_put_str(out, set->gateway6);
	wire_put_str(out, set->reserved);
	wire_put_u8(out, set->told6);
}

int netd_network_set_decode(struct str body, struct netd_network_set *ret_set, struct err *err)
{
	struct netd_network_set set = { 0 };
	struct wire in;

	wire_init(&in, body.ptr, body.len);
	set.name = wire_str(&in, NETD_NAME_MAX);
	set.subnet = wire_str(&in, 18);
	set.internal = wire_bool(&in);
	if (in.left) {
		set.no_ip6 = wire_bool(&in);
		set.subnet6 = wire_str(&in, SUBNET6_TEXT_LEN);
	}
	if (in.left) {
		set.driver = wire_str(&in, WORD_LEN);
		set.mode = wire_str(&in, WORD_LEN);
		set.parent = wire_str(&in, WORD_LEN);
		set.gateway = wire_str(&in, IP4_TEXT_LEN);
		set.range = wire_str(&in, SUBNET_TEXT_LEN);
		set.rate = wire_str(&in, WORD_LEN);
		set.mtu = wire_u32(&in);
	}
	if (in.left)
		set.no_ip4 = wire_bool(&in);
	if (in.left) {
		set.no_icc = wire_bool(&in);
		set.host_ip = wire_str(&in, IP4_TEXT_LEN);
	}
	if (in.left) {
		set.bridge = wire_str(&in, WORD_LEN);
		set.ifname_prefix = wire_str(&in, WORD_LEN);
		set.gate4 = wire_str(&in, WORD_LEN);
		set.gate6 = wire_str(&in, WORD_LEN);
		set.no_masquerade = wire_bool(&in);
	}
	if (in.left) {
		set.inhibit4 = wire_bool(&in);
		set.gateway6 = wire_str(&in, IP6_TEXT_LEN);
		set.reserved = wire_str(&in, RESERVED_TEXT_LEN);
		set.told6 = wire_bool(&in);
	}
	if (wire_end(&in) < 0)
		return decode_error(err, "network");
	*ret_set = set;
	return 0;
}

void netd_event_encode(const struct netd_event *event, struct buf *out)
{
	wire_put_u8(out, event->kind);
	wire_put_str(out, event->text);
}

int netd_event_decode(struct str body, struct netd_event *ret_event, struct err *err)
{
	struct netd_event event;
	struct wire in;

	wire_init(&in, body.ptr, body.len);
	event.kind = wire_u8(&in);
	event.text = wire_str(&in, 480);
	if (wire_end(&in) < 0 || event.kind < NETD_EVENT_UPLINK_UP || event.kind > NETD_EVENT_DNS)
		return decode_error(err, "event");
	*ret_event = event;
	return 0;
}
