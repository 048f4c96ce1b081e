/* SPDX-License-Identifier: Apache-2.0 */
/* Who may start now: in order, never more than so many at once, whatever ends how. */
#include "engine/service/turn.h"
#include "tests/unit/tap.h"

enum { COUNT = 1000, MOST = 16 };

static struct turns turns;
static struct turn turn[COUNT];
static unsigned went[COUNT], went_count, depth, deepest, most_taken;
static int fail_at_once;

static void go(struct turn *t)
{
	if (++depth > deepest)
		deepest = depth;
	if (turns.taken > most_taken)
		most_taken = turns.taken;
	went[went_count++] = (unsigned)(t - turn);
	if (fail_at_once)
		turn_leave(&turns, t);
	depth--;
}

static void begin(int fail)
{
	turns_init(&turns, MOST);
	for (int i = 0; i < COUNT; i++)
		turn[i] = (struct turn){ 0 };
	went_count = depth = deepest = most_taken = 0;
	fail_at_once = fail;
}

static int in_order(unsigned from)
{
	for (unsigned i = from; i < went_count; i++) {
		if (went[i] != i)
			return 0;
	}
	return 1;
}

static void test_queue(void)
{
	begin(0);
	for (int i = 0; i < COUNT; i++)
		turn_take(&turns, &turn[i], go, NULL);
	is_int(went_count, MOST, "of a thousand %d go at once", MOST);
	turn_take(&turns, &turn[0], go, NULL);
	turn_take(&turns, &turn[COUNT - 1], go, NULL);
	is_int(went_count, MOST, "who has a turn or waits for one asks for nothing more");
	for (unsigned i = 0; i < went_count; i++)
		turn_leave(&turns, &turn[went[i]]);
	is_int(went_count, COUNT, "then the others, each once");
	ok(in_order(0), "in the order in which they asked");
	is_int(most_taken, MOST, "never more at once");
	is_int(turns.taken, 0, "nobody holds a turn in the end");
	turn_leave(&turns, &turn[3]);
	is_int(turns.taken, 0, "to leave twice is nothing");
}

static void test_failures(void)
{
	begin(0);
	for (int i = 0; i < COUNT; i++)
		turn_take(&turns, &turn[i], go, NULL);
	fail_at_once = 1;
	turn_leave(&turns, &turn[0]);
	is_int(went_count, COUNT, "those that fail at once let the next in");
	is_int(deepest, 1, "and stand on no stack together");
	is_int(turns.taken, MOST - 1, "the others still hold theirs");
}

static void test_cancel(void)
{
	begin(0);
	for (int i = 0; i < COUNT; i++)
		turn_take(&turns, &turn[i], go, NULL);
	turn_leave(&turns, &turn[MOST]); /* the first that waits, one between, the last */
	turn_leave(&turns, &turn[500]);
	turn_leave(&turns, &turn[COUNT - 1]);
	is_int(went_count, MOST, "who waits and goes away makes no room");
	for (unsigned i = 0; i < went_count; i++)
		turn_leave(&turns, &turn[went[i]]);
	is_int(went_count, COUNT - 3, "and gets no turn");
	turn_take(&turns, &turn[500], go, NULL);
	is_int(went[went_count - 1], 500, "but may ask again");
	begin(0);
	for (int i = 0; i < COUNT; i++)
		turn_take(&turns, &turn[i], go, NULL);
	turns.most = 0;
	for (int i = 0; i < COUNT; i++)
		turn_leave(&turns, &turn[i]);
	is_int(went_count, MOST, "with no room for anybody all are cancelled and none goes");
	ok(!turns.first && !turns.last && !turns.taken, "the queue is empty");
}

/* One that waits for a volume gives its turn back, and ends its start much later. */
static void test_back(void)
{
	begin(0);
	for (int i = 0; i < MOST + 2; i++)
		turn_take(&turns, &turn[i], go, NULL);
	turn_leave(&turns, &turn[0]);
	is_int(went_count, MOST + 1,
	       "who gives its turn back in the middle of its start lets one in");
	turn_leave(&turns, &turn[0]);
	is_int(went_count, MOST + 1, "and once more at its end lets nobody in");
	is_int(turns.taken, MOST, "the others hold theirs");
}

static void test_moved(void)
{
	begin(0);
	turn_take(&turns, &turn[0], go, NULL);
	ok(turn_moved(&turn[0], 1), "a first step is one further");
	ok(!turn_moved(&turn[0], 1), "the same step again is not");
	ok(turn_moved(&turn[0], 2), "another one is");
	turn_leave(&turns, &turn[0]);
	turn_take(&turns, &turn[0], go, NULL);
	ok(turn_moved(&turn[0], 2), "a new start begins from nothing");
}

int main(void)
{
	test_queue();
	test_failures();
	test_cancel();
	test_back();
	test_moved();
	return tap_done();
}
