/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_RUN_ROOTFS_MAP_H
#define HOY_ENGINE_RUN_ROOTFS_MAP_H

#include "engine/run/rootfs.h"

/* For rootfs*.c only: the id-mapped mounts that an overlay is made of. */
struct rootfs_shown {
	struct rootfs *rootfs;
	const struct rootfs_mapping *mapping; /* NULL = none */
	unsigned count;			      /* of those that stand in rootfs->mapped_fd */
	bool scratch;			      /* the upper is worth nothing after a crash */
};

/*
 * What fd stands on as the mapping shows it, attached until rootfs_shown_done(); without a mapping
 * a duplicate of fd. The caller owns the fd.
 */
int rootfs_show(struct rootfs_shown *shown, int fd, struct err *err);
/* Takes them away again: an overlay that was made meanwhile has its own. */
void rootfs_shown_done(struct rootfs_shown *shown);
/* Takes away what a killed process left. */
int rootfs_shown_clean(struct rootfs *rootfs, struct err *err);

/*
 * The files that an overlay makes by itself (what is copied up, its work directory) belong to the
 * one who mounts it: with a mapping that is its root, the owner 0 of the disk. Between these two
 * calls nothing but the making of the mount. -EPERM: nothing was changed. The way back cannot fail
 * for one who came this way: it ends the process if it does.
 */
int rootfs_act_as(uint32_t id, struct err *err);
void rootfs_act_back(void);

#endif
