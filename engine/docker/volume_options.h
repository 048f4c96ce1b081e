/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_DOCKER_VOLUME_OPTIONS_H
#define HOY_ENGINE_DOCKER_VOLUME_OPTIONS_H

#include "engine/docker/server.h"
#include "engine/json/json.h"
#include "lib/arena.h"
#include "lib/buf.h"

enum { DOCKER_VOLUME_API_MAX = 256 << 10, DOCKER_VOLUME_BODY_MAX = DOCKER_VOLUME_API_MAX + 16384 };

/* A volume as a client wishes it; `options` and `labels` are objects, or nothing. */
struct docker_volume_wish {
	const char *name;
	bool anonymous;
	const struct json *labels, *options;
};

/* The body of ENGINE_MSG_VOLUME_MAKE. -EINVAL in Docker's words, -EACCES for what the role may not
 * have. */
int docker_volume_body(const struct docker_volume_wish *wish, enum docker_role role,
		       struct arena *arena, struct buf *out, struct err *err);

/* {"type":..,"device":..,"o":..} as volume_mount_encode() writes it; nothing for no options. */
int docker_volume_options(const struct json *options, enum docker_role role, struct arena *arena,
			  struct buf *out, struct err *err);

#endif
