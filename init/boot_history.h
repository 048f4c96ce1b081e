/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_BOOT_HISTORY_H
#define HOY_INIT_BOOT_HISTORY_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/str.h"

/*
 * Why the machine started, for the last BOOT_HISTORY_MAX starts: /data/state/boots, a line
 * "SECONDS REASON" for each, newest last; SECONDS is the wall clock at that start.
 */
enum { BOOT_HISTORY_MAX = 32 };

/* The old file with one line more, the oldest dropped and what is no such line left out. Pure. */
int boot_history_append(struct str old, int64_t now_s, const char *reason, struct buf *out);
/* Lines for a person, newest first. Pure. */
int boot_history_text(struct str file, struct buf *out);

/* The same on the directory /data/state. */
int boot_history_add(int state_fd, int64_t now_s, const char *reason, struct err *err);
int boot_history_show(int state_fd, struct buf *out, struct err *err);

/* PID 1, who has the watchdog, makes this file when the watchdog reset the machine. */
#define BOOT_WATCHDOG_FILE "/run/hoy/watchdog-reset"
bool boot_history_watchdog(void);

#endif
