/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_RUN_ROOTFS_H
#define HOY_ENGINE_RUN_ROOTFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/err.h"

/*
 * Root file systems in the engine main's mount namespace. Below the run directory
 * (/run/hoy/engine): layers/<name>   each EROFS layer, mounted once, shared by all containers (one
 * page cache) mnt/<id>        the overlay of one container The mounts are the state: after an
 * engine restart rootfs_open() finds what is there. Two calls for the same layer or id are
 * idempotent.
 */
enum { ROOTFS_LAYERS_MAX = 256 };

struct rootfs {
	int layers_fd; /* <run dir>/layers */
	int mnt_fd;    /* <run dir>/mnt */
	int mapped_fd; /* <run dir>/mapped: empty but while a mapped overlay is made */
};

/* Files as a user namespace sees them: the disk keeps the ids that are seen inside of it. */
struct rootfs_mapping {
	int userns_fd;
	uint32_t root_id; /* what the user and group 0 inside are outside */
};

/* Opens (and makes) the directories below run_fd. */
int rootfs_init(struct rootfs *rootfs, int run_fd, struct err *err);
void rootfs_done(struct rootfs *rootfs); /* closes the fds, leaves the mounts */

/*
 * Mounts the EROFS file layer_fd at layers/<name> (name: one component, the blob's hex digest).
 * File-backed where the file system below can, else through a read-only loop device. Read-only,
 * nodev stays off (images may hold nodes; the device program decides).
 */
int rootfs_layer_mount(struct rootfs *rootfs, const char *name, int layer_fd, struct err *err);
bool rootfs_layer_mounted(struct rootfs *rootfs, const char *name);

/*
 * The overlay of a container: layers[0] is the lowest. upper_fd and work_fd are directories of one
 * file system; both -1 = read-only view without an upper. Returns an O_PATH fd of the mount's root,
 * made for SHIM_FD_ROOT; an overlay that is mounted already is returned as it is.
 */
int rootfs_mount(struct rootfs *rootfs, const char *id, const char *const *layers, size_t count,
		 int upper_fd, int work_fd, struct err *err);

/*
 * The same for fresh directories that nobody wants any more after a crash: what is written there
 * reaches the disk when it likes, and no fsync(2) in it waits. They can be mounted this once.
 */
int rootfs_mount_scratch(struct rootfs *rootfs, const char *id, const char *const *layers,
			 size_t count, int upper_fd, int work_fd, struct err *err);

/*
 * The same through a mapping. dir_fd is the directory that holds `upper` and `work`; -1 = a view.
 */
int rootfs_mount_mapped(struct rootfs *rootfs, const char *id, const char *const *layers,
			size_t count, int dir_fd, const struct rootfs_mapping *mapping,
			struct err *err);

/* The O_PATH fd of a container's mount that is there; -ENOENT when it is not mounted. */
int rootfs_open(struct rootfs *rootfs, const char *id, struct err *err);

/* Takes the overlay away (processes that still hold it keep it); not mounted is success. */
int rootfs_umount(struct rootfs *rootfs, const char *id, struct err *err);

/* Unmounts the layers that `used` says no to. Returns how many went. */
int rootfs_layers_prune(struct rootfs *rootfs, bool (*used)(const char *name, void *owner),
			void *owner, struct err *err);
/* Unmounts the overlays that `used` says no to (containers that are gone). */
int rootfs_mounts_prune(struct rootfs *rootfs, bool (*used)(const char *id, void *owner),
			void *owner, struct err *err);

#endif
