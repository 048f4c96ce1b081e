/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /containers/create: from a client's JSON to a definition that engine main checks and keeps.
 * Runs in the api role. What the client said is kept beside the definition (`api`), so that inspect
 * gives it back; engine main does not read it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "engine/api/engine_msg.h"
#include "engine/docker/create.h"
#include "engine/docker/handlers.h"
#include "engine/docker/platform.h"
#include "engine/docker/policy.h"
#include "engine/docker/text.h"
#include "lib/own.h"
#include "lib/random.h"

enum {
	CREATE_NAME_MAX = 127,
	CREATE_LOG_SIZE = 10 << 20,
	CREATE_LOG_FILES = 3,
	CREATE_ID_DIGITS = 64
};

/* [a-zA-Z0-9][a-zA-Z0-9_.-]+ */
static bool name_fits(const char *name)
{
	size_t len = strlen(name);

	return len >= 2 && len <= CREATE_NAME_MAX && str_is_name(str_from(name));
}

int docker_name_check(const char *name, struct err *err)
{
	if (name_fits(name))
		return 0;
	return err_set(err, -EINVAL,
		       "Invalid container name (%.100s), only [a-zA-Z0-9][a-zA-Z0-9_.-] are "
		       "allowed",
		       name);
}

/* Two words and, rarely needed, digits: for a container that nobody named. */
static const char *made_up_name(struct arena *arena)
{
	static const char *const first[] = { "calm",   "brave",	 "clear", "deft",  "eager", "fair",
					     "gentle", "keen",	 "lucid", "merry", "noble", "quick",
					     "ready",  "steady", "sunny", "wise" };
	static const char *const second[] = { "anchor", "bowline", "capstan", "dinghy",
					      "ensign", "fender",  "galley",  "halyard",
					      "jib",	"keel",	   "lantern", "mast",
					      "oar",	"rudder",  "sail",    "tiller" };

	return arena_printf(arena, "%s_%s_%04x", first[random_jitter() % ARRAY_LEN(first)],
			    second[random_jitter() % ARRAY_LEN(second)], random_jitter() & 0xffff);
}

/* ---- the definition ---- */

static int create_name(struct create *create, struct err *err)
{
	char name[512];

	if (!docker_query(create->client, "name", name, sizeof(name)) || !*name) {
		create->def.name = made_up_name(create->arena);
		return create->def.name ? 0 : err_set(err, -ENOMEM, "no memory for a request");
	}
	create->def.name = arena_text(create->arena, str_from(*name == '/' ? name + 1 : name));
	if (!create->def.name)
		return err_set(err, -ENOMEM, "no memory for a request");
	return docker_name_check(create->def.name, err);
}

static int create_layers(struct create *create, struct err *err)
{
	const struct image *image = create->image;
	struct container_def *def = &create->def;

	def->image = image->config;
	def->reference = image->reference;
	def->layers = arena_array(create->arena, image->layer_count + 1U, sizeof(*def->layers));
	if (!def->layers)
		return err_set(err, -ENOMEM, "no memory for layers");
	for (uint32_t i = 0; i < image->layer_count; i++)
		def->layers[def->layer_count++] = image->layers[i].blob;
	return 0;
}

static int create_id(struct create *create, struct err *err)
{
	int r = random_hex(create->id, CREATE_ID_DIGITS, "a container id", err);

	if (r < 0)
		return r;
	memcpy(create->hostname, create->id, 12);
	create->hostname[12] = 0;
	return 0;
}

static int create_def(struct create *create, struct err *err)
{
	static int (*const steps[])(struct create * create, struct err * err) = {
		create_id,   create_name,   create_layers,  create_config,
		create_host, create_mounts, create_network, create_api,
	};
	int r = 0;

	def_host_init(&create->def.host);
	create->def.host_set = true;
	create->def.host.created_ns = docker_now_ns();
	create->def.log_max_size = CREATE_LOG_SIZE;
	create->def.log_max_file = CREATE_LOG_FILES;
	for (size_t i = 0; r >= 0 && i < ARRAY_LEN(steps); i++)
		r = steps[i](create, err);
	return r < 0 ? r : container_signal(create->def.stop_signal, err);
}

/* ---- the request ---- */

static void no_free(void *work)
{
	(void)work; /* in the request's arena */
}

/* {"Id":..., "Warnings":[...]} */
static void reply_made(struct docker_client *client, struct str id,
		       const struct image_texts *warnings)
{
	struct buf body OWN(buf_done) = { 0 };
	struct json_writer w;

	buf_init(&body, 16384);
	json_writer_init(&w, &body);
	json_begin_object(&w);
	json_member_str(&w, "Id", id);
	docker_put_texts(&w, "Warnings", warnings, false);
	json_end_object(&w);
	(void)buf_add_byte(&body, '\n');
	docker_reply_json(client, 201, buf_str(&body));
}

static void on_created(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct docker_client *client = owner;
	const struct create *create = client->work;
	struct wire in;

	(void)peer;
	if (!reply) {
		docker_reply_err(client, err);
		return;
	}
	wire_init(&in, reply->body.ptr, reply->body.len);
	reply_made(client, wire_str(&in, 128), &create->warnings);
}

