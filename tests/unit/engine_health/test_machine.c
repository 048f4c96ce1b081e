/* SPDX-License-Identifier: Apache-2.0 */
/* The health table held against what must be true of every (state, event), and whole lives. */
#include "engine/health/machine.h"
#include <stdlib.h>
#include "lib/own.h"
#include "tests/unit/tap.h"

static void test_every_pair(void)
{
	bool bounded = true, told = true, armed = true, ends = true, kept = true;

	for (int s = 0; s < HEALTH_STATE_COUNT; s++) {
		for (int e = 0; e < HEALTH_EVENT_COUNT; e++) {
			struct health_step step =
				health_machine_step((enum health_state)s, (enum health_event)e);
			bool changed = step.state != s, runs = step.state != HEALTH_STATE_NONE;
			bool verdict = step.state == HEALTH_STATE_HEALTHY ||
				       step.state == HEALTH_STATE_UNHEALTHY;

			bounded = bounded && step.state < HEALTH_STATE_COUNT;
			told = told &&
			       (changed && verdict) == !!(step.actions & HEALTH_ACTION_TELL);
			/* Whatever happened to one that runs, another probe follows. */
			if (runs && step.actions)
				armed = armed && (step.actions & HEALTH_ACTION_ARM);
			if (s != HEALTH_STATE_NONE && e == HEALTH_EVENT_STOP)
				ends = ends && !runs && step.actions == HEALTH_ACTION_DISARM;
			if (s == HEALTH_STATE_NONE && e != HEALTH_EVENT_START)
				kept = kept && !changed && !step.actions;
			if (e == HEALTH_EVENT_MISS)
				kept = kept && !changed;
		}
	}
	ok(bounded, "every step leads to a state");
	ok(told, "a changed verdict is told, and nothing else");
	ok(armed, "every result of one that runs arms the next probe");
	ok(ends, "STOP ends probing in every state");
	ok(kept, "what does not count changes no state; nothing happens to one that does not run");
}

static struct health health;

static unsigned take(int32_t code, int64_t at_ms)
{
	struct health_result result = { .code = code, .output = strdup("text") };

	return health_take(&health, &result, mono_add_ms((struct mono){ 0 }, at_ms));
}

static void begin(struct image_health config)
{
	struct health_times times = health_times(&config);

	health_done(&health);
	(void)health_begin(&health, &times, (struct mono){ 0 });
}

static void test_defaults(void)
{
	struct health_times times = health_times(&(struct image_health){ 0 });

	is_int(times.interval_ms, 30000, "interval is 30 s when nothing is said");
	is_int(times.timeout_ms, 30000, "timeout is 30 s when nothing is said");
	is_int(times.start_period_ms, 0, "no start period when nothing is said");
	is_int(times.start_interval_ms, 5000, "start interval is 5 s when nothing is said");
	is_int(times.retries, 3, "3 retries when nothing is said");
	times = health_times(&(struct image_health){ .interval_ns = 1 });
	is_int(times.interval_ms, 1, "a time below a millisecond is not zero");
}

static void test_lives(void)
{
	begin((struct image_health){ .retries = 2 });
	is_int(health.state, HEALTH_STATE_STARTING, "it begins as starting");
	(void)take(1, 10);
	is_int(health.state, HEALTH_STATE_STARTING, "one failure of two changes nothing");
	(void)take(1, 20);
	is_int(health.state, HEALTH_STATE_UNHEALTHY, "as many failures as retries: unhealthy");
	is_int(health.streak, 2, "the failures in a row are counted");
	(void)take(0, 30);
	is_int(health.state, HEALTH_STATE_HEALTHY, "one success and it is healthy again");
	is_int(health.streak, 0, "a success ends the row of failures");
	(void)take(1, 40);
	(void)take(0, 50);
	(void)take(1, 60);
	is_int(health.state, HEALTH_STATE_HEALTHY, "failures that are not in a row do not add up");
	(void)take(-1, 70);
	is_int(health.state, HEALTH_STATE_UNHEALTHY, "a probe out of time counts as a failure");
	is_int(health.result_count, HEALTH_RESULTS_MAX, "the last five results are kept");
	is_int(health.results[HEALTH_RESULTS_MAX - 1].code, -1, "the newest comes last");
	(void)health_stop(&health);
	is_int(health.state, HEALTH_STATE_NONE, "a stopped container has no health");
}

static void test_start_period(void)
{
	begin((struct image_health){ .retries = 1, .start_period_ns = 1000000000 });
	is_int(health_pause_ms(&health, (struct mono){ 0 }), 5000,
	       "within the start period the start interval counts");
	(void)take(1, 999);
	is_int(health.state, HEALTH_STATE_STARTING, "failures in the start period do not count");
	is_int(health.streak, 0, "nor are they remembered");
	is_int(health_pause_ms(&health, mono_add_ms((struct mono){ 0 }, 1000)), 30000,
	       "after the start period the interval counts");
	(void)take(1, 1000);
	is_int(health.state, HEALTH_STATE_UNHEALTHY, "behind the start period they count");
	begin((struct image_health){ .retries = 1, .start_period_ns = 1000000000 });
	(void)take(0, 100);
	is_int(health_pause_ms(&health, (struct mono){ 0 }), 30000,
	       "a healthy one is probed at the interval, start period or not");
	(void)take(1, 200);
	is_int(health.state, HEALTH_STATE_UNHEALTHY,
	       "after the first success the start period forgives nothing");
	health_done(&health);
}

int main(void)
{
	test_every_pair();
	test_defaults();
	test_lives();
	test_start_period();
	return tap_done();
}
