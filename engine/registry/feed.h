/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_REGISTRY_FEED_H
#define HOY_ENGINE_REGISTRY_FEED_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "engine/api/pull_msg.h"
#include "engine/registry/rate.h"
#include "lib/err.h"
#include "lib/mono.h"
#include "lib/sha256.h"
#include "lib/str.h"

/* Whom blobs are handed to: engine main behind messages, or a test. */
struct pull_sink {
	/*
	 * 1 = it is there already, 0 = *ret_fd (ours to close) takes the bytes, or none where
	 * blob->probe only asks; -errno.
	 */
	int (*blob)(void *owner, const struct pull_blob *blob, int *ret_fd, struct err *err);
	/* All bytes are written and the fd is closed: says so, the answer comes later. */
	int (*end_send)(void *owner, const struct digest *digest, uint32_t *ret_token,
			struct err *err);
	/* 0 = stored; -EAGAIN (err untouched) = no answer yet, poll `fd`; -errno = not stored. */
	int (*end_take)(void *owner, uint32_t token, struct err *err);
	void (*progress)(void *owner, const struct pull_progress *progress);
	/* Bytes of layers that are about to come: 0, or -ENOSPC. NULL = not asked. */
	int (*need)(void *owner, uint64_t bytes, struct err *err);
	void *owner;
	int fd;
};

/*
 * One blob on its way to the sink. Never more than blob->size bytes go out, and feed_end() is an
 * error unless size and sha256 are what the blob says.
 */
struct feed {
	const struct pull_sink *sink;
	struct pull_blob blob;
	struct sha256 hash;
	int fd;
	uint64_t done;
	struct mono told; /* last progress */
	struct rate rate;
	uint32_t token; /* of the end that was sent */
	char what[40];
};

/* Tells the sink of a layer that is not begun yet. */
void feed_announce(const struct pull_sink *sink, const struct pull_blob *blob);
/* 1 = the sink has it (nothing more to do), 0 = write, -errno. */
int feed_begin(struct feed *feed, const struct pull_sink *sink, const struct pull_blob *blob,
	       struct err *err);
/* Blocks while the sink is slow. -EPIPE: the sink closed, feed_end() tells why. */
int feed_write(struct feed *feed, struct str data, struct err *err);
/*
 * The same without waiting: how many bytes went, -EAGAIN (err untouched) when there is no room now.
 * For a feed of which every write is made this way, after feed_no_wait().
 */
ssize_t feed_offer(struct feed *feed, struct str data, struct err *err);
void feed_no_wait(struct feed *feed);
/* Checks, closes, waits until it is stored. */
int feed_end(struct feed *feed, struct err *err);
/* The same in two steps: after feed_close() feed_stored() is 0, -EAGAIN (not yet), -errno. */
int feed_close(struct feed *feed, struct err *err);
int feed_stored(struct feed *feed, struct err *err);
/* After -EPIPE: closes and gives the sink's own reason. */
int feed_reason(struct feed *feed, struct err *err);
/* Closes early after a failure; accepts one that is closed. */
void feed_abort(struct feed *feed);

/* A document in memory as a whole. */
int feed_text(const struct pull_sink *sink, const struct pull_blob *blob, struct str text,
	      struct err *err);

#endif
