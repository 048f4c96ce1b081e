/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_DOCKER_MOMENT_H
#define HOY_ENGINE_DOCKER_MOMENT_H

#include <stdint.h>
#include "lib/str.h"

/*
 * A moment as the filter `until` says it, in nanoseconds since 1970 and at most NOW + 292 years: a
 * time ("1136073600.5", RFC 3339, "2026-01-02", "2026-01-02T15:04:05", without a zone: UTC) or a
 * duration before now ("1h30m", "1.5h", "10ms"; Go's time.ParseDuration). -EINVAL.
 */
int docker_moment_parse(struct str text, int64_t now_ns, int64_t *ret_ns);

#endif
