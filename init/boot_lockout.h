/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_BOOT_LOCKOUT_H
#define HOY_INIT_BOOT_LOCKOUT_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/mono.h"

/*
 * Wrong passwords on the console: LOCKOUT_FREE tries, then each costs a wait that doubles. The
 * count is in /data/state/lockout before a password is looked at, so that no power cut forgives
 * one; after a start the whole wait begins again.
 */
enum { LOCKOUT_FREE = 5, LOCKOUT_FIRST_S = 30, LOCKOUT_MAX_S = 900 };

struct boot_lockout {
	uint32_t tries; /* since the last right one */
	struct mono until;
	bool known; /* the file was read */
};

/* What so many wrong tries cost. Pure. */
uint32_t boot_lockout_wait_s(uint32_t tries);

/* The count of earlier starts. state_fd: /data/state. */
void boot_lockout_read(struct boot_lockout *lockout, int state_fd, struct mono now);

/*
 * A password is about to be tried: 0 = go on, the try is counted already; else the seconds to wait
 * first, and nothing is counted. state_fd -1: it is kept in memory only.
 */
uint32_t boot_lockout_try(struct boot_lockout *lockout, int state_fd, struct mono now);
/* It was the right one. */
void boot_lockout_clear(struct boot_lockout *lockout, int state_fd);

#endif
