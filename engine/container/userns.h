/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_CONTAINER_USERNS_H
#define HOY_ENGINE_CONTAINER_USERNS_H

#include <stdbool.h>
#include <stdint.h>
#include "engine/container/def.h"
#include "engine/run/rootfs.h"
#include "lib/err.h"

/*
 * The ids of containers that have a user namespace: each has a range of 65,536 that is nobody
 * else's for as long as its directory is there. The ids of its files on the disk are those that it
 * sees itself: only mounts know the range.
 */
enum {
	USERNS_IDS = 65536,
	USERNS_FIRST = 0x80000, /* as systemd allots them: below are people, above is nobody */
	USERNS_LAST = 0x6fff0000,
	USERNS_RANGES = (USERNS_LAST - USERNS_FIRST) / USERNS_IDS + 1,
};

struct container_env;
struct container;

/* Which ranges are given away. Zeroed = not looked at yet. */
struct userns_ranges {
	bool (*automatic)(
		void *owner); /* [engine] userns_mode, of container_env's owner; NULL = no */
	bool known;
	uint8_t used[(USERNS_RANGES + 7) / 8];
};

/* Whether it has one, by its definition and the engine's default. */
bool container_userns_wanted(const struct container_env *env, const struct container_def *def);
/* -EINVAL, in Docker's words: it has one, and asks for what only the host's root may. */
int container_userns_check(const struct container_env *env, const struct container_def *def,
			   struct err *err);

/*
 * A namespace of the range that is written down in the container's directory, which is done here
 * for a new one. The caller owns ret->userns_fd.
 */
int container_userns_open(struct container_env *env, int dir_fd, struct rootfs_mapping *ret,
			  struct err *err);
/* The one of a container that is to start: that of the container whose other namespaces it joins,
 * else its own; fd -1 without any. */
int container_userns_start(struct container *container, struct err *err);
/* That of one that runs: pid is its first process. */
void container_userns_adopt(struct container *container);
/* It goes: its range may be given to another. */
void container_userns_forget(struct container_env *env, int containers_fd, const char *id);
/* What its root is mounted through, NULL = none. */
const struct rootfs_mapping *container_mapping(const struct container *container);

#endif
