/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_SHIP_RFC5424_H
#define HOY_INIT_SHIP_RFC5424_H

#include <stdint.h>
#include "lib/buf.h"
#include "lib/str.h"

/* One line of the log on its way out. */
struct ship_line {
	uint64_t number; /* 1, 2, 3 ... over all boots; a gap = lines that were lost. 0 = none */
	uint64_t boot_number;  /* of its own boot, as PID 1 counts; what a queue read */
	int64_t wall_ms;       /* since 1970, 0 = the clock was not known */
	int64_t uptime_ms;     /* when it was written, of its own boot */
	uint8_t prio;	       /* severity, 0 to 7 */
	uint8_t source;	       /* enum ship_source */
	struct str who;	       /* APP-NAME: a role, "kernel", a container's name */
	struct str proc, kind; /* PROCID and MSGID, "" = none: a container's id, its stream */
	struct str text;
};

enum ship_source { SHIP_SOURCE_SYSTEM, SHIP_SOURCE_KERNEL, SHIP_SOURCE_CONTAINER };

/* A frame is what rsyslog takes without being told to take more: 8 KiB. */
enum { SHIP_TEXT_MAX = 7600, SHIP_WHO_MAX = 48, SHIP_WORD_MAX = 16, SHIP_FRAME_MAX = 8192 };

/*
 * The line as RFC 5424 writes it, with its length in front (octet counting, RFC 6587 section 3.4.1
 * and RFC 5425 section 4.3). MSG is what the line says, control bytes blotted out; the kernel's
 * lines have its own facility.
 */
void rfc5424_put(struct buf *out, const struct ship_line *line, uint8_t facility,
		 const char *hostname);

#endif
