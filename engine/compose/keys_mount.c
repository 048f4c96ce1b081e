/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys of a service that name ports, files and directories of this machine: ports, volumes,
 * secrets, configs, build. Runs in the api role, on foreign text. Pure; must never name a file that
 * does not stand below the application's own directory unless the text says so.
 */
#include <errno.h>
#include <string.h>
#include "engine/compose/keys.h"

static const char *long_port(struct compose *compose, const struct yaml_node *item, struct err *err)
{
	const char *target, *published, *ip, *protocol;
	struct yaml_map map = { 0 };

	if (yaml_map(&compose->yaml, item, &map, err) < 0)
		return NULL;
	key_only(compose, &map, "ports",
		 "target published host_ip protocol mode name app_protocol");
	if (!key_member(compose, &map, "target", &target) ||
	    !key_member(compose, &map, "published", &published) ||
	    !key_member(compose, &map, "host_ip", &ip) ||
	    !key_member(compose, &map, "protocol", &protocol))
		return "";
	if (!*published)
		return target;
	if (strchr(ip, ':') && *ip != '[')
		ip = arena_printf(&compose->arena, "[%s]", ip);
	return ip ? arena_printf(&compose->arena, "%s%s%s:%s%s%s", ip, *ip ? ":" : "", published,
				 target, *protocol ? "/" : "", protocol)
		  : NULL;
}

int key_take_ports(struct compose *compose, const struct yaml_pair *pair, const char *to,
		   struct err *err)
{
	if (!key_want_list(compose, pair, to))
		return 0;
	for (size_t i = 0; yaml_item(pair->value, i); i++) {
		const struct yaml_node *item = yaml_item(pair->value, i);
		const char *text = yaml_is_map(item) ? long_port(compose, item, err)
						     : compose_text(compose, item, to);

		if (!text && err->code)
			return err->code;
		if (!text || !*text)
			continue;
		if (strchr(text, ':'))
			compose_put(compose, yaml_place(item), to, text);
		else
			compose_note(
				compose, yaml_place(item),
				"ports: %s: not taken: which port of this machine leads to it? "
				"HOST:%s",
				text, text);
	}
	return 0;
}

/* A path of this machine: one that begins with '.' stands beside the file. NULL: it was noted. */
static const char *host_path(struct compose *compose, struct yaml_place place, const char *what,
			     struct str text)
{
	const char *path = NULL;

	if (text.len && text.ptr[0] != '~')
		path = compose_path(compose, place.source, text);
	if (!path || strchr(path, ':')) {
		compose_note(compose, place,
			     "%s: %.*s: not taken: no path of this machine is meant by it", what,
			     (int)(text.len < 200 ? text.len : 200), text.ptr ? text.ptr : "");
		return NULL;
	}
	return path;
}

static int put_mount(struct compose *compose, const struct yaml_node *item, const char *text,
		     struct err *err)
{
	struct str rest = str_from(text), source;
	const char *path;

	(void)str_cut(&rest, ':', &source);
	if (!rest.len) {
		compose_note(compose, yaml_place(item),
			     "volumes: %s: not taken: a volume needs a name here: NAME:%s", text,
			     text);
		return 0;
	}
	if (source.len && (source.ptr[0] == '.' || source.ptr[0] == '~')) {
		path = host_path(compose, yaml_place(item), "volumes", source);
		text = path ? arena_printf(&compose->arena, "%s:%.*s", path, STR_ARG(rest)) : "";
	}
	if (!text)
		return key_no_memory(err);
	if (*text)
		compose_put(compose, yaml_place(item), "volumes", text);
	return 0;
}

static int long_mount(struct compose *compose, const struct yaml_node *item, struct err *err)
{
	const char *type, *source, *target, *read_only;
	struct yaml_map map = { 0 };
	char *text;
	int r = yaml_map(&compose->yaml, item, &map, err);

	if (r < 0)
		return r;
	key_only(compose, &map, "volumes", "type source target read_only");
	if (!key_member(compose, &map, "type", &type) ||
	    !key_member(compose, &map, "source", &source) ||
	    !key_member(compose, &map, "target", &target) ||
	    !key_member(compose, &map, "read_only", &read_only))
		return 0;
	if (*read_only && strcmp(read_only, "true") != 0 && strcmp(read_only, "false") != 0) {
		compose_note(compose, yaml_place(item),
			     "volumes: %s: not taken: read_only: %s: true or false is expected",
			     target, read_only);
		return 0;
	}
	if (!strcmp(type, "tmpfs")) {
		if (!strcmp(read_only, "true"))
			compose_note(compose, yaml_place(item),
				     "volumes: %s: read_only of a tmpfs: not taken", target);
		compose_put(compose, yaml_place(item), "tmpfs", target);
		return 0;
	}
	if (strcmp(type, "volume") != 0 && strcmp(type, "bind") != 0) {
		compose_note(compose, yaml_place(item), "volumes: type %s: not taken", type);
		return 0;
	}
	text = arena_printf(&compose->arena, "%s%s%s%s", source, *source ? ":" : "", target,
			    !strcmp(read_only, "true") ? ":ro" : "");
	return text ? put_mount(compose, item, text, err) : key_no_memory(err);
}

int key_take_volumes(struct compose *compose, const struct yaml_pair *pair, const char *to,
		     struct err *err)
{
	int r = 0;

	if (!key_want_list(compose, pair, to))
		return 0;
	for (size_t i = 0; r >= 0 && yaml_item(pair->value, i); i++) {
		const struct yaml_node *item = yaml_item(pair->value, i);
		const char *text;

		if (yaml_is_map(item)) {
			r = long_mount(compose, item, err);
			continue;
		}
		text = compose_text(compose, item, to);
		if (text)
			r = put_mount(compose, item, text, err);
	}
	return r;
}

