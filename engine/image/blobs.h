/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_IMAGE_BLOBS_H
#define HOY_ENGINE_IMAGE_BLOBS_H

#include "engine/image/lease.h"
#include "engine/image/tree.h"
#include "engine/oci/image.h"
#include "engine/run/rootfs.h"
#include "lib/msg.h"

/*
 * The layer blobs of images that leave the store. A blob that is not kept is made again from its
 * EROFS layer, as a tar in an unnamed file that goes with the job: byte for byte for a layer made
 * here, else as another blob, and the record changes (its documents' digests become zero).
 */
enum { IMAGE_BLOBS_MAX = 256 }; /* made ones of one job: each holds a file */

struct image_blob {
	struct digest layer;  /* its key */
	struct digest digest; /* of the tar */
	uint64_t bytes;
	int fd;
};

typedef void image_blobs_done_fn(void *owner, const struct err *err);

struct image_blobs {
	struct loop *loop;
	struct msg_peer *store;
	struct rootfs *rootfs;
	struct image_blob made[IMAGE_BLOBS_MAX];
	uint32_t made_count;
	/* the image at work */
	struct image *image;
	uint32_t at;
	int out_fd, root_fd;
	struct image_tree tree;
	image_blobs_done_fn *done;
	void *owner;
};

void image_blobs_init(struct image_blobs *blobs, struct loop *loop, struct msg_peer *store,
		      struct rootfs *rootfs);
/* Ends what is under way, drops the files. Accepts a zeroed one. */
void image_blobs_done(struct image_blobs *blobs);
/*
 * Sees to it that each layer of the image can be read; changes its record as said above. The caller
 * holds a lease on the layers. done() may run from within this call.
 */
void image_blobs_make(struct image_blobs *blobs, struct image *image, image_blobs_done_fn *done,
		      void *owner);
/* A made one by the digest of its tar, to be read from its start; NULL: the store has it. */
const struct image_blob *image_blobs_find(const struct image_blobs *blobs,
					  const struct digest *digest);

#endif
