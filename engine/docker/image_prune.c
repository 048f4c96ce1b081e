/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /images/prune. Runs in the api role. Engine main refuses to let go of what
 * a container has or a service declares; must never ask for more than the filters say.
 */
#include <errno.h>
#include <string.h>
#include "engine/api/image_msg.h"
#include "engine/docker/filter.h"
#include "engine/docker/handlers.h"
#include "engine/docker/prune.h"
#include "engine/docker/record.h"
#include "engine/docker/text.h"
#include "lib/own.h"

/* One id: the first of its rows. */
struct prunable {
	const struct docker_images *images;
	const struct docker_image *row;
};

static void put(const struct docker_prune_row *row, struct buf *body)
{
	const struct prunable *one = row->about;
	uint32_t count = 0;

	for (uint32_t i = 0; i < one->images->count; i++)
		count += !strcmp(one->images->rows[i].id, one->row->id);
	wire_put_text(body, row->name);
	wire_put_u8(body, ENGINE_DROP_PRUNE);
	wire_put_u32(body, count);
	for (uint32_t i = 0; i < one->images->count; i++) {
		if (!strcmp(one->images->rows[i].id, one->row->id))
			wire_put_text(body, one->images->rows[i].image.reference);
	}
}

static bool has_blob(const struct docker_prune *prune, const struct docker_images *images,
		     const struct image_layer *layer)
{
	for (uint32_t i = 0; i < images->count; i++) {
		const struct docker_image *row = &images->rows[i];
		bool gone = false;

		for (uint32_t k = 0; k < prune->count; k++)
			gone |= prune->rows[k].gone && !strcmp(prune->rows[k].name, row->id);
		for (uint32_t k = 0; !gone && k < row->image.layer_count; k++) {
			if (!memcmp(&row->image.layers[k].blob, &layer->blob, sizeof(layer->blob)))
				return true;
		}
	}
	return false;
}

/* What went with an image that shares no layer with one that stays. */
static uint64_t freed(const struct docker_prune *prune, const struct prunable *one)
{
	const struct image *image = &one->row->image;

	for (uint32_t i = 0; i < image->layer_count; i++) {
		if (has_blob(prune, one->images, &image->layers[i]))
			return 0;
	}
	return one->row->disk_bytes;
}

static void put_gone(const struct prunable *one, struct json_writer *w)
{
	for (uint32_t i = 0; i < one->images->count; i++) {
		const struct docker_image *row = &one->images->rows[i];

		if (strcmp(row->id, one->row->id) != 0 || (!*row->familiar && !*row->digest))
			continue;
		json_begin_object(w);
		json_member_text(w, "Untagged", *row->familiar ? row->familiar : row->digest);
		json_end_object(w);
	}
	json_begin_object(w);
	json_member_text(w, "Deleted", one->row->id);
	json_end_object(w);
}

static void answer(struct docker_prune *prune, struct json_writer *w)
{
	uint64_t bytes = 0;
	uint32_t gone = 0;

	for (uint32_t i = 0; i < prune->count; i++)
		gone += prune->rows[i].gone;
	json_key(w, "ImagesDeleted");
	if (gone) {
		json_begin_array(w);
		for (uint32_t i = 0; i < prune->count; i++) {
			if (!prune->rows[i].gone)
				continue;
			put_gone(prune->rows[i].about, w);
			bytes += freed(prune, prune->rows[i].about);
		}
		json_end_array(w);
	} else {
		json_put_null(w);
	}
	prune->freed_bytes = bytes;
	json_member_u64(w, "SpaceReclaimed", bytes);
}

static const struct docker_prune_kind kind = {
	ENGINE_MSG_IMAGE_DROP, "image", put, NULL, answer, NULL
};

/* The first row of its id, which no container has been looked for yet. */
static bool fits(const struct docker_filters *filters, bool dangling, int64_t until_ns,
		 const struct docker_images *images, uint32_t at)
{
	const struct docker_image *row = &images->rows[at];
	const struct docker_labels labels = { .pairs = &row->image.labels };
	int64_t created = 0;

	for (uint32_t i = 0; i < images->count; i++) {
		if (strcmp(images->rows[i].id, row->id) != 0)
			continue;
		if (i < at || (dangling && *images->rows[i].familiar))
			return false;
	}
	(void)docker_time_parse(str_from(row->image.created), &created);
	/* One that is built has its base's date; that it was made a minute ago its layers tell. */
	return created < until_ns && row->made_s < until_ns / 1000000000 &&
	       docker_filters_labels(filters, &labels);
}

static void on_records(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct docker_client *client = owner;
	struct docker_filters filters OWN(docker_filters_done) = { 0 };
	struct docker_images *images = arena_alloc(&client->arena, sizeof(*images));
	struct err bad = { -ENOMEM, "no memory for a request" };
	struct prunable *list;
	int64_t until_ns;
	bool dangling;

	(void)peer;
	if (!reply || !images ||
	    docker_images_read(reply->body, &client->arena, images, &bad) < 0) {
		docker_reply_err(client, reply ? &bad : err);
		return;
	}
	if (!docker_filters_read(client, "dangling label label! until", &filters) ||
	    !docker_filters_flag(client, &filters, "dangling", true, &dangling) ||
	    !docker_filters_until(client, &filters, &until_ns) ||
	    !docker_prune_new(client, &kind, images->count))
		return;
	list = arena_array(&client->arena, images->count + 1U, sizeof(*list));
	for (uint32_t i = 0; list && i < images->count; i++) {
		list[i] = (struct prunable){ .images = images, .row = &images->rows[i] };
		if (fits(&filters, dangling, until_ns, images, i))
			docker_prune_add(client, str_from(images->rows[i].id), &list[i]);
	}
	docker_prune_run(client);
}

void docker_image_prune(struct docker_client *client)
{
	docker_ask(client, ENGINE_MSG_RECORDS, STR(""), on_records);
}
