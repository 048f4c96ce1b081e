/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /system/df: images, containers and volumes with what they take. Runs in the api role.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "engine/api/image_msg.h"
#include "engine/docker/cache.h"
#include "engine/docker/handlers.h"
#include "engine/docker/image_text.h"
#include "engine/docker/record.h"
#include "engine/docker/text.h"
#include "engine/docker/usage.h"
#include "engine/docker/view.h"
#include "lib/own.h"

enum {
	DF_VOLUMES_MAX = 65536,
	BUILDER_SIZE_MINOR = 42,
	DF_VIRTUAL_SIZE_MINOR = 44 /* left out from there on */
};

/* What a client asks for (`type`), all without a word; what it did not ask for is null. */
static const char *const kinds[] = { "image", "container", "volume", "build-cache" };
enum { DF_IMAGE = 1, DF_CONTAINER = 2, DF_VOLUME = 4, DF_CACHE = 8, DF_ALL = 15 };

struct df {
	struct docker_images images;
	struct docker_boxes boxes;
	struct buf views; /* boxes point into it */
	struct docker_usage usage;
	struct docker_cache cache;
	unsigned kinds, minor;
};

static bool begin_kind(struct json_writer *w, const struct df *df, unsigned kind, const char *key)
{
	json_key(w, key);
	if (df->kinds & kind)
		json_begin_array(w);
	else
		json_put_null(w);
	return df->kinds & kind;
}

static void df_free(void *work)
{
	struct df *df = work;

	buf_done(&df->views);
	free(df);
}

static int64_t users(const struct df *df, const struct docker_image *row)
{
	int64_t count = 0;

	for (uint32_t i = 0; i < df->boxes.count; i++)
		count += df->boxes.rows[i].has_def &&
			 !memcmp(&df->boxes.rows[i].def.image, &row->image.config,
				 sizeof(row->image.config));
	return count;
}

static void put_images(struct json_writer *w, const struct df *df)
{
	if (!begin_kind(w, df, DF_IMAGE, "Images"))
		return;
	for (uint32_t i = 0; i < df->images.count; i++) {
		const struct docker_image *row = &df->images.rows[i];
		const struct docker_usage_row *used = docker_usage_image(&df->usage, row->id);
		bool again = false;

		for (uint32_t k = 0; k < i; k++)
			again |= !strcmp(df->images.rows[k].id, row->id);
		if (again)
			continue;
		json_begin_object(w);
		json_member_text(w, "Id", row->id);
		json_member_text(w, "ParentId", "");
		docker_put_image_names(w, &df->images, row->id, NULL);
		json_member_i64(w, "Created", docker_image_created_s(&row->image));
		json_member_u64(w, "Size", row->disk_bytes);
		if (df->minor < DF_VIRTUAL_SIZE_MINOR)
			json_member_u64(w, "VirtualSize", row->disk_bytes);
		json_member_u64(w, "SharedSize", used ? used->shared : 0);
		json_member_i64(w, "Containers", users(df, row));
		docker_put_pairs(w, "Labels", &row->image.labels);
		json_end_object(w);
	}
	json_end_array(w);
}

/* The store without what only the build cache has, and never less than what images have for
 * themselves: clients subtract them. */
static uint64_t layers_size(const struct df *df)
{
	uint64_t own = 0, cache = docker_cache_own(&df->cache);
	uint64_t rest = df->usage.layer_bytes > cache ? df->usage.layer_bytes - cache : 0;

	for (uint32_t i = 0; i < df->images.count; i++) {
		const struct docker_image *row = &df->images.rows[i];
		const struct docker_usage_row *used = docker_usage_image(&df->usage, row->id);

		if (used && used->shared < row->disk_bytes)
			own += row->disk_bytes - used->shared;
	}
	return own > rest ? own : rest;
}

static uint64_t image_bytes(const struct df *df, const struct docker_box *box)
{
	for (uint32_t i = 0; box->has_def && i < df->images.count; i++) {
		if (!memcmp(&df->images.rows[i].image.config, &box->def.image,
			    sizeof(box->def.image)))
			return df->images.rows[i].disk_bytes;
	}
	return 0;
}

static void put_boxes(struct json_writer *w, const struct df *df)
{
	if (!begin_kind(w, df, DF_CONTAINER, "Containers"))
		return;
	for (uint32_t i = 0; i < df->boxes.count; i++) {
		const struct docker_box *box = &df->boxes.rows[i];
		const struct docker_usage_row *used = docker_usage_box(&df->usage, box->view.id);
		struct buf name OWN(buf_done) = { 0 };

		buf_init(&name, 256);
		(void)buf_printf(&name, "/%.*s", STR_ARG(box->view.name));
		json_begin_object(w);
		json_member_str(w, "Id", box->view.id);
		json_key(w, "Names");
		json_begin_array(w);
		json_put_str(w, buf_str(&name));
		json_end_array(w);
		json_member_str(w, "Image", box->view.reference);
		json_member_text(w, "State", docker_box_state(box));
		json_member_i64(w, "Created", box->view.created_ns / 1000000000);
		json_member_u64(w, "SizeRw", used ? used->bytes : 0);
		json_member_u64(w, "SizeRootFs", (used ? used->bytes : 0) + image_bytes(df, box));
		json_end_object(w);
	}
	json_end_array(w);
}

