/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_CONTAINER_LAYERS_H
#define HOY_ENGINE_CONTAINER_LAYERS_H

#include <stdint.h>
#include "engine/run/rootfs.h"
#include "lib/arena.h"
#include "lib/err.h"
#include "lib/msg.h"
#include "lib/sha256.h"

/* Asks the store for the layers that are not mounted yet and mounts them, one after the other. */
struct layers_job {
	struct msg_peer *store;
	struct rootfs *rootfs;
	const struct digest *layers;
	uint32_t count, next;
	void (*done)(void *owner, const struct err *err); /* NULL once it was called */
	void *owner;
};

/* done() runs once, maybe from within this call; err NULL = all are mounted. layers must live on.
 */
void layers_mount(struct layers_job *job, struct msg_peer *store, struct rootfs *rootfs,
		  const struct digest *layers, uint32_t count,
		  void (*done)(void *owner, const struct err *err), void *owner);
void layers_cancel(struct layers_job *job); /* accepts a zeroed one */

/*
 * The directory that a container writes to, below the open one of its own; made when it is not
 * there. With a disk limit (bytes, 0 = none) it is in force from then on. Returns an fd.
 * -EOPNOTSUPP: the data partition cannot.
 */
int layers_upper(int container_fd, int64_t disk_limit, struct err *err);
int layers_work(int container_fd, int64_t disk_limit, struct err *err); /* the overlay's own */

/* The same through a mapping; dir_fd is the container's directory, -1 = a read-only view. */
int layers_root_mapped(struct rootfs *rootfs, const char *id, const struct digest *layers,
		       uint32_t count, int dir_fd, const struct rootfs_mapping *mapping,
		       struct err *err);
/* The overlay `id` over mounted layers; fds of -1 = a read-only view. Returns an O_PATH fd. */
int layers_root(struct rootfs *rootfs, const char *id, const struct digest *layers, uint32_t count,
		int upper_fd, int work_fd, struct err *err);
/* The same for an upper that is worth nothing after a crash (rootfs_mount_scratch). */
int layers_root_scratch(struct rootfs *rootfs, const char *id, const struct digest *layers,
			uint32_t count, int upper_fd, int work_fd, struct err *err);

#endif
