/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_DOCKER_RECORD_H
#define HOY_ENGINE_DOCKER_RECORD_H

#include "engine/docker/server.h"
#include "engine/oci/image.h"

/*
 * Image records in the api role: one row for each reference of the store, found by whatever name a
 * client uses.
 */
struct docker_image {
	struct image image;
	const char *familiar; /* "busybox:latest", "" = untagged */
	const char *digest;   /* "busybox@sha256:..." of the manifest, "" = none */
	char id[80];	      /* "sha256:" and the config's digest */
	uint64_t disk_bytes;
	int64_t made_s; /* wall clock: when it got the newest layer of its own; 0 = it has none */
};

struct docker_images {
	struct docker_image *rows;
	uint32_t count;
};

/* -EINVAL, with Docker's words for a name that is none. */
int docker_reference_refuse(const char *name, struct err *err);

/* The answer of ENGINE_MSG_RECORDS; memory belongs to the arena. */
int docker_images_read(struct str body, struct arena *arena, struct docker_images *ret_images,
		       struct err *err);
/*
 * By reference ("busybox", "busybox:1", "busybox@sha256:..."), id or the beginning of an id.
 * -ENOENT with Docker's text, -EINVAL for what is no name or fits several ids.
 */
int docker_images_find(const struct docker_images *images, const char *name,
		       const struct docker_image **ret_image, struct err *err);

#endif
