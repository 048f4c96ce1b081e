/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network of a create request: mode, endpoints, published ports. Runs in the api role, on foreign
 * JSON. Must never publish on an address that was not asked for.
 */
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include "engine/docker/create.h"
#include "lib/own.h"

enum { NETWORKS_MAX = 8, PORT_RANGE_MAX = 4096, ENDPOINTS_MINOR = 44, SYSCTL_VALUE_MAX = 64 };

/* ---- ports ---- */

/* "80", "80/udp" */
static int port_and_proto(struct str text, uint16_t *ret_port, uint8_t *ret_proto, struct err *err)
{
	struct str rest = text, number;
	uint64_t port;

	(void)str_cut(&rest, '/', &number);
	if (str_to_u64(number, 1, 65535, &port) < 0)
		return err_set(err, -EINVAL, "invalid port specification: \"%.*s\"", STR_ARG(text));
	if (rest.len && !str_is_nocase(rest, "tcp") && !str_is_nocase(rest, "udp"))
		return err_set(err, -EINVAL,
			       "invalid proto: %.*s; this engine publishes tcp and udp",
			       STR_ARG(rest));
	*ret_port = (uint16_t)port;
	*ret_proto = str_is_nocase(rest, "udp") ? IPPROTO_UDP : IPPROTO_TCP;
	return 0;
}

/* A client names each port of a range: one row says them all. */
static bool joins_last(const struct container_def *def, const struct service_port *port)
{
	const struct service_port *last = def->ports + def->port_count - 1;

	return def->port_count && port->host_port && last->host_port &&
	       last->proto == port->proto && last->families == port->families &&
	       last->host_ip == port->host_ip &&
	       !memcmp(last->host_ip6, port->host_ip6, sizeof(last->host_ip6)) &&
	       port->host_port == (uint32_t)last->host_port + last->count &&
	       port->container_port == (uint32_t)last->container_port + last->count;
}

static int add_port(struct create *create, const struct service_port *port, struct err *err)
{
	struct container_def *def = &create->def;

	if (joins_last(def, port)) {
		def->ports[def->port_count - 1].count++;
		return 0;
	}
	if (def->port_count == DEF_PORTS_MAX)
		return err_set(err, -EINVAL, "too many published ports: at most %d", DEF_PORTS_MAX);
	def->ports[def->port_count++] = *port;
	return 0;
}

static int one_binding(struct create *create, struct str key, const struct json *binding,
		       struct err *err)
{
	struct str ip = json_str(json_get(binding, "HostIp"));
	struct str rest = json_str(json_get(binding, "HostPort")), first;
	struct service_port port = { .count = 1 };
	uint64_t number = 0;
	int r = port_and_proto(key, &port.container_port, &port.proto, err);

	if (r < 0)
		return r;
	(void)str_cut(&rest, '-', &first); /* of a range any will do: the first */
	if (first.len && str_to_u64(first, 0, 65535, &number) < 0)
		return err_set(err, -EINVAL, "invalid port specification: \"%.*s\"",
			       STR_ARG(first));
	if (service_port_address(ip, &port) < 0)
		return err_set(err, -EINVAL, "invalid IP address: %.*s", STR_ARG(ip));
	port.host_port = (uint16_t)number;
	return add_port(create, &port, err);
}

static bool published(const struct create *create, const struct service_port *port)
{
	for (uint32_t i = 0; i < create->def.port_count; i++) {
		const struct service_port *row = &create->def.ports[i];

		if (port->container_port >= row->container_port &&
		    port->container_port < (uint32_t)row->container_port + row->count &&
		    row->proto == port->proto)
			return true;
	}
	return false;
}

static int net_ports(struct create *create, struct err *err)
{
	struct container_def *def = &create->def;
	const struct json *bindings, *binding;
	struct json_iter ports, iter;
	struct str key, none;
	int r = 0;

	def->ports = arena_array(create->arena, DEF_PORTS_MAX, sizeof(*def->ports));
	if (!def->ports)
		return err_set(err, -ENOMEM, "no memory for ports");
	json_iter_init(&ports, json_get(create->host, "PortBindings"));
	while (r >= 0 && json_iter_next(&ports, &key, &bindings)) {
		json_iter_init(&iter, bindings);
		if (!json_count(bindings))
			r = one_binding(create, key, NULL, err);
		while (r >= 0 && json_iter_next(&iter, &none, &binding))
			r = one_binding(create, key, binding, err);
	}
	if (!json_true(json_get(create->host, "PublishAllPorts")))
		return r;
	for (uint32_t i = 0; r >= 0 && i < create->exposed.count; i++) {
		struct service_port port = { .count = 1 };

		r = port_and_proto(str_from(create->exposed.items[i]), &port.container_port,
				   &port.proto, err);
		if (r >= 0 && !published(create, &port))
			r = add_port(create, &port, err);
	}
	return r;
}

/* ---- networks ---- */

/* "NETWORK=ADDRESS", "NETWORK=ip6:ADDRESS", "NETWORK=mac:ADDRESS", "NETWORK=if:NAME" or
 * "NETWORK=sysctl:KEY=VALUE" for engine/container/net.c. */