/* Another platform than the image's, which is always this machine's, is -ENOENT. */
static int create_platform(struct create *create, const char *name, struct err *err)
{
	char text[DOCKER_PLATFORM_MAX] = "", own[DOCKER_PLATFORM_MAX];
	struct docker_platform wanted, have = { 0 };
	int r;

	if (!docker_query(create->client, "platform", text, sizeof(text)) || !*text)
		return 0;
	r = docker_platform_parse(str_from(text), &wanted, err);
	if (r < 0)
		return r;
	(void)str_copy(str_from(create->image->os), have.os, sizeof(have.os));
	(void)str_copy(str_from(create->image->architecture), have.architecture,
		       sizeof(have.architecture));
	(void)str_copy(str_from(create->image->variant), have.variant, sizeof(have.variant));
	if (!strcmp(wanted.os, have.os) && !strcmp(wanted.architecture, have.architecture))
		return 0;
	docker_platform_text(&have, own);
	docker_platform_text(&wanted, text);
	return err_set(err, -ENOENT,
		       "image with reference %.200s was found but its platform (%s) does not match "
		       "the specified platform (%s)",
		       name, own, text);
}

/* One volume after the other, then the container. */
static void make_next(struct docker_client *client);

static void on_volume(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	(void)peer;
	if (reply)
		make_next(owner);
	else
		docker_reply_err(owner, err);
}

static void make_next(struct docker_client *client)
{
	struct create *create = client->work;

	if (create->volume_count)
		docker_ask(client, ENGINE_MSG_VOLUME_MAKE, create->volumes[--create->volume_count],
			   on_volume);
	else
		docker_ask(client, ENGINE_MSG_CREATE, create->def_bytes, on_created);
}

/* What is to be asked for, in the arena. */
static int create_bytes(struct create *create, struct err *err)
{
	struct buf bytes OWN(buf_done) = { 0 }, body OWN(buf_done) = { 0 };
	char *copy;

	buf_init(&bytes, DEF_BYTES_MAX);
	buf_init(&body, DEF_BYTES_MAX + 1024);
	container_def_encode(&create->def, &bytes);
	wire_put_text(&body, create->id);
	wire_put_str(&body, buf_str(&bytes));
	if (buf_error(&bytes) || buf_error(&body))
		return err_set(err, -EINVAL, "the container's configuration is too large");
	copy = arena_alloc(create->arena, body.len);
	if (!copy)
		return err_set(err, -ENOMEM, "no memory for a request");
	memcpy(copy, body.data, body.len);
	create->def_bytes = str_make(copy, body.len);
	return 0;
}

static void on_records(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct docker_client *client = owner;
	struct create *create = arena_alloc(&client->arena, sizeof(*create));
	const struct docker_image *found = NULL;
	struct docker_images images;
	struct err bad = { 0 };
	char name[1024];
	int r = create ? 0 : err_set(&bad, -ENOMEM, "no memory for a request");

	(void)peer;
	if (!reply) {
		docker_reply_err(client, err);
		return;
	}
	if (r >= 0)
		r = docker_images_read(reply->body, &client->arena, &images, &bad);
	if (r >= 0)
		r = str_copy(json_str(json_get(client->json.root, "Image")), name, sizeof(name));
	if (r >= 0 && !*name)
		r = err_set(&bad, -EINVAL, "no command specified");
	if (r >= 0)
		r = docker_images_find(&images, name, &found, &bad);
	if (r >= 0) {
		create->client = client;
		create->role = client->role;
		create->minor = client->minor;
		create->arena = &client->arena;
		create->body = client->json.root;
		create->host = json_get(create->body, "HostConfig");
		create->image = &found->image;
		create->images = &images;
		create->others = client->work;
		create->cpus = client->server->cpus;
		r = create_platform(create, name, &bad);
		if (r >= 0)
			r = create_check(create->body, &bad);
		if (r >= 0)
			r = create_def(create, &bad);
		if (r >= 0)
			r = docker_policy_check(client->role, &create->def, &bad);
	}
	if (r >= 0)
		r = create_bytes(create, &bad);
	if (r < 0) {
		docker_reply_err(client, &bad);
		return;
	}
	client->work = create;
	client->work_free = no_free;
	make_next(client);
}

/* The other containers, for VolumesFrom and Links: kept until the images are there. */
static void on_others(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct docker_client *client = owner;
	struct docker_boxes *boxes = arena_alloc(&client->arena, sizeof(*boxes));
	char *copy = reply ? arena_alloc(&client->arena, reply->body.len + 1) : NULL;
	struct err bad = { 0 };

	(void)peer;
	if (!reply) {
		docker_reply_err(client, err);
		return;
	}
	if (!boxes || !copy) {
		docker_reply_error(client, 500, "no memory for a request");
		return;
	}
	memcpy(copy, reply->body.ptr, reply->body.len);
	if (docker_boxes_read(str_make(copy, reply->body.len), &client->arena, boxes, &bad) < 0) {
		docker_reply_err(client, &bad);
		return;
	}
	client->work = boxes;
	client->work_free = no_free;
	docker_ask(client, ENGINE_MSG_RECORDS, STR(""), on_records);
}

static bool names_others(const struct json *host)
{
	static const char *const modes[] = { "NetworkMode", "PidMode", "IpcMode" };
	bool found =
		json_count(json_get(host, "VolumesFrom")) || json_count(json_get(host, "Links"));

	for (size_t i = 0; i < ARRAY_LEN(modes); i++)
		found |= str_starts(json_str(json_get(host, modes[i])), STR("container:"));
	return found;
}

void docker_create(struct docker_client *client)
{
	const struct json *host;

	if (!docker_body_json(client))
		return;
	host = json_get(client->json.root, "HostConfig");
	if (json_type(client->json.root) != JSON_OBJECT || !json_count(client->json.root))
		docker_reply_error(client, 400,
				   "config cannot be empty in order to create a "
				   "container");
	else if (names_others(host))
		docker_ask(client, ENGINE_MSG_VIEWS, STR(""), on_others);
	else
		docker_ask(client, ENGINE_MSG_RECORDS, STR(""), on_records);
}
