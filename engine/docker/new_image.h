/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_DOCKER_NEW_IMAGE_H
#define HOY_ENGINE_DOCKER_NEW_IMAGE_H

#include "engine/api/image_msg.h"
#include "engine/docker/server.h"

/*
 * What commit and import have in common: name, author and message of the query, and `changes`,
 * which are lines of a Dockerfile laid over the configuration.
 */

/* Reads repo, tag, author and message (comment); reference "" = no name. -EINVAL. */
int new_image_query(struct docker_client *client, struct engine_new_image *ret_wanted,
		    struct err *err);
/* Lays each changes= of the query over wanted->config; -EINVAL as the Dockerfile's errors are. */
int new_image_changes(struct docker_client *client, struct engine_new_image *wanted,
		      struct err *err);

#endif
