/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_REGISTRY_PULL_H
#define HOY_ENGINE_REGISTRY_PULL_H

#include "engine/api/pull_msg.h"
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

#endif
