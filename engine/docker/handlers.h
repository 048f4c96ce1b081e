/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_DOCKER_HANDLERS_H
#define HOY_ENGINE_DOCKER_HANDLERS_H

#include "engine/docker/server.h"

/* The handlers of the route table, and what some of them share. */
typedef void docker_handler_fn(struct docker_client *client);

/* system.c */
docker_handler_fn docker_ping, docker_version, docker_info, docker_swarm, docker_swarm_leave,
	docker_plugins, docker_plugin_none;
extern const char docker_no_swarm[]; /* what an engine outside of a swarm says */
/* metrics.c */
docker_handler_fn docker_metrics;
/* create.c */
docker_handler_fn docker_create;
int docker_name_check(const char *name, struct err *err);
/* box_list.c, box_inspect.c */
docker_handler_fn docker_list, docker_inspect;
/* box_act.c */
docker_handler_fn docker_start, docker_stop, docker_restart, docker_kill, docker_remove,
	docker_pause, docker_unpause, docker_resize, docker_prune_boxes;
/* box_change.c */
docker_handler_fn docker_rename, docker_update;
/* box_link.c */
docker_handler_fn docker_link_remove;
/* box_wait.c, box_logs.c, box_attach.c, box_top.c */
docker_handler_fn docker_wait, docker_logs, docker_attach, docker_attach_websocket, docker_top,
	docker_stats;
/* box_archive.c */
docker_handler_fn docker_archive_get, docker_archive_put, docker_export, docker_changes;
/* exec.c */
docker_handler_fn docker_exec_create, docker_exec_start, docker_exec_resize, docker_exec_inspect;
/* events.c */
docker_handler_fn docker_events;
/* image*.c */
docker_handler_fn docker_images, docker_image_inspect, docker_image_history, docker_image_tag,
	docker_image_remove, docker_image_save, docker_images_save, docker_image_load,
	docker_image_import, docker_commit, docker_image_pull, docker_image_push,
	docker_image_prune, docker_build_prune;
/* build.c */
docker_handler_fn docker_build, docker_build_give_up;
/* engine/buildkit: control.c, session.c, stream.c */
docker_handler_fn docker_grpc, docker_session, docker_build_session;
/* volume.c, network.c */
docker_handler_fn docker_volumes, docker_volume_create, docker_volume_inspect, docker_volume_remove,
	docker_volume_prune;
docker_handler_fn docker_networks, docker_network_create, docker_network_inspect,
	docker_network_remove, docker_network_prune, docker_network_connect,
	docker_network_disconnect;
/* registry.c */
docker_handler_fn docker_auth, docker_distribution, docker_search;
/* system_df.c */
docker_handler_fn docker_df;

/* One-way messages of engine main: ENGINE_MSG_ATTACHED, ENGINE_MSG_EXEC_ENDED. */
void docker_attached(struct docker_server *server, struct msg *msg);
void docker_exec_ended(struct docker_server *server, struct msg *msg);
/* Answers 204, or what err says. */
void docker_done_empty(struct msg_peer *peer, void *owner, struct msg *reply,
		       const struct err *err);
/* "TERM", "SIGTERM", "15" of the query as a number; false: 400 has been answered. */
bool docker_query_signal(struct docker_client *client, int fallback, int *ret_signal);

#endif
