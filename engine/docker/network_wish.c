/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the reading of POST /networks/create: driver, IPAM, and the options that Docker's drivers
 * know (parent, macvlan_mode, ipvlan_mode, com.docker.network.driver.mtu,
 * com.docker.network.container_iface_prefix, and of a bridge's enable_icc, host_binding_ipv4, name,
 * gateway_mode_ipv4, gateway_mode_ipv6, enable_ip_masquerade, inhibit_ipv4), with hoy.rate beside
 * them. Networks have IPv6 whether or not EnableIPv6 says so, and IPv4 unless EnableIPv4 says no.
 * Runs in the api role, on foreign JSON. It must never refuse an option for not knowing it: clients
 * pass on what other engines want; nor take one that it knows and netd does not carry out.
 */
#include <errno.h>
#include <net/if.h>
#include "engine/docker/handlers.h"
#include "engine/docker/network_wish.h"
#include "lib/own.h"

/* What no container gets: {"router": "10.1.0.2"} */
static void read_reserved(const struct json *config, struct buf *reserved)
{
	const struct json *value;
	struct json_iter iter;
	struct str name;

	json_iter_init(&iter, json_get(config, "AuxiliaryAddresses"));
	while (json_iter_next(&iter, &name, &value)) {
		if (reserved->len)
			(void)buf_add_byte(reserved, ' ');
		(void)buf_add_str(reserved, json_str(value));
	}
}

static int read_config(const struct json *config, struct netd_network_set *set,
		       struct buf *reserved, struct err *err)
{
	struct str subnet = json_str(json_get(config, "Subnet"));
	bool v6 = str_find(subnet, ':') >= 0;
	struct str *to = v6 ? &set->subnet6 : &set->subnet;

	if (to->len)
		return err_set(err, -EINVAL, "a network has at most one IPv%d subnet", v6 ? 6 : 4);
	*to = subnet;
	read_reserved(config, reserved);
	if (buf_error(reserved))
		return err_set(err, -EINVAL, "too many auxiliary addresses");
	if (v6) {
		set->gateway6 = json_str(json_get(config, "Gateway"));
		return 0;
	}
	set->gateway = json_str(json_get(config, "Gateway"));
	set->range = json_str(json_get(config, "IPRange"));
	return 0;
}

/* One of a bridge's options; *ret_off: it says no. */
static int option_off(const struct json *options, const char *name, bool *ret_off, struct err *err)
{
	struct buf key OWN(buf_done) = { 0 };
	struct str text;

	buf_init(&key, 128);
	(void)buf_printf(&key, "com.docker.network.bridge.%s", name);
	text = json_str(json_get(options, buf_text(&key)));
	*ret_off = str_is(text, "false") || str_is(text, "0");
	return !text.len || *ret_off || str_is(text, "true") || str_is(text, "1")
		       ? 0
		       : err_set(err, -EINVAL, "%s: expected true or false, not '%.*s'", name,
				 STR_ARG(text));
}

