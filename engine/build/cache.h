/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_BUILD_CACHE_H
#define HOY_ENGINE_BUILD_CACHE_H

#include <stdint.h>
#include "engine/build/plan.h"
#include "lib/err.h"

/*
 * The directories behind RUN --mount=type=cache: /data/build-cache/<name>/tree, the name a digest
 * of the mount's id, so that no id is ever a path. They outlive builds and boots; the time of
 * <name> itself is when it was last taken; <name>/size what it took then.
 */
#define BUILD_CACHE_DIR "build-cache"
enum { BUILD_CACHE_NAME_MAX = 80, BUILD_CACHE_AGE_S = 30 * 86400, BUILD_CACHE_COUNT_MAX = 256 };

struct build_cache_use;

/*
 * Takes the cache for a step and puts it into *list. -EBUSY: sharing=locked and another step has
 * it, or another step fills it. sharing=private gives a directory that no other step has. ret_name:
 * its name; ret_fresh: it begins with files of mount->from, and is not there yet.
 */
int build_cache_take(int data_fd, const struct build_mount *mount, const void *taker,
		     struct build_cache_use **list, char ret_name[BUILD_CACHE_NAME_MAX],
		     bool *ret_fresh, struct err *err);
/* For a fresh one: an empty directory, which becomes the cache's tree once it is filled. */
int build_cache_fill(int data_fd, const char *name, struct err *err);
int build_cache_filled(int data_fd, const char *name, struct err *err);
/* Gives back all of the list. */
void build_cache_drop(struct build_cache_use **list);

/* Of a list: the next one, NULL behind the last; a name; its tree (the fd is the caller's). */
const struct build_cache_use *build_cache_next(const struct build_cache_use *use);
const char *build_cache_name(const struct build_cache_use *use);
int build_cache_tree(int data_fd, const char *name, struct err *err);
/* What it takes on disk, as measured last: <name>/size, decimal digits. */
int build_cache_set_size(int data_fd, const char *name, uint64_t bytes, struct err *err);
/* What all of them may take: a quarter of the partition. */
uint64_t build_cache_room(int data_fd);

/*
 * Moves to the trash what nobody has and was not taken for BUILD_CACHE_AGE_S before now_s, and the
 * oldest until at most `keep` are left that take at most keep_bytes. Returns how many went.
 */
int build_cache_prune(int data_fd, int64_t now_s, uint32_t keep, uint64_t keep_bytes,
		      struct err *err);

#endif
