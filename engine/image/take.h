/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_IMAGE_TAKE_H
#define HOY_ENGINE_IMAGE_TAKE_H

#include <stdbool.h>
#include "engine/api/pull_msg.h"
#include "engine/image/lease.h"
#include "engine/oci/image.h"
#include "lib/err.h"
#include "lib/loop.h"
#include "lib/msg.h"

/*
 * Taking images in: from a registry (role pull) or from an archive (role load). For each blob that
 * is missing the bytes run role -> store -> unpack -> pack, each in its own process; a layer is
 * committed only when the store found size and digest right and both ends said they are done.
 */
struct image_take;

struct image_take_ops {
	/* One line for a person, pull_progress_line(). */
	void (*progress)(void *owner, const char *line);
	/* Instead of lines where it is not NULL: each message of the role as it came. */
	void (*stage)(void *owner, const struct pull_progress *progress);
	/*
	 * All blobs of an image are stored; it is durable under
	 * its name once done() says so. Called once for a pull, once for each image of an archive;
	 * the record lives until the call returns.
	 */
	void (*image)(void *owner, const struct image *image);
	/* The end, exactly once unless cancelled: err NULL = all went well. The job is freed then.
	 */
	void (*done)(void *owner, const struct err *err);
};

struct image_take_env {
	struct loop *loop;
	struct msg_peer *store;
	struct image_leases *leases;
	bool keep_blobs;   /* compressed layers stay in the store */
	bool keep_unnamed; /* what the name meant before stays (STORE_MSG_IMAGE_MOVE) */
};

/* Both copy what they need. NULL with err when nothing could be started. */
struct image_take *image_take_pull(const struct image_take_env *env, const struct pull_start *start,
				   const struct image_take_ops *ops, void *owner, struct err *err);
/*
 * fd: the archive, a file or pipe; duplicated. reference: for an image without a name; with "" too
 * it gets its id as the name (store.h: an image without one).
 */
struct image_take *image_take_archive(const struct image_take_env *env, int fd,
				      const char *reference, const struct image_take_ops *ops,
				      void *owner, struct err *err);

/*
 * One layer of a cache of builds at start->reference, a plain tar, kept as a layer alone. It has to
 * be leased before: the job's own lease ends with it.
 */
struct image_take *image_take_layer(const struct image_take_env *env,
				    const struct pull_start *start, const struct digest *layer,
				    uint64_t size, const struct image_take_ops *ops, void *owner,
				    struct err *err);

/* While ops->image() is called: the reference means the same image as before. */
bool image_take_same(const struct image_take *take);

/* Ends the job's processes; nothing of it is called any more. Accepts NULL. */
void image_take_cancel(struct image_take *take);

/* "amd64", "arm64": what images must be made for. */
const char *image_take_architecture(void);

#endif
