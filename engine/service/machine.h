/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_SERVICE_MACHINE_H
#define HOY_ENGINE_SERVICE_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The life of one declared container as a pure table: (state, event) -> (state, actions). Nothing
 * here knows of processes, clocks or files; whoever drives it carries the actions out and reports
 * what came of them as events.
 */
enum service_state {
	SERVICE_STATE_STOPPED,	 /* not wanted, or stopped by an operator */
	SERVICE_STATE_REFUSED,	 /* its section is wrong; left only by a new configuration */
	SERVICE_STATE_WAITING,	 /* wanted; something it depends on is not there yet */
	SERVICE_STATE_PREPARING, /* its image is pulled, loaded or built */
	SERVICE_STATE_RETRYING,	 /* preparing or starting failed; a timer or an event tries again */
	SERVICE_STATE_STARTING,	 /* the container is being made */
	SERVICE_STATE_RUNNING,
	SERVICE_STATE_STOPPING,	  /* asked to end; then STOPPED */
	SERVICE_STATE_CYCLING,	  /* asked to end; then start again */
	SERVICE_STATE_RESTARTING, /* it ended; a timer starts it again */
	SERVICE_STATE_EXITED,	  /* it ended and its policy says to leave it */
	SERVICE_STATE_SCHEDULED,  /* a job that waits for its next time */
	SERVICE_STATE_COUNT,
};

enum service_event {
	SERVICE_EVENT_WANT,	   /* declared, or started by an operator */
	SERVICE_EVENT_UNWANT,	   /* stopped by an operator, removed, or the machine goes down */
	SERVICE_EVENT_REFUSE,	   /* the configuration is wrong */
	SERVICE_EVENT_CYCLE,	   /* restart asked for, or the definition changed */
	SERVICE_EVENT_DEPS_MET,	   /* all of depends_on is satisfied */
	SERVICE_EVENT_PREPARED,	   /* the image is in the store */
	SERVICE_EVENT_FAILED,	   /* preparing or starting failed */
	SERVICE_EVENT_STARTED,	   /* its first process runs */
	SERVICE_EVENT_ENDED_AGAIN, /* it ended and its policy asks for another start */
	SERVICE_EVENT_ENDED,	   /* it ended and stays so */
	SERVICE_EVENT_TIMER,	   /* the back-off is over */
	SERVICE_EVENT_SCHEDULE,	   /* wanted, but at its times only */
	SERVICE_EVENT_CLOCK,	   /* the wall clock was set: times are computed anew */
	SERVICE_EVENT_KICK,	   /* link, route, DNS, clock or store changed: try now */
	SERVICE_EVENT_COUNT,
};

enum service_action {
	SERVICE_ACTION_CHECK_DEPS = 1, /* report DEPS_MET now or when they are */
	SERVICE_ACTION_PREPARE = 2,
	SERVICE_ACTION_CANCEL = 4, /* stop preparing or starting; no event is expected */
	SERVICE_ACTION_START = 8,
	SERVICE_ACTION_STOP = 16,	 /* signal, grace, kill; ENDED* follows */
	SERVICE_ACTION_ARM_RETRY = 32,	 /* timer for RETRYING, grows with each failure */
	SERVICE_ACTION_ARM_RESTART = 64, /* timer for RESTARTING, grows with each short run */
	SERVICE_ACTION_DISARM = 128,
	SERVICE_ACTION_CALM = 256,	   /* forget the failures counted so far */
	SERVICE_ACTION_ARM_SCHEDULE = 512, /* timer for SCHEDULED: TIMER when it is due */
};

struct service_step {
	uint8_t state;
	uint16_t actions;
};

/* The table itself. An event that means nothing in a state changes nothing. */
struct service_step service_machine_step(enum service_state state, enum service_event event);

const char *service_state_name(enum service_state state); /* as `ps` prints it */
const char *service_event_name(enum service_event event);

enum service_restart {
	SERVICE_RESTART_NO,
	SERVICE_RESTART_ALWAYS,
	SERVICE_RESTART_ON_FAILURE,
	SERVICE_RESTART_UNLESS_STOPPED,
};

/*
 * Which of ENDED and ENDED_AGAIN an exit is. exit_code is the shell's (128 + signal); retries_max
 * limits on-failure (0 = no limit), restarts is how often it was started again so far.
 */
enum service_event service_machine_exit(enum service_restart policy, int exit_code,
					uint32_t restarts, uint32_t retries_max);

#endif
