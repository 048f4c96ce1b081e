/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Volumes as Docker shows them. Runs in the api role. Labels and options of a volume are kept by
 * engine main as the text that is written here.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include "engine/api/view_msg.h"
#include "engine/docker/create.h"
#include "engine/docker/filter.h"
#include "engine/docker/handlers.h"
#include "engine/docker/text.h"
#include "lib/own.h"

enum { VOLUMES_MAX = 65536, VOLUME_API_MAX = 256 << 10, ANONYMOUS_LEN = 64 };

static const char list_filters[] = "dangling driver label name";

static void put_said(struct json_writer *w, const struct json_doc *api, const char *key)
{
	const struct json *value = json_get(api->root, key);

	json_key(w, key);
	if (json_type(value) == JSON_OBJECT)
		json_put_value(w, value);
	else
		json_put_null(w);
}

static void put_volume(struct json_writer *w, const struct engine_volume *volume)
{
	struct json_doc api = { 0 };
	char time[DOCKER_TIME_MAX];

	if (volume->api.len)
		(void)json_parse(volume->api, VOLUME_API_MAX, &api, NULL);
	json_begin_object(w);
	json_member_text(w, "CreatedAt", docker_time(volume->created_s * 1000000000, time));
	json_member_text(w, "Driver", "local");
	put_said(w, &api, "Labels");
	json_member_str(w, "Mountpoint", volume->path);
	json_member_str(w, "Name", volume->name);
	put_said(w, &api, "Options");
	json_member_text(w, "Scope", "local");
	json_end_object(w);
	json_done(&api);
}

/* Nobody named it: 64 hex digits. */
static bool anonymous(const struct engine_volume *volume)
{
	uint8_t bytes[ANONYMOUS_LEN / 2];

	return str_unhex(volume->name, bytes, sizeof(bytes)) >= 0;
}

static bool fits(const struct docker_filters *filters, const struct engine_volume *volume)
{
	struct json_doc api = { 0 };
	struct buf text OWN(buf_done) = { 0 };
	struct str labels[64], key;
	const struct json *value;
	struct json_iter iter;
	uint32_t count = 0;
	size_t at[64];
	bool fine;

	if (volume->api.len)
		(void)json_parse(volume->api, VOLUME_API_MAX, &api, NULL);
	buf_init(&text, VOLUME_API_MAX * 2);
	json_iter_init(&iter, json_get(api.root, "Labels"));
	while (count < ARRAY_LEN(labels) && json_iter_next(&iter, &key, &value)) {
		at[count++] = text.len;
		(void)buf_printf(&text, "%.*s=%.*s", STR_ARG(key), STR_ARG(json_str(value)));
		(void)buf_add_byte(&text, 0);
	}
	for (uint32_t i = 0; i < count; i++)
		labels[i] = str_from(buf_text(&text) + at[i]);
	fine = docker_filters_fit(filters, "name", volume->name, true) &&
	       docker_filters_fit(filters, "driver", STR("local"), false) &&
	       docker_filters_labels(filters, "label", labels, count) &&
	       (docker_filters_fit(filters, "dangling", volume->users ? STR("false") : STR("true"),
				   false) ||
		docker_filters_fit(filters, "dangling", volume->users ? STR("0") : STR("1"),
				   false));
	json_done(&api);
	return fine;
}

/* ---- list, inspect ---- */

static void on_list(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct docker_client *client = owner;
	struct docker_filters filters = { 0 };
	struct buf body OWN(buf_done) = { 0 };
	struct json_writer w;
	struct wire in;
	uint32_t count;

	(void)peer;
	if (!reply) {
		docker_reply_err(client, err);
		return;
	}
	if (!docker_filters_read(client, list_filters, &filters))
		return;
	wire_init(&in, reply->body.ptr, reply->body.len);
	count = wire_count(&in, VOLUMES_MAX);
	buf_init(&body, DOCKER_REPLY_MAX);
	json_writer_init(&w, &body);
	json_begin_object(&w);
	json_key(&w, "Volumes");
	json_begin_array(&w);
	for (uint32_t i = 0; i < count && !in.error; i++) {
		struct engine_volume volume;

		engine_volume_get(&in, &volume);
		if (!in.error && fits(&filters, &volume))
			put_volume(&w, &volume);
	}
	json_end_array(&w);
	json_member_null(&w, "Warnings");
	json_end_object(&w);
	docker_filters_done(&filters);
	docker_reply_json(client, 200, buf_str(&body));
}

void docker_volumes(struct docker_client *client)
{
	docker_ask(client, ENGINE_MSG_VOLUMES, STR(""), on_list);
}

static void inspect_named(struct docker_client *client, struct msg *reply, const struct err *err,
			  const char *name, unsigned status)
{
	struct buf body OWN(buf_done) = { 0 };
	struct json_writer w;
	struct wire in;
	uint32_t count;

	if (!reply) {
		docker_reply_err(client, err);
		return;
	}
	buf_init(&body, DOCKER_REPLY_MAX);
	wire_init(&in, reply->body.ptr, reply->body.len);
	count = wire_count(&in, VOLUMES_MAX);
	for (uint32_t i = 0; i < count && !in.error; i++) {
		struct engine_volume volume;

		engine_volume_get(&in, &volume);
		if (in.error || !str_is(volume.name, name))
			continue;
		json_writer_init(&w, &body);
		put_volume(&w, &volume);
		docker_reply_json(client, status, buf_str(&body));
		return;
	}
	(void)buf_printf(&body, "get %s: no such volume", name);
	docker_reply_error(client, 404, buf_text(&body));
}

static void on_inspect(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct docker_client *client = owner;

	(void)peer;
	inspect_named(client, reply, err, client->argument, 200);
}

