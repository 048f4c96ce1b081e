/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /containers/prune: what does not run and is not declared goes, one after the other. Runs in
 * the api role.
 */
#include <errno.h>
#include "engine/docker/filter.h"
#include "engine/docker/handlers.h"
#include "engine/docker/text.h"
#include "engine/docker/view.h"
#include "lib/own.h"

struct prune {
	const char **ids, **gone; /* in the arena */
	uint32_t count, at, gone_count;
};

static void no_free(void *work)
{
	(void)work;
}

static void prune_next(struct docker_client *client);

static void on_removed(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct docker_client *client = owner;
	struct prune *prune = client->work;

	(void)peer;
	(void)err; /* it was started meanwhile: it stays */
	if (reply)
		prune->gone[prune->gone_count++] = prune->ids[prune->at - 1];
	prune_next(client);
}

static void prune_next(struct docker_client *client)
{
	struct buf body OWN(buf_done) = { 0 };
	struct prune *prune = client->work;
	struct image_texts gone;
	struct json_writer w;

	buf_init(&body, 1 << 20);
	if (prune->at < prune->count) {
		wire_put_text(&body, prune->ids[prune->at++]);
		wire_put_u8(&body, false);
		wire_put_u8(&body, false);
		docker_ask(client, ENGINE_MSG_REMOVE, buf_str(&body), on_removed);
		return;
	}
	gone = (struct image_texts){ prune->gone, prune->gone_count };
	json_writer_init(&w, &body);
	json_begin_object(&w);
	docker_put_texts(&w, "ContainersDeleted", &gone, true);
	json_member_u64(&w, "SpaceReclaimed", 0);
	json_end_object(&w);
	docker_reply_json(client, 200, buf_str(&body));
}

static bool fits(const struct docker_filters *filters, const struct docker_box *box)
{
	struct str labels[IMAGE_TEXTS_MAX];
	uint32_t count = 0;

	if (box->view.declared ||
	    (box->view.state != ENGINE_STATE_CREATED && box->view.state != ENGINE_STATE_EXITED))
		return false;
	for (uint32_t i = 0; box->has_def && i < box->def.labels.count; i++)
		labels[count++] = str_from(box->def.labels.items[i]);
	return docker_filters_labels(filters, "label", labels, count) &&
	       (!docker_filters_have(filters, "label!") ||
		!docker_filters_labels(filters, "label!", labels, count));
}

static void on_views(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct docker_client *client = owner;
	struct prune *prune = arena_alloc(&client->arena, sizeof(*prune));
	struct docker_filters filters = { 0 };
	struct docker_boxes boxes = { 0 };
	struct err bad = { 0 };

	(void)peer;
	if (!prune || !reply || docker_boxes_read(reply->body, &client->arena, &boxes, &bad) < 0) {
		docker_reply_err(client, reply ? &bad : err);
		return;
	}
	if (!docker_filters_read(client, "label label!", &filters))
		return;
	prune->ids = arena_array(&client->arena, boxes.count + 1U, sizeof(*prune->ids));
	prune->gone = arena_array(&client->arena, boxes.count + 1U, sizeof(*prune->gone));
	for (uint32_t i = 0; prune->ids && prune->gone && i < boxes.count; i++) {
		if (!fits(&filters, &boxes.rows[i]))
			continue;
		prune->ids[prune->count] = arena_text(&client->arena, boxes.rows[i].view.id);
		prune->count += prune->ids[prune->count] != NULL;
	}
	docker_filters_done(&filters);
	client->work = prune;
	client->work_free = no_free;
	prune_next(client);
}

void docker_prune_boxes(struct docker_client *client)
{
	docker_ask(client, ENGINE_MSG_VIEWS, STR(""), on_views);
}
