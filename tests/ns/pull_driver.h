/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_TESTS_NS_PULL_DRIVER_H
#define HOY_TESTS_NS_PULL_DRIVER_H

#include <stdbool.h>
#include "lib/err.h"
#include "lib/msg.h"

/* Parts of pull_driver that its files share. */

/* Says what the tool itself cannot go on with, and ends it. */
void driver_die(const char *what, const struct err *err);
/* A role's process; returns our end of its message socket. */
int driver_start(const char *role);
/* Closes fd, reaps the role: `result`, or 3 when the role ended badly. */
int driver_end(int fd, int result);
/* Prints a reply; -1 = more follow, else the exit status. */
int driver_reply(int fd, const struct msg *msg);
/* `unpack FILE`: the exit status. raw: the file is no layer. */
int driver_unpack(const char *engine, const char *file, bool raw);

#endif
