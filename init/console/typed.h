/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_CONSOLE_TYPED_H
#define HOY_INIT_CONSOLE_TYPED_H

#include <stddef.h>
#include "lib/buf.h"
#include "lib/str.h"

/*
 * Lines that a person types for a program without a terminal (-i without -t), on a terminal that is
 * raw for Ctrl-C: shown and edited as the line of the console is. Pure. One at a time.
 */
enum typed_event {
	TYPED_EVENT_NONE,
	TYPED_EVENT_INTERRUPT, /* Ctrl-C; what stands behind it is dropped */
	TYPED_EVENT_END,       /* Ctrl-D on an empty line: the end of the input */
};

void typed_begin(unsigned columns);
/* Complete lines are put behind *len of dst, what does not fit into cap is dropped; what to show is
 * added to out. */
enum typed_event typed_feed(struct str keys, char *dst, size_t cap, size_t *len, struct buf *out);

#endif
