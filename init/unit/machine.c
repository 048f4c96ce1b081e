/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the state table of a supervised process. Run by PID 1. Pure: must never do I/O, read a clock
 * or keep anything; sup_unit.c carries the actions out.
 */
#include "init/unit/machine.h"

#define S(state)  UNIT_STATE_##state
#define A(action) UNIT_ACTION_##action
#define STEP(state, actions)        \
	{                           \
		S(state), (actions) \
	}

#define ENDED (A(RECORD) | A(SWEEP))

/*
 * A failed start and an exit nobody asked for both lead to BACKOFF and from there, always, to a new
 * start: there is no state that gives up. SPAWN stands only where no process can be alive.
 */
static const struct unit_step table[UNIT_STATE_COUNT][UNIT_EVENT_COUNT] = {
	[S(STOPPED)] = {
		[UNIT_EVENT_UP] = STEP(STARTING, A(FORGET) | A(SPAWN)),
		[UNIT_EVENT_DOWN] = STEP(STOPPED, 0),
		[UNIT_EVENT_RESTART] = STEP(STARTING, A(FORGET) | A(SPAWN)),
		[UNIT_EVENT_FAILED] = STEP(STOPPED, 0),
		[UNIT_EVENT_READY] = STEP(STOPPED, 0),
		[UNIT_EVENT_EXITED] = STEP(STOPPED, 0),
		[UNIT_EVENT_TIMER] = STEP(STOPPED, 0),
		[UNIT_EVENT_SILENT] = STEP(STOPPED, 0),
	},
	[S(STARTING)] = {
		[UNIT_EVENT_UP] = STEP(STARTING, 0),
		[UNIT_EVENT_DOWN] = STEP(STOPPING, A(ASK)),
		[UNIT_EVENT_RESTART] = STEP(RESTARTING, A(ASK)),
		[UNIT_EVENT_FAILED] = STEP(BACKOFF, A(RECORD) | A(FAIL) | A(DELAY_TIMER)),
		[UNIT_EVENT_READY] = STEP(READY, A(STABLE_TIMER)),
		[UNIT_EVENT_EXITED] = STEP(BACKOFF, ENDED | A(FAIL) | A(DELAY_TIMER)),
		[UNIT_EVENT_TIMER] = STEP(STARTING, A(KILL)),
		[UNIT_EVENT_SILENT] = STEP(STARTING, A(KILL)),
	},
	[S(READY)] = {
		[UNIT_EVENT_UP] = STEP(READY, 0),
		[UNIT_EVENT_DOWN] = STEP(STOPPING, A(ASK)),
		[UNIT_EVENT_RESTART] = STEP(RESTARTING, A(ASK)),
		[UNIT_EVENT_FAILED] = STEP(READY, 0),
		[UNIT_EVENT_READY] = STEP(READY, 0),
		[UNIT_EVENT_EXITED] = STEP(BACKOFF, ENDED | A(FAIL) | A(DELAY_TIMER)),
		[UNIT_EVENT_TIMER] = STEP(READY, A(FORGET) | A(NO_TIMER)),
		[UNIT_EVENT_SILENT] = STEP(READY, A(KILL)),
	},
	[S(STOPPING)] = {
		[UNIT_EVENT_UP] = STEP(RESTARTING, 0),
		[UNIT_EVENT_DOWN] = STEP(STOPPING, 0),
		[UNIT_EVENT_RESTART] = STEP(RESTARTING, 0),
		[UNIT_EVENT_FAILED] = STEP(STOPPING, 0),
		[UNIT_EVENT_READY] = STEP(STOPPING, 0),
		[UNIT_EVENT_EXITED] = STEP(STOPPED, ENDED | A(NO_TIMER)),
		[UNIT_EVENT_TIMER] = STEP(STOPPING, A(KILL)),
		[UNIT_EVENT_SILENT] = STEP(STOPPING, A(KILL)),
	},
	[S(RESTARTING)] = {
		[UNIT_EVENT_UP] = STEP(RESTARTING, 0),
		[UNIT_EVENT_DOWN] = STEP(STOPPING, 0),
		[UNIT_EVENT_RESTART] = STEP(RESTARTING, 0),
		[UNIT_EVENT_FAILED] = STEP(RESTARTING, 0),
		[UNIT_EVENT_READY] = STEP(RESTARTING, 0),
		[UNIT_EVENT_EXITED] = STEP(STARTING, ENDED | A(FORGET) | A(SPAWN)),
		[UNIT_EVENT_TIMER] = STEP(RESTARTING, A(KILL)),
		[UNIT_EVENT_SILENT] = STEP(RESTARTING, A(KILL)),
	},
	[S(BACKOFF)] = {
		[UNIT_EVENT_UP] = STEP(STARTING, A(SPAWN)),
		[UNIT_EVENT_DOWN] = STEP(STOPPED, A(NO_TIMER)),
		[UNIT_EVENT_RESTART] = STEP(STARTING, A(FORGET) | A(SPAWN)),
		[UNIT_EVENT_FAILED] = STEP(BACKOFF, 0),
		[UNIT_EVENT_READY] = STEP(BACKOFF, 0),
		[UNIT_EVENT_EXITED] = STEP(BACKOFF, 0),
		[UNIT_EVENT_TIMER] = STEP(STARTING, A(SPAWN)),
		[UNIT_EVENT_SILENT] = STEP(BACKOFF, 0),
	},
};

struct unit_step unit_machine_step(enum unit_state state, enum unit_event event)
{
	return table[state][event];
}

const char *unit_state_name(enum unit_state state)
{
	static const char *const names[UNIT_STATE_COUNT] = { "stopped",	 "starting",   "running",
							     "stopping", "restarting", "backoff" };

	return names[state];
}
