/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_LIB_LOOP_H
#define HOY_LIB_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/err.h"
#include "lib/mono.h"

/*
 * One epoll loop per process, no heap: watchers and timers are embedded in their owners. A watcher
 * or timer may be removed from within any callback, its own included; removed ones never fire.
 */
struct loop_io;
struct loop_timer;
typedef void loop_io_fn(struct loop_io *io, uint32_t epoll_events);
typedef void loop_timer_fn(struct loop_timer *timer);

struct loop {
	int epoll_fd;
	bool quit;
	struct loop_timer *timers; /* sorted, soonest first */
	struct loop_io **batch; /* the events being delivered, so that a removal can clear them */
	int batch_len;
};

struct loop_io {
	int fd; /* not owned; -1 while not watched */
	uint32_t events;
	loop_io_fn *fn;
	void *owner;
};

struct loop_timer {
	struct mono due;
	bool armed;
	loop_timer_fn *fn;
	void *owner;
	struct loop_timer *next;
};

int loop_init(struct loop *loop, struct err *err);
void loop_done(struct loop *loop);

/* Watches fd for epoll events (EPOLLIN, EPOLLOUT ...; level-triggered). The struct is filled here.
 */
int loop_add(struct loop *loop, struct loop_io *io, int fd, uint32_t events, loop_io_fn *fn,
	     void *owner, struct err *err);
int loop_change(struct loop *loop, struct loop_io *io, uint32_t events);
void loop_remove(struct loop *loop, struct loop_io *io); /* accepts one that is not watched */

/* (Re)arms; delay below 0 counts as 0. */
void loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t delay_ms,
		    loop_timer_fn *fn, void *owner);
void loop_timer_stop(struct loop *loop, struct loop_timer *timer);

/* Runs until loop->quit. 0, or a negative errno when epoll itself failed. */
int loop_run(struct loop *loop, struct err *err);
/* Delivers what is due now, waiting at most max_wait_ms. For tests and for shutdown. */
int loop_step(struct loop *loop, int64_t max_wait_ms, struct err *err);

#endif
