/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Config half of a create request, laid over the image's own: command, environment, labels,
 * health. Runs in the api role, on foreign JSON. Must never let an image set a label of the
 * engine's.
 */
#include <errno.h>
#include <string.h>
#include "engine/docker/create.h"
#include "engine/docker/label.h"
#include "lib/own.h"

static const char default_path[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

int create_text(struct create *create, const struct json *object, const char *key,
		const char **ret_text, struct err *err)
{
	const struct json *value = json_get(object, key);
	const char *text;

	if (!value || json_type(value) == JSON_NULL) {
		*ret_text = "";
		return 0;
	}
	if (json_type(value) != JSON_STRING)
		return err_set(err, -EINVAL, "invalid JSON: %s is not a string", key);
	text = arena_text(create->arena, json_str(value));
	if (!text)
		return err_set(err, -ENOMEM, "no memory for a request");
	*ret_text = text;
	return 0;
}

static int add_text(struct create *create, const struct json *value, const char *key,
		    struct image_texts *texts, struct err *err)
{
	const char *text = arena_text(create->arena, json_str(value));

	if (json_type(value) != JSON_STRING)
		return err_set(err, -EINVAL, "invalid JSON: %s is not a list of strings", key);
	if (!text)
		return err_set(err, -ENOMEM, "no memory for a request");
	return image_texts_add(create->arena, texts, text, err);
}

int create_texts(struct create *create, const struct json *object, const char *key,
		 struct image_texts *texts, struct err *err)
{
	const struct json *value = json_get(object, key), *one;
	struct json_iter iter;
	struct str none;
	int r = 0;

	if (!value || json_type(value) == JSON_NULL)
		return 0;
	if (json_type(value) == JSON_STRING)
		return add_text(create, value, key, texts, err);
	if (json_type(value) != JSON_ARRAY)
		return err_set(err, -EINVAL, "invalid JSON: %s is not a list of strings", key);
	json_iter_init(&iter, value);
	while (r >= 0 && json_iter_next(&iter, &none, &one))
		r = add_text(create, one, key, texts, err);
	return r;
}

int create_number(const struct json *object, const char *key, int64_t min, int64_t max,
		  int64_t *ret_number, struct err *err)
{
	const struct json *value = json_get(object, key);

	if (!value || json_type(value) == JSON_NULL)
		return 0;
	if (json_i64(value, min, max, ret_number) < 0)
		return err_set(err, -EINVAL,
			       "invalid value for %s: expected a number from %lld to %lld", key,
			       (long long)min, (long long)max);
	return 0;
}

bool create_empty(const struct json *value)
{
	const struct json *one;
	struct json_iter iter;
	struct str key;
	int64_t number = 1;

	switch (json_type(value)) {
	case JSON_NONE:
	case JSON_NULL:
		return true;
	case JSON_BOOL:
		return !json_true(value);
	case JSON_NUMBER:
		return json_i64(value, 0, 0, &number) >= 0;
	case JSON_STRING:
		return !json_str(value).len;
	case JSON_ARRAY:
	case JSON_OBJECT:
		json_iter_init(&iter, value);
		while (json_iter_next(&iter, &key, &one)) {
			if (!create_empty(one))
				return false;
		}
		return true;
	}
	return false;
}

/* ---- what runs ---- */

static int add_all(struct create *create, struct image_texts *to, const struct image_texts *from,
		   struct err *err)
{
	int r = 0;

	for (uint32_t i = 0; r >= 0 && i < from->count; i++)
		r = image_texts_add(create->arena, to, from->items[i], err);
	return r;
}

/* The container's entrypoint drops the image's command; [""] drops the image's entrypoint only. */
static int config_command(struct create *create, struct err *err)
{
	struct image_texts entry = { 0 }, cmd = { 0 };
	int r = create_texts(create, create->body, "Entrypoint", &entry, err);
	bool given = entry.count > 0;

	if (r >= 0)
		r = create_texts(create, create->body, "Cmd", &cmd, err);
	if (r < 0)
		return r;
	if (!given && !cmd.count)
		cmd = create->image->cmd;
	if (!given)
		entry = create->image->entrypoint;
	if (entry.count == 1 && !*entry.items[0])
		entry.count = 0;
	if (!entry.count && !cmd.count)
		return err_set(err, -EINVAL, "no command specified");
	r = add_all(create, &create->def.argv, &entry, err);
	return r < 0 ? r : add_all(create, &create->def.argv, &cmd, err);
}

static bool names_variable(const struct image_texts *env, const char *item)
{
	size_t len = strcspn(item, "=");

	for (uint32_t i = 0; i < env->count; i++) {
		if (!strncmp(env->items[i], item, len) &&
		    (env->items[i][len] == '=' || !env->items[i][len]))
			return true;
	}
	return false;
}

/* What was asked for, then what the image has beside it; a name without a value takes one away. */
static int config_env(struct create *create, struct err *err)
{
	const char *host = arena_printf(create->arena, "HOSTNAME=%s", create->def.hostname);
	struct image_texts asked = { 0 }, *env = &create->def.env;
	int r = create_texts(create, create->body, "Env", &asked, err);
	uint32_t kept = 0;

	if (r >= 0 && !host)
		r = err_set(err, -ENOMEM, "no memory for a request");
	if (r >= 0 && !names_variable(&asked, "PATH") &&
	    !names_variable(&create->image->env, "PATH"))
		r = image_env_set(create->arena, env, "PATH", default_path, err);
	for (uint32_t i = 0; r >= 0 && i < asked.count; i++) {
		if (!*asked.items[i] || *asked.items[i] == '=')
			return err_set(err, -EINVAL, "invalid environment variable: %s",
				       asked.items[i]);
		r = image_texts_add(create->arena, env, asked.items[i], err);
	}
	for (uint32_t i = 0; r >= 0 && i < create->image->env.count; i++) {
		if (!names_variable(&asked, create->image->env.items[i]))
			r = image_texts_add(create->arena, env, create->image->env.items[i], err);
	}
	for (uint32_t i = 0; i < env->count; i++) {
		if (strchr(env->items[i], '='))
			env->items[kept++] = env->items[i];
		else if (r >= 0)
			r = image_texts_add(create->arena, &create->unset, env->items[i], err);
	}
	env->count = kept;
	create->own_hostname = !names_variable(env, "HOSTNAME");
	if (r >= 0 && create->own_hostname)
		r = image_texts_add(create->arena, env, host, err);
	return r;
}

/* ---- labels ---- */

static int label_set(struct create *create, struct str key, struct str value, struct err *err)
{
	char *text = arena_printf(create->arena, "%.*s=%.*s", STR_ARG(key), STR_ARG(value));
	struct image_texts *labels = &create->labels;

	if (!text)
		return err_set(err, -ENOMEM, "no memory for labels");
	for (uint32_t i = 0; i < labels->count; i++) {
		if (!strncmp(labels->items[i], text, key.len + 1)) {
			labels->items[i] = text;
			return 0;
		}
	}
	return image_texts_add(create->arena, labels, text, err);
}

static int config_labels(struct create *create, struct err *err)
{
	const struct json *labels = json_get(create->body, "Labels"), *value;
	const struct image_pairs *own = &create->image->labels;
	struct json_iter iter;
	struct str key;
	int r = 0;

	for (uint32_t i = 0; r >= 0 && i < own->count; i++) {
		if (!docker_label_reserved(str_from(own->items[i].key)))
			r = label_set(create, str_from(own->items[i].key),
				      str_from(own->items[i].value), err);
	}
	json_iter_init(&iter, labels);
	while (r >= 0 && json_iter_next(&iter, &key, &value)) {
		if (docker_label_reserved(key))
			return err_set(err, -EINVAL,
				       "label %.*s: names that begin with \"%s\" are "
				       "the engine's own",
				       STR_ARG(key), DOCKER_LABEL_OWN);
		if (json_type(value) != JSON_STRING || str_find(key, '=') >= 0)
			return err_set(err, -EINVAL, "invalid label %.*s", STR_ARG(key));
		r = label_set(create, key, json_str(value), err);
	}
	create->def.labels = create->labels;
	return r;
}

/* ---- health ---- */

static int config_health(struct create *create, struct err *err)
{
	const struct json *from = json_get(create->body, "Healthcheck");
	struct image_health *health = &create->def.health;
	int64_t retries = 0;
	int r = 0;

	*health = create->image->health;
	if (create_empty(from))
		return 0;
	if (json_count(json_get(from, "Test"))) {
		health->test = (struct image_texts){ 0 };
		r = create_texts(create, from, "Test", &health->test, err);
	}
	retries = health->retries;
	if (r >= 0)
		r = create_number(from, "Interval", 0, INT64_MAX, &health->interval_ns, err);
	if (r >= 0)
		r = create_number(from, "Timeout", 0, INT64_MAX, &health->timeout_ns, err);
	if (r >= 0)
		r = create_number(from, "StartPeriod", 0, INT64_MAX, &health->start_period_ns, err);
	if (r >= 0)
		r = create_number(from, "StartInterval", 0, INT64_MAX, &health->start_interval_ns,
				  err);
	if (r >= 0)
		r = create_number(from, "Retries", 0, INT32_MAX, &retries, err);
	health->retries = (uint32_t)retries;
	if (r >= 0 && health->test.count && !strcmp(health->test.items[0], "NONE"))
		*health = (struct image_health){ 0 };
	return r;
}

/* ---- the rest ---- */

static int config_exposed(struct create *create, struct err *err)
{
	const struct json *ports = json_get(create->body, "ExposedPorts"), *value;
	const struct image_texts *image = &create->image->exposed_ports;
	struct image_texts *all = &create->exposed;
	size_t room = image->count + (size_t)json_count(ports);
	struct json_iter iter;
	struct str key;

	/* Of a long range a client names each port: more than a list of an image may have. */
	all->items = arena_array(create->arena, room + 1, sizeof(*all->items));
	if (!all->items)
		return err_set(err, -ENOMEM, "no memory for exposed ports");
	for (uint32_t i = 0; i < image->count; i++)
		all->items[all->count++] = image->items[i];
	json_iter_init(&iter, ports);
	while (json_iter_next(&iter, &key, &value)) {
		const char *text = arena_text(create->arena, key);
		bool known = false;

		for (uint32_t i = 0; text && i < image->count; i++)
			known |= !strcmp(image->items[i], text);
		if (text && !known && all->count < room)
			all->items[all->count++] = text;
	}
	return 0;
}

/* As Go's filepath.Clean() has it of an absolute path: "/a//b/./c/.." is "/a/b". NULL: no memory.
 */
static const char *clean_path(struct arena *arena, const char *path)
{
	char *clean = arena_alloc(arena, strlen(path) + 2);
	struct str rest = str_from(path), part;
	size_t len = 0;

	while (clean && str_cut(&rest, '/', &part)) {
		if (!part.len || str_is(part, "."))
			continue;
		if (str_is(part, "..")) {
			while (len && clean[--len] != '/')
				;
			continue;
		}
		clean[len++] = '/';
		memcpy(clean + len, part.ptr, part.len);
		len += part.len;
	}
	if (!clean)
		return NULL;
	if (!len)
		clean[len++] = '/';
	clean[len] = 0;
	return clean;
}

static int config_names(struct create *create, struct err *err)
{
	struct container_def *def = &create->def;
	const struct json *body = create->body;
	int r = create_text(create, body, "Hostname", &def->hostname, err);

	if (r >= 0)
		r = create_text(create, body, "Domainname", &def->host.domainname, err);
	if (r >= 0)
		r = create_text(create, body, "User", &def->user, err);
	if (r >= 0)
		r = create_text(create, body, "WorkingDir", &def->workdir, err);
	if (r >= 0)
		r = create_text(create, body, "StopSignal", &def->stop_signal, err);
	if (r < 0)
		return r;
	if (!*def->hostname)
		def->hostname = create->hostname;
	if (!*def->user)
		def->user = create->image->user;
	if (!*def->workdir)
		def->workdir = *create->image->workdir ? create->image->workdir : "/";
	if (*def->workdir == '/' && !(def->workdir = clean_path(create->arena, def->workdir)))
		return err_set(err, -ENOMEM, "no memory for a request");
	if (*def->workdir != '/')
		return err_set(err, -EINVAL,
			       "the working directory '%s' is invalid, it needs to be an absolute "
			       "path",
			       def->workdir);
	if (!*def->stop_signal)
		def->stop_signal = create->image->stop_signal;
	return 0;
}

int create_config(struct create *create, struct err *err)
{
	struct container_def *def = &create->def;
	int64_t timeout_s = 10;
	int r = config_names(create, err);

	if (r >= 0)
		r = config_command(create, err);
	if (r >= 0)
		r = config_env(create, err);
	if (r >= 0)
		r = config_labels(create, err);
	if (r >= 0)
		r = config_health(create, err);
	if (r >= 0)
		r = config_exposed(create, err);
	if (r >= 0)
		r = create_number(create->body, "StopTimeout", -1, INT32_MAX, &timeout_s, err);
	def->stop_grace_ms = timeout_s < 0 ? INT32_MAX : timeout_s * 1000;
	def->tty = json_true(json_get(create->body, "Tty"));
	def->host.stdin_open = json_true(json_get(create->body, "OpenStdin"));
	def->host.stdin_once = json_true(json_get(create->body, "StdinOnce"));
	return r;
}
