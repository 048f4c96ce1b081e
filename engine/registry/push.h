/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_REGISTRY_PUSH_H
#define HOY_ENGINE_REGISTRY_PUSH_H

#include "engine/api/pull_msg.h"
#include "engine/registry/feed.h"
#include "lib/arena.h"
#include "lib/err.h"
#include "lib/sha256.h"
#include "lib/str.h"

/* Where the blobs of an image come from: engine main behind messages. */
struct push_source {
	/* The blob as a regular file (caller closes) and its size; -ENOENT. */
	int (*open)(void *owner, const struct digest *digest, uint64_t *ret_size, struct err *err);
	void (*progress)(void *owner, const struct pull_progress *progress);
	void *owner;
};

/*
 * Pushes the image start->known to start->reference (distribution spec 1.1, "Pushing"): what the
 * registry has is not sent, what another repository of it has is mounted, small blobs go in one
 * request, big ones in chunks that are resumed where they broke. Errors begin with "registry
 * HOST: ". *ret_manifest: the manifest's digest, *ret_bytes: its size.
 */
int push_image(const struct pull_start *start, struct str system_ca,
	       const struct push_source *source, struct arena *arena, struct digest *ret_manifest,
	       uint64_t *ret_bytes, struct err *err);

#endif
