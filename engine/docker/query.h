/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_DOCKER_QUERY_H
#define HOY_ENGINE_DOCKER_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/str.h"

struct docker_client;

/* The value of a query parameter, decoded into dst; false when it is missing. */
bool docker_query(const struct docker_client *client, const char *name, char *dst, size_t cap);
/* "1", "true", "True": as Docker reads a flag; missing = fallback. */
bool docker_query_flag(const struct docker_client *client, const char *name, bool fallback);
/* A whole number; -EINVAL has been answered with 400. Missing = fallback. */
int docker_query_number(struct docker_client *client, const char *name, int64_t fallback,
			int64_t *ret_number);
/* `h` or `w` of a terminal, which has to be there; -EINVAL: 400 has been answered. */
int docker_query_size(struct docker_client *client, const char *name, uint16_t *ret_number);
/* Parses the body into client->json; false: 400 has been answered. */
bool docker_body_json(struct docker_client *client);
/* Percent-decodes s into dst, -EINVAL for bad escapes, NUL or no room. */
int docker_decode(struct str s, char *dst, size_t cap);
/* The same for a value of a query, where '+' is a space. */
int docker_decode_query(struct str s, char *dst, size_t cap);

#endif
