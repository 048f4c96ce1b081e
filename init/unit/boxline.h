/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_UNIT_BOXLINE_H
#define HOY_INIT_UNIT_BOXLINE_H

#include <stdbool.h>
#include <stddef.h>
#include "lib/str.h"

/*
 * One line of a container's log as the shim wrote it:
 * {"log":"text\n","stream":"stdout","time":"..."}. The text with its escapes undone goes into dst;
 * returns its length, or -EBADMSG for another form.
 */
int boxline_text(struct str line, char *dst, size_t cap, bool *ret_stderr);
/* When it was written, "2026-11-21T21:55:36.123456789Z"; empty where the line has no such end. */
struct str boxline_time(struct str line);

#endif