void docker_volume_inspect(struct docker_client *client)
{
	docker_ask(client, ENGINE_MSG_VOLUMES, STR(""), on_inspect);
}

/* ---- create, remove ---- */

static void on_made_list(struct msg_peer *peer, void *owner, struct msg *reply,
			 const struct err *err)
{
	struct docker_client *client = owner;

	(void)peer;
	inspect_named(client, reply, err, client->argument, 201);
}

static void on_made(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	(void)peer;
	if (reply)
		docker_ask(owner, ENGINE_MSG_VOLUMES, STR(""), on_made_list);
	else
		docker_reply_err(owner, err);
}

/* {"Labels":..,"Options":..} as it is kept. */
static void put_api(struct buf *out, const struct json *body)
{
	struct json_writer w;

	json_writer_init(&w, out);
	json_begin_object(&w);
	json_key(&w, "Labels");
	json_put_value(&w, json_get(body, "Labels"));
	json_key(&w, "Options");
	json_put_value(&w, json_get(body, "DriverOpts"));
	json_end_object(&w);
}

static bool volume_name(struct docker_client *client, struct str name)
{
	uint8_t random[ANONYMOUS_LEN / 2];

	if (name.len)
		return str_copy(name, client->argument, 128) >= 0;
	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return false;
	str_hex(random, sizeof(random), client->argument);
	return true;
}

void docker_volume_create(struct docker_client *client)
{
	struct buf body OWN(buf_done) = { 0 }, api OWN(buf_done) = { 0 };
	const struct json *root;
	struct str driver;

	if (client->body.len && !docker_body_json(client))
		return;
	root = client->json.root;
	driver = json_str(json_get(root, "Driver"));
	buf_init(&api, VOLUME_API_MAX);
	buf_init(&body, VOLUME_API_MAX + 1024);
	put_api(&api, root);
	if (driver.len && !str_is(driver, "local"))
		docker_reply_error(client, 404, "error looking up volume plugin: plugin not found");
	else if (!create_empty(json_get(root, "DriverOpts")))
		docker_reply_error(client, 400, "driver options of a volume are not supported");
	else if (!volume_name(client, json_str(json_get(root, "Name"))) || buf_error(&api))
		docker_reply_error(client, 400, "volume name or labels are too long");
	else {
		wire_put_text(&body, client->argument);
		wire_put_str(&body, buf_str(&api));
		docker_ask(client, ENGINE_MSG_VOLUME_MAKE, buf_str(&body), on_made);
	}
}

static void on_removed(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct docker_client *client = owner;

	(void)peer;
	if (!reply && err->code == -ENOENT && docker_query_flag(client, "force", false))
		docker_reply_empty(client, 204);
	else
		docker_done_empty(peer, owner, reply, err);
}

void docker_volume_remove(struct docker_client *client)
{
	docker_ask_argument(client, ENGINE_MSG_VOLUME_REMOVE, on_removed);
}

/* ---- prune ---- */

struct prune {
	const char **names; /* in the arena */
	uint32_t count, at;
};

static void no_free(void *work)
{
	(void)work;
}

static void prune_next(struct docker_client *client);

static void on_pruned(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	(void)peer;
	(void)reply;
	(void)err; /* somebody took it meanwhile: it stays */
	prune_next(owner);
}

static void prune_next(struct docker_client *client)
{
	struct buf body OWN(buf_done) = { 0 };
	struct prune *prune = client->work;
	struct json_writer w;

	buf_init(&body, 1 << 20);
	if (prune->at < prune->count) {
		wire_put_text(&body, prune->names[prune->at++]);
		docker_ask(client, ENGINE_MSG_VOLUME_REMOVE, buf_str(&body), on_pruned);
		return;
	}
	json_writer_init(&w, &body);
	json_begin_object(&w);
	json_key(&w, "VolumesDeleted");
	json_begin_array(&w);
	for (uint32_t i = 0; i < prune->count; i++)
		json_put_text(&w, prune->names[i]);
	json_end_array(&w);
	json_member_u64(&w, "SpaceReclaimed", 0);
	json_end_object(&w);
	docker_reply_json(client, 200, buf_str(&body));
}

static void on_prune_list(struct msg_peer *peer, void *owner, struct msg *reply,
			  const struct err *err)
{
	struct docker_client *client = owner;
	struct prune *prune = arena_alloc(&client->arena, sizeof(*prune));
	struct docker_filters filters = { 0 };
	struct wire in;
	uint32_t count;
	bool all;

	(void)peer;
	if (!reply || !prune) {
		docker_reply_err(client, err);
		return;
	}
	if (!docker_filters_read(client, "all label label!", &filters))
		return;
	all = docker_filters_have(&filters, "all") &&
	      (docker_filters_fit(&filters, "all", STR("true"), false) ||
	       docker_filters_fit(&filters, "all", STR("1"), false));
	wire_init(&in, reply->body.ptr, reply->body.len);
	count = wire_count(&in, VOLUMES_MAX);
	prune->names = arena_array(&client->arena, count + 1U, sizeof(*prune->names));
	for (uint32_t i = 0; prune->names && i < count && !in.error; i++) {
		struct engine_volume volume;

		engine_volume_get(&in, &volume);
		if (in.error || volume.users || (!all && !anonymous(&volume)) ||
		    !fits(&filters, &volume))
			continue;
		prune->names[prune->count] = arena_text(&client->arena, volume.name);
		prune->count += prune->names[prune->count] != NULL;
	}
	docker_filters_done(&filters);
	client->work = prune;
	client->work_free = no_free;
	prune_next(client);
}

void docker_volume_prune(struct docker_client *client)
{
	docker_ask(client, ENGINE_MSG_VOLUMES, STR(""), on_prune_list);
}
