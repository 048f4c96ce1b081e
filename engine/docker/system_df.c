/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /system/df: images, containers and volumes with what they take. Runs in the api role.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "engine/api/image_msg.h"
#include "engine/docker/handlers.h"
#include "engine/docker/record.h"
#include "engine/docker/text.h"
#include "engine/docker/usage.h"
#include "engine/docker/view.h"
#include "lib/own.h"

enum { DF_VOLUMES_MAX = 65536 };

struct df {
	struct docker_images images;
	struct docker_boxes boxes;
	struct buf views; /* boxes point into it */
	struct docker_usage usage;
};

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
	json_key(w, "Images");
	json_begin_array(w);
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
		json_key(w, "RepoTags");
		json_begin_array(w);
		if (*row->familiar)
			json_put_text(w, row->familiar);
		json_end_array(w);
		json_member_u64(w, "Size", row->disk_bytes);
		json_member_u64(w, "SharedSize", used ? used->shared : 0);
		json_member_i64(w, "Containers", users(df, row));
		json_end_object(w);
	}
	json_end_array(w);
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
	json_key(w, "Containers");
	json_begin_array(w);
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

	wire_init(&in, body.ptr, body.len);
	count = wire_count(&in, DF_VOLUMES_MAX);
	json_key(w, "Volumes");
	json_begin_array(w);
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
	json_member_u64(&w, "LayersSize", df->usage.layer_bytes);
	put_boxes(&w, df);
	put_volumes(&w, df, reply->body);
	json_key(&w, "BuildCache");
	json_begin_array(&w);
	json_end_array(&w);
	json_member_u64(&w, "BuilderSize", 0);
	json_end_object(&w);
	docker_reply_json(client, 200, buf_str(&body));
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
		docker_ask(client, ENGINE_MSG_VOLUMES, STR(""), on_volumes);
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

void docker_df(struct docker_client *client)
{
	struct df *df = calloc(1, sizeof(*df));

	if (!df) {
		docker_reply_error(client, 500, "no memory for a request");
		return;
	}
	buf_init(&df->views, MSG_BODY_MAX);
	client->work = df;
	client->work_free = df_free;
	docker_ask(client, ENGINE_MSG_RECORDS, STR(""), on_records);
}
