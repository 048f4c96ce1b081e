/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state table of a declared container. Owned by engine main, pure: must never look at a clock,
 * a file or a process.
 */
#include "engine/service/machine.h"

#define S(name) SERVICE_STATE_##name
#define A(name) SERVICE_ACTION_##name

#define ROW(state) [S(state)]
#define ON(event)  [SERVICE_EVENT_##event]

/* An entry left out keeps the state: `set` tells it from a step to STOPPED, which is 0. */
struct entry {
	uint8_t state;
	uint16_t actions;
	bool set;
};

#define TO(next, acts)                          \
	{                                       \
		S(next), (uint16_t)(acts), true \
	}

/* clang-format off */
static const struct entry table[SERVICE_STATE_COUNT][SERVICE_EVENT_COUNT] = {
	ROW(STOPPED) = {
		ON(WANT)        = TO(WAITING, A(CALM) | A(CHECK_DEPS)),
		ON(SCHEDULE)    = TO(SCHEDULED, A(CALM) | A(ARM_SCHEDULE)),
		ON(CYCLE)       = TO(WAITING, A(CALM) | A(CHECK_DEPS)),
		ON(REFUSE)      = TO(REFUSED, 0),
	},
	ROW(REFUSED) = {
		ON(WANT)        = TO(WAITING, A(CALM) | A(CHECK_DEPS)),
		ON(SCHEDULE)    = TO(SCHEDULED, A(CALM) | A(ARM_SCHEDULE)),
		ON(UNWANT)      = TO(STOPPED, 0),
	},
	ROW(WAITING) = {
		ON(DEPS_MET)    = TO(PREPARING, A(PREPARE)),
		ON(UNWANT)      = TO(STOPPED, 0),
		ON(REFUSE)      = TO(REFUSED, 0),
		ON(CYCLE)       = TO(WAITING, A(CALM) | A(CHECK_DEPS)),
		ON(KICK)        = TO(WAITING, A(CHECK_DEPS)),
	},
	ROW(PREPARING) = {
		ON(PREPARED)    = TO(STARTING, A(START)),
		ON(FAILED)      = TO(RETRYING, A(ARM_RETRY)),
		ON(UNWANT)      = TO(STOPPED, A(CANCEL)),
		ON(REFUSE)      = TO(REFUSED, A(CANCEL)),
		ON(CYCLE)       = TO(WAITING, A(CANCEL) | A(CALM) | A(CHECK_DEPS)),
	},
	ROW(RETRYING) = {
		ON(TIMER)       = TO(WAITING, A(CHECK_DEPS)),
		ON(KICK)        = TO(WAITING, A(DISARM) | A(CHECK_DEPS)),
		ON(WANT)        = TO(WAITING, A(DISARM) | A(CALM) | A(CHECK_DEPS)),
		ON(CYCLE)       = TO(WAITING, A(DISARM) | A(CALM) | A(CHECK_DEPS)),
		ON(UNWANT)      = TO(STOPPED, A(DISARM)),
		ON(REFUSE)      = TO(REFUSED, A(DISARM)),
	},
	ROW(STARTING) = {
		ON(STARTED)     = TO(RUNNING, 0),
		ON(FAILED)      = TO(RETRYING, A(ARM_RETRY)),
		ON(UNWANT)      = TO(STOPPED, A(CANCEL)),
		ON(REFUSE)      = TO(REFUSED, A(CANCEL)),
		ON(CYCLE)       = TO(WAITING, A(CANCEL) | A(CHECK_DEPS)),
		ON(ENDED)       = TO(EXITED, 0),
		ON(ENDED_AGAIN) = TO(RESTARTING, A(ARM_RESTART)),
	},
	ROW(RUNNING) = {
		ON(ENDED)       = TO(EXITED, 0),
		ON(ENDED_AGAIN) = TO(RESTARTING, A(ARM_RESTART)),
		ON(UNWANT)      = TO(STOPPING, A(STOP)),
		ON(REFUSE)      = TO(STOPPING, A(STOP)),
		ON(CYCLE)       = TO(CYCLING, A(STOP)),
	},
	ROW(STOPPING) = {
		ON(ENDED)       = TO(STOPPED, 0),
		ON(ENDED_AGAIN) = TO(STOPPED, 0),
		ON(WANT)        = TO(CYCLING, 0),
		ON(CYCLE)       = TO(CYCLING, 0),
	},
	ROW(CYCLING) = {
		ON(ENDED)       = TO(WAITING, A(CALM) | A(CHECK_DEPS)),
		ON(ENDED_AGAIN) = TO(WAITING, A(CALM) | A(CHECK_DEPS)),
		ON(UNWANT)      = TO(STOPPING, 0),
		ON(REFUSE)      = TO(STOPPING, 0),
	},
	ROW(RESTARTING) = {
		ON(TIMER)       = TO(WAITING, A(CHECK_DEPS)),
		ON(WANT)        = TO(WAITING, A(DISARM) | A(CALM) | A(CHECK_DEPS)),
		ON(CYCLE)       = TO(WAITING, A(DISARM) | A(CALM) | A(CHECK_DEPS)),
		ON(UNWANT)      = TO(STOPPED, A(DISARM)),
		ON(REFUSE)      = TO(REFUSED, A(DISARM)),
	},
	ROW(EXITED) = {
		ON(WANT)        = TO(WAITING, A(CALM) | A(CHECK_DEPS)),
		ON(SCHEDULE)    = TO(SCHEDULED, A(CALM) | A(ARM_SCHEDULE)),
		ON(CYCLE)       = TO(WAITING, A(CALM) | A(CHECK_DEPS)),
		ON(UNWANT)      = TO(STOPPED, 0),
		ON(REFUSE)      = TO(REFUSED, 0),
	},
	ROW(SCHEDULED) = {
		ON(TIMER)       = TO(WAITING, A(CALM) | A(CHECK_DEPS)),
		ON(WANT)        = TO(WAITING, A(DISARM) | A(CALM) | A(CHECK_DEPS)),
		ON(CLOCK)       = TO(SCHEDULED, A(DISARM) | A(ARM_SCHEDULE)),
		ON(CYCLE)       = TO(SCHEDULED, A(DISARM) | A(ARM_SCHEDULE)),
		ON(UNWANT)      = TO(STOPPED, A(DISARM)),
		ON(REFUSE)      = TO(REFUSED, A(DISARM)),
	},
};
/* clang-format on */

