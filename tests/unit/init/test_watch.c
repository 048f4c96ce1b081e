/* SPDX-License-Identifier: Apache-2.0 */
/* When the hardware watchdog is fed. */
#include "init/unit/watch.h"
#include "tests/unit/tap.h"

enum { NOW = 10000000, LATE = NOW - WATCH_ANSWER_MS - 1 };

int main(void)
{
	struct watch_unit units[2] = { { true, true, NOW }, { true, true, NOW - 1000 } };

	is_int(watch_starves(units, 2, NOW), -1, "fed while netd and the engine answer");
	units[1].answered_ms = LATE;
	is_int(watch_starves(units, 2, NOW), 1, "not fed once one of them stopped to answer");
	units[1].wanted = false;
	is_int(watch_starves(units, 2, NOW), -1, "one that a person stopped does not count");
	units[1] = (struct watch_unit){ false, true, 0 };
	is_int(watch_starves(units, 2, NOW), -1, "nor one that never came up in this boot");
	units[0].answered_ms = LATE;
	is_int(watch_starves(units, 2, NOW), 0, "the first one is named");
	units[0].answered_ms = LATE + 1;
	is_int(watch_starves(units, 2, NOW), -1, "its time is exact");
	return tap_done();
}
