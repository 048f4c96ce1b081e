/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_DOCKER_NETWORK_H
#define HOY_ENGINE_DOCKER_NETWORK_H

#include "engine/docker/view.h"

/* All networks and all containers: client->work while a handler looks at them. */
enum { DOCKER_NETWORKS_MAX = 256 };

struct docker_networks {
	struct engine_network rows[DOCKER_NETWORKS_MAX];
	uint32_t count;
	struct docker_boxes boxes;
	struct buf body, views; /* of the answers that rows and boxes point into */
	void (*then)(struct docker_client *client, struct docker_networks *networks);
};

/* Asks for both; then() follows, unless an error was answered. */
void docker_networks_read(struct docker_client *client,
			  void (*then)(struct docker_client *client,
				       struct docker_networks *networks));
void docker_networks_free(void *networks);
/* By name, id or the beginning of an id (the route's argument); NULL: 404 has been answered. */
const struct engine_network *docker_network_find(struct docker_client *client,
						 const struct docker_networks *networks);

#endif
