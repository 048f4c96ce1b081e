/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file of variables, and a text that names them: read twice it is the same, each name is whole,
 * and what comes out is bounded. The first byte says whether lines are raw.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "engine/compose/env.h"
#include "lib/own.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int read_twice(struct arena *arena, struct str text, bool raw, struct env *ret_env)
{
	struct env again = { .arena = arena };
	int r;

	*ret_env = (struct env){ .arena = arena };
	r = env_read(ret_env, NULL, text, raw, NULL);
	if (env_read(&again, NULL, text, raw, NULL) != r || again.count != ret_env->count)
		abort();
	for (uint32_t i = 0; i < again.count; i++) {
		const struct env_variable *a = &again.variables[i], *b = &ret_env->variables[i];

		if (!*a->name || strcmp(a->name, b->name) != 0 || !a->value != !b->value ||
		    (a->value && strcmp(a->value, b->value) != 0))
			abort();
	}
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena OWN(arena_done) = { 0 };
	struct buf out OWN(buf_done) = { 0 }, unset OWN(buf_done) = { 0 };
	struct env env;
	struct str text;

	if (!size || size > 16384)
		return 0;
	arena_init(&arena, 32 << 20);
	text = str_make(data + 1, size - 1);
	(void)read_twice(&arena, text, data[0] & 1, &env);
	buf_init(&out, ENV_VALUE_MAX);
	buf_init(&unset, ENV_VALUE_MAX);
	(void)env_expand(&env, text, &out, &unset, NULL);
	if (out.len > ENV_VALUE_MAX || unset.len > ENV_VALUE_MAX)
		abort();
	return 0;
}
