/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_CONSOLE_COMPOSE_TEXT_H
#define HOY_INIT_CONSOLE_COMPOSE_TEXT_H

#include <stdbool.h>
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/str.h"

/*
 * The sections of `ini` in the configuration `text`, pure: those of the same names go, and with
 * `put` the new ones stand at its end, without their comments. -E2BIG when it gets too long;
 * -ENOENT when there is none to take away.
 */
int compose_text(struct str text, struct str ini, bool put, struct buf *out, struct err *err);

#endif
