/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_IMAGE_TREE_H
#define HOY_ENGINE_IMAGE_TREE_H

#include <stdbool.h>
#include <stdint.h>
#include "engine/api/files_msg.h"
#include "engine/api/pack_msg.h"
#include "engine/worker/worker.h"
#include "lib/err.h"
#include "lib/loop.h"
#include "lib/sha256.h"

/*
 * A tree as a tar: a files role walks it, a pack role writes. For layers that leave as blobs, for
 * exports and for parts of a container's root.
 */
struct image_tree_result {
	struct digest digest; /* of the tar */
	uint64_t bytes;
	uint64_t size; /* of what was asked for, as stat(2) has it */
	uint32_t mode;
	int64_t mtime_s;
	char link[FILES_PATH_MAX];
};

struct image_tree;
/* result NULL: err says why. Exactly once. */
typedef void image_tree_done_fn(void *owner, const struct image_tree_result *result,
				const struct err *err);

struct image_tree {
	struct loop *loop;
	struct worker files, pack;
	int pending;
	struct err error;
	int error_rank;
	struct image_tree_result result;
	image_tree_done_fn *done;
	void *owner;
};

struct image_tree_wanted {
	int root_fd, out_fd; /* both stay the caller's */
	const char *path;    /* in the root */
	const char *name;    /* what it is called in the tar, "" = its root */
	int userns_fd;	     /* whose ids count; 0 = ours */
	const char *front;   /* of each name in the tar: "./" or "/"; NULL = nothing */
	bool layer;	     /* an upper or layer: whiteouts and opaque marks count */
};

/* done() never runs from within this call; image_tree_done() may be called in it. */
int image_tree_start(struct image_tree *tree, struct loop *loop,
		     const struct image_tree_wanted *wanted, image_tree_done_fn *done, void *owner,
		     struct err *err);
/* Ends its processes. Accepts a zeroed one. */
void image_tree_done(struct image_tree *tree);

#endif
