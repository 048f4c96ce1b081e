/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_REGISTRY_ARCHIVE_H
#define HOY_ENGINE_REGISTRY_ARCHIVE_H

#include "engine/api/pull_msg.h"
#include "engine/oci/image.h"
#include "engine/registry/feed.h"
#include "lib/err.h"

/*
 * The images of an archive: a tar of an OCI image layout (index.json) or of `docker save`
 * (manifest.json); with both in it the layout counts and docker's file only names what has no name
 * there. Each image's blobs go to the sink, then `image` is called with its record; one that has
 * several names comes once for each. Returns the number of images, -EBADMSG, -ENOENT (none for this
 * platform), or what sink or image returned.
 */
typedef int archive_image_fn(void *owner, const struct image *image, struct err *err);

int archive_load(int fd, const struct pull_archive *wanted, const struct pull_sink *sink,
		 archive_image_fn *image, void *owner, struct err *err);

#endif
