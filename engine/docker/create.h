/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_DOCKER_CREATE_H
#define HOY_ENGINE_DOCKER_CREATE_H

#include "engine/container/def.h"
#include "engine/docker/record.h"
#include "engine/docker/server.h"
#include "engine/docker/view.h"

/*
 * For create*.c: the body of POST /containers/create on its way to a definition. The parts write
 * into `def` and its host; err's texts are for the client, -EINVAL is 400.
 */
enum { CREATE_API_MAX = 704 << 10 };

struct create {
	struct docker_client *client;
	enum docker_role role; /* of the client */
	unsigned minor;	       /* of the version of the API that it speaks */
	struct arena *arena;
	const struct json *body, *host;
	const struct image *image;
	const struct docker_images *images; /* for mounts of images; may be NULL */
	const struct docker_boxes *others;  /* with VolumesFrom or Links: all containers, or NULL */
	struct container_def def;
	struct image_texts labels;   /* "name=value" */
	struct image_texts exposed;  /* "80/tcp", the image's too */
	struct image_texts warnings; /* for the answer: what is taken and does nothing */
	struct image_texts unset;    /* names in Env without a value: shown, and not set */
	struct str *volumes;	     /* bodies of ENGINE_MSG_VOLUME_MAKE: before it is made */
	uint32_t volume_count;
	struct str def_bytes; /* body of ENGINE_MSG_CREATE: behind them */
	uint32_t cpus;	      /* of the machine; 0 = not looked at */
	bool own_hostname;    /* the last of the environment is the engine's */
	char id[68], hostname[16];
};

/* Config: process, environment, labels, health. */
int create_config(struct create *create, struct err *err);
/* HostConfig without mounts and network. Refuses what it does not know unless it is empty. */
int create_host(struct create *create, struct err *err);
int create_mounts(struct create *create, struct err *err);
/* The mounts of the containers that VolumesFrom names; create_mount.c has the rest. */
int create_volumes_from(struct create *create, struct err *err);
/* Of the containers that were asked for: by name, id, or the beginning of one id; or NULL. */
const struct docker_box *create_other(const struct create *create, struct str name);
/* The member Links of HostConfig or of an endpoint; old: with variables, on the default network. */
int create_links(struct create *create, const struct json *owner, bool old, struct err *err);
/* What "NAME", "NAME:ALIAS" and, as Docker prints it, "/NAME:/OWN/ALIAS" name. */
void create_link_parts(struct str link, struct str *ret_name, struct str *ret_alias);
/* Adds one; -EINVAL when its target is taken, or there are too many. */
int create_mount_add(struct create *create, const struct def_mount *mount,
		     const struct def_mount_more *more, struct err *err);
/* Whether a mount stands there already. */
bool create_mount_taken(const struct create *create, struct str target);
/* One more network with its EndpointConfig (NULL = nothing said of it). */
int create_endpoint(struct create *create, struct str name, const struct json *endpoint,
		    struct err *err);
/* The names of its endpoint (NULL = nothing said of it), each once; and, unless the network is
 * bridge, the container's short id. */
int create_aliases(struct create *create, struct str network, const struct json *endpoint,
		   struct err *err);
/* The first network carries the default route: the one with the highest GwPriority. Equal ones stay
 * in the order that they came in. */
void create_sort_networks(struct container_def *def, const struct json *endpoints);
int create_network(struct create *create, struct err *err);
/* A seccomp profile in Docker's form, after the capabilities: its program into def.host.seccomp. */
int create_seccomp(struct create *create, struct str text, struct err *err);
/* Limits, as `update` may change them too. */
int create_limits(struct create *create, const struct json *host, struct err *err);
/* LogConfig: the driver and its options. */
int create_log(struct create *create, struct err *err);
/* Types and words that Docker refuses before anything else is looked at; reads the body alone. */
int create_check(const struct json *body, struct err *err);
int create_restart(struct create *create, const struct json *policy, struct err *err);
/* The texts that inspect gives back: {"Config":...,"HostConfig":...}, into def.host.api. */
int create_api(struct create *create, struct err *err);

/* ---- small readers ---- */
/* A copy in the arena, "" when it is missing; -EINVAL when it is no string. */
int create_text(struct create *create, const struct json *object, const char *key,
		const char **ret_text, struct err *err);
/* An array of strings, appended; a single string counts as one. */
int create_texts(struct create *create, const struct json *object, const char *key,
		 struct image_texts *texts, struct err *err);
/* A whole number within bounds; missing or null leaves it as it is. */
int create_number(const struct json *object, const char *key, int64_t min, int64_t max,
		  int64_t *ret_number, struct err *err);
/* Whether a value says nothing: null, false, 0, "", an empty array or object, or nothing but such.
 */
bool create_empty(const struct json *value);

#endif
