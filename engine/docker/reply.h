/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_DOCKER_REPLY_H
#define HOY_ENGINE_DOCKER_REPLY_H

#include "engine/docker/server.h"

/* Between server.c and reply.c only. */

/* Frees what belongs to the request that was answered. */
void docker_request_done(struct docker_client *client);
/* upload.c: the rest of a streamed body is not wanted; true while some of it is to come. */
bool docker_upload_drop(struct docker_client *client);
/* Bytes came, or there is room for them. */
void docker_upload_feed(struct docker_client *client);
/* Gives the pipe back. */
void docker_upload_done(struct docker_client *client);
/* Goes on with the next request on the connection, if one is there. */
void docker_parse(struct docker_client *client);

#endif
