/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys of one service of a Compose file as lines of INI. Runs in the api role, on foreign text.
 * Pure; must never take half of what a key says without a note about the rest.
 */
#include <errno.h>
#include <string.h>
#include "engine/compose/keys.h"
#include "engine/json/json.h"
#include "lib/own.h"

enum { COMMAND_MAX = 64 << 10 };

struct key {
	const char *name; /* in the Compose file; "logging.driver" within the map logging */
	key_take_fn *take;
	const char *to; /* key of services.ini; of take_within what the names within begin with */
};

/* The row of the key `name` in the map whose names begin with `within`, "" = the service itself. */
static const struct key *find_key(const char *within, struct str name);

int key_no_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "no memory for a Compose file");
}

/* ---- shapes ---- */

int key_take_text(struct compose *compose, const struct yaml_pair *pair, const char *to,
		  struct err *err)
{
	const char *text = compose_text(compose, pair->value, to);

	(void)err;
	if (text && *text)
		compose_put(compose, pair->place, to, text);
	return 0;
}

/* A list, or one text: a line for each. */
int key_take_list(struct compose *compose, const struct yaml_pair *pair, const char *to,
		  struct err *err)
{
	if (!yaml_is_list(pair->value))
		return key_take_text(compose, pair, to, err);
	for (size_t i = 0; yaml_item(pair->value, i); i++) {
		const struct yaml_node *item = yaml_item(pair->value, i);
		const char *text = compose_text(compose, item, to);

		if (text && !*text)
			compose_note(compose, yaml_place(item), "%s: not taken: it is empty", to);
		else if (text)
			compose_put(compose, yaml_place(item), to, text);
	}
	return 0;
}

bool key_want_list(struct compose *compose, const struct yaml_pair *pair, const char *to)
{
	if (!yaml_is_list(pair->value))
		compose_note(compose, pair->place, "%s: not taken: a list is expected", to);
	return yaml_is_list(pair->value);
}

/* "A:b" in a list, or a map; between name and value stands `sign`. */
static int take_pairs(struct compose *compose, const struct yaml_pair *pair, const char *to,
		      char sign, struct err *err)
{
	struct yaml_map map = { 0 };
	int r;

	if (!yaml_is_map(pair->value))
		return key_take_list(compose, pair, to, err);
	r = yaml_map(&compose->yaml, pair->value, &map, err);
	for (uint32_t i = 0; r >= 0 && i < map.count; i++) {
		const struct yaml_pair *one = &map.pairs[i];
		const char *value = compose_text(compose, one->value, to);
		char *line;

		if (!value)
			continue;
		line = arena_printf(&compose->arena, "%.*s%c%s", STR_ARG(one->key), sign, value);
		if (!line)
			return key_no_memory(err);
		compose_put(compose, one->place, to, line);
	}
	return r;
}

static int take_hosts(struct compose *compose, const struct yaml_pair *pair, const char *to,
		      struct err *err)
{
	return take_pairs(compose, pair, to, ':', err);
}

static int take_sysctls(struct compose *compose, const struct yaml_pair *pair, const char *to,
			struct err *err)
{
	return take_pairs(compose, pair, to, '=', err);
}

/* nofile: 1024, or {soft, hard}. */
static int take_ulimits(struct compose *compose, const struct yaml_pair *pair, const char *to,
			struct err *err)
{
	struct yaml_map map = { 0 }, one = { 0 };
	int r = yaml_map(&compose->yaml, pair->value, &map, err);

	for (uint32_t i = 0; r >= 0 && i < map.count; i++) {
		const struct yaml_pair *limit = &map.pairs[i];
		const char *soft, *hard = "";
		char *line;

		if (yaml_is_map(limit->value)) {
			r = yaml_map(&compose->yaml, limit->value, &one, err);
			if (r < 0)
				return r;
			key_only(compose, &one, "ulimits", "soft hard");
			if (!key_member(compose, &one, "soft", &soft) ||
			    !key_member(compose, &one, "hard", &hard))
				continue;
		} else {
			soft = compose_text(compose, limit->value, to);
		}
		if (!soft)
			continue;
		line = arena_printf(&compose->arena, "%.*s=%s%s%s", STR_ARG(limit->key), soft,
				    *hard ? ":" : "", hard);
		if (!line)
			return key_no_memory(err);
		compose_put(compose, limit->place, to, line);
	}
	return r;
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

