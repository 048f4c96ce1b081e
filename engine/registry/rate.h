/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_REGISTRY_RATE_H
#define HOY_ENGINE_REGISTRY_RATE_H

#include <stdint.h>
#include "lib/mono.h"

/* How fast a transfer is, smoothed over some seconds. Pure. */
struct rate {
	struct mono at;
	uint64_t done;
	uint64_t per_s; /* bytes; 0 = not known yet */
};

/* Begins with `done` bytes that are there already. */
void rate_init(struct rate *rate, struct mono now, uint64_t done);
/* `done` bytes by now; what is less than 200 ms behind the last one waits. Returns per_s. */
uint64_t rate_add(struct rate *rate, struct mono now, uint64_t done);

#endif
