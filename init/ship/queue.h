/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_SHIP_QUEUE_H
#define HOY_INIT_SHIP_QUEUE_H

#include <stdbool.h>
#include <stdint.h>
#include "init/ship/rfc5424.h"
#include "lib/err.h"

/*
 * Lines that no server has taken yet: a ring in a file (/data/state/syslog), or in memory where
 * there is no disk. The oldest make room. Numbers in the file are little-endian.
 *
 *   0 and 512  the head, twice, written in turn; the one with the higher generation and a good
 *              checksum counts: "HOYLOGQ3", u64 generation, size, head, tail, next, said, lines,
 *              dropped, boot_first, boot_next, 16 bytes boot id, u64 checksum
 *   4096       `size` bytes, a ring: records u32 length, u64 checksum, then u64 number, u64
 *              boot_number, i64 wall_ms, i64 uptime_ms, u8 prio, u8 source, text
 *		  who, proc, kind, line
 *
 * A position counts bytes since the file was made; it stands at position % size. A record is
 * written before the head that knows it; records behind the head's tail that are whole are found
 * again when the file is opened.
 */
enum {
	SHIP_BOOT_ID = 16,
	SHIP_QUEUE_HEAD = 4096,
	SHIP_QUEUE_MIN = 64 << 10,
	SHIP_RECORD_MAX = 8192,
};

struct ship_cursor {
	uint64_t position, number; /* of the record to be read next, at least */
};

struct ship_queue {
	int fd;	      /* owned; -1 = in memory */
	char *memory; /* size bytes, else NULL */
	uint64_t generation;
	uint64_t size;		       /* of the ring */
	struct ship_cursor head, tail; /* tail.number = the next line's */
	uint64_t freed;		       /* where the head stands that the disk surely has */
	uint64_t lines;		       /* between them */
	uint64_t dropped;	       /* lines that never went out, since the file was made */
	char boot[SHIP_BOOT_ID];       /* of the boot whose lines came last */
	uint64_t boot_first;	       /* number of its first line */
	uint64_t boot_next;	       /* the next one that PID 1 is to send, by its own count */
	bool dirty;
};

/*
 * Takes over fd, reads what stands in it, or makes it anew with a ring of `size` bytes. Another
 * size counts once the ring is empty and the disk has room for it: at most a quarter of what is
 * free. With fd -1, or where the disk refuses, the ring is in memory: err tells why and 1 is
 * returned. -ENOMEM.
 */
int ship_queue_open(struct ship_queue *queue, int fd, uint64_t size, const char boot[SHIP_BOOT_ID],
		    struct err *err);
void ship_queue_done(struct ship_queue *queue);

/*
 * Adds a line that PID 1 counts as `boot_number`, with a number of its own; numbers of lines that
 * PID 1 lost before it are left out. 0: the line is none of PID 1's. Lines that make room and stand
 * at or behind `sent` are counted as dropped. A failed write, here or of the head, turns the queue
 * into one in memory.
 */
void ship_queue_add(struct ship_queue *queue, uint64_t boot_number, const struct ship_line *line,
		    const struct ship_cursor *sent);

/* The same for a line that nobody wants sent. */
void ship_queue_skip(struct ship_queue *queue, uint64_t boot_number);

/* Counts lines that were gone before they came here: their numbers are left out. */
void ship_queue_lost(struct ship_queue *queue, uint64_t lines);

/* More than half of it waits: what has files of its own had better stay in them. */
bool ship_queue_half_full(const struct ship_queue *queue);

/* Reads the line at the cursor into text[SHIP_RECORD_MAX] and moves on; false at the end. A cursor
 * that fell off the old end is moved to the oldest line. */
bool ship_queue_read(struct ship_queue *queue, struct ship_cursor *cursor,
		     char text[SHIP_RECORD_MAX], struct ship_line *ret_line);

/* Everything before `done` has arrived. */
void ship_queue_settle(struct ship_queue *queue, struct ship_cursor done);

/* Writes the head when something changed; sync: and waits for the disk. */
void ship_queue_save(struct ship_queue *queue, bool sync);

/* FNV-1a: it finds torn and stale bytes; nobody but root can write the files. */
uint64_t ship_checksum(const void *data, size_t len);

#endif
