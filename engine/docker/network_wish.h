/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_DOCKER_NETWORK_WISH_H
#define HOY_ENGINE_DOCKER_NETWORK_WISH_H

#include "engine/docker/server.h"
#include "engine/json/json.h"
#include "lib/err.h"
#include "netd/api/netd_msg.h"

/*
 * What the body of POST /networks/create asks for. Slices point into the document and into
 * `reserved`, which is filled; netd checks the values. -EINVAL: two subnets of one family, a wrong
 * MTU, or options that contradict each other.
 */
int docker_network_wish(const struct json *root, struct buf *reserved,
			struct netd_network_set *ret_set, struct err *err);
/* Whether such a network can be made at all; false: what Docker says to it was answered. */
bool docker_network_allowed(struct docker_client *client, const struct json *root);

#endif
