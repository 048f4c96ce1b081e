/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_REGISTRY_SERVE_CACHE_H
#define HOY_ENGINE_REGISTRY_SERVE_CACHE_H

#include "engine/registry/feed.h"
#include "lib/buf.h"

/* The calls about caches of builds (engine/api/cache_msg.h), by their bodies. */

/* PULL_MSG_CACHE: the answer's body goes to `reply`; -E2BIG where it does not fit. */
int serve_cache_steps(struct str body, struct str system_ca, struct buf *reply, struct err *err);
/* PULL_MSG_CACHE_LAYER: the layer is offered to the sink; 0 once it is stored. */
int serve_cache_layer(struct str body, struct str system_ca, const struct pull_sink *sink,
		      struct err *err);

#endif