static void put_volumes(struct json_writer *w, const struct df *df, struct str body)
{
	struct wire in;
	uint32_t count;

	if (!begin_kind(w, df, DF_VOLUME, "Volumes"))
		return;
	wire_init(&in, body.ptr, body.len);
	count = wire_count(&in, DF_VOLUMES_MAX);
	for (uint32_t i = 0; i < count && !in.error; i++) {
		const struct docker_usage_row *used;
		struct engine_volume volume;

		engine_volume_get(&in, &volume);
		if (in.error)
			break;
		used = docker_usage_volume(&df->usage, volume.name);
		json_begin_object(w);
		json_member_str(w, "Name", volume.name);
		json_member_text(w, "Driver", "local");
		json_member_str(w, "Mountpoint", volume.path);
		json_member_text(w, "Scope", "local");
		json_key(w, "UsageData");
		json_begin_object(w);
		json_member_u64(w, "Size", used ? used->bytes : 0);
		json_member_u64(w, "RefCount", volume.users);
		json_end_object(w);
		json_end_object(w);
	}
	json_end_array(w);
}

static void put_cache(struct json_writer *w, const struct df *df)
{
	char text[DOCKER_TIME_MAX];

	if (!begin_kind(w, df, DF_CACHE, "BuildCache"))
		return;
	for (uint32_t i = 0; i < df->cache.count; i++) {
		const struct docker_cache_row *row = &df->cache.rows[i];

		json_begin_object(w);
		json_member_text(w, "ID", row->id);
		json_member_text(w, "Type", DOCKER_CACHE_TYPE);
		json_member_text(w, "Description", DOCKER_CACHE_WHAT);
		json_member_bool(w, "InUse", row->in_use);
		json_member_bool(w, "Shared", row->shared);
		json_member_u64(w, "Size", row->bytes);
		json_member_text(w, "CreatedAt", docker_time(row->made_s * 1000000000, text));
		json_member_text(w, "LastUsedAt", docker_time(row->used_s * 1000000000, text));
		json_member_u64(w, "UsageCount", 1);
		json_end_object(w);
	}
	json_end_array(w);
}

static void on_volumes(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct docker_client *client = owner;
	const struct df *df = client->work;
	struct buf body OWN(buf_done) = { 0 };
	struct json_writer w;

	(void)peer;
	if (!reply) {
		docker_reply_err(client, err);
		return;
	}
	buf_init(&body, DOCKER_REPLY_MAX);
	json_writer_init(&w, &body);
	json_begin_object(&w);
	put_images(&w, df);
	if (df->kinds & DF_IMAGE)
		json_member_u64(&w, "LayersSize", layers_size(df));
	put_boxes(&w, df);
	put_volumes(&w, df, reply->body);
	put_cache(&w, df);
	if (client->minor < BUILDER_SIZE_MINOR)
		json_member_u64(&w, "BuilderSize", docker_cache_own(&df->cache));
	json_end_object(&w);
	docker_reply_json(client, 200, buf_str(&body));
}

static void on_cache(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct docker_client *client = owner;
	struct df *df = client->work;
	struct err bad = { 0 };

	(void)peer;
	if (!reply || docker_cache_read(reply->body, &client->arena, &df->cache, &bad) < 0)
		docker_reply_err(client, reply ? &bad : err);
	else
		docker_ask(client, ENGINE_MSG_VOLUMES, STR(""), on_volumes);
}

static void on_usage(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct docker_client *client = owner;
	struct df *df = client->work;
	struct err bad = { 0 };

	(void)peer;
	if (!reply || docker_usage_read(reply->body, &client->arena, &df->usage, &bad) < 0)
		docker_reply_err(client, reply ? &bad : err);
	else
		docker_ask(client, ENGINE_MSG_CACHE, STR(""), on_cache);
}

static void on_views(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct docker_client *client = owner;
	struct df *df = client->work;
	struct err bad = { 0 };

	(void)peer;
	if (reply)
		(void)buf_add_str(&df->views, reply->body);
	if (!reply || docker_boxes_read(buf_str(&df->views), &client->arena, &df->boxes, &bad) < 0)
		docker_reply_err(client, reply ? &bad : err);
	else
		docker_ask(client, ENGINE_MSG_USAGE, STR(""), on_usage);
}

static void on_records(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct docker_client *client = owner;
	struct df *df = client->work;
	struct err bad = { 0 };

	(void)peer;
	if (!reply || docker_images_read(reply->body, &client->arena, &df->images, &bad) < 0)
		docker_reply_err(client, reply ? &bad : err);
	else
		docker_ask(client, ENGINE_MSG_VIEWS, STR(""), on_views);
}

/* False: 400 was answered. */
static bool read_kinds(struct docker_client *client, unsigned *ret_kinds)
{
	struct str rest = str_from(client->query), pair;
	char name[80], shown[120];

	*ret_kinds = 0;
	while (str_cut(&rest, '&', &pair)) {
		size_t i = 0;

		if (!str_starts(pair, STR("type=")))
			continue;
		if (docker_decode_query(str_skip(pair, 5), name, sizeof(name)) < 0)
			name[0] = 0;
		while (i < ARRAY_LEN(kinds) && strcmp(kinds[i], name) != 0)
			i++;
		if (i == ARRAY_LEN(kinds)) {
			(void)snprintf(shown, sizeof(shown), "unknown object type: %s", name);
			docker_reply_error(client, 400, shown);
			return false;
		}
		*ret_kinds |= 1U << i;
	}
	*ret_kinds = *ret_kinds ? *ret_kinds : DF_ALL;
	return true;
}

void docker_df(struct docker_client *client)
{
	struct df *df;
	unsigned wanted;

	if (!read_kinds(client, &wanted))
		return;
	df = calloc(1, sizeof(*df));
	if (!df) {
		docker_reply_error(client, 500, "no memory for a request");
		return;
	}
	df->kinds = wanted;
	df->minor = client->minor;
	buf_init(&df->views, MSG_BODY_MAX);
	client->work = df;
	client->work_free = df_free;
	docker_ask(client, ENGINE_MSG_RECORDS, STR(""), on_records);
}
