/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state table of a container's health and the counting around it. Runs in engine main. Pure:
 * must never look at a clock, a process or a socket.
 */
#include "engine/health/machine.h"
#include <stdlib.h>
#include <string.h>

#define S(name) HEALTH_STATE_##name
#define A(name) HEALTH_ACTION_##name

#define ROW(state) [S(state)]
#define ON(event)  [HEALTH_EVENT_##event]

/* An entry left out keeps the state: `set` tells it from a step to NONE, which is 0. */
struct entry {
	uint8_t state, actions;
	bool set;
};

#define TO(next, acts)                         \
	{                                      \
		S(next), (uint8_t)(acts), true \
	}

/* clang-format off */
static const struct entry table[HEALTH_STATE_COUNT][HEALTH_EVENT_COUNT] = {
	ROW(NONE) = {
		ON(START) = TO(STARTING, A(RESET) | A(ARM)),
	},
	ROW(STARTING) = {
		ON(PASS)  = TO(HEALTHY, A(RESET) | A(ARM) | A(TELL)),
		ON(MISS)  = TO(STARTING, A(ARM)),
		ON(FAIL)  = TO(UNHEALTHY, A(ARM) | A(TELL)),
		ON(STOP)  = TO(NONE, A(DISARM)),
	},
	ROW(HEALTHY) = {
		ON(PASS)  = TO(HEALTHY, A(RESET) | A(ARM)),
		ON(MISS)  = TO(HEALTHY, A(ARM)),
		ON(FAIL)  = TO(UNHEALTHY, A(ARM) | A(TELL)),
		ON(STOP)  = TO(NONE, A(DISARM)),
	},
	ROW(UNHEALTHY) = {
		ON(PASS)  = TO(HEALTHY, A(RESET) | A(ARM) | A(TELL)),
		ON(MISS)  = TO(UNHEALTHY, A(ARM)),
		ON(FAIL)  = TO(UNHEALTHY, A(ARM)),
		ON(STOP)  = TO(NONE, A(DISARM)),
	},
};
/* clang-format on */

struct health_step health_machine_step(enum health_state state, enum health_event event)
{
	const struct entry *entry = &table[state][event];

	if (!entry->set)
		return (struct health_step){ (uint8_t)state, 0 };
	return (struct health_step){ entry->state, entry->actions };
}

const char *health_state_name(enum health_state state)
{
	static const char *const names[HEALTH_STATE_COUNT] = {
		[HEALTH_STATE_NONE] = "none",
		[HEALTH_STATE_STARTING] = "starting",
		[HEALTH_STATE_HEALTHY] = "healthy",
		[HEALTH_STATE_UNHEALTHY] = "unhealthy",
	};

	return names[state];
}

/* Nanoseconds of an image, rounded up to the milliseconds that a timer counts in; 0 = unset. */
static int64_t time_or(int64_t given_ns, int64_t unset_ms)
{
	if (given_ns <= 0)
		return unset_ms;
	return given_ns / 1000000 + (given_ns % 1000000 > 0);
}

struct health_times health_times(const struct image_health *config)
{
	return (struct health_times){
		.interval_ms = time_or(config->interval_ns, 30000),
		.timeout_ms = time_or(config->timeout_ns, 30000),
		.start_period_ms = time_or(config->start_period_ns, 0),
		.start_interval_ms = time_or(config->start_interval_ns, 5000),
		.retries = config->retries ? config->retries : 3,
	};
}

static unsigned apply(struct health *health, enum health_event event)
{
	struct health_step step = health_machine_step(health->state, event);

	health->state = (enum health_state)step.state;
	if (step.actions & HEALTH_ACTION_RESET)
		health->streak = 0;
	return step.actions;
}

unsigned health_begin(struct health *health, const struct health_times *times, struct mono now)
{
	health->times = *times;
	health->since = now;
	return apply(health, HEALTH_EVENT_START);
}

static void keep(struct health *health, const struct health_result *result)
{
	if (health->result_count == HEALTH_RESULTS_MAX) {
		free(health->results[0].output);
		memmove(&health->results[0], &health->results[1],
			(HEALTH_RESULTS_MAX - 1) * sizeof(health->results[0]));
		health->result_count--;
	}
	health->results[health->result_count++] = *result;
}

/* Before the first success a failure within the start period does not count. */
static bool forgiven(const struct health *health, struct mono started)
{
	return health->state == HEALTH_STATE_STARTING &&
	       mono_diff_ms(started, health->since) < health->times.start_period_ms;
}

unsigned health_take(struct health *health, const struct health_result *result, struct mono started)
{
	keep(health, result);
	if (!result->code)
		return apply(health, HEALTH_EVENT_PASS);
	if (forgiven(health, started))
		return apply(health, HEALTH_EVENT_MISS);
	health->streak += health->streak < UINT32_MAX;
	return apply(health, health->streak >= health->times.retries ? HEALTH_EVENT_FAIL
								     : HEALTH_EVENT_MISS);
}

unsigned health_stop(struct health *health)
{
	return apply(health, HEALTH_EVENT_STOP);
}

void health_done(struct health *health)
{
	for (uint32_t i = 0; i < health->result_count; i++)
		free(health->results[i].output);
	memset(health, 0, sizeof(*health));
}

int64_t health_pause_ms(const struct health *health, struct mono now)
{
	bool early = health->state == HEALTH_STATE_STARTING &&
		     mono_diff_ms(now, health->since) < health->times.start_period_ms;

	return early ? health->times.start_interval_ms : health->times.interval_ms;
}
