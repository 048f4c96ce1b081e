/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_UNIT_WATCH_H
#define HOY_INIT_UNIT_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Whether the hardware watchdog may be fed, pure. PID 1 asks from its main loop, so that it answers
 * itself; a daemon answers by READY and ALIVE. A silent one is killed and started again long before
 * (UNIT_SILENCE_MS): the watchdog is for one that never comes back.
 */
enum { WATCH_ANSWER_MS = 300000 };

struct watch_unit {
	bool was_ready; /* in this boot: one that never was must not make the machine reset for ever
			 */
	bool wanted;	/* false: a person stopped it, or the machine goes down */
	int64_t answered_ms; /* uptime of its last sign of life */
};

/* The first unit that keeps the watchdog from being fed, or -1: feed it. */
int watch_starves(const struct watch_unit *units, size_t count, int64_t now_ms);

#endif
