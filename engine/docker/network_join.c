/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /networks/NAME/connect and /disconnect: the container's definition with a network more or
 * less, which engine main puts in force. Runs in the api role, on foreign JSON.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "engine/api/image_msg.h"
#include "engine/docker/create.h"
#include "engine/docker/handlers.h"
#include "engine/docker/network.h"
#include "lib/own.h"

static void on_joined(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	(void)peer;
	if (reply)
		docker_reply_empty(owner, 200);
	else
		docker_reply_err(owner, err);
}

/* The container of the body; NULL: an error has been answered. */
static const struct docker_box *find_box(struct docker_client *client,
					 const struct docker_networks *networks)
{
	struct str name = json_str(json_get(client->json.root, "Container"));
	const struct docker_box *found = NULL;
	struct buf text OWN(buf_done) = { 0 };

	for (uint32_t i = 0; name.len && i < networks->boxes.count; i++) {
		const struct docker_box *box = &networks->boxes.rows[i];

		if (str_eq(box->view.name, name))
			found = box;
		else if (!found && str_starts(box->view.id, name))
			found = box;
	}
	if (found && found->has_def && !found->view.declared)
		return found;
	buf_init(&text, 2048);
	(void)buf_printf(&text,
			 found ? "container %.*s is declared in services.ini: change its section "
				 "instead"
			       : "No such container: %.*s",
			 STR_ARG(name));
	docker_reply_error(client, found ? 409 : 404, buf_text(&text));
	return NULL;
}

static bool is_on(const struct container_def *def, struct str name)
{
	for (uint32_t i = 0; i < def->networks.count; i++) {
		if (str_is(name, def->networks.items[i]))
			return true;
	}
	return false;
}

/* Whether the mode of the container lets networks come and go; false: 403 has been answered. */
static bool may_join(struct docker_client *client, const struct docker_box *box,
		     const struct engine_network *network)
{
	const struct container_def *def = &box->def;
	const char *why = NULL;

	if (def->network_mode == DEF_NETWORK_HOST || str_is(network->name, "host"))
		why = "container cannot be disconnected from host network or connected to host "
		      "network";
	else if (def->network_mode == DEF_NETWORK_NONE && def->host_set && *def->host.network_from)
		why = "container sharing network namespace with another container or host cannot "
		      "be connected to any other network";
	else if (def->network_mode == DEF_NETWORK_NONE || str_is(network->name, "none"))
		why = "container cannot be connected to multiple networks with one of the networks "
		      "in private (none) mode";
	if (why)
		docker_reply_error(client, 403, why);
	return !why;
}

static int join(struct create *create, const struct docker_box *box, struct str name,
		const struct json *endpoint, struct err *err)
{
	struct container_def *def = &create->def;
	char id[16];
	int r;

	r = create_endpoint(create, name, endpoint, err);
	if (r < 0 || str_is(name, "bridge"))
		return r;
	(void)snprintf(id, sizeof(id), "%.12s", box->view.id.ptr);
	for (uint32_t i = 0; i < def->aliases.count; i++) {
		if (!strcmp(def->aliases.items[i], id))
			return 0;
	}
	return image_texts_add(create->arena, &def->aliases,
			       arena_text(create->arena, str_from(id)), err);
}

/* What inspect gives back, with what is said of the new network. */
static const char *said_of(const struct create *create, const char *before, struct str network,
			   const struct json *endpoint)
{
	struct json_doc doc OWN(json_done) = { 0 };
	struct buf text OWN(buf_done) = { 0 };
	const struct json *value;
	struct json_iter iter;
	struct json_writer w;
	const char *merged;
	struct str key;

	if (!json_count(endpoint) || json_parse(str_from(before), JSON_TEXT_MAX, &doc, NULL) < 0)
		return before;
	buf_init(&text, CREATE_API_MAX);
	json_writer_init(&w, &text);
	json_begin_object(&w);
	json_iter_init(&iter, doc.root);
	while (json_iter_next(&iter, &key, &value)) {
		if (str_is(key, "Endpoints"))
			continue;
		json_key_str(&w, key);
		json_put_value(&w, value);
	}
	json_key(&w, "Endpoints");
	json_begin_object(&w);
	json_iter_init(&iter, json_get(doc.root, "Endpoints"));
	while (json_iter_next(&iter, &key, &value)) {
		if (str_eq(key, network))
			continue;
		json_key_str(&w, key);
		json_put_value(&w, value);
	}
	json_key_str(&w, network);
	json_put_value(&w, endpoint);
	json_end_object(&w);
	json_end_object(&w);
	merged = buf_error(&text) ? NULL : arena_text(create->arena, buf_str(&text));
	return merged ? merged : before;
}

