/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_FILES_LINKS_H
#define HOY_ENGINE_FILES_LINKS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include "lib/err.h"

/* The first path of each inode that has several. Private to this folder. */
struct links {
	struct link_first *items; /* sorted by device and inode */
	size_t count, room;
};

void links_done(struct links *links);
/*
 * The path this inode was seen under before, or NULL and `path` is remembered for the next time.
 * -ENOMEM, also beyond 1 Mi inodes.
 */
int links_find(struct links *links, const struct stat *st, const char *path, const char **ret_first,
	       struct err *err);

#endif
