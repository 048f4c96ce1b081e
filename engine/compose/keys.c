/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys of one service of a Compose file as lines of INI. Runs in the api role, on foreign text.
 * Pure; must never take half of what a key says without a note about the rest.
 */
#include <errno.h>
#include <string.h>
#include "engine/compose/compose.h"
#include "engine/json/json.h"
#include "lib/own.h"

enum { COMMAND_MAX = 64 << 10 };

struct key {
	const char *name; /* in the Compose file; "logging.driver" within the map logging */
	int (*take)(struct compose *compose, const struct yaml_pair *pair, const char *to,
		    struct err *err);
	const char *to; /* key of services.ini; of take_within what the names within begin with */
};

/* The row of the key `name` in the map whose names begin with `within`, "" = the service itself. */
static const struct key *find_key(const char *within, struct str name);

/* ---- shapes ---- */

static int take_text(struct compose *compose, const struct yaml_pair *pair, const char *to,
		     struct err *err)
{
	const char *text = compose_text(compose, pair->value, to);

	(void)err;
	if (text && *text)
		compose_put(compose, pair->place, to, text);
	return 0;
}

/* A list, or one text: a line for each. */
static int take_list(struct compose *compose, const struct yaml_pair *pair, const char *to,
		     struct err *err)
{
	if (!yaml_is_list(pair->value))
		return take_text(compose, pair, to, err);
	for (size_t i = 0; yaml_item(&compose->yaml, pair->value, i); i++) {
		const yaml_node_t *item = yaml_item(&compose->yaml, pair->value, i);
		const char *text = compose_text(compose, item, to);

		if (text && !*text)
			compose_note(compose, yaml_place(item), "%s: not taken: it is empty", to);
		else if (text)
			compose_put(compose, yaml_place(item), to, text);
	}
	return 0;
}

/* True: it is one; else a note says so. */
static bool want_list(struct compose *compose, const struct yaml_pair *pair, const char *to)
{
	if (!yaml_is_list(pair->value))
		compose_note(compose, pair->place, "%s: not taken: a list is expected", to);
	return yaml_is_list(pair->value);
}

/* The names of a list or of a map; what a map says of them is left out. */
static int take_names(struct compose *compose, const struct yaml_pair *pair, const char *to,
		      struct err *err)
{
	struct yaml_map map = { 0 };
	int r;

	if (!yaml_is_map(pair->value))
		return take_list(compose, pair, to, err);
	r = yaml_map(&compose->yaml, pair->value, &map, err);
	for (uint32_t i = 0; r >= 0 && i < map.count; i++) {
		char *name = arena_text(&compose->arena, map.pairs[i].key);

		if (!name)
			return err_set(err, -ENOMEM, "no memory for a Compose file");
		compose_put(compose, map.pairs[i].place, to, name);
		if (!yaml_is_null(map.pairs[i].value))
			compose_note(compose, map.pairs[i].place,
				     "%s.%s: what it says of this one is not taken", to, name);
	}
	return r;
}

/* "A=b" in a list, or a map; between name and value stands `sign`. */
static int take_pairs(struct compose *compose, const struct yaml_pair *pair, const char *to,
		      char sign, struct err *err)
{
	struct yaml_map map = { 0 };
	int r;

	if (!yaml_is_map(pair->value))
		return take_list(compose, pair, to, err);
	r = yaml_map(&compose->yaml, pair->value, &map, err);
	for (uint32_t i = 0; r >= 0 && i < map.count; i++) {
		const struct yaml_pair *one = &map.pairs[i];
		const char *value;
		char *line;

		if (yaml_is_null(one->value) && sign == '=') {
			compose_note(compose, one->place,
				     "%s.%.*s: not taken: it has no value here, and there is no "
				     "environment to take it from",
				     to, STR_ARG(one->key));
			continue;
		}
		value = compose_text(compose, one->value, to);
		if (!value)
			continue;
		line = arena_printf(&compose->arena, "%.*s%c%s", STR_ARG(one->key), sign, value);
		if (!line)
			return err_set(err, -ENOMEM, "no memory for a Compose file");
		compose_put(compose, one->place, to, line);
	}
	return r;
}

