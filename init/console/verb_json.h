/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_CONSOLE_VERB_JSON_H
#define HOY_INIT_CONSOLE_VERB_JSON_H

#include "engine/api/engine_msg.h"
#include "init/api/init_msg.h"
#include "init/console/console.h"

/* One object on one line for each of these, with --json. Names stay; new ones may come. */
void console_json_row(struct console *console, const struct engine_row *row);
void console_json_image(struct console *console, const struct engine_image *image);
void console_json_health(struct console *console, const struct engine_health *health);
void console_json_status(struct console *console, const struct init_status *status);
/* What it prints, and other verbs need: asked of init (verb_show.c). */
int console_status(struct console *console, struct init_status *ret_status, struct err *err);

#endif
