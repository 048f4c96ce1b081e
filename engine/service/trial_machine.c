/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state table of a definition on trial. Runs in engine main. Pure: must never look at a clock
 * or a container.
 */
#include "engine/service/trial.h"

#define S(name) TRIAL_STATE_##name
#define A(name) TRIAL_ACTION_##name

#define ROW(state) [S(state)]
#define ON(event)  [TRIAL_EVENT_##event]

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
static const struct entry table[TRIAL_STATE_COUNT][TRIAL_EVENT_COUNT] = {
	ROW(NONE) = {
		ON(NEWER) = TO(RUNS, A(ARM)),
		ON(BAD)   = TO(BACK, 0),
		ON(PASS)  = TO(NONE, A(KEEP)),
	},
	ROW(RUNS) = {
		ON(SAME)  = TO(NONE, A(DISARM)),
		ON(NEWER) = TO(RUNS, A(ARM)),
		ON(BAD)   = TO(BACK, A(DISARM)),
		ON(PASS)  = TO(NONE, A(DISARM) | A(KEEP)),
		ON(FAIL)  = TO(BACK, A(DISARM) | A(REMEMBER)),
		ON(STOP)  = TO(NONE, A(DISARM)),
	},
	ROW(BACK) = {
		ON(SAME)  = TO(NONE, 0),
		ON(NEWER) = TO(RUNS, A(ARM)),
	},
};
/* clang-format on */

struct trial_step trial_machine_step(enum trial_state state, enum trial_event event)
{
	const struct entry *entry = &table[state][event];

	if (!entry->set)
		return (struct trial_step){ (uint8_t)state, 0 };
	return (struct trial_step){ entry->state, entry->actions };
}