static int add_wanted(struct create *create, const char *network, const char *kind,
		      struct str value, struct err *err)
{
	char *wanted = arena_printf(create->arena, "%s=%s%.*s", network, kind, STR_ARG(value));

	if (!wanted)
		return err_set(err, -ENOMEM, "no memory for networks");
	return image_texts_add(create->arena, &create->def.host.addresses, wanted, err);
}

/* "02:42:ac:11:00:0a", one host's: not a group's. */
static int endpoint_mac(struct create *create, const char *network, struct str mac, struct err *err)
{
	struct str rest = mac, part;
	unsigned count = 0;
	uint8_t byte = 1;

	if (!mac.len)
		return 0;
	while (str_cut(&rest, ':', &part)) {
		uint8_t value = 0;

		if (part.len != 2 || str_unhex(part, &value, 1) < 0)
			count = 6;
		if (!count++)
			byte = value;
	}
	if (count != 6)
		return err_set(err, -EINVAL, "%.*s is not a valid mac address", STR_ARG(mac));
	if (byte & 1)
		return err_set(err, -EINVAL, "%.*s is the address of a group", STR_ARG(mac));
	return add_wanted(create, network, "mac:", mac, err);
}

/* One of "net.ipv4.conf.IFNAME.forwarding=1,...": a file below that interface's, and nothing else.
 */
static bool is_endpoint_sysctl(struct str text)
{
	static const char *const front[][3] = {
		{ "net" }, { "ipv4", "ipv6" }, { "conf", "neigh" }, { "IFNAME" }
	};
	struct str key, part;
	size_t i = 0;

	if (!str_cut(&text, '=', &key) || !text.len || text.len > SYSCTL_VALUE_MAX ||
	    memchr(text.ptr, '\n', text.len))
		return false;
	for (; str_cut(&key, '.', &part); i++) {
		bool known = i >= ARRAY_LEN(front) && part.len > 0;

		for (size_t k = 0; i < ARRAY_LEN(front) && front[i][k]; k++)
			known |= str_is(part, front[i][k]);
		for (size_t k = 0; i >= ARRAY_LEN(front) && k < part.len; k++)
			known &= part.ptr[k] == '_' || (part.ptr[k] >= 'a' && part.ptr[k] <= 'z') ||
				 (part.ptr[k] >= '0' && part.ptr[k] <= '9');
		if (!known)
			return false;
	}
	return i == ARRAY_LEN(front) + 1;
}

static int endpoint_sysctls(struct create *create, const char *network, struct str list,
			    struct err *err)
{
	struct str item;
	int r = 0;

	while (r >= 0 && list.len && str_cut(&list, ',', &item)) {
		if (!is_endpoint_sysctl(item))
			return err_set(err, -EINVAL,
				       "unrecognised network interface sysctl '%.*s'; represent "
				       "'net.X.Y.ethN.Z=V' as 'net.X.Y.IFNAME.Z=V', 'X' must be "
				       "'ipv4' or 'ipv6', 'Y' 'conf' or 'neigh'",
				       STR_ARG(item));
		r = add_wanted(create, network, "sysctl:", item, err);
	}
	return r;
}

static int add_alias(struct create *create, const char *alias, struct err *err)
{
	struct image_texts *all = &create->def.aliases;

	for (uint32_t i = 0; i < all->count; i++) {
		if (!strcmp(all->items[i], alias))
			return 0;
	}
	return image_texts_add(create->arena, all, alias, err);
}

int create_aliases(struct create *create, struct str network, const struct json *endpoint,
		   struct err *err)
{
	struct image_texts said = { 0 };
	const char *own = arena_printf(create->arena, "%.12s", create->id);
	int r = create_texts(create, endpoint, "Aliases", &said, err);

	if (r >= 0 && !own)
		r = err_set(err, -ENOMEM, "no memory for networks");
	for (uint32_t i = 0; r >= 0 && i < said.count; i++)
		r = add_alias(create, said.items[i], err);
	/* A name of its own in the resolver of networks that somebody made. */
	if (r >= 0 && !str_is(network, "bridge"))
		r = add_alias(create, own, err);
	return r;
}

int create_endpoint(struct create *create, struct str name, const struct json *endpoint,
		    struct err *err)
{
	struct container_def *def = &create->def;
	struct str ip = json_str(json_get(json_get(endpoint, "IPAMConfig"), "IPv4Address"));
	struct str ip6 = json_str(json_get(json_get(endpoint, "IPAMConfig"), "IPv6Address"));
	const struct json *options = json_get(endpoint, "DriverOpts");
	struct str ifname = json_str(json_get(options, "com.docker.network.endpoint.ifname"));
	const char *text = arena_text(create->arena, name);
	int r;

