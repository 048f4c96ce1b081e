/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Links of old: what a container's environment has of the containers that it is linked to. Runs in
 * engine main, for the first process and for each further one. Must never name the address of a
 * container that does not run.
 */
#include <errno.h>
#include <string.h>
#include "engine/container/launch.h"
#include "engine/container/parts.h"
#include "lib/own.h"

/* Where a container is found from ours: in a network that both have, else wherever it is. */
const char *container_address_of(const struct container *container, const char *name)
{
	struct container_env *env = container->env;
	const struct container *other = env->running ? env->running(env->owner, name) : NULL;

	for (uint32_t i = 0; other && i < other->address_count; i++) {
		for (uint32_t k = 0; k < container->address_count; k++) {
			if (!strcmp(other->addresses[i].network, container->addresses[k].network))
				return *other->addresses[i].ip4 ? other->addresses[i].ip4
								: other->addresses[i].ip6;
		}
	}
	return other ? other->address : "";
}

/* One row of def.host.link_env as "NAME=VALUE"; NULL: it has no value now. */
static const char *link_variable(const struct container *container, struct str row,
				 struct arena *arena)
{
	struct str name, value;
	const char *target, *address;
	bool constant;

	if (!str_cut(&row, '/', &name) || !row.len)
		return NULL;
	constant = row.ptr[0] == '=';
	row = str_skip(row, 1);
	target = arena_text(arena, name);
	if (constant || !target)
		return target ? arena_text(arena, row) : NULL;
	address = container_address_of(container, target);
	if (!*address || !str_cut(&row, '@', &value))
		return NULL;
	return arena_printf(arena, "%.*s%s%.*s", STR_ARG(value), address, STR_ARG(row));
}

int container_link_env(const struct container *container, struct arena *arena,
		       struct image_texts *env, struct err *err)
{
	const struct container_def *def = &container->def;
	int r = 0;

	for (uint32_t i = 0; def->host_set && r >= 0 && i < def->host.link_env.count; i++) {
		const char *row =
			link_variable(container, str_from(def->host.link_env.items[i]), arena);
		struct str value = str_from(row ? row : ""), name;
		const char *key;

		if (!row || !str_cut(&value, '=', &name))
			continue;
		key = arena_text(arena, name);
		if (!key)
			return err_set(err, -ENOMEM, "no memory for links");
		if (!image_env_get(env, key)) /* what was asked for by name counts */
			r = image_texts_add(arena, env, row, err);
	}
	return r;
}