static int take_env(struct compose *compose, const struct yaml_pair *pair, const char *to,
		    struct err *err)
{
	if (yaml_is_map(pair->value))
		return take_pairs(compose, pair, to, '=', err);
	if (!want_list(compose, pair, to))
		return 0;
	for (size_t i = 0; yaml_item(&compose->yaml, pair->value, i); i++) {
		const yaml_node_t *item = yaml_item(&compose->yaml, pair->value, i);
		const char *text = compose_text(compose, item, to);

		if (text && strchr(text, '=') > text)
			compose_put(compose, yaml_place(item), to, text);
		else if (text)
			compose_note(compose, yaml_place(item),
				     "%s: '%s': not taken: it has no value here, and there is no "
				     "environment to take it from",
				     to, text);
	}
	return 0;
}

static int take_hosts(struct compose *compose, const struct yaml_pair *pair, const char *to,
		      struct err *err)
{
	return take_pairs(compose, pair, to, ':', err);
}

static int put_label(struct compose *compose, struct yaml_place place, struct str name,
		     const char *value, struct err *err)
{
	char *key = arena_printf(&compose->arena, "labels.%.*s", STR_ARG(name));

	if (!key)
		return err_set(err, -ENOMEM, "no memory for a Compose file");
	if (strpbrk(key, "=\r\n ") || !name.len)
		compose_note(compose, place,
			     "labels: not taken: a name that no key of INI can have");
	else
		compose_put(compose, place, key, value);
	return 0;
}

static int take_labels(struct compose *compose, const struct yaml_pair *pair, const char *to,
		       struct err *err)
{
	struct yaml_map map = { 0 };
	int r = 0;

	for (size_t i = 0; r >= 0 && yaml_item(&compose->yaml, pair->value, i); i++) {
		const yaml_node_t *item = yaml_item(&compose->yaml, pair->value, i);
		const char *text = compose_text(compose, item, to);
		struct str rest = str_from(text), name;

		(void)str_cut(&rest, '=', &name);
		if (text)
			r = put_label(compose, yaml_place(item), name, rest.len ? rest.ptr : "",
				      err);
	}
	if (yaml_is_list(pair->value) || r < 0)
		return r;
	r = yaml_map(&compose->yaml, pair->value, &map, err);
	for (uint32_t i = 0; r >= 0 && i < map.count; i++) {
		const char *text = compose_text(compose, map.pairs[i].value, to);

		if (text)
			r = put_label(compose, map.pairs[i].place, map.pairs[i].key, text, err);
	}
	return r;
}

/* A list of words as JSON, on one line; a text as it is. */
static int take_command(struct compose *compose, const struct yaml_pair *pair, const char *to,
			struct err *err)
{
	struct buf line OWN(buf_done) = { 0 };
	struct json_writer w;

	if (!yaml_is_list(pair->value))
		return take_text(compose, pair, to, err);
	buf_init(&line, COMMAND_MAX);
	json_writer_init(&w, &line);
	json_begin_array(&w);
	for (size_t i = 0; yaml_item(&compose->yaml, pair->value, i); i++) {
		const char *word =
			compose_text(compose, yaml_item(&compose->yaml, pair->value, i), to);

		if (!word)
			return 0; /* said */
		json_put_text(&w, word);
	}
	json_end_array(&w);
	if (buf_error(&line))
		compose_note(compose, pair->place, "%s: not taken: too long", to);
	else
		compose_put(compose, pair->place, to, buf_text(&line));
	return 0;
}

/* ---- ports, volumes, depends_on ---- */

