/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the epoll loop that each process has one of. Every role runs it, PID 1 included. It must
 * never allocate, and never call a watcher or a timer after it was removed.
 */
#include "lib/loop.h"

#include <errno.h>
#include <limits.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { LOOP_BATCH = 32 };

int loop_init(struct loop *loop, struct err *err)
{
	int fd = epoll_create1(EPOLL_CLOEXEC);

	if (fd < 0)
		return err_sys(err, -errno, "epoll_create1");
	*loop = (struct loop){ .epoll_fd = fd };
	return 0;
}

void loop_done(struct loop *loop)
{
	/* 0 is what a zeroed loop holds; no loop is ever made with stdin closed. */
	if (!loop || loop->epoll_fd <= 0)
		return;
	(void)close(loop->epoll_fd);
	*loop = (struct loop){ .epoll_fd = -1 };
}

int loop_add(struct loop *loop, struct loop_io *io, int fd, uint32_t events, loop_io_fn *fn,
	     void *owner, struct err *err)
{
	struct epoll_event event = { .events = events, .data.ptr = io };

	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		return err_sys(err, -errno, "watching fd %d", fd);
	*io = (struct loop_io){ .fd = fd, .events = events, .fn = fn, .owner = owner };
	return 0;
}

int loop_change(struct loop *loop, struct loop_io *io, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = io };

	if (!io->fn || io->fd < 0)
		return -ENOENT;
	if (events == io->events)
		return 0;
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, io->fd, &event) < 0)
		return -errno;
	io->events = events;
	return 0;
}

void loop_remove(struct loop *loop, struct loop_io *io)
{
	/* A zeroed watcher has fd 0 but no function. */
	if (!io || !io->fn || io->fd < 0)
		return;
	(void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, io->fd, NULL);
	io->fd = -1;
	io->fn = NULL;
	for (int i = 0; i < loop->batch_len; i++)
		if (loop->batch[i] == io)
			loop->batch[i] = NULL;
}

void loop_timer_stop(struct loop *loop, struct loop_timer *timer)
{
	struct loop_timer **at;

	if (!timer || !timer->armed)
		return;
	for (at = &loop->timers; *at; at = &(*at)->next) {
		if (*at == timer) {
			*at = timer->next;
			break;
		}
	}
	timer->armed = false;
	timer->next = NULL;
}

void loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t delay_ms,
		    loop_timer_fn *fn, void *owner)
{
	struct loop_timer **at;

	loop_timer_stop(loop, timer);
	timer->due = mono_add_ms(mono_now(), delay_ms > 0 ? delay_ms : 0);
	timer->fn = fn;
	timer->owner = owner;
	timer->armed = true;
	/* Behind those that are due at the same moment: first armed, first served. */
	for (at = &loop->timers; *at && !mono_before(timer->due, (*at)->due); at = &(*at)->next)
		;
	timer->next = *at;
	*at = timer;
}

/* Runs the timers that were due when it was entered; one that re-arms itself waits its turn. */
static void run_timers(struct loop *loop)
{
	struct mono now = mono_now();
	unsigned due = 0;

	for (struct loop_timer *t = loop->timers; t && !mono_before(now, t->due); t = t->next)
		due++;
	while (due-- > 0 && loop->timers && !mono_before(now, loop->timers->due)) {
		struct loop_timer *timer = loop->timers;

		loop_timer_stop(loop, timer);
		timer->fn(timer);
	}
}

static int wait_ms(const struct loop *loop, int64_t max_wait_ms)
{
	int64_t wait = max_wait_ms;
	struct mono now;

	if (loop->timers) {
		int64_t left_ns;

		now = mono_now();
		left_ns = loop->timers->due.ns - now.ns;
		/* Rounded up: waking early would spin through the last millisecond. */
		left_ns = left_ns > 0 ? left_ns : 0;
		left_ns = left_ns / 1000000 + (left_ns % 1000000 != 0);
		if (wait < 0 || left_ns < wait)
			wait = left_ns;
	}
	return wait > INT_MAX ? INT_MAX : (int)wait;
}

static void deliver(struct loop *loop, const struct epoll_event *events, int count)
{
	struct loop_io *batch[LOOP_BATCH];

	for (int i = 0; i < count; i++)
		batch[i] = events[i].data.ptr;
	loop->batch = batch;
	loop->batch_len = count;
	for (int i = 0; i < count; i++)
		if (batch[i])
			batch[i]->fn(batch[i], events[i].events);
	loop->batch = NULL;
	loop->batch_len = 0;
}

int loop_step(struct loop *loop, int64_t max_wait_ms, struct err *err)
{
	struct epoll_event events[LOOP_BATCH];
	int n;

	/* Within a callback the batch belongs to the step that is running. */
	if (loop->batch)
		return err_set(err, -EDEADLK, "the loop was entered from its own callback");
	n = epoll_wait(loop->epoll_fd, events, LOOP_BATCH, wait_ms(loop, max_wait_ms));
	if (n < 0 && errno != EINTR)
		return err_sys(err, -errno, "epoll_wait");
	if (n > 0)
		deliver(loop, events, n);
	run_timers(loop);
	return 0;
}

int loop_run(struct loop *loop, struct err *err)
{
	while (!loop->quit) {
		int r = loop_step(loop, -1, err);

		if (r < 0)
			return r;
	}
	return 0;
}
