/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Networks as Docker shows them: netd's bridges, and host and none beside them. Runs in the api
 * role. A network's id follows from its name.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "engine/docker/create.h"
#include "engine/docker/filter.h"
#include "engine/docker/handlers.h"
#include "engine/docker/network.h"
#include "engine/docker/network_wish.h"
#include "engine/docker/prune.h"
#include "engine/docker/text.h"
#include "lib/own.h"

enum { NETWORKS_MAX = DOCKER_NETWORKS_MAX, NETWORK_API_MAX = 256 << 10, IPV4_MINOR = 48 };

static const char list_filters[] = "dangling driver id label label! name scope type";

static bool built_in(const struct engine_network *network)
{
	return str_is(network->name, "bridge") || str_is(network->name, "host") ||
	       str_is(network->name, "none");
}

static const char *driver(const struct engine_network *network)
{
	static char text[16];

	if (str_is(network->name, "host"))
		return "host";
	if (str_is(network->name, "none"))
		return "null";
	return str_copy(network->driver, text, sizeof(text)) < 0 || !*text ? "bridge" : text;
}

/* ---- one network ---- */

static void put_subnet(struct json_writer *w, struct str subnet, struct str gateway,
		       const struct json *said)
{
	const struct json *config;
	struct json_iter iter;
	struct str none;

	if (!subnet.len)
		return;
	json_begin_object(w);
	json_member_str(w, "Subnet", subnet);
	json_iter_init(&iter, json_get(said, "Config"));
	while (json_iter_next(&iter, &none, &config)) {
		struct str range = json_str(json_get(config, "IPRange"));

		if (!str_eq(json_str(json_get(config, "Subnet")), subnet))
			continue;
		if (range.len)
			json_member_str(w, "IPRange", range);
		if (json_count(json_get(config, "AuxiliaryAddresses"))) {
			json_key(w, "AuxiliaryAddresses");
			json_put_value(w, json_get(config, "AuxiliaryAddresses"));
		}
	}
	if (gateway.len)
		json_member_str(w, "Gateway", gateway);
	json_end_object(w);
}

static void put_ipam(struct json_writer *w, const struct engine_network *network,
		     const struct json *said, bool hide6)
{
	json_key(w, "IPAM");
	json_begin_object(w);
	json_member_text(w, "Driver", "default");
	json_member_null(w, "Options");
	json_key(w, "Config");
	if (network->subnet.len || network->subnet6.len) {
		json_begin_array(w);
		put_subnet(w, network->subnet, network->gateway, said);
		if (!hide6)
			put_subnet(w, network->subnet6, network->gateway6, said);
		json_end_array(w);
	} else {
		json_put_null(w);
	}
	json_end_object(w);
}

static void put_members(struct json_writer *w, const struct engine_network *network,
			const struct docker_boxes *boxes, bool hidden)
{
	json_key(w, "Containers");
	json_begin_object(w);
	for (uint32_t i = 0; i < boxes->count; i++) {
		const struct engine_view *view = &boxes->rows[i].view;

		for (uint32_t k = 0; k < view->address_count; k++) {
			const struct engine_address *address = &view->addresses[k];
			char ip[32] = "", ip6[64] = "";

			if (!str_eq(address->network, network->name))
				continue;
			if (address->ip4.len)
				(void)snprintf(ip, sizeof(ip), "%.*s/%u", STR_ARG(address->ip4),
					       address->prefix);
			if (address->ip6.len && !hidden)
				(void)snprintf(ip6, sizeof(ip6), "%.*s/%u", STR_ARG(address->ip6),
					       address->prefix6);
			json_key_str(w, view->id);
			json_begin_object(w);
			json_member_str(w, "Name", view->name);
			json_member_str(w, "EndpointID", view->id);
			json_member_str(w, "MacAddress", address->mac);
			json_member_text(w, "IPv4Address", ip);
			json_member_text(w, "IPv6Address", ip6);
			json_end_object(w);
		}
	}
	json_end_object(w);
}

