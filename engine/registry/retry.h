/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_REGISTRY_RETRY_H
#define HOY_ENGINE_REGISTRY_RETRY_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/str.h"

/*
 * When a request is worth another try, and after which pause. Pure.
 */
enum {
	RETRY_TRIES_MAX = 5, /* without a byte of progress between them */
	RETRY_PAUSE_MS = 500,
	RETRY_PAUSE_MAX_MS = 8000,
	RETRY_AFTER_MAX_MS = 60000, /* who asks for more is asked again by the next pull */
};

/* Errors of a line or of a server's moment: the same request may succeed later. */
bool retry_helps(int code);

/*
 * Retry-After (RFC 9110 10.2.3): seconds or a date, seen from wall_s (seconds since 1970). In ms,
 * -1 = there is none that can be read. Saturates at a day.
 */
int64_t retry_after_ms(struct str value, int64_t wall_s);

/*
 * The pause before try number `attempt` + 2 (0-based), with jitter from `random` (any 32 bits);
 * never shorter than what the server asked for (asked_ms, -1 = nothing). -1 = give up: too many
 * tries, or the server asks for more than RETRY_AFTER_MAX_MS.
 */
int64_t retry_pause_ms(unsigned attempt, int64_t asked_ms, uint32_t random);

#endif
