/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_DOCKER_PROGRESS_H
#define HOY_ENGINE_DOCKER_PROGRESS_H

#include <stdint.h>
#include "engine/docker/server.h"

/* Docker's stream of JSON objects about something that takes its time; the first one begins it. */

/* {"status": text} */
void docker_put_status(struct docker_client *client, struct str status);
/* {"status": text, "id": id} */
void docker_put_status_of(struct docker_client *client, const char *id, const char *status);
/*
 * {"status": status, "progressDetail": {..}, "progress": "[=>  ] 1.2MB/5MB", "id": id}: how far a
 * layer is, in bytes; total 0 = there is nothing to count, both members about it are empty.
 */
void docker_put_layer(struct docker_client *client, const char *id, const char *status,
		      uint64_t done, uint64_t total);
/* {"progressDetail": {}, "aux": {"Tag": tag, "Digest": digest, "Size": bytes}} */
void docker_put_aux_push(struct docker_client *client, const char *tag, struct str digest,
			 uint64_t bytes);
/* {"stream": text}: clients print it as it is. */
void docker_put_stream(struct docker_client *client, struct str text);
/* {"errorDetail": {"message": text}, "error": text}, which is the end of the stream. */
void docker_put_failure(struct docker_client *client, const struct err *err);
/* The same with the exit status of what failed as its code. */
void docker_put_failure_code(struct docker_client *client, const char *text, int32_t code);
/* {"aux": {"ID": id}} */
void docker_put_aux_id(struct docker_client *client, const char *id);

#endif
