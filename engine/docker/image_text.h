/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_DOCKER_IMAGE_TEXT_H
#define HOY_ENGINE_DOCKER_IMAGE_TEXT_H

#include "engine/docker/record.h"

/* Members that lists of images and `system df` write the same way (image.c). */

/* RepoTags and RepoDigests: all names of this id, or those that the filter `reference` wants (NULL
 * = none). */
struct docker_filters;
void docker_put_image_names(struct json_writer *w, const struct docker_images *images,
			    const char *id, const struct docker_filters *filters);
/* An object of texts, null when there are none. */
void docker_put_pairs(struct json_writer *w, const char *key, const struct image_pairs *pairs);
/* Seconds since 1970; 0 for an image that does not say it. */
int64_t docker_image_created_s(const struct image *image);

#endif
