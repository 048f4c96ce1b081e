/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_REGISTRY_PULL_H
#define HOY_ENGINE_REGISTRY_PULL_H

#include "engine/api/pull_msg.h"
#include "engine/oci/build_cache.h"
#include "engine/oci/image.h"
#include "engine/registry/feed.h"
#include "lib/arena.h"
#include "lib/err.h"

/*
 * One image from a registry: every blob of it is offered to the sink (config, layers base first,
 * manifest) before the record is returned. Hosts are tried in order; the last one's error counts.
 * system_ca: PEM of the system's bundle, may be empty. Errors as PULL_MSG_START says, texts begin
 * with "registry HOST: ".
 */
int pull_image(const struct pull_start *start, struct str system_ca, const struct pull_sink *sink,
	       struct arena *arena, struct image *ret_image, struct err *err);
/* The steps that a cache of builds in a registry names: the last host is asked. */
int pull_cache(const struct pull_start *start, struct str system_ca, struct arena *arena,
	       struct oci_cache_step **ret_steps, uint32_t *ret_count, struct err *err);
/* One layer of it, offered to the sink as pull_image() does. */
int pull_cache_layer(const struct pull_start *start, struct str system_ca,
		     const struct digest *layer, uint64_t size, const struct pull_sink *sink,
		     struct arena *arena, struct err *err);

#endif
