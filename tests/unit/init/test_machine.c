/* SPDX-License-Identifier: Apache-2.0 */
/* The state table of a unit: every pair by the rules it has to keep, and long random lives. */
#include <stdlib.h>
#include "init/unit/machine.h"
#include "tests/unit/tap.h"

enum { WALKS = 2000, WALK_STEPS = 300 };

static bool has_process(enum unit_state state)
{
	return state == UNIT_STATE_STARTING || state == UNIT_STATE_READY ||
	       state == UNIT_STATE_STOPPING || state == UNIT_STATE_RESTARTING;
}

static bool is_wanted(enum unit_state state)
{
	return state != UNIT_STATE_STOPPED && state != UNIT_STATE_STOPPING;
}

static const enum unit_action timers = UNIT_ACTION_ASK | UNIT_ACTION_KILL |
				       UNIT_ACTION_STABLE_TIMER | UNIT_ACTION_DELAY_TIMER |
				       UNIT_ACTION_SPAWN;

/* What must hold of one pair, written without looking at the table. */
static void check_pair(enum unit_state state, enum unit_event event)
{
	struct unit_step step = unit_machine_step(state, event);
	enum unit_state next = (enum unit_state)step.next;
	const char *from = unit_state_name(state), *to = unit_state_name(next);
	bool spawns = (step.actions & UNIT_ACTION_SPAWN) != 0;
	bool ends = event == UNIT_EVENT_EXITED && has_process(state);

	ok(next < UNIT_STATE_COUNT, "%s + %d: leads to a state", from, event);
	ok(!spawns || !has_process(state) || ends, "%s + %d: no second process", from, event);
	ok(!spawns || next == UNIT_STATE_STARTING, "%s + %d: a spawn leads to starting", from,
	   event);
	ok(next != UNIT_STATE_STARTING || state == UNIT_STATE_STARTING || spawns,
	   "%s + %d: starting only by a spawn", from, event);
	ok(!ends || !has_process(next) || spawns, "%s + %d: no state with a process that ended",
	   from, event);
	ok(!ends || ((step.actions & UNIT_ACTION_RECORD) && (step.actions & UNIT_ACTION_SWEEP)),
	   "%s + %d: an end is recorded and swept", from, event);
	if (event == UNIT_EVENT_UP || event == UNIT_EVENT_RESTART)
		ok(is_wanted(next), "%s + %d: wanted up leads to %s", from, event, to);
	else if (event == UNIT_EVENT_DOWN)
		ok(!is_wanted(next), "%s + %d: wanted down leads to %s", from, event, to);
	else
		ok(is_wanted(next) == is_wanted(state),
		   "%s + %d: only people change what is wanted", from, event);
	if (event == UNIT_EVENT_DOWN && has_process(state) && is_wanted(state) &&
	    state != UNIT_STATE_RESTARTING)
		ok(step.actions & UNIT_ACTION_ASK, "%s + down: it is asked to stop", from);
	if ((event == UNIT_EVENT_TIMER || event == UNIT_EVENT_SILENT) && has_process(state) &&
	    !(state == UNIT_STATE_READY && event == UNIT_EVENT_TIMER))
		ok(step.actions & UNIT_ACTION_KILL, "%s + %d: a hanging one is killed", from,
		   event);
	if (next == UNIT_STATE_BACKOFF && state != UNIT_STATE_BACKOFF)
		ok((step.actions & UNIT_ACTION_DELAY_TIMER) && (step.actions & UNIT_ACTION_FAIL),
		   "%s + %d: back-off counts and arms its timer", from, event);
	if (next != state && !(step.actions & timers))
		ok(next == UNIT_STATE_STOPPED || next == UNIT_STATE_RESTARTING ||
			   next == UNIT_STATE_STOPPING,
		   "%s + %d: a state that needs a timer has one", from, event);
}

/* A world of one process: it dies or lives as chance has it, the timer fires when armed. */
struct world {
	enum unit_state state;
	bool alive, armed;
	unsigned failures, spawns;
	bool broken;
};

static void apply(struct world *world, enum unit_event event, unsigned chance);

static void act(struct world *world, struct unit_step step, unsigned chance)
{
	if (step.actions & UNIT_ACTION_FORGET)
		world->failures = 0;
	if (step.actions & UNIT_ACTION_FAIL)
		world->failures++;
	if (step.actions & UNIT_ACTION_NO_TIMER)
		world->armed = false;
	if (step.actions & timers)
		world->armed = true;
	if (!(step.actions & UNIT_ACTION_SPAWN))
		return;
	world->broken = world->broken || world->alive;
	world->spawns++;
	world->alive = chance % 4 != 0;
	if (!world->alive)
		apply(world, UNIT_EVENT_FAILED, 0);
}

static void apply(struct world *world, enum unit_event event, unsigned chance)
{
	struct unit_step step = unit_machine_step(world->state, event);

	world->state = (enum unit_state)step.next;
	act(world, step, chance);
	world->broken = world->broken || world->alive != has_process(world->state);
}

/* One event that can happen in this world. */
static void live(struct world *world, unsigned chance)
{
	switch (chance % 6) {
	case 0:
		apply(world, UNIT_EVENT_UP, chance / 6);
		break;
	case 1:
		apply(world, UNIT_EVENT_DOWN, chance / 6);
		break;
	case 2:
		apply(world, UNIT_EVENT_RESTART, chance / 6);
		break;
	case 3:
		if (world->alive)
			apply(world, chance / 6 % 3 == 0 ? UNIT_EVENT_SILENT : UNIT_EVENT_READY, 1);
		break;
	case 4:
		if (world->alive) {
			world->alive = false;
			apply(world, UNIT_EVENT_EXITED, chance / 6);
		}
		break;
	default:
		if (world->armed) {
			world->armed = false;
			apply(world, UNIT_EVENT_TIMER, chance / 6);
		}
		break;
	}
}

static void walk(void)
{
	unsigned broken = 0, stuck = 0;

	srand(1);
	for (int n = 0; n < WALKS; n++) {
		struct world world = { .state = UNIT_STATE_STOPPED };

		for (int i = 0; i < WALK_STEPS; i++)
			live(&world, (unsigned)rand());
		/* Whatever happened: wanted up, with timers firing and deaths, it is started again.
		 */
		apply(&world, UNIT_EVENT_UP, 1);
		for (int i = 0; i < 4 && !world.broken; i++) {
			unsigned before = world.spawns;

			if (world.alive) {
				world.alive = false;
				apply(&world, UNIT_EVENT_EXITED, 1);
			}
			if (world.spawns == before && world.armed)
				apply(&world, UNIT_EVENT_TIMER, 1);
			stuck += world.spawns == before;
		}
		broken += world.broken;
	}
	is_int(broken, 0, "%d random lives: one process at most, states tell the truth", WALKS);
	is_int(stuck, 0, "%d random lives: it never gives up", WALKS);
}

int main(void)
{
	for (int state = 0; state < UNIT_STATE_COUNT; state++)
		for (int event = 0; event < UNIT_EVENT_COUNT; event++)
			check_pair((enum unit_state)state, (enum unit_event)event);
	walk();
	return tap_done();
}