/* ---- secrets, configs ---- */

/* A thing that services name, with the folder of its files in a container. */
struct resource {
	const char *key, *folder;
	const struct yaml_map *all;
};

/* The file behind a name of the top of the file; NULL: it was noted. */
static const char *resource_file(struct compose *compose, const struct resource *resource,
				 struct yaml_place place, const char *name)
{
	const struct yaml_pair *pair = yaml_find_pair(resource->all, str_from(name));
	const struct yaml_node *file = NULL;
	const char *text;

	if (!pair) {
		compose_note(compose, place, "%s: %s: not taken: the file has none of this name",
			     resource->key, name);
		return NULL;
	}
	if (yaml_is_map(pair->value))
		file = yaml_find(&pair->value->map, "file");
	if (!file) {
		compose_note(compose, place,
			     "%s: %s: not taken: only what a file holds can be given to a "
			     "container (file: PATH)",
			     resource->key, name);
		return NULL;
	}
	text = compose_text(compose, file, "file");
	return text ? host_path(compose, file->place, resource->key, str_from(text)) : NULL;
}

/* Docker Compose says of a file's owner and mode that it cannot set them, and goes on. */
static void note_owner(struct compose *compose, const struct yaml_map *map, const char *key)
{
	static const char *const names[] = { "uid", "gid", "mode" };

	compose->advice = true;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const struct yaml_pair *pair = yaml_find_pair(map, str_from(names[i]));

		if (pair)
			compose_note(compose, pair->place,
				     "%s.%s: the file keeps the owner and mode that it has here",
				     key, names[i]);
	}
	compose->advice = false;
}

/* One of the list: NAME, or {source, target}; read-only in the container, as Compose mounts it. */
static int take_resource(struct compose *compose, const struct resource *resource,
			 const struct yaml_node *item, struct err *err)
{
	const char *name = "", *target = "", *path, *line;
	struct yaml_map map = { 0 };

	if (yaml_is_map(item)) {
		int r = yaml_map(&compose->yaml, item, &map, err);

		if (r < 0)
			return r;
		key_only(compose, &map, resource->key, "source target uid gid mode");
		note_owner(compose, &map, resource->key);
		if (!key_member(compose, &map, "source", &name) ||
		    !key_member(compose, &map, "target", &target))
			return 0;
	} else {
		name = compose_text(compose, item, resource->key);
	}
	path = name ? resource_file(compose, resource, yaml_place(item), name) : NULL;
	if (!path)
		return 0;
	target = *target ? target : name;
	if (strchr(target, ':')) {
		compose_note(compose, yaml_place(item), "%s: %s: not taken: a ':' in its target",
			     resource->key, target);
		return 0;
	}
	line = arena_printf(&compose->arena, "%s:%s%s:ro", path,
			    *target == '/' ? "" : resource->folder, target);
	if (!line)
		return key_no_memory(err);
	compose_put(compose, yaml_place(item), "volumes", line);
	return 0;
}

static int take_resources(struct compose *compose, const struct resource *resource,
			  const struct yaml_pair *pair, struct err *err)
{
	int r = 0;

	if (!key_want_list(compose, pair, resource->key))
		return 0;
	for (size_t i = 0; r >= 0 && yaml_item(pair->value, i); i++)
		r = take_resource(compose, resource, yaml_item(pair->value, i), err);
	return r;
}

int key_take_secrets(struct compose *compose, const struct yaml_pair *pair, const char *to,
		     struct err *err)
{
	const struct resource secrets = { "secrets", "/run/secrets/", &compose->secrets };

	(void)to;
	return take_resources(compose, &secrets, pair, err);
}

int key_take_configs(struct compose *compose, const struct yaml_pair *pair, const char *to,
		     struct err *err)
{
	const struct resource configs = { "configs", "/", &compose->configs };

	(void)to;
	return take_resources(compose, &configs, pair, err);
}

/* ---- build ---- */

/* What a map says beside its context. */
static int take_build_keys(struct compose *compose, const struct yaml_map *map, struct err *err)
{
	static const char *const keys[][2] = {
		{ "dockerfile", "build.dockerfile" },
		{ "target", "build.target" },
		{ "args", "build.args" },
	};
	int r = 0;

	key_only(compose, map, "build", "context dockerfile target args");
	for (size_t i = 0; r >= 0 && i < sizeof(keys) / sizeof(keys[0]); i++) {
		const struct yaml_pair *pair = yaml_find_pair(map, str_from(keys[i][0]));

		if (!pair || yaml_is_null(pair->value))
			continue;
		r = i == 2 ? key_take_args(compose, pair, keys[i][1], err)
			   : key_take_text(compose, pair, keys[i][1], err);
	}
	return r;
}

int key_take_build(struct compose *compose, const struct yaml_pair *pair, const char *to,
		   struct err *err)
{
	const struct yaml_node *context = pair->value;
	const char *text, *path;
	struct yaml_map map = { 0 };

	if (yaml_is_map(context)) {
		int r = yaml_map(&compose->yaml, context, &map, err);

		if (r < 0)
			return r;
		context = yaml_find(&map, "context");
	}
	text = context ? compose_text(compose, context, to) : ".";
	path = text ? compose_path(compose, pair->place.source, str_from(text)) : NULL;
	if (!text)
		return 0;
	if (strstr(text, "://") || !path ||
	    (strncmp(path, "/config/", 8) != 0 && strncmp(path, "/data/builds/", 13) != 0)) {
		compose_note(compose, pair->place,
			     "build: %s: not taken: a folder below /config or /data/builds goes "
			     "into 'build'",
			     text);
		return 0;
	}
	compose_put(compose, pair->place, to, path);
	return take_build_keys(compose, &map, err);
}
