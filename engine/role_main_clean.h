/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_ROLE_MAIN_CLEAN_H
#define HOY_ENGINE_ROLE_MAIN_CLEAN_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/loop.h"

/*
 * Images that nobody uses go by themselves: by age, when the disk is nearly full, and for a pull
 * that does not fit. Part of struct engine.
 */
struct engine;
struct engine_room; /* a pull that waits for room */

struct engine_clean {
	struct loop_timer timer;
	bool running;
	struct engine_room *rooms, *served; /* who waits for the next run, for the one under way */
	int64_t last_s; /* wall clock of the last run that took something, 0 = none since boot */
	uint64_t last_bytes;
	char last[400]; /* what went, and why */
};

/* The data partition is there. */
void engine_clean_started(struct engine *engine);
/* image_leases' make_room() and forget_room(); owner: the engine. */
void engine_clean_room(void *owner, uint64_t bytes, void (*done)(void *asker), void *asker);
void engine_clean_forget(void *owner, const void *asker);

#endif
