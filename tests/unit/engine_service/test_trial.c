/* SPDX-License-Identifier: Apache-2.0 */
/* The table of definitions on trial, held against what must be true of every (state, event). */
#include "engine/service/trial.h"
#include "tests/unit/tap.h"

static void test_every_pair(void)
{
	bool bounded = true, remembered = true, kept = true, armed = true, disarmed = true;

	for (int s = 0; s < TRIAL_STATE_COUNT; s++) {
		for (int e = 0; e < TRIAL_EVENT_COUNT; e++) {
			struct trial_step step =
				trial_machine_step((enum trial_state)s, (enum trial_event)e);

			bounded = bounded && step.state < TRIAL_STATE_COUNT;
			if (step.actions & TRIAL_ACTION_REMEMBER)
				remembered = remembered && s == TRIAL_STATE_RUNS &&
					     e == TRIAL_EVENT_FAIL;
			/* What is used instead of a bad one proves nothing about the bad one. */
			if (step.actions & TRIAL_ACTION_KEEP)
				kept = kept && e == TRIAL_EVENT_PASS && s != TRIAL_STATE_BACK;
			if (step.state == TRIAL_STATE_RUNS && s != TRIAL_STATE_RUNS)
				armed = armed && (step.actions & TRIAL_ACTION_ARM);
			if (s == TRIAL_STATE_RUNS && step.state != TRIAL_STATE_RUNS)
				disarmed = disarmed && (step.actions & TRIAL_ACTION_DISARM);
		}
	}
	ok(bounded, "every step leads to a state");
	ok(remembered, "only what fails on trial is remembered as bad");
	ok(kept, "only what shows that it works becomes the good one");
	ok(armed, "every trial has a time");
	ok(disarmed, "which ends with it");
}

static void test_lives(void)
{
	is_int(trial_machine_step(TRIAL_STATE_RUNS, TRIAL_EVENT_FAIL).state, TRIAL_STATE_BACK,
	       "a trial that failed leads back");
	is_int(trial_machine_step(TRIAL_STATE_BACK, TRIAL_EVENT_FAIL).state, TRIAL_STATE_BACK,
	       "a good one that fails later is not replaced by the bad one");
	is_int(trial_machine_step(TRIAL_STATE_BACK, TRIAL_EVENT_NEWER).state, TRIAL_STATE_RUNS,
	       "another change is another trial");
	is_int(trial_machine_step(TRIAL_STATE_RUNS, TRIAL_EVENT_STOP).actions, TRIAL_ACTION_DISARM,
	       "what a person stops is not judged");
	is_int(trial_machine_step(TRIAL_STATE_NONE, TRIAL_EVENT_BAD).state, TRIAL_STATE_BACK,
	       "after a reboot the bad one is known");
}

int main(void)
{
	test_every_pair();
	test_lives();
	return tap_done();
}