/* A member of a long form, "" when it is missing; false: it cannot be taken, and was noted. */
static bool member(struct compose *compose, const struct yaml_map *map, const char *key,
		   const char **ret_text)
{
	const yaml_node_t *node = yaml_find(map, key);

	*ret_text = node ? compose_text(compose, node, key) : "";
	return *ret_text != NULL;
}

/* Notes what a long form says besides these. */
static void only(struct compose *compose, const struct yaml_map *map, const char *what,
		 const char *known)
{
	for (uint32_t i = 0; i < map->count; i++) {
		struct str rest = str_from(known), word;
		bool found = false;

		while (str_cut(&rest, ' ', &word))
			found |= str_eq(word, map->pairs[i].key);
		if (!found)
			compose_note(compose, map->pairs[i].place, "%s.%.*s: not taken", what,
				     STR_ARG(map->pairs[i].key));
	}
}

static const char *long_port(struct compose *compose, const yaml_node_t *item, struct err *err)
{
	const char *target, *published, *ip, *protocol;
	struct yaml_map map = { 0 };

	if (yaml_map(&compose->yaml, item, &map, err) < 0)
		return NULL;
	only(compose, &map, "ports", "target published host_ip protocol mode name app_protocol");
	if (!member(compose, &map, "target", &target) ||
	    !member(compose, &map, "published", &published) ||
	    !member(compose, &map, "host_ip", &ip) || !member(compose, &map, "protocol", &protocol))
		return "";
	if (!*published)
		return target;
	if (strchr(ip, ':') && *ip != '[')
		ip = arena_printf(&compose->arena, "[%s]", ip);
	return ip ? arena_printf(&compose->arena, "%s%s%s:%s%s%s", ip, *ip ? ":" : "", published,
				 target, *protocol ? "/" : "", protocol)
		  : NULL;
}

