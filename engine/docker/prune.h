/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_DOCKER_PRUNE_H
#define HOY_ENGINE_DOCKER_PRUNE_H

#include "engine/docker/server.h"
#include "engine/docker/usage.h"

/*
 * Prune of containers, networks, volumes and images: what was chosen is removed, one after the
 * other. A removal that fails leaves its row out of the answer and the others in: somebody took it
 * meanwhile. Lives in the request's arena as client->work.
 */
struct docker_prune_row {
	const char *name;
	const void *about; /* the kind's own; may be NULL */
	uint64_t bytes;	   /* that it took, where the kind asks */
	bool gone;
};

struct docker_prune;

struct docker_prune_kind {
	uint16_t type;	   /* of the message to engine main that removes one */
	const char *event; /* "container": the type in the event that tells of it */
	void (*put)(const struct docker_prune_row *row, struct buf *body);
	/* May be NULL: the answer to one that went. */
	void (*went)(struct docker_prune_row *row, struct str body);
	/* The members of the answer. */
	void (*answer)(struct docker_prune *prune, struct json_writer *w);
	/* May be NULL: what a name takes; what went is added up in freed_bytes. */
	const struct docker_usage_row *(*used)(const struct docker_usage *usage, struct str name);
};

struct docker_prune {
	const struct docker_prune_kind *kind;
	struct docker_prune_row *rows;
	uint32_t count, max, at;
	uint64_t freed_bytes; /* for the event; `answer` may set it */
};

/* Room for max rows; replaces client->work. NULL: 500 was answered. */
struct docker_prune *docker_prune_new(struct docker_client *client,
				      const struct docker_prune_kind *kind, uint32_t max);
/* The name is copied. What does not fit any more stays. */
void docker_prune_add(struct docker_client *client, struct str name, const void *about);
/* Removes, and answers 200 at the end. */
void docker_prune_run(struct docker_client *client);
/* A member with the names of those that went, [] or null for none. */
void docker_prune_put_names(const struct docker_prune *prune, struct json_writer *w,
			    const char *key, bool null_empty);

#endif