struct service_step service_machine_step(enum service_state state, enum service_event event)
{
	const struct entry *entry = &table[state][event];

	if (!entry->set)
		return (struct service_step){ (uint8_t)state, 0 };
	return (struct service_step){ entry->state, entry->actions };
}

const char *service_state_name(enum service_state state)
{
	static const char *const names[SERVICE_STATE_COUNT] = {
		[SERVICE_STATE_STOPPED] = "stopped",  [SERVICE_STATE_REFUSED] = "refused",
		[SERVICE_STATE_WAITING] = "waiting",  [SERVICE_STATE_PREPARING] = "pulling",
		[SERVICE_STATE_RETRYING] = "waiting", [SERVICE_STATE_STARTING] = "starting",
		[SERVICE_STATE_RUNNING] = "running",  [SERVICE_STATE_STOPPING] = "stopping",
		[SERVICE_STATE_CYCLING] = "stopping", [SERVICE_STATE_RESTARTING] = "restarting",
		[SERVICE_STATE_EXITED] = "exited",    [SERVICE_STATE_SCHEDULED] = "scheduled",
	};

	return names[state];
}

const char *service_event_name(enum service_event event)
{
	static const char *const names[SERVICE_EVENT_COUNT] = {
		[SERVICE_EVENT_WANT] = "want",
		[SERVICE_EVENT_UNWANT] = "unwant",
		[SERVICE_EVENT_REFUSE] = "refuse",
		[SERVICE_EVENT_CYCLE] = "cycle",
		[SERVICE_EVENT_DEPS_MET] = "deps-met",
		[SERVICE_EVENT_PREPARED] = "prepared",
		[SERVICE_EVENT_FAILED] = "failed",
		[SERVICE_EVENT_STARTED] = "started",
		[SERVICE_EVENT_ENDED_AGAIN] = "ended-again",
		[SERVICE_EVENT_ENDED] = "ended",
		[SERVICE_EVENT_TIMER] = "timer",
		[SERVICE_EVENT_SCHEDULE] = "schedule",
		[SERVICE_EVENT_CLOCK] = "clock",
		[SERVICE_EVENT_KICK] = "kick",
	};

	return names[event];
}

enum service_event service_machine_exit(enum service_restart policy, int exit_code,
					uint32_t restarts, uint32_t retries_max)
{
	switch (policy) {
	case SERVICE_RESTART_NO:
		return SERVICE_EVENT_ENDED;
	case SERVICE_RESTART_ALWAYS:
	case SERVICE_RESTART_UNLESS_STOPPED:
		return SERVICE_EVENT_ENDED_AGAIN;
	case SERVICE_RESTART_ON_FAILURE:
		if (!exit_code || (retries_max && restarts >= retries_max))
			return SERVICE_EVENT_ENDED;
		return SERVICE_EVENT_ENDED_AGAIN;
	}
	return SERVICE_EVENT_ENDED;
}
