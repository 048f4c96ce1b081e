/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the rule by which the hardware watchdog is fed. Pure; PID 1 runs it. Must never let a daemon
 * that cannot come up reset the machine again and again.
 */
#include "init/unit/watch.h"

int watch_starves(const struct watch_unit *units, size_t count, int64_t now_ms)
{
	for (size_t i = 0; i < count; i++)
		if (units[i].was_ready && units[i].wanted &&
		    now_ms - units[i].answered_ms > WATCH_ANSWER_MS)
			return (int)i;
	return -1;
}
