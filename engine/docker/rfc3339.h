/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_DOCKER_RFC3339_H
#define HOY_ENGINE_DOCKER_RFC3339_H

#include <stdint.h>
#include "lib/str.h"

/*
 * "2026-01-02T03:04:05.6Z", "...+02:00" (RFC 3339, section 5.6) as seconds since 1970; a fraction
 * is cut off. -EINVAL for anything else and for years before 1 or beyond 9999. Pure.
 */
int rfc3339_parse(struct str text, int64_t *ret_seconds);

#endif
