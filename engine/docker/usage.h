/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_DOCKER_USAGE_H
#define HOY_ENGINE_DOCKER_USAGE_H

#include <stdint.h>
#include "lib/arena.h"
#include "lib/err.h"
#include "lib/sha256.h"
#include "lib/str.h"

/* What takes the room: the answer of ENGINE_MSG_USAGE. Memory belongs to the arena. */
struct docker_usage_row {
	const char *name; /* id of an image or container, name of a volume */
	uint64_t bytes, shared;
};

struct docker_usage {
	uint64_t layer_bytes;
	struct docker_usage_row *images, *boxes, *volumes;
	uint32_t image_count, box_count, volume_count;
};

/* -EBADMSG, -ENOMEM. */
int docker_usage_read(struct str body, struct arena *arena, struct docker_usage *ret_usage,
		      struct err *err);
/* The row of an image's id, of a container's id, of a volume; NULL: not known (yet). */
const struct docker_usage_row *docker_usage_image(const struct docker_usage *usage, const char *id);
const struct docker_usage_row *docker_usage_box(const struct docker_usage *usage, struct str id);
const struct docker_usage_row *docker_usage_volume(const struct docker_usage *usage,
						   struct str name);

#endif
