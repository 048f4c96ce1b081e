/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_BUILDKIT_CACHE_H
#define HOY_ENGINE_BUILDKIT_CACHE_H

#include "engine/api/context_msg.h"

/*
 * Caches of builds: CacheOptions of Control.Solve ({4 exports, 5 imports}: {1 type, 2 map}), and
 * the frontend's options cache-from and cache-imports. Registries alone; inline ones are passed
 * over, others refused (-ENOTSUP). Memory is the arena's.
 */
int buildkit_cache_options(struct arena *arena, struct str message, struct image_pairs *from,
			   struct image_pairs *to, struct err *err);
int buildkit_cache_option(struct arena *arena, const char *key, const char *value,
			  struct image_pairs *list, struct err *err);

#endif
