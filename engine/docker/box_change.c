/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rename and update: the definition that engine main has, with a part of it changed. Runs in the
 * api role.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "engine/docker/create.h"
#include "engine/docker/handlers.h"
#include "engine/docker/view.h"
#include "lib/own.h"

enum { PIDS_UPDATE_MINOR = 40 };

void docker_ask_def(struct docker_client *client, const struct docker_box *box,
		    const struct container_def *def, uint16_t type, msg_reply_fn *fn)
{
	struct buf bytes OWN(buf_done) = { 0 }, body OWN(buf_done) = { 0 };

	buf_init(&bytes, DEF_BYTES_MAX);
	buf_init(&body, DEF_BYTES_MAX + 1024);
	container_def_encode(def, &bytes);
	wire_put_str(&body, box->view.id);
	wire_put_str(&body, buf_str(&bytes));
	if (buf_error(&bytes) || buf_error(&body))
		docker_reply_error(client, 400, "the container's configuration is too large");
	else
		docker_ask(client, type, buf_str(&body), fn);
}

/* The container to change; NULL: an error has been answered. */
static const struct docker_box *read_box(struct docker_client *client, struct msg *reply,
					 const struct err *err)
{
	struct docker_boxes boxes = { 0 };
	struct err bad = { 0 };

	if (!reply || docker_boxes_read(reply->body, &client->arena, &boxes, &bad) < 0 ||
	    !boxes.count) {
		docker_reply_err(client, reply ? &bad : err);
		return NULL;
	}
	if (boxes.rows[0].has_def && !boxes.rows[0].view.declared)
		return &boxes.rows[0];
	docker_reply_error(client, 409,
			   "it is declared in services.ini: change its section instead");
	return NULL;
}

/* ---- rename ---- */

static void on_renamed(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct buf text OWN(buf_done) = { 0 };

	if (reply || !str_starts(str_from(err_text(err)), STR("Conflict."))) {
		docker_done_empty(peer, owner, reply, err);
		return;
	}
	buf_init(&text, 1024);
	(void)buf_printf(&text, "Error when allocating new name: %s", err_text(err));
	docker_reply_error(owner, docker_status(err->code), buf_text(&text));
}

static void on_rename_view(struct msg_peer *peer, void *owner, struct msg *reply,
			   const struct err *err)
{
	struct docker_client *client = owner;
	const struct docker_box *box = read_box(client, reply, err);
	struct buf text OWN(buf_done) = { 0 };
	struct container_def def;
	char name[512] = "";

	(void)peer;
	if (!box)
		return;
	def = box->def;
	(void)docker_query(client, "name", name, sizeof(name));
	def.name = *name == '/' ? name + 1 : name;
	if (!*def.name)
		docker_reply_error(client, 400, "Neither old nor new names may be empty");
	else if (!strcmp(def.name, box->def.name))
		docker_reply_error(client, 400,
				   "Renaming a container with the same name as its current name");
	else if (docker_name_check(def.name, NULL) < 0) {
		buf_init(&text, 512);
		(void)buf_printf(
			&text,
			"Error when allocating new name: Invalid container name (/%.200s), "
			"only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
			def.name);
		docker_reply_error(client, 400, buf_text(&text));
	} else
		docker_ask_def(client, box, &def, ENGINE_MSG_CHANGE, on_renamed);
}

void docker_rename(struct docker_client *client)
{
	docker_ask_argument(client, ENGINE_MSG_VIEWS, on_rename_view);
}

/* ---- update ---- */

/* Members of the request that were not said before. */
static void put_added(struct json_writer *w, const struct json *request, const struct json *before)
{
	const struct json *value;
	struct json_iter iter;
	struct str key;
	char name[64];

	json_iter_init(&iter, request);
	while (json_iter_next(&iter, &key, &value)) {
		if (create_empty(value) || str_copy(key, name, sizeof(name)) < 0 ||
		    json_get(before, name) || str_is(key, "PidsLimit"))
			continue;
		json_key_str(w, key);
		json_put_value(w, value);
	}
}

/* What inspect gives back, with the members of the request over those of before. */
static const char *merge_api(struct docker_client *client, const char *before, int64_t pids_limit)
{
	static const char *const mine[] = { "Config", "HostConfig" };
	struct buf text OWN(buf_done) = { 0 };
	struct json_doc doc = { 0 };
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
	json_key(&w, mine[0]);
	json_put_value(&w, json_get(doc.root, mine[0]));
	json_key(&w, mine[1]);
	json_begin_object(&w);
	json_iter_init(&iter, json_get(doc.root, mine[1]));
	while (json_iter_next(&iter, &key, &value)) {
		char name[64];
		const struct json *newer = NULL;

		if (str_is(key, "PidsLimit"))
			continue;
		if (str_copy(key, name, sizeof(name)) >= 0)
			newer = json_get(client->json.root, name);
		json_key_str(&w, key);
		json_put_value(&w, create_empty(newer) ? value : newer);
	}
	put_added(&w, client->json.root, json_get(doc.root, mine[1]));
	if (pids_limit || json_type(json_get(client->json.root, "PidsLimit")) == JSON_NUMBER)
		json_member_i64(&w, "PidsLimit", pids_limit);
	json_end_object(&w);
	if (json_get(doc.root, "Endpoints")) {
		json_key(&w, "Endpoints");
		json_put_value(&w, json_get(doc.root, "Endpoints"));
	}
	json_end_object(&w);
	merged = buf_error(&text) ? NULL : arena_text(&client->arena, buf_str(&text));
	json_done(&doc);
	return merged ? merged : before;
}

static void on_updated(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	(void)peer;
	if (reply)
		docker_reply_json(owner, 200, STR("{\"Warnings\":null}\n"));
	else
		docker_reply_err(owner, err);
}

static void on_update_view(struct msg_peer *peer, void *owner, struct msg *reply,
			   const struct err *err)
{
	struct docker_client *client = owner;
	const struct docker_box *box = read_box(client, reply, err);
	struct create *create = arena_alloc(&client->arena, sizeof(*create));
	const struct json *policy = json_get(client->json.root, "RestartPolicy");
	struct err bad = { 0 };
	int r;

	(void)peer;
	if (!box)
		return;
	if (!create) {
		docker_reply_error(client, 500, "no memory for a request");
		return;
	}
	create->client = client;
	create->arena = &client->arena;
	create->body = create->host = client->json.root;
	create->def = box->def;
	/* Swap follows the memory it was derived from unless it is said too. */
	if (!create_empty(json_get(create->host, "Memory")) &&
	    create_empty(json_get(create->host, "MemorySwap")))
		create->def.host.memory_and_swap = 0;
	r = create_limits(create, create->host, &bad);
	if (client->minor < PIDS_UPDATE_MINOR) /* a 0 of clients of old means nothing */
		create->def.pids_limit = box->def.pids_limit;
	if (r >= 0 && json_str(json_get(policy, "Name")).len)
		r = box->def.host.auto_remove
			    ? err_set(&bad, -EEXIST,
				      "Restart policy cannot be updated because AutoRemove is "
				      "enabled for the container")
			    : create_restart(create, policy, &bad);
	create->def.host.api = merge_api(client, box->def.host.api, create->def.pids_limit);
	if (r < 0)
		docker_reply_err(client, &bad);
	else
		docker_ask_def(client, box, &create->def, ENGINE_MSG_CHANGE, on_updated);
}

void docker_update(struct docker_client *client)
{
	if (docker_body_json(client))
		docker_ask_argument(client, ENGINE_MSG_VIEWS, on_update_view);
}