static void put_object(struct json_writer *w, const char *key, const struct json *value)
{
	json_key(w, key);
	if (json_type(value) == JSON_OBJECT) {
		json_put_value(w, value);
		return;
	}
	json_begin_object(w);
	json_end_object(w);
}

/* Whether a client named an IPv6 subnet. */
static bool says_ipv6(const struct json *ipam)
{
	const struct json *config;
	struct json_iter iter;
	struct str none;

	json_iter_init(&iter, json_get(ipam, "Config"));
	while (json_iter_next(&iter, &none, &config)) {
		if (str_find(json_str(json_get(config, "Subnet")), ':') >= 0)
			return true;
	}
	return false;
}

/* What the default bridge is, as clients look it up. */
static void put_bridge_options(struct json_writer *w)
{
	static const char *const options[][2] = {
		{ "com.docker.network.bridge.default_bridge", "true" },
		{ "com.docker.network.bridge.enable_icc", "true" },
		{ "com.docker.network.bridge.enable_ip_masquerade", "true" },
		{ "com.docker.network.bridge.host_binding_ipv4", "0.0.0.0" },
		{ "com.docker.network.bridge.name", "hoy0" },
	};

	json_key(w, "Options");
	json_begin_object(w);
	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		json_member_text(w, options[i][0], options[i][1]);
	json_end_object(w);
}

static void put_network(struct json_writer *w, const struct engine_network *network,
			const struct docker_boxes *boxes, unsigned minor)
{
	struct json_doc api = { 0 };
	char id[65], time[DOCKER_TIME_MAX];
	const struct json *said;
	bool hidden;

	if (network->api.len)
		(void)json_parse(network->api, NETWORK_API_MAX, &api, NULL);
	docker_network_id(network->name, id);
	json_begin_object(w);
	json_member_str(w, "Name", network->name);
	json_member_text(w, "Id", id);
	json_member_text(w, "Created", docker_time(network->created_s * 1000000000, time));
	json_member_text(w, "Scope", "local");
	json_member_text(w, "Driver", driver(network));
	if (minor >= IPV4_MINOR)
		json_member_bool(w, "EnableIPv4", network->subnet.len || !network->subnet6.len);
	/* Each network has IPv6 of its own; a client is shown what it asked for. */
	said = json_get(api.root, "EnableIPv6");
	hidden = said && !json_true(said) && network->subnet.len &&
		 !says_ipv6(json_get(api.root, "IPAM"));
	json_member_bool(w, "EnableIPv6", network->subnet6.len > 0 && !hidden);
	put_ipam(w, network, json_get(api.root, "IPAM"), hidden);
	json_member_bool(w, "Internal", network->internal);
	json_member_bool(w, "Attachable", json_true(json_get(api.root, "Attachable")));
	json_member_bool(w, "Ingress", false);
	json_key(w, "ConfigFrom");
	json_begin_object(w);
	json_member_text(w, "Network", "");
	json_end_object(w);
	json_member_bool(w, "ConfigOnly", false);
	if (boxes)
		put_members(w, network, boxes, hidden);
	else
		put_object(w, "Containers", NULL); /* as Docker's list: without a look at them */
	if (str_is(network->name, "bridge"))
		put_bridge_options(w);
	else
		put_object(w, "Options", json_get(api.root, "Options"));
	put_object(w, "Labels", json_get(api.root, "Labels"));
	json_end_object(w);
	json_done(&api);
}

/* ---- reading them: netd's, then the containers ---- */

void docker_networks_free(void *work)
{
	struct docker_networks *networks = work;

	buf_done(&networks->body);
	buf_done(&networks->views);
	free(networks);
}

static void on_views(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct docker_client *client = owner;
	struct docker_networks *networks = client->work;
	struct err bad = { 0 };

	(void)peer;
	if (reply)
		(void)buf_add_str(&networks->views, reply->body);
	if (!reply || docker_boxes_read(buf_str(&networks->views), &client->arena, &networks->boxes,
					&bad) < 0)
		docker_reply_err(client, reply ? &bad : err);
	else
		networks->then(client, networks);
}

