/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_SHIP_TAIL_H
#define HOY_INIT_SHIP_TAIL_H

#include <stdbool.h>
#include "init/ship/place.h"
#include "lib/msg.h"

/*
 * The log of one container: its files, oldest first, as the engine opened them, and the place up to
 * which they were read. A file that was rotated away is read to its end as long as it is held.
 */
enum { SHIP_TAIL_FILES = MSG_FDS_MAX + 1, SHIP_TAIL_CHUNK = 65536 };

struct ship_tail {
	char id[SHIP_PLACE_ID + 1];
	char name[SHIP_WHO_MAX + 1];
	int fds[SHIP_TAIL_FILES]; /* fds[0] is the one that is read */
	size_t count;
	uint64_t inode, offset; /* of fds[0]; inode 0 = nothing was read yet */
};

/* A whole line without its end; false = not now, it comes again. */
typedef bool ship_tail_fn(struct ship_tail *tail, struct str line, void *owner);

/* Takes the fds out of the message: newer files of the same log. True when files in between were
 * gone before they came here. */
bool ship_tail_renew(struct ship_tail *tail, struct msg *msg);

/* In front of the first whole line of the newest `bytes` bytes of all files. */
void ship_tail_skip(struct ship_tail *tail, uint64_t bytes);

/* Gives out the lines of one chunk at most; false when there is nothing more now. */
bool ship_tail_read(struct ship_tail *tail, ship_tail_fn *fn, void *owner);

void ship_tail_done(struct ship_tail *tail);

#endif
