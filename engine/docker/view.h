/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_DOCKER_VIEW_H
#define HOY_ENGINE_DOCKER_VIEW_H

#include "engine/api/view_msg.h"
#include "engine/container/def.h"
#include "engine/docker/server.h"

/* One container as engine main told it, with its definition read. */
struct docker_box {
	struct engine_view view;
	struct container_def def; /* with has_def; texts live in the arena */
	bool has_def;
};

struct docker_boxes {
	struct docker_box *rows;
	uint32_t count;
};

/* The answer of ENGINE_MSG_VIEWS; slices point into body, all else into the arena. */
int docker_boxes_read(struct str body, struct arena *arena, struct docker_boxes *ret_boxes,
		      struct err *err);
/* "created", "running", "paused", "restarting", "removing", "exited". */
const char *docker_box_state(const struct docker_box *box);
/* "Up 5 minutes (Paused)", "Exited (0) 3 seconds ago": the column STATUS. */
void docker_box_status(const struct docker_box *box, struct buf *out);
/* Members "Ports" of the list, "Mounts" of list and inspect, "Networks" of both. */
void docker_put_ports(struct json_writer *w, const struct docker_box *box);
void docker_put_mounts(struct json_writer *w, const struct docker_box *box);
void docker_put_networks(struct json_writer *w, const struct docker_box *box);
/* "busybox:latest" as the client named it at creation, or the reference in short. */
struct str docker_box_image(const struct docker_box *box, struct json_doc *api, char *dst,
			    size_t cap);
/* Asks engine main for a call of this type, {text id, blob definition}, of a container as it shall
 * be. */
void docker_ask_def(struct docker_client *client, const struct docker_box *box,
		    const struct container_def *def, uint16_t type, msg_reply_fn *fn);
/* A stable id for a network's name: 64 hex digits. */
void docker_network_id(struct str name, char dst[65]);

#endif
