/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_SHIP_PLACE_H
#define HOY_INIT_SHIP_PLACE_H

#include <stdbool.h>
#include <stdint.h>
#include "init/ship/queue.h"

/*
 * How far the logs of the kernel and of containers were taken into the queue, in a file
 * (/data/state/syslog-places), or in memory where there is no disk. Numbers are little-endian.
 *
 *   0 and 32768  the table, twice, written in turn; the one with the higher generation and a good
 *                checksum counts: "HOYLOGP1", u64 generation, 16 bytes boot id, u64 kernel, u32
 *                count, rows of 32 bytes id, u64 inode, u64 offset, u64 turn; u64 checksum
 */
enum { SHIP_PLACES_MAX = 512, SHIP_PLACE_ID = 32, SHIP_PLACES_SLOT = 32768 };

struct ship_place {
	char id[SHIP_PLACE_ID]; /* the begin of a container's, padded with 0; "" = free */
	uint64_t inode, offset; /* of the byte that is read next; inode 0 = not known */
	uint64_t turn;		/* when it was used last, as the table counts */
};

struct ship_places {
	int fd; /* owned; -1 = in memory */
	uint64_t generation, turn;
	uint64_t kernel_next; /* sequence number of the kernel's next line in this boot */
	bool first;	      /* there was no table: nothing was ever taken */
	bool dirty;
	size_t count;
	char boot[SHIP_BOOT_ID];
	struct ship_place rows[SHIP_PLACES_MAX];
};

/* Takes over fd and reads what stands in it; without a good table it is empty. */
void ship_places_open(struct ship_places *places, int fd, const char boot[SHIP_BOOT_ID]);
void ship_places_done(struct ship_places *places);

/* The row of a container; ret_new: it was made now, in place of the one used longest ago. */
struct ship_place *ship_places_of(struct ship_places *places, const char *id, bool *ret_new);

/* Writes the table when something changed; a disk that does not take it is given up. */
void ship_places_save(struct ship_places *places);

#endif
