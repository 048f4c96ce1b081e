/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_DOCKER_REPLY_H
#define HOY_ENGINE_DOCKER_REPLY_H

#include "engine/docker/server.h"

/* Between server.c and reply.c only. */

/* Frees what belongs to the request that was answered. */
void docker_request_done(struct docker_client *client);
/* Goes on with the next request on the connection, if one is there. */
void docker_parse(struct docker_client *client);

#endif
