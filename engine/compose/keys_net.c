/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Networks of a Compose file: which of them a service joins and with which addresses, and what they
 * are themselves, as sections of network.ini. Runs in the api role, on foreign text. Pure; must
 * never make a network that the file says exists elsewhere.
 */
#include <errno.h>
#include <string.h>
#include "engine/compose/keys.h"

/* What network.ini calls it: its `name`, "bridge" for the one that is there without being made. */
static const char *network_name(struct compose *compose, struct str key, struct err *err)
{
	const struct yaml_pair *pair = yaml_find_pair(&compose->networks, key);
	const struct yaml_node *name =
		pair && yaml_is_map(pair->value) ? yaml_find(&pair->value->map, "name") : NULL;
	const char *text = NULL;

	if (!yaml_is_null(name))
		text = compose_text(compose, name, "networks.name");
	else
		text = str_is(key, "default") ? "bridge" : arena_text(&compose->arena, key);
	if (!text && yaml_is_null(name))
		(void)key_no_memory(err);
	return text;
}

/* ---- of a service ---- */

/* "networks.NAME.WORD = VALUE" for a text, or for each of a list. */
static int put_address(struct compose *compose, const struct yaml_pair *pair, const char *network,
		       struct err *err)
{
	char *key = arena_printf(&compose->arena, "networks.%s.%.*s", network, STR_ARG(pair->key));

	if (!key)
		return key_no_memory(err);
	return str_is(pair->key, "aliases") ? key_take_list(compose, pair, key, err)
					    : key_take_text(compose, pair, key, err);
}

static int take_member(struct compose *compose, const struct yaml_pair *pair, const char *network,
		       struct err *err)
{
	static const char *const taken[] = { "ipv4_address", "ipv6_address", "mac_address",
					     "aliases" };

	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		if (str_is(pair->key, taken[i]))
			return yaml_is_null(pair->value) ? 0
							 : put_address(compose, pair, network, err);
	compose_note(compose, pair->place, "networks.%s.%.*s: not taken", network,
		     STR_ARG(pair->key));
	return 0;
}

int key_take_networks(struct compose *compose, const struct yaml_pair *pair, const char *to,
		      struct err *err)
{
	struct yaml_map map = { 0 }, one = { 0 };
	int r;

	for (size_t i = 0; yaml_item(pair->value, i); i++) {
		const char *text = compose_text(compose, yaml_item(pair->value, i), to);

		text = text ? network_name(compose, str_from(text), err) : NULL;
		if (err->code)
			return err->code;
		if (text)
			compose_put(compose, yaml_place(yaml_item(pair->value, i)), to, text);
	}
	if (yaml_is_list(pair->value))
		return 0;
	r = yaml_map(&compose->yaml, pair->value, &map, err);
	for (uint32_t i = 0; r >= 0 && i < map.count; i++) {
		const char *name = network_name(compose, map.pairs[i].key, err);

		if (err->code)
			return err->code;
		if (!name)
			continue;
		compose_put(compose, map.pairs[i].place, to, name);
		one.count = 0;
		if (!yaml_is_null(map.pairs[i].value))
			r = yaml_map(&compose->yaml, map.pairs[i].value, &one, err);
		for (uint32_t k = 0; r >= 0 && k < one.count; k++)
			r = take_member(compose, &one.pairs[k], name, err);
	}
	return r;
}

int key_take_network_mode(struct compose *compose, const struct yaml_pair *pair, const char *to,
			  struct err *err)
{
	const char *text = compose_text(compose, pair->value, "network_mode");

	(void)err;
	if (text && (!strcmp(text, "host") || !strcmp(text, "none") || !strcmp(text, "bridge")))
		compose_put(compose, pair->place, to, text);
	else if (text)
		compose_note(compose, pair->place, "network_mode: %s: not taken", text);
	return 0;
}

/* ---- themselves ---- */

static void not_taken(struct compose *compose, const struct yaml_pair *pair, const char *what)
{
	compose_note(compose, pair->place, "networks.%s.%.*s: not taken", what, STR_ARG(pair->key));
}

/* A bool as "yes" or "no", where that is not what it is without: `usual`. */
static void put_bool(struct compose *compose, const struct yaml_pair *pair, const char *key,
		     bool usual)
{
	const char *text = compose_text(compose, pair->value, key);
	bool yes = text && !strcmp(text, "true");

	if (text && !yes && strcmp(text, "false") != 0)
		not_taken(compose, pair, key);
	else if (text && yes != usual)
		compose_put(compose, pair->place, key, yes ? "yes" : "no");
}

