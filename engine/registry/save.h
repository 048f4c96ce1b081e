/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_REGISTRY_SAVE_H
#define HOY_ENGINE_REGISTRY_SAVE_H

#include "engine/api/pull_msg.h"
#include "engine/registry/push.h"
#include "lib/err.h"

/*
 * Images as one tar on fd (file or pipe): an OCI image layout, with docker a manifest.json in it
 * that makes it a docker-archive too, as docker 25 and later write it. What several images share is
 * there once. The same images give the same bytes.
 */
int save_images(int fd, const struct pull_save *save, const struct push_source *source,
		uint64_t *ret_bytes, struct err *err);

#endif
