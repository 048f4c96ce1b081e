/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_SHIP_SOURCE_H
#define HOY_INIT_SHIP_SOURCE_H

#include "init/ship/place.h"
#include "lib/loop.h"
#include "lib/msg.h"

/* Lines that do not come from PID 1: the kernel's, and those of containers. */
enum { SHIP_SOURCE_FIRST = 65536 }; /* of a log that was there before lines were sent at all */

struct ship_sources {
	struct loop *loop;
	struct ship_queue *queue;
	struct ship_places places;
	void (*add)(struct ship_line *line); /* a line for the queue */
	void (*done)(void);		     /* all that are there were added */
	void (*gone)(void);		     /* role syslog-files ended */
	struct loop_io kernel;
	struct loop_timer timer;
	struct msg_peer files;
};

/*
 * Starts role syslog-files of this program, for the containers' files; the other end of its
 * messages. Its caller has every right still.
 */
int ship_sources_spawn(const char *program, int *ret_fd, struct err *err);

/* Both fds are taken over, -1 = such lines are not sent. loop, queue, add, done, gone are set. */
int ship_sources_begin(struct ship_sources *sources, int kernel_fd, int files_fd, struct err *err);

/* All that is there now. */
void ship_sources_read(struct ship_sources *sources);

#endif
