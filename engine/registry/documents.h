/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_REGISTRY_DOCUMENTS_H
#define HOY_ENGINE_REGISTRY_DOCUMENTS_H

#include "engine/oci/image.h"
#include "engine/registry/push.h"
#include "lib/arena.h"
#include "lib/err.h"

/*
 * Config and manifest of an image that leaves the store: as they are kept, or written from the
 * record where they are not (an image made here) or where the record says so: a digest of zeros
 * means that its layers are not those it came with.
 */
struct documents {
	struct str config, manifest;
};

/*
 * Fills in the record's digests and sizes where they were zeros; texts live in the arena. -EBADMSG
 * when what was kept, or what the record gives, has another digest than the record says.
 */
int documents_take(const struct push_source *source, struct image *image, struct arena *arena,
		   struct documents *ret, struct err *err);

#endif
