/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_DOCKER_WATCH_H
#define HOY_ENGINE_DOCKER_WATCH_H

#include "engine/api/view_msg.h"
#include "engine/docker/server.h"

/*
 * One subscription to engine main's events for all clients: `events`, `wait`, followed logs. The
 * last DOCKER_HISTORY_MAX of them are kept for `since`.
 */
enum { DOCKER_HISTORY_MAX = 256 };

struct docker_watch {
	struct docker_watch *next;
	void (*fn)(struct docker_watch *watch, const struct engine_event *event);
	void *owner;
};

/* Subscribes, with the first client. */
void docker_watch_init(struct docker_server *server);
/* The watch may go within its own callback. */
void docker_watch_add(struct docker_server *server, struct docker_watch *watch,
		      void (*fn)(struct docker_watch *watch, const struct engine_event *event),
		      void *owner);
void docker_watch_remove(struct docker_server *server, struct docker_watch *watch);
/* An event that the api role itself knows of, for all who listen and into the history. */
void docker_watch_tell(struct docker_server *server, const struct engine_event *event);
/* What a prune of this type of objects gave back. */
void docker_watch_pruned(struct docker_server *server, const char *type, uint64_t bytes);
/* fn for each kept event, oldest first. */
void docker_watch_history(struct docker_server *server,
			  void (*fn)(void *owner, const struct engine_event *event), void *owner);

#endif