static void sort_networks(struct container_def *def)
{
	struct json_doc doc OWN(json_done) = { 0 };

	if (json_parse(str_from(def->host.api), JSON_TEXT_MAX, &doc, NULL) >= 0)
		create_sort_networks(def, json_get(doc.root, "Endpoints"));
}

static int leave(struct container_def *def, struct arena *arena, struct str name, struct err *err)
{
	struct image_texts networks = { 0 }, addresses = { 0 };
	int r = 0;

	for (uint32_t i = 0; r >= 0 && i < def->networks.count; i++) {
		if (!str_is(name, def->networks.items[i]))
			r = image_texts_add(arena, &networks, def->networks.items[i], err);
	}
	for (uint32_t i = 0; r >= 0 && i < def->host.addresses.count; i++) {
		struct str rest = str_from(def->host.addresses.items[i]), key;

		(void)str_cut(&rest, '=', &key);
		if (!str_eq(key, name))
			r = image_texts_add(arena, &addresses, def->host.addresses.items[i], err);
	}
	def->networks = networks;
	def->host.addresses = addresses;
	return r;
}

static void connect_then(struct docker_client *client, struct docker_networks *networks)
{
	const struct engine_network *network = docker_network_find(client, networks);
	const struct docker_box *box = network ? find_box(client, networks) : NULL;
	struct create *create = arena_alloc(&client->arena, sizeof(*create));
	struct buf text OWN(buf_done) = { 0 };
	const struct json *endpoint;
	struct container_def def;
	struct err err = { 0 };

	if (!network || !box || !may_join(client, box, network))
		return;
	if (!create) {
		docker_reply_error(client, 500, "no memory for a request");
		return;
	}
	def = box->def;
	if (is_on(&def, network->name) && box->view.state != ENGINE_STATE_RUNNING &&
	    box->view.state != ENGINE_STATE_PAUSED) {
		if (leave(&def, &client->arena, network->name, &err) < 0) {
			docker_reply_err(client, &err);
			return;
		}
	} else if (is_on(&def, network->name)) {
		buf_init(&text, 1024);
		(void)buf_printf(&text, "endpoint with name %.*s already exists in network %.*s",
				 STR_ARG(box->view.name), STR_ARG(network->name));
		docker_reply_error(client, 403, buf_text(&text));
		return;
	}
	create->client = client;
	create->arena = &client->arena;
	create->def = def;
	endpoint = json_get(client->json.root, "EndpointConfig");
	if (join(create, box, network->name, endpoint, &err) < 0) {
		docker_reply_err(client, &err);
		return;
	}
	create->def.host.api = said_of(create, box->def.host.api, network->name, endpoint);
	sort_networks(&create->def);
	docker_ask_def(client, box, &create->def, ENGINE_MSG_NETWORKS_OF, on_joined);
}

static void disconnect_then(struct docker_client *client, struct docker_networks *networks)
{
	const struct engine_network *network = docker_network_find(client, networks);
	const struct docker_box *box = network ? find_box(client, networks) : NULL;
	struct container_def def;
	struct buf text OWN(buf_done) = { 0 };
	struct err err = { 0 };

	if (!network || !box || !may_join(client, box, network))
		return;
	if (!is_on(&box->def, network->name)) {
		buf_init(&text, 1024);
		(void)buf_printf(&text, "container %.*s is not connected to network %.*s",
				 STR_ARG(box->view.id), STR_ARG(network->name));
		docker_reply_error(client, 403, buf_text(&text));
		return;
	}
	def = box->def;
	if (leave(&def, &client->arena, network->name, &err) < 0)
		docker_reply_err(client, &err);
	else
		docker_ask_def(client, box, &def, ENGINE_MSG_NETWORKS_OF, on_joined);
}

void docker_network_connect(struct docker_client *client)
{
	if (docker_body_json(client))
		docker_networks_read(client, connect_then);
}

void docker_network_disconnect(struct docker_client *client)
{
	if (docker_body_json(client))
		docker_networks_read(client, disconnect_then);
}
