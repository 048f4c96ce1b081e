/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_BUNDLE_TERMINAL_H
#define HOY_ENGINE_BUNDLE_TERMINAL_H

#include <stdint.h>
#include "lib/err.h"
#include "lib/str.h"

/* Connects to a listening stream socket: the caller's console socket , the seccomp agent. */
int terminal_connect(const char *path, struct err *err);
/* Sends the master of a terminal over it, as runc does: its name as data, the fd as SCM_RIGHTS. */
int terminal_send(int console, int master, struct err *err);
/* An fd with the first bytes of text; *ret_sent tells how many went. */
int terminal_send_fd(int to, struct str text, int fd, size_t *ret_sent, struct err *err);

/*
 * Before the process of a foreground terminal is made: its "\n" stays one byte, our own terminal
 * (or the file behind it) is written to as the program wrote.
 */
void terminal_plain(int master);

/* What was written there before a start that failed: a hook's last words. To stdout. */
void terminal_drain(int master);

/*
 * `run` and `exec` in the foreground: hands signals to the process and, with a master (else -1),
 * carries bytes between our own terminal and the container's, until the process behind pidfd (our
 * child) has ended. Returns its exit status, 128 + N for signal N. `signals` is signals_open()'s,
 * called before the process was made: what came in between is not lost, and does not end us alone.
 * notify is notify_open()'s, or -1, and pid the process's.
 */
int terminal_attend(int pidfd, int master, int signals, int notify, uint32_t pid, struct err *err);

#endif