/* What somebody counts on and netd does not carry out. */
static int refuse_bridge(const struct json *options, struct err *err)
{
	static const char *const rows[][2] = {
		{ "com.docker.network.bridge.trusted_host_interfaces",
		  "gateway_mode_ipv4=routed lets others in to published ports, and rules of "
		  "network.ini say from which interface" },
		{ "com.docker.network.host_ipv4",
		  "what leaves the machine carries the address of its way out" },
		{ "com.docker.network.host_ipv6",
		  "what leaves the machine carries the address of its way out" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (json_str(json_get(options, rows[i][0])).len)
			return err_set(err, -EINVAL, "%s is not supported by this engine: %s",
				       rows[i][0], rows[i][1]);
	return 0;
}

/* What other drivers have no use for. */
static int read_bridge(const struct json *options, struct netd_network_set *set, struct err *err)
{
	bool off;
	const struct {
		const char *key;
		struct str *to;
	} words[] = {
		{ "com.docker.network.bridge.name", &set->bridge },
		{ "com.docker.network.bridge.gateway_mode_ipv4", &set->gate4 },
		{ "com.docker.network.bridge.gateway_mode_ipv6", &set->gate6 },
		{ "com.docker.network.container_iface_prefix", &set->ifname_prefix },
	};

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		*words[i].to = json_str(json_get(options, words[i].key));
		if (words[i].to->len >= IFNAMSIZ)
			return err_set(err, -EINVAL, "%s: '%.*s' is too long", words[i].key,
				       STR_ARG(*words[i].to));
	}
	if (refuse_bridge(options, err) < 0)
		return -EINVAL;
	if (option_off(options, "inhibit_ipv4", &off, err) < 0)
		return -EINVAL;
	set->inhibit4 =
		!off && json_str(json_get(options, "com.docker.network.bridge.inhibit_ipv4")).len;
	return option_off(options, "enable_ip_masquerade", &set->no_masquerade, err);
}

int docker_network_wish(const struct json *root, struct buf *reserved,
			struct netd_network_set *ret_set, struct err *err)
{
	const struct json *options = json_get(root, "Options"), *config;
	struct netd_network_set set = {
		.name = json_str(json_get(root, "Name")),
		.internal = json_true(json_get(root, "Internal")),
		.driver = json_str(json_get(root, "Driver")),
		.parent = json_str(json_get(options, "parent")),
		.rate = json_str(json_get(options, "hoy.rate")),
		.host_ip =
			json_str(json_get(options, "com.docker.network.bridge.host_binding_ipv4")),
	};
	struct str mtu = json_str(json_get(options, "com.docker.network.driver.mtu"));
	struct json_iter iter;
	struct str none;
	uint64_t bytes;
	int r = 0;

	if (option_off(options, "enable_icc", &set.no_icc, err) < 0)
		return -EINVAL;
	set.no_ip4 = json_get(root, "EnableIPv4") && !json_true(json_get(root, "EnableIPv4"));
	if (set.no_ip4 && !json_true(json_get(root, "EnableIPv6")))
		return err_set(err, -EINVAL, "IPv4 or IPv6 must be enabled");
	if (str_is(set.driver, "default"))
		set.driver = STR("bridge");
	if (str_is(set.driver, "macvlan"))
		set.mode = json_str(json_get(options, "macvlan_mode"));
	else if (str_is(set.driver, "ipvlan"))
		set.mode = json_str(json_get(options, "ipvlan_mode"));
	else
		r = read_bridge(options, &set, err);
	json_iter_init(&iter, json_get(json_get(root, "IPAM"), "Config"));
	while (r == 0 && json_iter_next(&iter, &none, &config))
		r = read_config(config, &set, reserved, err);
	if (r == 0 && mtu.len) {
		if (str_to_u64(mtu, 576, 65535, &bytes) < 0)
			return err_set(err, -EINVAL, "mtu: expected 576 to 65535");
		set.mtu = (uint32_t)bytes;
	}
	set.reserved = buf_str(reserved);
	set.told6 = set.subnet6.len || json_true(json_get(root, "EnableIPv6"));
	if (r == 0)
		*ret_set = set;
	return r;
}

bool docker_network_allowed(struct docker_client *client, const struct json *root)
{
	static const char *const own[] = { "", "bridge", "default", "macvlan", "ipvlan" };
	static const char *const fixed[] = { "bridge", "host", "none", "default" };
	struct str name = json_str(json_get(root, "Name"));
	struct str driver = json_str(json_get(root, "Driver"));
	struct str ipam = json_str(json_get(json_get(root, "IPAM"), "Driver"));
	struct str from = json_str(json_get(json_get(root, "ConfigFrom"), "Network"));
	struct buf text OWN(buf_done) = { 0 };
	unsigned status = 403;
	bool known = false;

	buf_init(&text, 1024);
	for (size_t i = 0; i < ARRAY_LEN(fixed); i++) {
		if (str_is(name, fixed[i]))
			(void)buf_printf(&text,
					 "operation is not permitted on predefined %s network ",
					 fixed[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(own); i++)
		known |= str_is(driver, own[i]);
	if (text.len) {
		;
	} else if (str_is(driver, "host") || str_is(driver, "null")) {
		(void)buf_printf(&text, "only one instance of \"%.*s\" network is allowed",
				 STR_ARG(driver));
	} else if (str_is(driver, "overlay")) {
		(void)buf_add_text(&text, docker_no_swarm);
	} else if (str_is(json_str(json_get(root, "Scope")), "swarm")) {
		(void)buf_add_text(&text, "cannot create a swarm scoped network when swarm is not "
					  "active");
	} else if (json_true(json_get(root, "Ingress"))) {
		(void)buf_add_text(&text, "Ingress network can only be global scope network");
	} else if (!known || (ipam.len && !str_is(ipam, "default"))) {
		status = 404;
		(void)buf_printf(&text, "plugin \"%.*s\" not found",
				 STR_ARG(known ? ipam : driver));
	} else if (from.len) {
		status = 404;
		(void)buf_printf(&text, "configuration network \"%.*s\" does not exist",
				 STR_ARG(from));
	}
	if (!text.len)
		return true;
	docker_reply_error(client, status, buf_text(&text));
	return false;
}
