/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_ROLE_MAIN_EVENT_H
#define HOY_ENGINE_ROLE_MAIN_EVENT_H

#include <stdint.h>
#include "engine/container/def.h"

/* For role_main*.c: events in Docker's words, told to whoever listens. */
struct engine;

/* number: exit code or signal; def: whose labels and image it has, or NULL. */
void engine_event(struct engine *engine, const char *type, const char *action, const char *id,
		  const char *name, const struct container_def *def, int32_t number);
/* The same of a container; ran_s: with "die", how long it ran. */
void engine_event_of_box(struct engine *engine, const char *action, const char *id,
			 const char *name, const struct container_def *def, int32_t number,
			 int64_t ran_s);

#endif
