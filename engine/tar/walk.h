/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_TAR_WALK_H
#define HOY_ENGINE_TAR_WALK_H

#include <stdint.h>
#include <sys/types.h>
#include "engine/tar/name.h"
#include "lib/err.h"

/*
 * The files of an image archive one after another: a tar, plain, gzip or zstd, in a file that can
 * be read at any offset. Each walk begins at the start and leaves the fd's own offset alone. In a
 * plain tar what is not read is jumped over.
 */
struct tar_walk;

struct tar_file {
	char name[TAR_NAME_MAX]; /* cleaned as tar_name_clean() */
	char link[TAR_NAME_MAX]; /* target of a symlink as written, or of a hard link; "" = none */
	int hard;		 /* link is a hard link: relative to the root */
	uint64_t size;
};

/* fd stays the caller's. Heap, tar_walk_close(). */
int tar_walk_open(int fd, struct tar_walk **ret_walk, struct err *err);
void tar_walk_close(struct tar_walk *walk);
/* 1 = a file or link, 0 = the end, -EBADMSG. Folders and devices are passed over. */
int tar_walk_next(struct tar_walk *walk, struct tar_file *ret_file, struct err *err);
/* The bytes of that file: 0 = its end. */
ssize_t tar_walk_read(struct tar_walk *walk, void *dst, size_t cap, struct err *err);

#endif