static void on_networks(struct msg_peer *peer, void *owner, struct msg *reply,
			const struct err *err)
{
	struct docker_client *client = owner;
	struct docker_networks *networks = client->work;
	struct wire in;
	uint32_t count;

	(void)peer;
	if (!reply) {
		docker_reply_err(client, err);
		return;
	}
	(void)buf_add_str(&networks->body, reply->body);
	wire_init(&in, networks->body.data, networks->body.len);
	count = wire_count(&in, NETWORKS_MAX - 2);
	for (uint32_t i = 0; i < count && !in.error; i++)
		engine_network_get(&in, &networks->rows[networks->count++]);
	networks->rows[networks->count++] =
		(struct engine_network){ .name = STR("host"), .fixed = true };
	networks->rows[networks->count++] =
		(struct engine_network){ .name = STR("none"), .fixed = true };
	docker_ask(client, ENGINE_MSG_VIEWS, STR(""), on_views);
}

void docker_networks_read(struct docker_client *client,
			  void (*then)(struct docker_client *client,
				       struct docker_networks *networks))
{
	struct docker_networks *networks = calloc(1, sizeof(*networks));

	if (!networks) {
		docker_reply_error(client, 500, "no memory for a request");
		return;
	}
	networks->then = then;
	buf_init(&networks->body, MSG_BODY_MAX);
	buf_init(&networks->views, MSG_BODY_MAX);
	client->work = networks;
	client->work_free = docker_networks_free;
	docker_ask(client, ENGINE_MSG_NETWORKS, STR(""), on_networks);
}

const struct engine_network *docker_network_find(struct docker_client *client,
						 const struct docker_networks *networks)
{
	struct buf text OWN(buf_done) = { 0 };
	struct str name = str_from(client->argument);

	for (uint32_t i = 0; i < networks->count; i++) {
		if (str_eq(networks->rows[i].name, name))
			return &networks->rows[i];
	}
	for (uint32_t i = 0; name.len && i < networks->count; i++) {
		char id[65];

		docker_network_id(networks->rows[i].name, id);
		if (str_starts(str_from(id), name))
			return &networks->rows[i];
	}
	buf_init(&text, 2048);
	(void)buf_printf(&text, "network %s not found", client->argument);
	docker_reply_error(client, 404, buf_text(&text));
	return NULL;
}

/* ---- list, inspect ---- */

/* Whether a container is said to be on it. */
static bool in_use(const struct engine_network *network, const struct docker_boxes *boxes)
{
	for (uint32_t i = 0; i < boxes->count; i++) {
		const struct docker_box *box = &boxes->rows[i];

		for (uint32_t k = 0; box->has_def && k < box->def.networks.count; k++) {
			if (str_is(network->name, box->def.networks.items[k]))
				return true;
		}
	}
	return false;
}

/* All but `dangling`, which is for who lists. */
static bool fits(const struct docker_filters *filters, const struct engine_network *network)
{
	struct json_doc api OWN(json_done) = { 0 };
	struct docker_labels labels = { 0 };
	char id[65];

	if (network->api.len)
		(void)json_parse(network->api, NETWORK_API_MAX, &api, NULL);
	labels.object = json_get(api.root, "Labels");
	docker_network_id(network->name, id);
	return docker_filters_fit(filters, "name", network->name, true) &&
	       docker_filters_fit(filters, "id", str_from(id), true) &&
	       docker_filters_fit(filters, "driver", str_from(driver(network)), false) &&
	       docker_filters_fit(filters, "scope", STR("local"), false) &&
	       docker_filters_fit(filters, "type",
				  built_in(network) ? STR("builtin") : STR("custom"), false) &&
	       docker_filters_labels(filters, &labels);
}

