/* SPDX-License-Identifier: Apache-2.0 */
/* Watchers and timers, and their removal from within callbacks. */
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "lib/loop.h"
#include "tests/unit/tap.h"

static struct loop loop;
static unsigned io_calls, timer_calls;
static struct loop_io *io_victim;
static struct loop_timer *timer_victim;
static char order[8];

static void count_io(struct loop_io *io, uint32_t events)
{
	(void)events;
	io_calls++;
	loop_remove(&loop, io_victim);
	io_victim = NULL;
	(void)io;
}

static void test_io(void)
{
	struct loop_io first = { 0 }, second = { 0 };
	int a[2], b[2];

	if (pipe(a) < 0 || pipe(b) < 0) {
		ok(false, "pipes");
		return;
	}
	loop_remove(&loop, &first); /* a zeroed one */
	is_int(loop_add(&loop, &first, a[0], EPOLLIN, count_io, NULL, NULL), 0, "a watcher");
	is_int(loop_add(&loop, &second, b[0], EPOLLIN, count_io, NULL, NULL), 0, "another");
	is_int(loop_add(&loop, &second, -1, EPOLLIN, count_io, NULL, NULL), -EBADF, "no fd");
	is_int(loop_step(&loop, 0, NULL), 0, "nothing happens");
	is_int(io_calls, 0, "nobody is called");
	is_int(write(a[1], "x", 1) + write(b[1], "x", 1), 2, "both become readable");
	/* Whichever comes first removes the other out of the same batch. */
	io_calls = 0;
	io_victim = &second;
	(void)loop_step(&loop, 0, NULL);
	ok(io_calls == 1 || second.fd == -1, "the removed one does not fire");
	(void)loop_step(&loop, 0, NULL);
	ok(io_calls >= 2, "level-triggered: unread input is told again");
	is_int(loop_change(&loop, &second, EPOLLIN), -ENOENT, "a removed one cannot be changed");
	is_int(loop_change(&loop, &first, 0), 0, "events can be switched off");
	io_calls = 0;
	(void)loop_step(&loop, 0, NULL);
	is_int(io_calls, 0, "then nothing comes");
	loop_remove(&loop, &first);
	loop_remove(&loop, &first);
	for (int i = 0; i < 2; i++) {
		(void)close(a[i]);
		(void)close(b[i]);
	}
}

static void remove_both(struct loop_io *io, uint32_t events)
{
	struct loop_io *other = io->owner;

	(void)events;
	io_calls++;
	loop_remove(&loop, other);
	loop_remove(&loop, io);
}

static void test_removal_of_all(void)
{
	struct loop_io first = { 0 }, second = { 0 };
	int a[2], b[2];

	if (pipe(a) < 0 || pipe(b) < 0) {
		ok(false, "pipes");
		return;
	}
	(void)loop_add(&loop, &first, a[0], EPOLLIN, remove_both, &second, NULL);
	(void)loop_add(&loop, &second, b[0], EPOLLIN, remove_both, &first, NULL);
	is_int(write(a[1], "x", 1) + write(b[1], "x", 1), 2, "both become readable");
	io_calls = 0;
	(void)loop_step(&loop, 0, NULL);
	is_int(io_calls, 1, "one callback removed both: the other never ran");
	for (int i = 0; i < 2; i++) {
		(void)close(a[i]);
		(void)close(b[i]);
	}
}

static void note_order(struct loop_timer *timer)
{
	const char *name = timer->owner;
	size_t len = strlen(order);

	timer_calls++;
	if (len + 1 < sizeof(order))
		order[len] = name[0];
	loop_timer_stop(&loop, timer_victim);
}

static void again(struct loop_timer *timer)
{
	timer_calls++;
	loop_timer_set(&loop, timer, 0, again, NULL);
}

static void test_timers(void)
{
	struct mono now = { 1000000000 };
	struct loop_timer a = { 0 }, b = { 0 }, c = { 0 }, d = { 0 };
	static char names[] = "abcd";

	mono_fake(&now);
	loop_timer_stop(&loop, &a); /* a zeroed one */
	loop_timer_set(&loop, &c, 30, note_order, names + 2);
	loop_timer_set(&loop, &a, 10, note_order, names);
	loop_timer_set(&loop, &b, 10, note_order, names + 1);
	loop_timer_set(&loop, &d, -5, note_order, names + 3);
	(void)loop_step(&loop, 0, NULL);
	is_text(order, "d", "a delay below 0 is due at once");
	now.ns += 9999999;
	(void)loop_step(&loop, 0, NULL);
	is_text(order, "d", "nothing is early");
	now.ns += 1;
	timer_victim = &b;
	(void)loop_step(&loop, 0, NULL);
	is_text(order, "da", "the one that was stopped by the first does not fire");
	ok(!b.armed && c.armed, "and is not armed");
	timer_victim = NULL;
	loop_timer_set(&loop, &c, 0, note_order, names + 2);
	(void)loop_step(&loop, 0, NULL);
	is_text(order, "dac", "arming again moves it");
	timer_calls = 0;
	loop_timer_set(&loop, &a, 0, again, NULL);
	(void)loop_step(&loop, 0, NULL);
	is_int(timer_calls, 1, "one that re-arms itself cannot hold the loop");
	loop_timer_stop(&loop, &a);
	ok(loop.timers == NULL, "nothing is left behind");
	mono_fake(NULL);
}

static void quit(struct loop_timer *timer)
{
	is_int(loop_step(&loop, 0, NULL), 0, "a timer may step the loop");
	(void)timer;
	loop.quit = true;
}

static void nested(struct loop_io *io, uint32_t events)
{
	(void)events;
	is_int(loop_step(&loop, 0, NULL), -EDEADLK, "a watcher may not");
	loop_remove(&loop, io);
}

static void test_run(void)
{
	struct loop_timer timer = { 0 };
	struct loop_io io = { 0 };
	struct mono before = mono_now();
	int ends[2];

	if (pipe(ends) < 0 || write(ends[1], "x", 1) != 1) {
		ok(false, "a pipe");
		return;
	}
	(void)loop_add(&loop, &io, ends[0], EPOLLIN, nested, NULL, NULL);
	loop_timer_set(&loop, &timer, 20, quit, NULL);
	is_int(loop_run(&loop, NULL), 0, "it runs until it is told to stop");
	ok(mono_diff_ms(mono_now(), before) >= 20, "and sleeps until a timer is due");
	(void)close(ends[0]);
	(void)close(ends[1]);
}

int main(void)
{
	struct loop empty = { 0 };
	struct err err;

	is_int(loop_init(&loop, &err), 0, "a loop");
	test_io();
	test_removal_of_all();
	test_timers();
	test_run();
	loop_done(&loop);
	loop_done(&empty);
	loop_done(NULL);
	return tap_done();
}
