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
/* One row of it: what engine main says of a container, and its definition where `def` asks. */
int docker_box_read(struct str bytes, bool def, struct arena *arena, struct docker_box *ret_box,
		    struct err *err);
/* "created", "running", "paused", "restarting", "removing", "exited". */
const char *docker_box_state(const struct docker_box *box);
/* "Up 5 minutes (Paused)", "Exited (0) 3 seconds ago": the column STATUS. */
void docker_view_status(const struct engine_view *view, struct buf *out);
/* Where a row of ports is published: the host's address, its own or that of the network which its
 * ports lead to. routed: at the container's addresses of that family alone, no port of the host. */
struct docker_port_place {
	char ip[SERVICE_PORT_IP_MAX];
	bool routed;
};
enum { DOCKER_PORT_PLACES = 2 };
/* Their number. */
unsigned docker_port_places(const struct docker_box *box, const struct service_port *row,
			    struct docker_port_place ret_places[DOCKER_PORT_PLACES]);
/* Members "Ports" of the list, "Mounts" of list and inspect, "Networks" of both. */
void docker_put_ports(struct json_writer *w, const struct docker_box *box, const struct json *api);
/* The object of ports that a container with a network of its own exposes ("80/tcp"), else NULL. */
const struct json *docker_box_exposed(const struct docker_box *box, const struct json *api);
/* Whether a port of that form is published. */
bool docker_port_published(const struct docker_box *box, struct str name);
/* HostConfig with all of Docker's members (box_host.c); `swap`: memory and swap in force, 0 = none.
 */
void docker_put_host_config(struct json_writer *w, const struct json *said, int64_t swap);
/* Member ExecIDs: those of this container that run, null when none does (exec.c). */
void docker_put_exec_ids(struct json_writer *w, const struct docker_server *server, struct str id);
void docker_put_mounts(struct json_writer *w, const struct docker_box *box, const struct json *api);
/* `api`: what the client said (def.host.api) or NULL; `minor`: of its version of the API. */
void docker_put_networks(struct json_writer *w, const struct docker_box *box,
			 const struct json *api, unsigned minor);
/* "busybox:latest" as the client named it at creation, or the reference in short. */
struct str docker_box_image(const struct docker_box *box, struct json_doc *api, char *dst,
			    size_t cap);
/* Asks engine main for a call of this type, {text id, blob definition}, of a container as it shall
 * be. */
void docker_ask_def(struct docker_client *client, const struct docker_box *box,
		    const struct container_def *def, uint16_t type, msg_reply_fn *fn);
/* The names that links of other containers give it, "/web/db", into an open array. NULL: none. */
void docker_put_link_names(struct json_writer *w, const struct docker_boxes *boxes,
			   const struct docker_box *box);
/* A stable id for a network's name: 64 hex digits. */
void docker_network_id(struct str name, char dst[65]);

#endif
