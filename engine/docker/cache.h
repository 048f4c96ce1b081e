/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_DOCKER_CACHE_H
#define HOY_ENGINE_DOCKER_CACHE_H

#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/sha256.h"

/*
 * The build cache step by step, for `system df`, `builder prune` and BuildKit's protocol: what each
 * tells of it is the same.
 */
enum { DOCKER_CACHE_ID_MAX = 26 };

struct docker_cache_row {
	char id[DOCKER_CACHE_ID_MAX]; /* the beginning of its key */
	uint64_t bytes;
	int64_t made_s, used_s; /* wall clock */
	bool shared, in_use;	/* an image has it, somebody works with it */
};

struct docker_cache {
	struct docker_cache_row *rows;
	uint32_t count;
	uint64_t freed; /* of a prune */
};

#define DOCKER_CACHE_TYPE "regular"
#define DOCKER_CACHE_WHAT "a step of a build"

/* The answer of ENGINE_MSG_CACHE; memory is the arena's. */
int docker_cache_read(struct str body, struct arena *arena, struct docker_cache *ret_cache,
		      struct err *err);
/* The answer of ENGINE_MSG_CACHE_PRUNE: id and bytes alone. */
int docker_cache_read_pruned(struct str body, struct arena *arena, struct docker_cache *ret_cache,
			     struct err *err);
/* The body of ENGINE_MSG_CACHE_PRUNE; before_s and keep_bytes: 0 = without. */
void docker_cache_put_prune(struct buf *out, bool all, int64_t before_s, uint64_t keep_bytes);
/* What no image has of it. */
uint64_t docker_cache_own(const struct docker_cache *cache);

#endif
