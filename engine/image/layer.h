/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_IMAGE_LAYER_H
#define HOY_ENGINE_IMAGE_LAYER_H

#include <stdbool.h>
#include <stdint.h>
#include "engine/api/store_msg.h"
#include "engine/image/lease.h"
#include "engine/worker/worker.h"
#include "lib/err.h"
#include "lib/loop.h"
#include "lib/msg.h"
#include "lib/sha256.h"

/*
 * One layer on its way into the store. Two kinds: a compressed blob (store -> unpack -> pack), or
 * entry records that somebody else writes into a pipe (files -> pack), as a build step does.
 */
struct image_layer_job;

typedef void image_layer_done_fn(void *owner, struct image_layer_job *job,
				 const struct store_layer *layer, const struct err *err);

struct image_layer_job {
	struct loop *loop;
	struct msg_peer *store;
	struct worker unpack, pack;
	int layer_fd;		/* the unnamed EROFS file */
	int pending;		/* replies still to come before the commit */
	struct err first_error; /* of the store, else of unpack, else of pack */
	int error_rank;		/* which of them spoke: a smaller rank wins */
	struct store_layer layer;
	uint64_t entries; /* that pack saw */
	bool use_records; /* the key is the digest that the layer has as a tar */
	bool has_diff;
	bool keep;
	char media_type[128];
	uint64_t blob_size;
	struct digest blob;
	int feed_fd; /* read end of the caller's pipe until it was handed on */
	/* Set by the caller after the call below, or NULL: holds the layer from its commit on. */
	struct image_leases *leases;
	struct image_lease *lease;
	image_layer_done_fn *done;
	void *owner;
};

/*
 * Begins; ret_feed is the write end of a pipe for the blob's bytes (caller owns). done() runs
 * exactly once, later, never from within this call; image_layer_done() may be called in it.
 */
int image_layer_blob(struct image_layer_job *job, struct loop *loop, struct msg_peer *store,
		     const struct digest *blob, uint64_t size, bool keep, const char *media_type,
		     const struct digest *diff, image_layer_done_fn *done, void *owner,
		     int *ret_feed, struct err *err);
/*
 * ret_feed takes entry records, in the order of a files role's walk. The layer's key and diffID are
 * the digest of its tar, and its size is that tar's. done() gets layer = NULL and err = NULL when
 * there was no entry.
 */
int image_layer_records(struct image_layer_job *job, struct loop *loop, struct msg_peer *store,
			image_layer_done_fn *done, void *owner, int *ret_feed, struct err *err);

/* Ends its processes and forgets its calls. Accepts a zeroed one. */
void image_layer_done(struct image_layer_job *job);

#endif
