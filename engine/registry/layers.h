/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_REGISTRY_LAYERS_H
#define HOY_ENGINE_REGISTRY_LAYERS_H

#include "engine/oci/image.h"
#include "engine/registry/feed.h"
#include "engine/registry/place.h"
#include "lib/err.h"

/*
 * Hands all layers of an image to the sink, LAYERS_READ_MAX downloads side by side: each has one
 * block of memory and a connection. A line that breaks is resumed by Range; what one place cannot
 * give the next one is asked for. `first` is the place that gave the manifest. Errors begin with
 * "registry HOST: ", or are the sink's own.
 */
enum { LAYERS_READ_MAX = 3 };

int layers_fetch(struct places *places, uint32_t first, const struct image *image,
		 const struct pull_sink *sink, struct err *err);

#endif
