/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_BUNDLE_SIGNALS_H
#define HOY_ENGINE_BUNDLE_SIGNALS_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/err.h"

/* "9", "KILL", "SIGKILL", "sigrtmin+3": the number; 0 only asks; -EINVAL. */
int signals_parse(const char *text, int *ret_signal, struct err *err);

/* To every process of a control group and of those below it, each by its pidfd. */
int signals_send_group(int group_fd, int signal, struct err *err);

/* Calls fn for each pid of the group and those below it, a result below 0 ends it. */
int signals_each_pid(int group_fd, int (*fn)(uint32_t pid, void *owner), void *owner,
		     struct err *err);

/*
 * Blocks the signals that a person or a supervisor sends, SIGCHLD and SIGWINCH, and gives a
 * signalfd of them: `run` and `exec` hand them on.
 */
int signals_open(struct err *err);
/* Reads one; 0 = none. */
int signals_next(int signal_fd);

#endif
