/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_UNIT_MACHINE_H
#define HOY_INIT_UNIT_MACHINE_H

#include <stdint.h>

/*
 * The life of one supervised process as a pure table: (state, event) -> (state, actions). One timer
 * per unit; what it means follows from the state:
 *   STARTING  it never became ready: kill       READY    it was stable: forget the failures
 *   STOPPING, RESTARTING  it ignored STOP: kill   BACKOFF  start it again
 */
enum unit_state {
	UNIT_STATE_STOPPED,
	UNIT_STATE_STARTING,
	UNIT_STATE_READY,
	UNIT_STATE_STOPPING,   /* process lives, wanted down */
	UNIT_STATE_RESTARTING, /* process lives, a new one is wanted after it */
	UNIT_STATE_BACKOFF,
	UNIT_STATE_COUNT,
};

enum unit_event {
	UNIT_EVENT_UP,	    /* somebody wants it to run */
	UNIT_EVENT_DOWN,    /* somebody wants it stopped */
	UNIT_EVENT_RESTART, /* stop it if it runs, then run it */
	UNIT_EVENT_FAILED,  /* the start itself failed: no process */
	UNIT_EVENT_READY,   /* it said so */
	UNIT_EVENT_EXITED,  /* it was reaped */
	UNIT_EVENT_TIMER,
	UNIT_EVENT_SILENT, /* no sign of life for too long */
	UNIT_EVENT_COUNT,
};

/* Carried out in the order of the bits; a timer action replaces the timer that was set. */
enum unit_action {
	UNIT_ACTION_RECORD = 1 << 0, /* note why it ended */
	UNIT_ACTION_SWEEP = 1 << 1,  /* kill what it left in its cgroup */
	UNIT_ACTION_FORGET = 1 << 2, /* failures = 0 */
	UNIT_ACTION_FAIL = 1 << 3,   /* failures + 1 */
	UNIT_ACTION_ASK = 1 << 4,    /* send STOP, arm the stop timer */
	UNIT_ACTION_KILL = 1 << 5,   /* SIGKILL, arm the stop timer (to try again) */
	UNIT_ACTION_NO_TIMER = 1 << 6,
	UNIT_ACTION_STABLE_TIMER = 1 << 7,
	UNIT_ACTION_DELAY_TIMER = 1 << 8, /* back-off by the count of failures */
	UNIT_ACTION_SPAWN = 1 << 9,	  /* start it, arm the readiness timer; may give FAILED */
};

struct unit_step {
	uint8_t next;	  /* enum unit_state */
	uint16_t actions; /* set of enum unit_action */
};

/* The row for this state and event. Every pair has one; an event without effect keeps the state. */
struct unit_step unit_machine_step(enum unit_state state, enum unit_event event);

const char *unit_state_name(enum unit_state state);

enum {
	UNIT_BACKOFF_BASE_MS = 1000,
	UNIT_BACKOFF_CAP_MS = 60000,
	UNIT_STABLE_MS = 60000,
	UNIT_READY_LIMIT_MS = 120000,
	UNIT_KILL_AGAIN_MS = 5000,
	UNIT_SILENCE_MS = 60000,
};

#endif