static void list_then(struct docker_client *client, struct docker_networks *networks)
{
	struct docker_filters filters OWN(docker_filters_done) = { 0 };
	struct buf body OWN(buf_done) = { 0 };
	struct json_writer w;
	struct str kind;
	bool dangling;

	if (!docker_filters_read(client, list_filters, &filters) ||
	    !docker_filters_flag(client, &filters, "dangling", false, &dangling))
		return;
	buf_init(&body, DOCKER_REPLY_MAX);
	for (size_t n = 0; (kind = docker_filters_value(&filters, "type", n)).len; n++) {
		if (str_is(kind, "builtin") || str_is(kind, "custom"))
			continue;
		(void)buf_printf(&body, "invalid filter: 'type'='%.*s'", STR_ARG(kind));
		docker_reply_error(client, 400, buf_text(&body));
		return;
	}
	json_writer_init(&w, &body);
	json_begin_array(&w);
	for (uint32_t i = 0; i < networks->count; i++) {
		const struct engine_network *network = &networks->rows[i];
		bool used = network->fixed || in_use(network, &networks->boxes);

		if (fits(&filters, network) &&
		    (!docker_filters_have(&filters, "dangling") || dangling == !used))
			put_network(&w, network, NULL, client->minor);
	}
	json_end_array(&w);
	docker_reply_json(client, 200, buf_str(&body));
}

void docker_networks(struct docker_client *client)
{
	docker_networks_read(client, list_then);
}

static void inspect_then(struct docker_client *client, struct docker_networks *networks)
{
	const struct engine_network *network = docker_network_find(client, networks);
	struct buf body OWN(buf_done) = { 0 };
	struct json_writer w;

	if (!network)
		return;
	buf_init(&body, DOCKER_REPLY_MAX);
	json_writer_init(&w, &body);
	put_network(&w, network, &networks->boxes, client->minor);
	docker_reply_json(client, 200, buf_str(&body));
}

void docker_network_inspect(struct docker_client *client)
{
	docker_networks_read(client, inspect_then);
}

/* ---- create ---- */

static void on_made(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct docker_client *client = owner;
	char id[65];

	(void)peer;
	if (!reply && strstr(err_text(err), "is used by network")) {
		docker_reply_error(client, 403,
				   "invalid pool request: Pool overlaps with other one on this "
				   "address space");
		return;
	}
	if (!reply) {
		docker_reply_err(client, err);
		return;
	}
	docker_network_id(json_str(json_get(client->json.root, "Name")), id);
	docker_reply_id(client, str_from(id), DOCKER_REPLY_WARNING);
}

static bool known_already(struct docker_client *client, const struct docker_networks *networks)
{
	struct str name = json_str(json_get(client->json.root, "Name"));
	struct buf text OWN(buf_done) = { 0 };

	for (uint32_t i = 0; i < networks->count; i++) {
		if (!str_eq(networks->rows[i].name, name))
			continue;
		buf_init(&text, 512);
		(void)buf_printf(&text, "network with name %.*s already exists", STR_ARG(name));
		docker_reply_error(client, 409, buf_text(&text));
		return true;
	}
	return false;
}

static void create_then(struct docker_client *client, struct docker_networks *networks)
{
	const struct json *root = client->json.root;
	struct buf body OWN(buf_done) = { 0 }, api OWN(buf_done) = { 0 };
	struct buf more OWN(buf_done) = { 0 }, reserved OWN(buf_done) = { 0 };
	struct netd_network_set set;
	struct err err = { 0 };
	struct json_writer w;

	if (known_already(client, networks))
		return;
	buf_init(&reserved, NETD_NETWORK_MORE_MAX);
	if (docker_network_wish(root, &reserved, &set, &err) < 0) {
		docker_reply_error(client, 400, err_text(&err));
		return;
	}
	buf_init(&more, NETD_NETWORK_MORE_MAX);
	netd_network_more_encode(&set, &more);
	buf_init(&api, NETWORK_API_MAX);
	json_writer_init(&w, &api);
	json_begin_object(&w);
	put_object(&w, "Labels", json_get(root, "Labels"));
	put_object(&w, "Options", json_get(root, "Options"));
	put_object(&w, "IPAM", json_get(root, "IPAM"));
	json_member_bool(&w, "Attachable", json_true(json_get(root, "Attachable")));
	json_member_bool(&w, "EnableIPv6", json_true(json_get(root, "EnableIPv6")));
	json_end_object(&w);
	buf_init(&body, NETWORK_API_MAX + 1024);
	wire_put_str(&body, set.name);
	wire_put_str(&body, set.subnet);
	wire_put_u8(&body, set.internal);
	wire_put_str(&body, buf_str(&api));
	wire_put_str(&body, buf_str(&more));
	if (buf_error(&more))
		docker_reply_error(client, 400, "options of the network are too long");
	else if (buf_error(&api) || buf_error(&body))
		docker_reply_error(client, 400, "labels and options of the network are too large");
	else
		docker_ask(client, ENGINE_MSG_NETWORK_MAKE, buf_str(&body), on_made);
}

