/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The environment of a service: its env_files one over the other, and environment over them. Runs
 * in the api role, on foreign text. Pure; must never let a value of a file go unsaid.
 */
#include <errno.h>
#include <string.h>
#include "engine/compose/keys.h"

/* One variable as it will stand, with the place that said it last. */
struct item {
	struct str name;
	const char *value;
	struct yaml_place place;
};

struct items {
	const char *what; /* key of services.ini */
	struct item *items;
	uint32_t count, room;
};

static int put_item(struct compose *compose, struct items *items, const struct item *item,
		    struct err *err)
{
	compose->yaml.steps += items->count / 64;
	if (items->count == ENV_VARIABLES_MAX || compose->yaml.steps > YAML_STEPS_MAX)
		return err_set(err, -E2BIG, "line %u: too many variables for one service",
			       item->place.line);
	for (uint32_t i = 0; i < items->count; i++)
		if (str_eq(items->items[i].name, item->name)) {
			items->items[i] = *item;
			return 0;
		}
	if (items->count == items->room) {
		uint32_t room = items->room ? 2 * items->room : 32;
		struct item *more = arena_array(&compose->arena, room, sizeof(*more));

		if (!more)
			return key_no_memory(err);
		if (items->count)
			memcpy(more, items->items, items->count * sizeof(*more));
		items->items = more;
		items->room = room;
	}
	items->items[items->count++] = *item;
	return 0;
}

static const struct env *env_of(struct yaml_place place)
{
	return place.source ? place.source->env : NULL;
}

/* ---- env_file ---- */

static int read_file(struct compose *compose, struct items *items, struct yaml_place place,
		     const char *path, bool required, bool raw, struct err *err)
{
	const struct compose_file *file = compose_find_file(compose, path, err);
	struct env env = { .arena = &compose->arena };
	struct err why = { 0 };
	int r = 0;

	if (!file || (!file->there && !required))
		return err->code;
	if (!file->there) {
		compose_note(compose, place, "env_file: not taken: %s: %.*s", path,
			     (int)(file->bytes.len < 200 ? file->bytes.len : 200), file->bytes.ptr);
		return 0;
	}
	compose->taken += file->bytes.len;
	if (compose->taken > COMPOSE_TAKEN_MAX ||
	    env_read(&env, env_of(place), file->bytes, raw, &why) < 0) {
		compose_note(compose, place, "env_file: not taken: %s: %s", path,
			     why.code ? why.text : "the file says too much");
		return 0;
	}
	for (uint32_t i = 0; r >= 0 && i < env.count; i++)
		if (env.variables[i].value)
			r = put_item(compose, items,
				     &(struct item){ str_from(env.variables[i].name),
						     env.variables[i].value, place },
				     err);
	return r;
}

/* A path, or {path, required, format}. */
static int take_file(struct compose *compose, struct items *items, const struct yaml_node *node,
		     struct err *err)
{
	const char *text, *required = "", *format = "", *path;
	struct yaml_map map = { 0 };

	if (yaml_is_map(node)) {
		int r = yaml_map(&compose->yaml, node, &map, err);

		if (r < 0)
			return r;
		key_only(compose, &map, "env_file", "path required format");
		if (!key_member(compose, &map, "path", &text) ||
		    !key_member(compose, &map, "required", &required) ||
		    !key_member(compose, &map, "format", &format))
			return 0;
	} else {
		text = compose_text(compose, node, "env_file");
	}
	path = text && *text ? compose_path(compose, node->place.source, str_from(text)) : NULL;
	if (text && (!path || (*format && strcmp(format, "raw") != 0)))
		compose_note(compose, node->place, "env_file: not taken: %s",
			     path ? "a format that is not 'raw'" : "no path");
	return !path || (*format && strcmp(format, "raw") != 0)
		       ? 0
		       : read_file(compose, items, node->place, path,
				   strcmp(required, "false") != 0, *format, err);
}

/* ---- environment ---- */

/* A name alone takes the value that the .env file has for it. */
static int take_name(struct compose *compose, struct items *items, struct str name,
		     struct yaml_place place, struct err *err)
{
	const char *value = env_get(env_of(place), name);

	if (value)
		return put_item(compose, items, &(struct item){ name, value, place }, err);
	/* Docker Compose leaves it out, too, where its environment has none. */
	compose->advice = true;
	compose_note(compose, place, "%s: '%.*s' is left out: it has no value here, nor in .env",
		     items->what, (int)(name.len < 100 ? name.len : 100), name.ptr ? name.ptr : "");
	compose->advice = false;
	return 0;
}

static int take_word(struct compose *compose, struct items *items, const struct yaml_node *node,
		     struct err *err)
{
	const char *text = compose_text(compose, node, items->what), *eq;

	eq = text ? strchr(text, '=') : NULL;
	if (eq && eq > text)
		return put_item(
			compose, items,
			&(struct item){ str_make(text, (size_t)(eq - text)), eq + 1, node->place },
			err);
	return text ? take_name(compose, items, str_from(text), yaml_place(node), err) : 0;
}

static int take_own(struct compose *compose, struct items *items, const struct yaml_pair *pair,
		    struct err *err)
{
	struct yaml_map map = { 0 };
	int r = 0;

	if (!yaml_is_map(pair->value)) {
		if (!key_want_list(compose, pair, items->what))
			return 0;
		for (size_t i = 0; r >= 0 && yaml_item(pair->value, i); i++)
			r = take_word(compose, items, yaml_item(pair->value, i), err);
		return r;
	}
	r = yaml_map(&compose->yaml, pair->value, &map, err);
	for (uint32_t i = 0; r >= 0 && i < map.count; i++) {
		const struct yaml_pair *one = &map.pairs[i];
		const char *value;

		if (yaml_is_null(one->value)) {
			r = take_name(compose, items, one->key, one->place, err);
			continue;
		}
		value = compose_text(compose, one->value, items->what);
		if (value)
			r = put_item(compose, items, &(struct item){ one->key, value, one->place },
				     err);
	}
	return r;
}

static int put_items(struct compose *compose, const struct items *items, struct err *err)
{
	for (uint32_t i = 0; i < items->count; i++) {
		const struct item *item = &items->items[i];
		char *line =
			arena_printf(&compose->arena, "%.*s=%s", STR_ARG(item->name), item->value);

		if (!line)
			return key_no_memory(err);
		compose_put(compose, item->place, items->what, line);
	}
	return 0;
}

int key_take_environment(struct compose *compose, const struct yaml_pair *files,
			 const struct yaml_pair *own, struct err *err)
{
	struct items items = { .what = "environment" };
	int r = 0;

	if (files && !yaml_is_list(files->value) && !yaml_is_null(files->value))
		r = take_file(compose, &items, files->value, err);
	for (size_t i = 0; files && r >= 0 && yaml_item(files->value, i); i++)
		r = take_file(compose, &items, yaml_item(files->value, i), err);
	if (r >= 0 && own && !yaml_is_null(own->value))
		r = take_own(compose, &items, own, err);
	return r < 0 ? r : put_items(compose, &items, err);
}

int key_take_args(struct compose *compose, const struct yaml_pair *pair, const char *to,
		  struct err *err)
{
	struct items items = { .what = to };
	int r = take_own(compose, &items, pair, err);

	return r < 0 ? r : put_items(compose, &items, err);
}
