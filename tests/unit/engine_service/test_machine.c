/* SPDX-License-Identifier: Apache-2.0 */
/* The service state table, held against what must be true of every (state, event). */
#include "engine/service/machine.h"
#include "tests/unit/tap.h"

static void test_every_pair(void)
{
	bool bounded = true, stop_wanted = true, armed = true, one_way = true;

	for (int s = 0; s < SERVICE_STATE_COUNT; s++) {
		for (int e = 0; e < SERVICE_EVENT_COUNT; e++) {
			struct service_step step =
				service_machine_step((enum service_state)s, (enum service_event)e);
			bool changed = step.state != s;

			bounded = bounded && step.state < SERVICE_STATE_COUNT;
			/* A container is only ever stopped on the way out of RUNNING. */
			if (step.actions & SERVICE_ACTION_STOP)
				stop_wanted = stop_wanted && s == SERVICE_STATE_RUNNING;
			if (changed && step.state == SERVICE_STATE_RETRYING)
				armed = armed && (step.actions & SERVICE_ACTION_ARM_RETRY);
			if (changed && step.state == SERVICE_STATE_RESTARTING)
				armed = armed && (step.actions & SERVICE_ACTION_ARM_RESTART);
			if (step.state == SERVICE_STATE_SCHEDULED && (changed || step.actions))
				armed = armed && (step.actions & SERVICE_ACTION_ARM_SCHEDULE);
			/* Leaving a state with a timer disarms it, unless the timer itself fired.
			 */
			if (changed && e != SERVICE_EVENT_TIMER &&
			    (s == SERVICE_STATE_RETRYING || s == SERVICE_STATE_RESTARTING ||
			     s == SERVICE_STATE_SCHEDULED))
				one_way = one_way && (step.actions & SERVICE_ACTION_DISARM);
		}
	}
	ok(bounded, "every step leads to a state");
	ok(stop_wanted, "STOP is asked for only while it runs");
	ok(armed, "waiting states always arm their timer: it never gives up");
	ok(one_way, "a timer that is left is disarmed");
}

static enum service_state walk(const enum service_event *events, size_t count)
{
	enum service_state state = SERVICE_STATE_STOPPED;

	for (size_t i = 0; i < count; i++)
		state = (enum service_state)service_machine_step(state, events[i]).state;
	return state;
}

#define WALK(...)                                         \
	walk((const enum service_event[]){ __VA_ARGS__ }, \
	     sizeof((const enum service_event[]){ __VA_ARGS__ }) / sizeof(enum service_event))

static void test_lives(void)
{
	is_int(WALK(SERVICE_EVENT_WANT, SERVICE_EVENT_DEPS_MET, SERVICE_EVENT_PREPARED,
		    SERVICE_EVENT_STARTED),
	       SERVICE_STATE_RUNNING, "a declared service comes up");
	is_int(WALK(SERVICE_EVENT_WANT, SERVICE_EVENT_DEPS_MET, SERVICE_EVENT_FAILED),
	       SERVICE_STATE_RETRYING, "a failed pull waits for a retry");
	is_int(WALK(SERVICE_EVENT_WANT, SERVICE_EVENT_DEPS_MET, SERVICE_EVENT_FAILED,
		    SERVICE_EVENT_KICK),
	       SERVICE_STATE_WAITING, "a network event tries at once");
	is_int(WALK(SERVICE_EVENT_WANT, SERVICE_EVENT_DEPS_MET, SERVICE_EVENT_PREPARED,
		    SERVICE_EVENT_STARTED, SERVICE_EVENT_CYCLE, SERVICE_EVENT_ENDED),
	       SERVICE_STATE_WAITING, "restart goes through the end of the old one");
	is_int(WALK(SERVICE_EVENT_WANT, SERVICE_EVENT_DEPS_MET, SERVICE_EVENT_PREPARED,
		    SERVICE_EVENT_STARTED, SERVICE_EVENT_UNWANT, SERVICE_EVENT_ENDED_AGAIN),
	       SERVICE_STATE_STOPPED, "a stopped one is not restarted by its policy");
	is_int(WALK(SERVICE_EVENT_SCHEDULE, SERVICE_EVENT_KICK), SERVICE_STATE_SCHEDULED,
	       "a job waits for its time, whatever the network does");
	is_int(WALK(SERVICE_EVENT_SCHEDULE, SERVICE_EVENT_TIMER, SERVICE_EVENT_DEPS_MET,
		    SERVICE_EVENT_PREPARED, SERVICE_EVENT_STARTED, SERVICE_EVENT_ENDED,
		    SERVICE_EVENT_SCHEDULE),
	       SERVICE_STATE_SCHEDULED, "a job that has run waits for its next time");
	is_int(WALK(SERVICE_EVENT_SCHEDULE, SERVICE_EVENT_WANT), SERVICE_STATE_WAITING,
	       "a job may be run by hand");
	is_int(WALK(SERVICE_EVENT_REFUSE, SERVICE_EVENT_KICK, SERVICE_EVENT_TIMER),
	       SERVICE_STATE_REFUSED, "a refused one stays so until the configuration changes");
}

static void test_exit_policy(void)
{
	is_int(service_machine_exit(SERVICE_RESTART_NO, 1, 0, 0), SERVICE_EVENT_ENDED, "no");
	is_int(service_machine_exit(SERVICE_RESTART_ALWAYS, 0, 9, 0), SERVICE_EVENT_ENDED_AGAIN,
	       "always, exit 0");
	is_int(service_machine_exit(SERVICE_RESTART_ON_FAILURE, 0, 0, 0), SERVICE_EVENT_ENDED,
	       "on-failure, exit 0");
	is_int(service_machine_exit(SERVICE_RESTART_ON_FAILURE, 137, 2, 3),
	       SERVICE_EVENT_ENDED_AGAIN, "on-failure:3 after two restarts");
	is_int(service_machine_exit(SERVICE_RESTART_ON_FAILURE, 137, 3, 3), SERVICE_EVENT_ENDED,
	       "on-failure:3 after three restarts");
}

int main(void)
{
	test_every_pair();
	test_lives();
	test_exit_policy();
	return tap_done();
}
