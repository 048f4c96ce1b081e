/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_BUNDLE_SAY_H
#define HOY_ENGINE_BUNDLE_SAY_H

#include <stdbool.h>
#include "lib/err.h"

/*
 * What hoy-oci tells: "hoy-oci: text" on stderr for a person, and with --log a line for the
 * caller's program, in the form of runc: {"level":"error","msg":"...","time":"..."} or logfmt. What
 * --debug adds has that form on stderr, too.
 */
enum say_level {
	SAY_LEVEL_DEBUG,
	SAY_LEVEL_INFO,
	SAY_LEVEL_WARNING,
	SAY_LEVEL_ERROR,
	SAY_LEVEL_PROGRAM, /* an error that is the container's program's: without our name */
};

/* Opens the log file (NULL = none) for appending. */
int say_init(const char *log_path, bool json, bool debug, struct err *err);

void say(enum say_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* What was written by say() goes only to the log from now on: stderr is the container's. */
void say_quiet(void);

#endif
