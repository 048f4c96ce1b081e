/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Volumes as Docker shows them. Runs in the api role. Labels and options of a volume are kept by
 * engine main as the text that is written here.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "engine/api/view_msg.h"
#include "engine/docker/create.h"
#include "engine/docker/filter.h"
#include "engine/docker/handlers.h"
#include "engine/docker/prune.h"
#include "engine/docker/text.h"
#include "engine/docker/volume_options.h"
#include "lib/own.h"
#include "lib/random.h"

enum {
	VOLUMES_MAX = 65536,
	VOLUME_API_MAX = 256 << 10,
	ANONYMOUS_LEN = 64,
	VOLUMES_ALL_MINOR = 42
};

static const char list_filters[] = "dangling driver label label! name";

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

/* As Docker, which takes only plain ones: what it names is not the engine's to clean. */
static bool has_options(const struct engine_volume *volume)
{
	struct json_doc api OWN(json_done) = { 0 };

	if (volume->api.len)
		(void)json_parse(volume->api, VOLUME_API_MAX, &api, NULL);
	return json_count(json_get(api.root, "Options")) > 0;
}

/* Nobody named it: 64 hex digits. */
static bool anonymous(const struct engine_volume *volume)
{
	uint8_t bytes[ANONYMOUS_LEN / 2];

	return str_unhex(volume->name, bytes, sizeof(bytes)) >= 0;
}

/* Name, driver and labels; `dangling` is for who lists. */
static bool fits(const struct docker_filters *filters, const struct engine_volume *volume)
{
	struct json_doc api OWN(json_done) = { 0 };
	struct docker_labels labels = { 0 };

	if (volume->api.len)
		(void)json_parse(volume->api, VOLUME_API_MAX, &api, NULL);
	labels.object = json_get(api.root, "Labels");
	return docker_filters_fit(filters, "name", volume->name, true) &&
	       docker_filters_fit(filters, "driver", STR("local"), false) &&
	       docker_filters_labels(filters, &labels);
}

/* ---- list, inspect ---- */

static void on_list(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct docker_client *client = owner;
	struct docker_filters filters OWN(docker_filters_done) = { 0 };
	struct buf body OWN(buf_done) = { 0 };
	struct json_writer w;
	struct wire in;
	uint32_t count;
	bool dangling;

	(void)peer;
	if (!reply) {
		docker_reply_err(client, err);
		return;
	}
	if (!docker_filters_read(client, list_filters, &filters) ||
	    !docker_filters_flag(client, &filters, "dangling", false, &dangling))
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
		if (!in.error && fits(&filters, &volume) &&
		    (!docker_filters_have(&filters, "dangling") || dangling == !volume.users))
			put_volume(&w, &volume);
	}
	json_end_array(&w);
	json_member_null(&w, "Warnings");
	json_end_object(&w);
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

static bool volume_name(struct docker_client *client, struct str name)
{
	if (name.len)
		return str_copy(name, client->argument, 128) >= 0;
	return random_hex(client->argument, ANONYMOUS_LEN, "the name of a volume", NULL) >= 0;
}

static void no_driver(struct docker_client *client, struct str name, struct str driver)
{
	char text[320];

	(void)snprintf(
		text, sizeof(text),
		"create %.*s: error looking up volume plugin %.*s: plugin \"%.*s\" not found",
		name.len > 80 ? 80 : (int)name.len, name.ptr ? name.ptr : "",
		driver.len > 60 ? 60 : (int)driver.len, driver.ptr,
		driver.len > 60 ? 60 : (int)driver.len, driver.ptr);
	docker_reply_error(client, 404, text);
}

/* False: 400 was answered, in Docker's words. */
static bool good_name(struct docker_client *client, struct str name)
{
	bool good = true;
	char text[400], shown[100];

	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i];
		bool word =
			(c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

		good &= word || (i && (c == '_' || c == '.' || c == '-'));
	}
	if (good && name.len > 1)
		return true;
	(void)str_escape(str_head(name, name.len > 80 ? 80 : name.len), shown, sizeof(shown));
	if (good)
		(void)snprintf(text, sizeof(text),
			       "create %s: volume name is too short, names should be at least two "
			       "alphanumeric characters",
			       shown);
	else
		(void)snprintf(text, sizeof(text),
			       "create %s: \"%s\" includes invalid characters for a local volume "
			       "name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you "
			       "intended to pass a host directory, use absolute path",
			       shown, shown);
	docker_reply_error(client, 400, text);
	return false;
}

void docker_volume_create(struct docker_client *client)
{
	struct buf body OWN(buf_done) = { 0 };
	struct docker_volume_wish wish = { 0 };
	struct err err = { 0 };
	const struct json *root;
	struct str driver, name;

	if (client->body.len && !docker_body_json(client))
		return;
	root = client->json.root;
	driver = json_str(json_get(root, "Driver"));
	name = json_str(json_get(root, "Name"));
	wish = (struct docker_volume_wish){ client->argument, !name.len, json_get(root, "Labels"),
					    json_get(root, "DriverOpts") };
	buf_init(&body, DOCKER_VOLUME_BODY_MAX);
	if (driver.len && !str_is(driver, "local"))
		no_driver(client, name, driver);
	else if (name.len && !good_name(client, name))
		return;
	else if (!volume_name(client, name))
		docker_reply_error(client, 400, "volume name or labels are too long");
	else if (docker_volume_body(&wish, client->role, &client->arena, &body, &err) < 0)
		docker_reply_err(client, &err);
	else
		docker_ask(client, ENGINE_MSG_VOLUME_MAKE, buf_str(&body), on_made);
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

static void put_prune(const struct docker_prune_row *row, struct buf *body)
{
	wire_put_text(body, row->name);
}

static void answer_prune(struct docker_prune *prune, struct json_writer *w)
{
	docker_prune_put_names(prune, w, "VolumesDeleted", false);
	json_member_u64(w, "SpaceReclaimed", prune->freed_bytes);
}

static const struct docker_prune_kind prune_kind = {
	ENGINE_MSG_VOLUME_REMOVE, "volume", put_prune, NULL, answer_prune, docker_usage_volume
};

/* Before 1.42 all that nothing uses; since then only what nobody named, unless `all` is said. */
static void on_prune_list(struct msg_peer *peer, void *owner, struct msg *reply,
			  const struct err *err)
{
	struct docker_client *client = owner;
	struct docker_filters filters OWN(docker_filters_done) = { 0 };
	struct wire in;
	uint32_t count;
	bool all;

	(void)peer;
	if (!reply) {
		docker_reply_err(client, err);
		return;
	}
	wire_init(&in, reply->body.ptr, reply->body.len);
	count = wire_count(&in, VOLUMES_MAX);
	if (!docker_filters_read(client, "all label label!", &filters) ||
	    !docker_filters_flag(client, &filters, "all", client->minor < VOLUMES_ALL_MINOR,
				 &all) ||
	    !docker_prune_new(client, &prune_kind, count))
		return;
	for (uint32_t i = 0; i < count && !in.error; i++) {
		struct engine_volume volume;

		engine_volume_get(&in, &volume);
		if (!in.error && !volume.users && (all || anonymous(&volume)) &&
		    !has_options(&volume) && fits(&filters, &volume))
			docker_prune_add(client, volume.name, NULL);
	}
	docker_prune_run(client);
}

void docker_volume_prune(struct docker_client *client)
{
	docker_ask(client, ENGINE_MSG_VOLUMES, STR(""), on_prune_list);
}
