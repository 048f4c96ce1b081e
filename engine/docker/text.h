/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_DOCKER_TEXT_H
#define HOY_ENGINE_DOCKER_TEXT_H

#include <stdbool.h>
#include <stdint.h>
#include "engine/json/json.h"
#include "engine/oci/image.h"
#include "lib/str.h"

/* Times and other texts the way Docker writes them. Pure. */
enum { DOCKER_TIME_MAX = 40 };

/* "2026-01-02T03:04:05.6Z" (RFC 3339, nanoseconds without trailing zeros); 0 and below give Go's
 * zero time "0001-01-01T00:00:00Z". */
const char *docker_time(int64_t ns, char dst[DOCKER_TIME_MAX]);
/* "2026-01-02T03:04:05.600000000Z": always nine digits, as logs have them. */
const char *docker_time_nano(int64_t ns, char dst[DOCKER_TIME_MAX]);
/* Seconds since 1970 with a fraction ("1136073600.000000001"), or RFC 3339; -EINVAL. */
int docker_time_parse(struct str text, int64_t *ret_ns);
/* "Less than a second", "5 minutes", "About an hour", "3 weeks". */
const char *docker_ago(int64_t seconds, char dst[DOCKER_TIME_MAX]);
int64_t docker_now_ns(void);

/* The name of a signal number, "SIGTERM"; "" when it has none. */
const char *docker_signal_name(int number);

/* A member that is an array of texts; `null_empty` writes null for an empty one. */
void docker_put_texts(struct json_writer *w, const char *key, const struct image_texts *texts,
		      bool null_empty);
/* A member that is an object of the "name=value" texts. */
void docker_put_labels(struct json_writer *w, const char *key, const struct image_texts *labels);

#endif
