/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_REGISTRY_FEED_H
#define HOY_ENGINE_REGISTRY_FEED_H

#include <stdbool.h>
#include <stdint.h>
#include "engine/api/pull_msg.h"
#include "lib/err.h"
#include "lib/mono.h"
#include "lib/sha256.h"
#include "lib/str.h"

/* Whom blobs are handed to: engine main behind messages, or a test. */
struct pull_sink {
	/* 1 = it is there already, 0 = *ret_fd (ours to close) takes the bytes, -errno. */
	int (*blob)(void *owner, const struct pull_blob *blob, int *ret_fd, struct err *err);
	/* All bytes are written and the fd is closed: 0 once they are stored, -errno. */
	int (*blob_end)(void *owner, const struct digest *digest, struct err *err);
	void (*progress)(void *owner, const struct pull_progress *progress);
	void *owner;
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
	char what[40];
};

/* 1 = the sink has it (nothing more to do), 0 = write, -errno. */
int feed_begin(struct feed *feed, const struct pull_sink *sink, const struct pull_blob *blob,
	       struct err *err);
/* Blocks while the sink is slow. -EPIPE: the sink closed, feed_end() tells why. */
int feed_write(struct feed *feed, struct str data, struct err *err);
/* Checks, closes, waits until it is stored. */
int feed_end(struct feed *feed, struct err *err);
/* Closes early after a failure; accepts one that is closed. */
void feed_abort(struct feed *feed);

/* A document in memory as a whole. */
int feed_text(const struct pull_sink *sink, const struct pull_blob *blob, struct str text,
	      struct err *err);

#endif
