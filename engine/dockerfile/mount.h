/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_DOCKERFILE_MOUNT_H
#define HOY_ENGINE_DOCKERFILE_MOUNT_H

#include <stdbool.h>
#include <stdint.h>
#include "engine/dockerfile/dockerfile.h"

/* RUN --mount=type=...: closed sets of types, keys and values; whatever else is an error. */
enum dockerfile_mount_type {
	DOCKERFILE_MOUNT_BIND,
	DOCKERFILE_MOUNT_CACHE,
	DOCKERFILE_MOUNT_TMPFS,
	DOCKERFILE_MOUNT_SECRET,
	DOCKERFILE_MOUNT_SSH,
};

enum dockerfile_sharing {
	DOCKERFILE_SHARING_SHARED,
	DOCKERFILE_SHARING_PRIVATE,
	DOCKERFILE_SHARING_LOCKED,
};

struct dockerfile_mount {
	enum dockerfile_mount_type type;
	enum dockerfile_sharing sharing;
	const char *from, *source, *target, *id, *env; /* "" = not given */
	bool read_only, required;
	bool has_mode, has_uid, has_gid;
	uint32_t mode, uid, gid;
	uint64_t size_bytes; /* tmpfs; 0 = no limit of its own */
};

/*
 * One --mount value. With lookup, values are expanded first; without it only what does not depend
 * on a variable is checked. -EINVAL with what is wrong (no position), -ENOMEM.
 */
int dockerfile_mount_parse(const char *text, char escape, dockerfile_lookup_fn *lookup,
			   const void *owner, struct arena *arena,
			   struct dockerfile_mount *ret_mount, struct err *err);

#endif
