/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_DOCKER_PROGRESS_H
#define HOY_ENGINE_DOCKER_PROGRESS_H

#include "engine/docker/server.h"

/* Docker's stream of JSON objects about something that takes its time; the first one begins it. */

/* {"status": text} */
void docker_put_status(struct docker_client *client, struct str status);
/* {"stream": text}: clients print it as it is. */
void docker_put_stream(struct docker_client *client, struct str text);
/* {"errorDetail": {"message": text}, "error": text}, which is the end of the stream. */
void docker_put_failure(struct docker_client *client, const struct err *err);
/* The same with the exit status of what failed as its code. */
void docker_put_failure_code(struct docker_client *client, const char *text, int32_t code);
/* {"aux": {"ID": id}} */
void docker_put_aux_id(struct docker_client *client, const char *id);

#endif
