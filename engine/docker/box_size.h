/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_DOCKER_BOX_SIZE_H
#define HOY_ENGINE_DOCKER_BOX_SIZE_H

#include "engine/docker/record.h"
#include "engine/docker/usage.h"
#include "engine/docker/view.h"

/* SizeRw and SizeRootFs of containers, where a client asks for them (`size`). */
struct docker_sizes {
	struct docker_images images;
	struct docker_usage usage;
	void (*then)(struct docker_client *client, const struct docker_sizes *sizes);
};

/* Asks engine main what images and containers take; then() follows, unless an error was answered.
 */
void docker_sizes_ask(struct docker_client *client,
		      void (*then)(struct docker_client *client, const struct docker_sizes *sizes));
/* The two members of one container. */
void docker_put_sizes(struct json_writer *w, const struct docker_sizes *sizes,
		      const struct docker_box *box);

#endif
