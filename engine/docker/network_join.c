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

/* What inspect gives back, with what is said of that network now; NULL: nothing. */
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

	if (json_parse(str_from(before), JSON_TEXT_MAX, &doc, NULL) < 0)
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
	if (json_count(endpoint)) {
		json_key_str(&w, network);
		json_put_value(&w, endpoint);
	}
	json_end_object(&w);
	json_end_object(&w);
	merged = buf_error(&text) ? NULL : arena_text(create->arena, buf_str(&text));
	return merged ? merged : before;
}

/* What follows from what is said of all networks: their order, and the names of those that stay. */
static int take_said(struct create *create, struct err *err)
{
	struct container_def *def = &create->def;
	struct json_doc doc OWN(json_done) = { 0 };
	const struct json *all;
	int r;

	if (!*def->host.api) /* made by `hoy run`: nothing is kept of what is said */
		return 0;
	r = json_parse(str_from(def->host.api), JSON_TEXT_MAX, &doc, err);
	if (r < 0)
		return r;
	all = json_get(doc.root, "Endpoints");
	create_sort_networks(def, all);
	def->aliases = (struct image_texts){ 0 };
	for (uint32_t i = 0; r >= 0 && i < def->networks.count; i++)
		r = create_aliases(create, str_from(def->networks.items[i]),
				   json_get(all, def->networks.items[i]), err);
	return r;
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

static struct create *change_begin(struct docker_client *client, const struct docker_box *box)
{
	struct create *create = arena_alloc(&client->arena, sizeof(*create));

	if (!create) {
		docker_reply_error(client, 500, "no memory for a request");
		return NULL;
	}
	create->client = client;
	create->arena = &client->arena;
	create->def = box->def;
	(void)str_copy(box->view.id, create->id, sizeof(create->id));
	return create;
}

/* Its networks are others: what follows, and engine main puts it in force; r < 0: refused. */
static void change(struct create *create, const struct docker_box *box, struct str network,
		   const struct json *endpoint, int r, struct err *err)
{
	if (r >= 0) {
		create->def.host.api = said_of(create, box->def.host.api, network, endpoint);
		r = take_said(create, err);
	}
	if (r < 0)
		docker_reply_err(create->client, err);
	else
		docker_ask_def(create->client, box, &create->def, ENGINE_MSG_NETWORKS_OF,
			       on_joined);
}

static void connect_then(struct docker_client *client, struct docker_networks *networks)
{
	const struct engine_network *network = docker_network_find(client, networks);
	const struct docker_box *box = network ? find_box(client, networks) : NULL;
	const struct json *endpoint = json_get(client->json.root, "EndpointConfig");
	struct buf text OWN(buf_done) = { 0 };
	struct create *create;
	struct err err = { 0 };
	int r = 0;

	if (!network || !box || !may_join(client, box, network))
		return;
	if (is_on(&box->def, network->name) &&
	    (box->view.state == ENGINE_STATE_RUNNING || box->view.state == ENGINE_STATE_PAUSED)) {
		buf_init(&text, 1024);
		(void)buf_printf(&text, "endpoint with name %.*s already exists in network %.*s",
				 STR_ARG(box->view.name), STR_ARG(network->name));
		docker_reply_error(client, 403, buf_text(&text));
		return;
	}
	create = change_begin(client, box);
	if (!create)
		return;
	if (is_on(&box->def, network->name))
		r = leave(&create->def, &client->arena, network->name, &err);
	if (r >= 0)
		r = create_endpoint(create, network->name, endpoint, &err);
	change(create, box, network->name, endpoint, r, &err);
}

static void disconnect_then(struct docker_client *client, struct docker_networks *networks)
{
	const struct engine_network *network = docker_network_find(client, networks);
	const struct docker_box *box = network ? find_box(client, networks) : NULL;
	struct buf text OWN(buf_done) = { 0 };
	struct create *create;
	struct err err = { 0 };
	int r;

	if (!network || !box || !may_join(client, box, network))
		return;
	if (!is_on(&box->def, network->name)) {
		buf_init(&text, 1024);
		(void)buf_printf(&text, "container %.*s is not connected to network %.*s",
				 STR_ARG(box->view.id), STR_ARG(network->name));
		docker_reply_error(client, 403, buf_text(&text));
		return;
	}
	create = change_begin(client, box);
	if (!create)
		return;
	r = leave(&create->def, &client->arena, network->name, &err);
	change(create, box, network->name, NULL, r, &err);
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