static int take_pool(struct compose *compose, const struct yaml_node *item, struct err *err)
{
	struct yaml_map map = { 0 };
	int r = yaml_map(&compose->yaml, item, &map, err);
	const char *subnet = "";

	if (r < 0 || !key_member(compose, &map, "subnet", &subnet))
		return r;
	for (uint32_t i = 0; i < map.count; i++) {
		const struct yaml_pair *pair = &map.pairs[i];
		bool six = strchr(subnet, ':') != NULL;

		if (str_is(pair->key, "subnet"))
			compose_put(compose, pair->place, six ? "subnet6" : "subnet", subnet);
		else if (!six && str_is(pair->key, "gateway"))
			r = key_take_text(compose, pair, "gateway", err);
		else if (!six && str_is(pair->key, "ip_range"))
			r = key_take_text(compose, pair, "ip_range", err);
		else
			not_taken(compose, pair, "ipam.config");
	}
	return r;
}

static int take_ipam(struct compose *compose, const struct yaml_pair *pair, struct err *err)
{
	struct yaml_map map = { 0 };
	int r = yaml_map(&compose->yaml, pair->value, &map, err);

	for (uint32_t i = 0; r >= 0 && i < map.count; i++) {
		const struct yaml_pair *one = &map.pairs[i];
		const char *driver = "default";

		if (str_is(one->key, "driver"))
			driver = compose_text(compose, one->value, "ipam.driver");
		else if (!str_is(one->key, "config") || !yaml_is_list(one->value))
			driver = "";
		if (driver && strcmp(driver, "default") != 0)
			not_taken(compose, one, "ipam");
		else if (str_is(one->key, "config"))
			for (size_t k = 0; r >= 0 && yaml_item(one->value, k); k++)
				r = take_pool(compose, yaml_item(one->value, k), err);
	}
	return r;
}

static int take_options(struct compose *compose, const struct yaml_pair *pair, struct err *err)
{
	static const char *const options[][2] = {
		{ "com.docker.network.driver.mtu", "mtu" },
		{ "parent", "parent" },
		{ "macvlan_mode", "mode" },
		{ "ipvlan_mode", "mode" },
	};
	struct yaml_map map = { 0 };
	int r = yaml_map(&compose->yaml, pair->value, &map, err);

	for (uint32_t i = 0; r >= 0 && i < map.count; i++) {
		const char *to = NULL;

		for (size_t k = 0; k < sizeof(options) / sizeof(options[0]); k++)
			if (str_is(map.pairs[i].key, options[k][0]))
				to = options[k][1];
		if (to)
			r = key_take_text(compose, &map.pairs[i], to, err);
		else
			not_taken(compose, &map.pairs[i], "driver_opts");
	}
	return r;
}

static int put_network(struct compose *compose, const struct yaml_map *network, struct err *err)
{
	int r = 0;

	for (uint32_t i = 0; r >= 0 && i < network->count; i++) {
		const struct yaml_pair *pair = &network->pairs[i];

		if (yaml_is_null(pair->value))
			continue;
		if (str_is(pair->key, "driver"))
			r = key_take_text(compose, pair, "driver", err);
		else if (str_is(pair->key, "internal"))
			put_bool(compose, pair, "internal", false);
		else if (str_is(pair->key, "enable_ipv4"))
			put_bool(compose, pair, "ipv4", true);
		else if (str_is(pair->key, "enable_ipv6"))
			put_bool(compose, pair, "ipv6", true);
		else if (str_is(pair->key, "ipam"))
			r = take_ipam(compose, pair, err);
		else if (str_is(pair->key, "driver_opts"))
			r = take_options(compose, pair, err);
		else if (!str_is(pair->key, "name") && !str_is(pair->key, "attachable") &&
			 !str_is(pair->key, "external") && !str_starts(pair->key, STR("x-")))
			not_taken(compose, pair, "NAME");
	}
	return r;
}

/* It is there already, or is Hoy's own. */
static bool exists(struct compose *compose, const struct yaml_map *network)
{
	const struct yaml_node *external = yaml_find(network, "external");
	const char *text;

	if (yaml_is_map(external))
		return true;
	text = yaml_is_null(external) ? "" : compose_text(compose, external, "external");
	return text && !strcmp(text, "true");
}

int key_put_networks(struct compose *compose, const struct yaml_node *node, struct err *err)
{
	struct yaml_map all = { 0 }, network = { 0 };
	int r = yaml_is_null(node) ? 0 : yaml_map(&compose->yaml, node, &all, err);

	for (uint32_t i = 0; r >= 0 && i < all.count; i++) {
		const struct yaml_pair *pair = &all.pairs[i];
		const char *name;

		network.count = 0;
		if (!compose_name(compose, pair, "network"))
			continue;
		if (!yaml_is_null(pair->value))
			r = yaml_map(&compose->yaml, pair->value, &network, err);
		name = r < 0 ? NULL : network_name(compose, pair->key, err);
		if (err->code)
			return err->code;
		if (!name || exists(compose, &network))
			continue;
		if (!strcmp(name, "bridge")) {
			for (uint32_t k = 0; k < network.count; k++)
				not_taken(compose, &network.pairs[k], "default");
			continue;
		}
		if (!compose_name(compose, &(struct yaml_pair){ str_from(name), NULL, pair->place },
				  "network"))
			continue;
		compose_put_section(compose, pair->place, "bridge", name);
		r = put_network(compose, &network, err);
	}
	return r;
}