void docker_network_create(struct docker_client *client)
{
	const struct json *root;
	struct str name;

	if (!docker_body_json(client))
		return;
	root = client->json.root;
	name = json_str(json_get(root, "Name"));
	if (!name.len || name.len > NETD_NAME_MAX)
		docker_reply_error(client, 400,
				   name.len ? "network name is too long: at most 127 "
					      "bytes"
					    : "invalid name: name is empty");
	else if (docker_network_allowed(client, root))
		docker_networks_read(client, create_then);
}

/* ---- remove, prune ---- */

static void on_removed(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct docker_client *client = owner;
	struct buf text OWN(buf_done) = { 0 };
	char id[65];

	(void)peer;
	if (reply) {
		docker_reply_empty(client, 204);
		return;
	}
	if (err->code != -EBUSY) {
		docker_reply_err(client, err);
		return;
	}
	docker_network_id(str_from(client->argument), id);
	buf_init(&text, 2048);
	(void)buf_printf(&text,
			 "error while removing network: network %s id %s has active endpoints",
			 client->argument, id);
	docker_reply_error(client, 403, buf_text(&text));
}

static void remove_then(struct docker_client *client, struct docker_networks *networks)
{
	const struct engine_network *network = docker_network_find(client, networks);
	struct buf body OWN(buf_done) = { 0 };

	if (!network)
		return;
	buf_init(&body, 512);
	if (built_in(network)) {
		(void)buf_printf(&body, "%.*s is a pre-defined network and cannot be removed",
				 STR_ARG(network->name));
		docker_reply_error(client, 403, buf_text(&body));
		return;
	}
	wire_put_str(&body, network->name);
	(void)str_copy(network->name, client->argument, sizeof(client->argument));
	docker_ask(client, ENGINE_MSG_NETWORK_REMOVE, buf_str(&body), on_removed);
}

void docker_network_remove(struct docker_client *client)
{
	docker_networks_read(client, remove_then);
}

static void put_prune(const struct docker_prune_row *row, struct buf *body)
{
	wire_put_text(body, row->name);
}

static void answer_prune(struct docker_prune *prune, struct json_writer *w)
{
	docker_prune_put_names(prune, w, "NetworksDeleted", true);
}

static const struct docker_prune_kind prune_kind = {
	ENGINE_MSG_NETWORK_REMOVE, "network", put_prune, NULL, answer_prune, NULL
};

static void prune_then(struct docker_client *client, struct docker_networks *networks)
{
	struct docker_filters filters OWN(docker_filters_done) = { 0 };
	int64_t until_ns;

	if (!docker_filters_read(client, "label label! until", &filters) ||
	    !docker_filters_until(client, &filters, &until_ns))
		return;
	client->work = NULL; /* the rows are read from it below */
	client->work_free = NULL;
	if (!docker_prune_new(client, &prune_kind, networks->count)) {
		docker_networks_free(networks);
		return;
	}
	for (uint32_t i = 0; i < networks->count; i++) {
		const struct engine_network *network = &networks->rows[i];

		if (!network->fixed && !built_in(network) &&
		    network->created_s < until_ns / 1000000000 && fits(&filters, network) &&
		    !in_use(network, &networks->boxes))
			docker_prune_add(client, network->name, NULL);
	}
	docker_networks_free(networks);
	docker_prune_run(client);
}

void docker_network_prune(struct docker_client *client)
{
	docker_networks_read(client, prune_then);
}
