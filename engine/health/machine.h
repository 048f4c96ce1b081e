/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_HEALTH_MACHINE_H
#define HOY_ENGINE_HEALTH_MACHINE_H

#include <stdbool.h>
#include <stdint.h>
#include "engine/oci/image.h"
#include "lib/mono.h"

/*
 * How well a container is, as Docker means it (HEALTHCHECK in the Dockerfile reference). The states
 * are a pure table (state, event) -> (state, actions); struct health counts around it and keeps the
 * last results. Nothing here knows of processes or sockets.
 */
enum health_state {
	HEALTH_STATE_NONE, /* it has no test, or does not run */
	HEALTH_STATE_STARTING,
	HEALTH_STATE_HEALTHY,
	HEALTH_STATE_UNHEALTHY,
	HEALTH_STATE_COUNT,
};

enum health_event {
	HEALTH_EVENT_START, /* the container runs and has a test */
	HEALTH_EVENT_STOP,  /* it is being stopped, or ended */
	HEALTH_EVENT_PASS,
	HEALTH_EVENT_MISS, /* failed, which does not count yet: start period, or fewer than retries
			    */
	HEALTH_EVENT_FAIL, /* failed as often in a row as `retries` says */
	HEALTH_EVENT_COUNT,
};

enum health_action {
	HEALTH_ACTION_ARM = 1,	  /* a timer for the next probe */
	HEALTH_ACTION_DISARM = 2, /* no further probe; one that runs is ended */
	HEALTH_ACTION_RESET = 4,  /* the failures in a row are forgotten */
	HEALTH_ACTION_TELL = 8,	  /* the state changed: whoever waits for it is told */
};

struct health_step {
	uint8_t state;
	uint8_t actions;
};

/* The table itself. An event that means nothing in a state changes nothing. */
struct health_step health_machine_step(enum health_state state, enum health_event event);

/* "none", "starting", "healthy", "unhealthy": Docker's words. */
const char *health_state_name(enum health_state state);

enum {
	HEALTH_RESULTS_MAX = 5,	  /* kept; Docker's number */
	HEALTH_OUTPUT_MAX = 4096, /* bytes of one output; Docker's number */
};

/* One probe. output is foreign: escape it. */
struct health_result {
	int64_t start_ns, end_ns; /* wall clock, since 1970 */
	int32_t code;		  /* 0 = well; -1 = it ran out of time or could not be started */
	char *output;		  /* heap, NUL-terminated; owned by the struct health that has it */
};

/* Milliseconds; made by health_times() with Docker's defaults in place. */
struct health_times {
	int64_t interval_ms, timeout_ms, start_period_ms, start_interval_ms;
	uint32_t retries;
};

struct health {
	enum health_state state;
	struct health_times times;
	struct mono since;				  /* the container's start */
	uint32_t streak;				  /* failures in a row */
	struct health_result results[HEALTH_RESULTS_MAX]; /* oldest first */
	uint32_t result_count;
};

/* 30 s, 30 s, 0, 5 s and 3 where the image or the section says nothing (0). */
struct health_times health_times(const struct image_health *config);

/* Begins with HEALTH_STATE_STARTING; returns the actions. Frees nothing: for a zeroed struct. */
unsigned health_begin(struct health *health, const struct health_times *times, struct mono now);
/*
 * Takes the result of a probe that began at `started`; its output (heap or NULL) is owned by the
 * struct from here on. Returns the actions.
 */
unsigned health_take(struct health *health, const struct health_result *result,
		     struct mono started);
unsigned health_stop(struct health *health);
void health_done(struct health *health); /* frees the outputs */

/* Time from the end of one probe (or the start of the container) to the next. */
int64_t health_pause_ms(const struct health *health, struct mono now);

#endif
