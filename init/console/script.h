/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_CONSOLE_SCRIPT_H
#define HOY_INIT_CONSOLE_SCRIPT_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/buf.h"
#include "lib/str.h"

/*
 * What scripts rely on: exit codes, and JSON on request. Pure. With --json a verb prints JSON, one
 * value on each line, an object for each row (hoy(1) has the names); what exec and run print is
 * {"line": "..."}; an error is {"error": "...", "code": 3}, the code as below.
 */
enum script_exit {
	SCRIPT_EXIT_OK = 0,
	SCRIPT_EXIT_FAILED = 1,	 /* anything that has no code of its own */
	SCRIPT_EXIT_USAGE = 2,	 /* the words make no sense, or a value is wrong */
	SCRIPT_EXIT_MISSING = 3, /* what was named does not exist */
	SCRIPT_EXIT_AWAY = 4, /* a daemon or the data partition is not there, or does not answer */
	SCRIPT_EXIT_DENIED = 5, /* not here, or not allowed */
	SCRIPT_EXIT_BUSY = 6,	/* try again */
};

enum script_exit script_exit_code(int result);

/* One JSON string; bytes that are no UTF-8 become U+FFFD. */
void script_put_string(struct buf *out, struct str text);
/* {"NAME": "TEXT"} members, a comma in front of all but the first. */
void script_put_text(struct buf *out, const char *name, const char *text);
void script_put_number(struct buf *out, const char *name, int64_t number);
void script_put_bool(struct buf *out, const char *name, bool value);

#endif
