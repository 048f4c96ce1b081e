/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What containers take: what they wrote, and that with their image. Runs in the api role.
 */
#include "engine/docker/box_size.h"

#include <errno.h>
#include <string.h>
#include "engine/api/image_msg.h"
#include "lib/own.h"

static void on_usage(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct docker_client *client = owner;
	struct docker_sizes *sizes = client->step;
	struct err bad = { 0 };

	(void)peer;
	if (!reply || docker_usage_read(reply->body, &client->arena, &sizes->usage, &bad) < 0)
		docker_reply_err(client, reply ? &bad : err);
	else
		sizes->then(client, sizes);
}

static void on_records(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct docker_client *client = owner;
	struct docker_sizes *sizes = client->step;
	struct err bad = { 0 };

	(void)peer;
	if (!reply || docker_images_read(reply->body, &client->arena, &sizes->images, &bad) < 0)
		docker_reply_err(client, reply ? &bad : err);
	else
		docker_ask(client, ENGINE_MSG_USAGE, STR(""), on_usage);
}

void docker_sizes_ask(struct docker_client *client,
		      void (*then)(struct docker_client *client, const struct docker_sizes *sizes))
{
	struct docker_sizes *sizes = arena_alloc(&client->arena, sizeof(*sizes));

	if (!sizes) {
		docker_reply_error(client, 500, "no memory for a request");
		return;
	}
	sizes->then = then;
	client->step = sizes;
	docker_ask(client, ENGINE_MSG_RECORDS, STR(""), on_records);
}

void docker_put_sizes(struct json_writer *w, const struct docker_sizes *sizes,
		      const struct docker_box *box)
{
	const struct docker_usage_row *used = docker_usage_box(&sizes->usage, box->view.id);
	uint64_t own = used ? used->bytes : 0, image = 0;

	for (uint32_t i = 0; box->has_def && i < sizes->images.count; i++) {
		const struct docker_image *row = &sizes->images.rows[i];

		if (!memcmp(&row->image.config, &box->def.image, sizeof(box->def.image)))
			image = row->disk_bytes;
	}
	json_member_u64(w, "SizeRw", own);
	json_member_u64(w, "SizeRootFs", own + image);
}
