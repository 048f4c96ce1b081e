/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_UNIT_RING_H
#define HOY_INIT_UNIT_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/str.h"

/*
 * The newest log lines in a fixed memory. Lines are numbered from 1 and never renumbered; the
 * oldest make room. Readers keep the number of the next line they want.
 */
enum { RING_BYTES = 128 * 1024, RING_TEXT_MAX = 1000 };

struct ring {
	uint64_t next;	     /* number of the next line to be added */
	uint64_t oldest;     /* number of the oldest line kept; == next when empty */
	uint64_t head, tail; /* byte positions, growing for ever; modulo RING_BYTES in data */
	uint8_t data[RING_BYTES];
};

struct ring_line {
	uint64_t number;
	int64_t uptime_ms;
	uint8_t prio;
	uint8_t unit; /* index, meaning is the caller's */
	size_t len;
	char text[RING_TEXT_MAX + 1];
};

void ring_init(struct ring *ring);

/* Adds a line, cut at RING_TEXT_MAX bytes. Returns its number. */
uint64_t ring_add(struct ring *ring, int64_t uptime_ms, uint8_t prio, uint8_t unit,
		  struct str text);

/* A position to read from. */
struct ring_cursor {
	uint64_t number, pos;
};

struct ring_cursor ring_begin(const struct ring *ring);

/*
 * Reads the line at the cursor and moves on; false at the end. A cursor that fell off the old end
 * is moved to the oldest line; *ret_lost (may be NULL) grows by the lines missed.
 */
bool ring_read(const struct ring *ring, struct ring_cursor *cursor, struct ring_line *ret_line,
	       uint64_t *ret_lost);

#endif
