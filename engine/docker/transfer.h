/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_DOCKER_TRANSFER_H
#define HOY_ENGINE_DOCKER_TRANSFER_H

#include "engine/docker/server.h"

/*
 * Archives between a client and engine main: each is a pipe, of which engine main gets the other
 * end with its call. What is on its way here is what a pipe and the client's buffers hold.
 */

/* The body of a streaming route's request, with a call to engine main; fn gets its answer. */
void docker_upload(struct docker_client *client, uint16_t type, struct str body, msg_reply_fn *fn);

/*
 * The answer is what engine main writes. Its head waits for the first byte: until then an error has
 * its status; later the connection ends in the middle.
 */
void docker_download(struct docker_client *client, uint16_t type, struct str body,
		     const char *content_type);

/* Counts the client among DOCKER_TRANSFERS_MAX; false: 503 has been answered. */
bool docker_transfer_begin(struct docker_client *client);

#endif