	if (!text)
		return err_set(err, -ENOMEM, "no memory for networks");
	if (def->networks.count == NETWORKS_MAX)
		return err_set(err, -EINVAL, "a container has at most %d networks", NETWORKS_MAX);
	for (uint32_t i = 0; i < def->networks.count; i++) {
		if (!strcmp(def->networks.items[i], text))
			return 0;
	}
	r = image_texts_add(create->arena, &def->networks, text, err);
	if (r >= 0)
		r = create_aliases(create, name, endpoint, err);
	if (r >= 0)
		r = create_links(create, endpoint, false, err);
	if (r >= 0 && (ip.len || ip6.len) && str_is(name, "bridge"))
		return err_set(err, -EINVAL,
			       "user specified IP address is supported on user "
			       "defined networks only");
	if (r >= 0 && ip.len)
		r = add_wanted(create, text, "", ip, err);
	if (r >= 0 && ip6.len)
		r = add_wanted(create, text, "ip6:", ip6, err);
	if (r >= 0 && ifname.len >= IFNAMSIZ)
		return err_set(err, -EINVAL, "interface name '%.*s' is too long", STR_ARG(ifname));
	if (r >= 0 && ifname.len)
		r = add_wanted(create, text, "if:", ifname, err);
	if (r >= 0)
		r = endpoint_mac(create, text, json_str(json_get(endpoint, "MacAddress")), err);
	if (r >= 0)
		r = endpoint_sysctls(
			create, text,
			json_str(json_get(options, "com.docker.network.endpoint.sysctls")), err);
	return r;
}

static int64_t gateway_priority(const struct json *endpoints, const char *network)
{
	int64_t priority = 0;

	(void)json_i64(json_get(json_get(endpoints, network), "GwPriority"), INT32_MIN, INT32_MAX,
		       &priority);
	return priority;
}

void create_sort_networks(struct container_def *def, const struct json *endpoints)
{
	for (uint32_t i = 1; i < def->networks.count; i++) {
		for (uint32_t k = i; k > 0; k--) {
			const char *const before = def->networks.items[k - 1];

			if (gateway_priority(endpoints, before) >=
			    gateway_priority(endpoints, def->networks.items[k]))
				break;
			def->networks.items[k - 1] = def->networks.items[k];
			def->networks.items[k] = before;
		}
	}
}

static int net_mode(struct create *create, struct str mode, struct err *err)
{
	struct container_def *def = &create->def;
	const struct json *endpoints =
		json_get(json_get(create->body, "NetworkingConfig"), "EndpointsConfig");
	const struct json *endpoint;
	struct json_iter iter;
	struct str name;
	char text[256];
	int r;

	if (str_copy(mode, text, sizeof(text)) < 0)
		return err_set(err, -EINVAL, "invalid network mode");
	if (create->minor < ENDPOINTS_MINOR && json_count(endpoints) > 1)
		return err_set(err, -EINVAL,
			       "Container cannot be created with multiple network endpoints");
	r = create_endpoint(create, mode, json_get(endpoints, text), err);
	/* As clients before 1.44 say it; of both, the endpoint's counts. */
	if (r >= 0 && !json_str(json_get(json_get(endpoints, text), "MacAddress")).len)
		r = endpoint_mac(create, text, json_str(json_get(create->body, "MacAddress")), err);
	json_iter_init(&iter, endpoints);
	while (r >= 0 && json_iter_next(&iter, &name, &endpoint)) {
		if (!str_is(name, "default"))
			r = create_endpoint(create, name, endpoint, err);
	}
	create_sort_networks(def, endpoints);
	return r;
}

/* By its id, for names change; Docker looks for what is not there at the start alone. */
static const char *network_of(const struct create *create, struct str name)
{
	const struct docker_box *other = name.len ? create_other(create, name) : NULL;

	if (other && !other->view.declared)
		name = other->view.id;
	return arena_text(create->arena, name);
}

int create_network(struct create *create, struct err *err)
{
	struct container_def *def = &create->def;
	struct str mode = json_str(json_get(create->host, "NetworkMode"));
	bool bridge = !mode.len || str_is(mode, "default") || str_is(mode, "bridge");
	int r = net_ports(create, err);

	if (r >= 0)
		r = create_links(create, create->host, bridge, err);
	if (r < 0)
		return r;
	def->network_mode = DEF_NETWORK_BRIDGE;
	if (json_true(json_get(create->body, "NetworkDisabled")) || str_is(mode, "none")) {
		def->network_mode = DEF_NETWORK_NONE;
	} else if (str_is(mode, "host")) {
		def->network_mode = DEF_NETWORK_HOST;
	} else if (str_starts(mode, STR("container:"))) {
		def->network_mode = DEF_NETWORK_NONE;
		def->host.network_from = network_of(create, str_skip(mode, 10));
		if (def->port_count)
			return err_set(err, -EINVAL,
				       "conflicting options: port publishing and the container "
				       "type network mode");
		if (!def->host.network_from || !*def->host.network_from)
			return err_set(err, -EINVAL,
				       "invalid container format container:<name|id>");
	} else {
		return net_mode(create, bridge ? STR("bridge") : mode, err);
	}
	def->port_count = 0; /* nothing to publish: said by nobody, as Docker does */
	return 0;
}