	for (size_t i = 0; r >= 0 && yaml_item(pair->value, i); i++) {
		const struct yaml_node *item = yaml_item(pair->value, i);
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
		return key_take_text(compose, pair, to, err);
	buf_init(&line, COMMAND_MAX);
	json_writer_init(&w, &line);
	json_begin_array(&w);
	for (size_t i = 0; yaml_item(pair->value, i); i++) {
		const char *word = compose_text(compose, yaml_item(pair->value, i), to);

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

/* ---- long forms ---- */

bool key_member(struct compose *compose, const struct yaml_map *map, const char *key,
		const char **ret_text)
{
	const struct yaml_node *node = yaml_find(map, key);

	*ret_text = node ? compose_text(compose, node, key) : "";
	return *ret_text != NULL;
}

void key_only(struct compose *compose, const struct yaml_map *map, const char *what,
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
		return key_take_list(compose, pair, to, err);
	r = yaml_map(&compose->yaml, pair->value, &all, err);
	for (uint32_t i = 0; r >= 0 && i < all.count; i++) {
		const char *condition = "";
		char *line = NULL;

		one.count = 0;
		if (!yaml_is_null(all.pairs[i].value))
			r = yaml_map(&compose->yaml, all.pairs[i].value, &one, err);
		if (r < 0 || !key_member(compose, &one, "condition", &condition))
			continue;
		key_only(compose, &one, "depends_on", "condition");
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

/* The section's name is the container's. */
static int take_name(struct compose *compose, const struct yaml_pair *pair, const char *to,
		     struct err *err)
{
	const char *text = compose_text(compose, pair->value, "container_name");

	(void)to;
	(void)err;
	if (text && strcmp(text, compose->service) != 0)
		compose_note(compose, pair->place,
			     "container_name: %.80s: not taken: a service's container has its name",
			     text);
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
			compose_note(compose, one->place, "%s%.*s: not taken", to,
				     STR_ARG(one->key));
	}
	return r;
}

/* ---- all of them ---- */

static const struct key service_keys[] = {
	{ "image", key_take_text, "image" },
	{ "command", take_command, "command" },
	{ "entrypoint", take_command, "entrypoint" },
	{ "build", key_take_build, "build" },
	{ "environment", take_nothing, "" }, /* both come first, as one */
	{ "env_file", take_nothing, "" },
	{ "ports", key_take_ports, "ports" },
	{ "volumes", key_take_volumes, "volumes" },
	{ "secrets", key_take_secrets, "volumes" },
	{ "configs", key_take_configs, "volumes" },
	{ "networks", key_take_networks, "networks" },
	{ "network_mode", key_take_network_mode, "networks" },
	{ "depends_on", take_depends, "depends_on" },
	{ "restart", key_take_text, "restart" },
	{ "pull_policy", take_pull, "pull" },
	{ "profiles", key_take_list, "profiles" },
	{ "mem_limit", key_take_text, "mem_limit" },
	{ "cpus", key_take_text, "cpus" },
	{ "pids_limit", key_take_text, "pids_limit" },
	{ "user", key_take_text, "user" },
	{ "working_dir", key_take_text, "working_dir" },
	{ "cap_add", key_take_list, "cap_add" },
	{ "cap_drop", key_take_list, "cap_drop" },
	{ "devices", key_take_list, "devices" },
	{ "privileged", key_take_text, "privileged" },
	{ "userns_mode", key_take_text, "userns_mode" },
	{ "read_only", key_take_text, "read_only" },
	{ "tmpfs", key_take_list, "tmpfs" },
	{ "labels", take_labels, "labels" },
	{ "hostname", key_take_text, "hostname" },
	{ "dns", key_take_list, "dns" },
	{ "extra_hosts", take_hosts, "extra_hosts" },
	{ "dns_search", key_take_list, "dns_search" },
	{ "sysctls", take_sysctls, "sysctls" },
	{ "ulimits", take_ulimits, "ulimits" },
	{ "security_opt", key_take_list, "security_opt" },
	{ "group_add", key_take_list, "group_add" },
	{ "shm_size", key_take_text, "shm_size" },
	{ "stop_signal", key_take_text, "stop_signal" },
	{ "stop_grace_period", key_take_text, "stop_grace_period" },
	{ "init", key_take_text, "init" },
	{ "tty", key_take_text, "tty" },
	{ "scale", key_take_text, "replicas" },
	{ "container_name", take_name, "" },
	{ "healthcheck", take_within, "healthcheck." },
	{ "healthcheck.test", take_command, "healthcheck.test" },
	{ "healthcheck.interval", key_take_text, "healthcheck.interval" },
	{ "healthcheck.timeout", key_take_text, "healthcheck.timeout" },
	{ "healthcheck.retries", key_take_text, "healthcheck.retries" },
	{ "healthcheck.start_period", key_take_text, "healthcheck.start_period" },
	{ "healthcheck.start_interval", key_take_text, "healthcheck.start_interval" },
	{ "healthcheck.disable", key_take_text, "healthcheck.disable" },
	{ "logging", take_within, "logging." },
	{ "logging.driver", take_driver, "" },
	{ "logging.options", take_within, "logging.options." },
	{ "logging.options.max-size", key_take_text, "logging.max_size" },
	{ "logging.options.max-file", key_take_text, "logging.max_file" },
	{ "deploy", take_within, "deploy." },
	{ "deploy.replicas", key_take_text, "replicas" },
	{ "deploy.resources", take_within, "deploy.resources." },
	{ "deploy.resources.limits", take_within, "deploy.resources.limits." },
	{ "deploy.resources.limits.cpus", key_take_text, "cpus" },
	{ "deploy.resources.limits.memory", key_take_text, "mem_limit" },
	{ "deploy.resources.limits.pids", key_take_text, "pids_limit" },
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
	int r = key_take_environment(compose, yaml_find_pair(service, STR("env_file")),
				     yaml_find_pair(service, STR("environment")), err);

	for (uint32_t i = 0; r >= 0 && i < service->count; i++) {
		const struct yaml_pair *pair = &service->pairs[i];
		const struct key *found = find_key("", pair->key);

		if (found && !yaml_is_null(pair->value))
			r = found->take(compose, pair, found->to, err);
		else if (!found && !str_starts(pair->key, STR("x-")))
			compose_note(compose, pair->place, "%.*s: not taken",
				     (int)(pair->key.len < 80 ? pair->key.len : 80), pair->key.ptr);
	}
	return r;
}
