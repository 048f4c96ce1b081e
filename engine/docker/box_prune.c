/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /containers/prune: what does not run and is not declared goes. Runs in the api role.
 */
#include "engine/docker/filter.h"
#include "engine/docker/handlers.h"
#include "engine/docker/prune.h"
#include "engine/docker/view.h"
#include "lib/own.h"

static void put(const struct docker_prune_row *row, struct buf *body)
{
	wire_put_text(body, row->name);
	wire_put_u8(body, false);
	wire_put_u8(body, false);
}

static void answer(struct docker_prune *prune, struct json_writer *w)
{
	docker_prune_put_names(prune, w, "ContainersDeleted", true);
	json_member_u64(w, "SpaceReclaimed", prune->freed_bytes);
}

static const struct docker_prune_kind kind = { ENGINE_MSG_REMOVE, "container", put, NULL, answer,
					       docker_usage_box };

static bool fits(const struct docker_filters *filters, int64_t until_ns,
		 const struct docker_box *box)
{
	const struct docker_labels labels = { .texts = box->has_def ? &box->def.labels : NULL };

	return !box->view.declared && box->view.created_ns < until_ns &&
	       (box->view.state == ENGINE_STATE_CREATED ||
		box->view.state == ENGINE_STATE_EXITED) &&
	       docker_filters_labels(filters, &labels);
}

static void on_views(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct docker_client *client = owner;
	struct docker_filters filters OWN(docker_filters_done) = { 0 };
	struct docker_boxes boxes = { 0 };
	struct err bad = { 0 };
	int64_t until_ns;

	(void)peer;
	if (!reply || docker_boxes_read(reply->body, &client->arena, &boxes, &bad) < 0) {
		docker_reply_err(client, reply ? &bad : err);
		return;
	}
	if (!docker_filters_read(client, "label label! until", &filters) ||
	    !docker_filters_until(client, &filters, &until_ns) ||
	    !docker_prune_new(client, &kind, boxes.count))
		return;
	for (uint32_t i = 0; i < boxes.count; i++) {
		if (fits(&filters, until_ns, &boxes.rows[i]))
			docker_prune_add(client, boxes.rows[i].view.id, NULL);
	}
	docker_prune_run(client);
}

void docker_prune_boxes(struct docker_client *client)
{
	docker_ask(client, ENGINE_MSG_VIEWS, STR(""), on_views);
}