static int take_ports(struct compose *compose, const struct yaml_pair *pair, const char *to,
		      struct err *err)
{
	if (!want_list(compose, pair, to))
		return 0;
	for (size_t i = 0; yaml_item(&compose->yaml, pair->value, i); i++) {
		const yaml_node_t *item = yaml_item(&compose->yaml, pair->value, i);
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

static int put_mount(struct compose *compose, const yaml_node_t *item, const char *text)
{
	struct str rest = str_from(text), source;

	(void)str_cut(&rest, ':', &source);
	if (rest.len && (source.ptr[0] == '.' || source.ptr[0] == '~'))
		compose_note(
			compose, yaml_place(item),
			"volumes: %s: not taken: a path is one of this machine and begins with "
			"'/'",
			text);
	else if (!rest.len)
		compose_note(compose, yaml_place(item),
			     "volumes: %s: not taken: a volume needs a name here: NAME:%s", text,
			     text);
	else
		compose_put(compose, yaml_place(item), "volumes", text);
	return 0;
}

static int long_mount(struct compose *compose, const yaml_node_t *item, struct err *err)
{
	const char *type, *source, *target, *read_only;
	struct yaml_map map = { 0 };
	char *text;
	int r = yaml_map(&compose->yaml, item, &map, err);

	if (r < 0)
		return r;
	only(compose, &map, "volumes", "type source target read_only");
	if (!member(compose, &map, "type", &type) || !member(compose, &map, "source", &source) ||
	    !member(compose, &map, "target", &target) ||
	    !member(compose, &map, "read_only", &read_only))
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
	return text ? put_mount(compose, item, text)
		    : err_set(err, -ENOMEM, "no memory for a Compose file");
}

static int take_volumes(struct compose *compose, const struct yaml_pair *pair, const char *to,
			struct err *err)
{
	int r = 0;

	if (!want_list(compose, pair, to))
		return 0;
	for (size_t i = 0; r >= 0 && yaml_item(&compose->yaml, pair->value, i); i++) {
		const yaml_node_t *item = yaml_item(&compose->yaml, pair->value, i);
		const char *text;

		if (yaml_is_map(item)) {
			r = long_mount(compose, item, err);
			continue;
		}
		text = compose_text(compose, item, to);
		if (text)
			r = put_mount(compose, item, text);
	}
	return r;
}

static int take_depends(struct compose *compose, const struct yaml_pair *pair, const char *to,
			struct err *err)
{
	static const char *const conditions[][2] = {
		{ "service_started", "started" },
		{ "service_healthy", "healthy" },
		{ "service_completed_successfully", "completed" },
		{ "", "started" },
	};
	struct yaml_map all = { 0 }, one = { 0 };
	int r;

	if (!yaml_is_map(pair->value))
		return take_list(compose, pair, to, err);
	r = yaml_map(&compose->yaml, pair->value, &all, err);
	for (uint32_t i = 0; r >= 0 && i < all.count; i++) {
		const char *condition = "";
		char *line = NULL;

		one.count = 0;
		if (!yaml_is_null(all.pairs[i].value))
			r = yaml_map(&compose->yaml, all.pairs[i].value, &one, err);
		if (r < 0 || !member(compose, &one, "condition", &condition))
			continue;
		only(compose, &one, "depends_on", "condition");
		for (size_t k = 0; k < ARRAY_LEN(conditions); k++) {
			if (!strcmp(condition, conditions[k][0]))
				line = arena_printf(&compose->arena, "%.*s:%s",
						    STR_ARG(all.pairs[i].key), conditions[k][1]);
		}
		if (line)
			compose_put(compose, all.pairs[i].place, to, line);
		else
			compose_note(compose, all.pairs[i].place, "depends_on: %s: not taken",
				     condition);
	}
	return r;
}

/* ---- words that are others here ---- */

static int take_pull(struct compose *compose, const struct yaml_pair *pair, const char *to,
		     struct err *err)
{
	const char *text = compose_text(compose, pair->value, "pull_policy");

	(void)err;
	if (text && (!strcmp(text, "always") || !strcmp(text, "missing")))
		compose_put(compose, pair->place, to, text);
	else if (text && !strcmp(text, "if_not_present"))
		compose_put(compose, pair->place, to, "missing");
	else if (text)
		compose_note(compose, pair->place, "pull_policy: %s: not taken", text);
	return 0;
}

/* Said, and the same without saying it. */
static int take_driver(struct compose *compose, const struct yaml_pair *pair, const char *to,
		       struct err *err)
{
	const char *text = compose_text(compose, pair->value, "logging.driver");

	(void)to;
	(void)err;
	if (text && strcmp(text, "json-file") != 0 && strcmp(text, "local") != 0)
		compose_note(compose, pair->place, "logging.driver: %s: not taken", text);
	return 0;
}

static int take_nothing(struct compose *compose, const struct yaml_pair *pair, const char *to,
			struct err *err)
{
	(void)compose;
	(void)pair;
	(void)to;
	(void)err;
	return 0;
}

static int take_within(struct compose *compose, const struct yaml_pair *pair, const char *to,
		       struct err *err)
{
	struct yaml_map map = { 0 };
	int r = yaml_map(&compose->yaml, pair->value, &map, err);

	for (uint32_t i = 0; r >= 0 && i < map.count; i++) {
		const struct yaml_pair *one = &map.pairs[i];
		const struct key *found = find_key(to, one->key);

		if (found)
			r = found->take(compose, one, found->to, err);
		else
			compose_note(compose, one->place, "%.*s.%.*s: not taken",
				     STR_ARG(pair->key), STR_ARG(one->key));
	}
	return r;
}

/* ---- all of them ---- */

static const struct key service_keys[] = {
	{ "image", take_text, "image" },
	{ "command", take_command, "command" },
	{ "entrypoint", take_command, "entrypoint" },
	{ "environment", take_env, "environment" },
	{ "ports", take_ports, "ports" },
	{ "volumes", take_volumes, "volumes" },
	{ "networks", take_names, "networks" },
	{ "depends_on", take_depends, "depends_on" },
	{ "restart", take_text, "restart" },
	{ "pull_policy", take_pull, "pull" },
	{ "profiles", take_list, "profiles" },
	{ "mem_limit", take_text, "mem_limit" },
	{ "cpus", take_text, "cpus" },
	{ "pids_limit", take_text, "pids_limit" },
	{ "user", take_text, "user" },
	{ "working_dir", take_text, "working_dir" },
	{ "cap_add", take_list, "cap_add" },
	{ "cap_drop", take_list, "cap_drop" },
	{ "devices", take_list, "devices" },
	{ "privileged", take_text, "privileged" },
	{ "read_only", take_text, "read_only" },
	{ "tmpfs", take_list, "tmpfs" },
	{ "labels", take_labels, "labels" },
	{ "hostname", take_text, "hostname" },
	{ "dns", take_list, "dns" },
	{ "extra_hosts", take_hosts, "extra_hosts" },
	{ "stop_signal", take_text, "stop_signal" },
	{ "stop_grace_period", take_text, "stop_grace_period" },
	{ "init", take_text, "init" },
	{ "tty", take_text, "tty" },
	{ "scale", take_text, "replicas" },
	{ "container_name", take_nothing, "" }, /* the section's name is the container's */
	{ "healthcheck", take_within, "healthcheck." },
	{ "healthcheck.test", take_command, "healthcheck.test" },
	{ "healthcheck.interval", take_text, "healthcheck.interval" },
	{ "healthcheck.timeout", take_text, "healthcheck.timeout" },
	{ "healthcheck.retries", take_text, "healthcheck.retries" },
	{ "healthcheck.start_period", take_text, "healthcheck.start_period" },
	{ "healthcheck.start_interval", take_text, "healthcheck.start_interval" },
	{ "healthcheck.disable", take_text, "healthcheck.disable" },
	{ "logging", take_within, "logging." },
	{ "logging.driver", take_driver, "" },
	{ "logging.options", take_within, "logging.options." },
	{ "logging.options.max-size", take_text, "logging.max_size" },
	{ "logging.options.max-file", take_text, "logging.max_file" },
	{ "deploy", take_within, "deploy." },
	{ "deploy.replicas", take_text, "replicas" },
	{ "deploy.resources", take_within, "deploy.resources." },
	{ "deploy.resources.limits", take_within, "deploy.resources.limits." },
	{ "deploy.resources.limits.cpus", take_text, "cpus" },
	{ "deploy.resources.limits.memory", take_text, "mem_limit" },
	{ "deploy.resources.limits.pids", take_text, "pids_limit" },
};

static const struct key *find_key(const char *within, struct str name)
{
	size_t skip = strlen(within);

	if (str_find(name, '.') >= 0) /* names of one map alone */
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(service_keys); i++)
		if (str_starts(str_from(service_keys[i].name), str_from(within)) &&
		    str_is(name, service_keys[i].name + skip))
			return &service_keys[i];
	return NULL;
}

int compose_service(struct compose *compose, const struct yaml_map *service, struct err *err)
{
	int r = 0;

	for (uint32_t i = 0; r >= 0 && i < service->count; i++) {
		const struct yaml_pair *pair = &service->pairs[i];
		const struct key *found = find_key("", pair->key);

		if (found && !yaml_is_null(pair->value))
			r = found->take(compose, pair, found->to, err);
		else if (!found && !str_starts(pair->key, STR("x-")))
			compose_note(compose, pair->place,
				     str_is(pair->key, "build")
					     ? "%.*s: not taken: a folder below /config or "
					       "/data/builds goes into 'build' by hand"
					     : "%.*s: not taken",
				     (int)(pair->key.len < 80 ? pair->key.len : 80), pair->key.ptr);
	}
	return r;
}
