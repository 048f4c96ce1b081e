/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_COMPOSE_ENV_H
#define HOY_ENGINE_COMPOSE_ENV_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/str.h"

/* Variables: of a .env or env_file, and what they stand for in a text (compose-spec, 12). */
enum {
	ENV_VARIABLES_MAX = 1024, /* they are looked for one by one */
	ENV_NAME_MAX = 255,
	ENV_VALUE_MAX = 64 << 10,
	ENV_DEPTH_MAX = 8, /* of defaults within defaults */
};

struct env_variable {
	const char *name, *value; /* NULL: a name alone */
	unsigned line;
};

struct env {
	struct arena *arena;
	const struct env *above; /* counts before its own; NULL = nobody */
	struct env_variable *variables;
	uint32_t count, room;
};

/* NULL when it is not set. */
const char *env_get(const struct env *env, struct str name);
/* In the place of one of the same name. -E2BIG, -ENOMEM. */
int env_set(struct env *env, struct str name, const char *value, unsigned line, struct err *err);

/*
 * The lines NAME=VALUE of a file in Docker Compose's form of dotenv: comments, `export`, single
 * quotes as it stands, double quotes with escapes, variables of `with` and of lines before it. raw:
 * each line as it is. One that is not set is blank. -EBADMSG with the line.
 */
int env_read(struct env *env, const struct env *with, struct str text, bool raw, struct err *err);

/*
 * $NAME, ${NAME}, ${NAME:-text}, ${NAME-text}, ${NAME:+text}, ${NAME+text}, ${NAME:?text} and
 * ${NAME?text}; $$ is a dollar; a text may hold variables. One that is not set and has no default
 * is blank: its name is a line of `unset`, which may be NULL. -EINVAL: not its form, or the text
 * behind
 * '?'. `env` may be NULL.
 */
int env_expand(const struct env *env, struct str text, struct buf *out, struct buf *unset,
	       struct err *err);

#endif
