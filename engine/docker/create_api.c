/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What inspect gives back of a create request: Config with what the image had beside it, HostConfig
 * with Docker's defaults. Written once at creation, kept by engine main unread. Runs in the api
 * role.
 */
#include <errno.h>
#include <string.h>
#include "engine/docker/create.h"
#include "engine/docker/text.h"
#include "lib/own.h"

static void put_set(struct json_writer *w, const char *key, const struct image_texts *texts)
{
	json_key(w, key);
	json_begin_object(w);
	for (uint32_t i = 0; i < texts->count; i++) {
		bool before = false; /* an image of elsewhere may say it twice */

		for (uint32_t k = 0; k < i; k++)
			before |= !strcmp(texts->items[k], texts->items[i]);
		if (before)
			continue;
		json_key(w, texts->items[i]);
		json_begin_object(w);
		json_end_object(w);
	}
	json_end_object(w);
}

static void put_flag(struct json_writer *w, const struct create *create, const char *key)
{
	json_member_bool(w, key, json_true(json_get(create->body, key)));
}

/* The client's list, else the image's (null when there is none). */
static void put_command(struct json_writer *w, const struct create *create, const char *key,
			const struct image_texts *own, bool take_own)
{
	const struct json *value = json_get(create->body, key);

	if (json_count(value) || json_type(value) == JSON_STRING) {
		json_key(w, key);
		if (json_type(value) == JSON_STRING)
			json_begin_array(w);
		json_put_value(w, value);
		if (json_type(value) == JSON_STRING)
			json_end_array(w);
		return;
	}
	docker_put_texts(w, key, take_own ? own : &(struct image_texts){ 0 }, true);
}

/* HOSTNAME, the last one, is the engine's unless somebody said it. */
static void put_env(struct json_writer *w, const struct create *create)
{
	const struct image_texts *env = &create->def.env;
	uint32_t count = env->count - (create->own_hostname && env->count ? 1 : 0);

	json_key(w, "Env");
	json_begin_array(w);
	for (uint32_t i = 0; i < create->unset.count; i++)
		json_put_text(w, create->unset.items[i]);
	for (uint32_t i = 0; i < count; i++)
		json_put_text(w, env->items[i]);
	json_end_array(w);
}

static void put_config(struct json_writer *w, const struct create *create)
{
	const struct container_def *def = &create->def;
	bool has_entry = json_count(json_get(create->body, "Entrypoint")) > 0;
	bool has_cmd = json_count(json_get(create->body, "Cmd")) > 0;

	json_begin_object(w);
	json_member_text(w, "Hostname", def->hostname);
	json_member_text(w, "Domainname", def->host.domainname);
	json_member_text(w, "User", def->user);
	put_flag(w, create, "AttachStdin");
	put_flag(w, create, "AttachStdout");
	put_flag(w, create, "AttachStderr");
	if (create->exposed.count)
		put_set(w, "ExposedPorts", &create->exposed);
	put_flag(w, create, "Tty");
	put_flag(w, create, "OpenStdin");
	put_flag(w, create, "StdinOnce");
	put_env(w, create);
	put_command(w, create, "Cmd", &create->image->cmd, !has_entry && !has_cmd);
	if (json_get(create->body, "Healthcheck")) {
		json_key(w, "Healthcheck");
		json_put_value(w, json_get(create->body, "Healthcheck"));
	}
	json_member_str(w, "Image", json_str(json_get(create->body, "Image")));
	json_key(w, "Volumes");
	if (json_count(json_get(create->body, "Volumes")))
		json_put_value(w, json_get(create->body, "Volumes"));
	else
		json_put_null(w);
	json_member_text(w, "WorkingDir", def->workdir);
	put_command(w, create, "Entrypoint", &create->image->entrypoint, !has_entry);
	json_member_null(w, "OnBuild");
	docker_put_labels(w, "Labels", &create->labels);
	if (*def->stop_signal)
		json_member_text(w, "StopSignal", def->stop_signal);
	if (json_type(json_get(create->body, "StopTimeout")) == JSON_NUMBER) {
		json_key(w, "StopTimeout");
		json_put_value(w, json_get(create->body, "StopTimeout"));
	}
	json_end_object(w);
}

/* Members that Docker fills in when the client left them out. */
static void put_defaults(struct json_writer *w, const struct container_def *def,
			 const struct json *host)
{
	static const char *const texts[][2] = {
		{ "CgroupnsMode", "private" }, { "Runtime", "runc" }, { "UTSMode", "" },
		{ "UsernsMode", "" },	       { "Isolation", "" },   { "Cgroup", "" },
		{ "VolumeDriver", "" },
	};
	static const char *const empty[] = { "MaskedPaths", "ReadonlyPaths" };
	int64_t shm = 0;

	json_member_text(w, "PidMode", def->host.pid_mode);
	json_member_text(w, "IpcMode", *def->host.ipc_mode ? def->host.ipc_mode : "private");

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		if (json_str(json_get(host, texts[i][0])).len)
			continue;
		json_member_text(w, texts[i][0], texts[i][1]);
	}
	for (size_t i = 0; i < ARRAY_LEN(empty); i++) {
		if (json_type(json_get(host, empty[i])) != JSON_ARRAY)
			json_member_null(w, empty[i]);
	}
	if (json_i64(json_get(host, "ShmSize"), 1, INT64_MAX, &shm) < 0)
		json_member_u64(w, "ShmSize", 64 << 20);
}

static void put_network_mode(struct json_writer *w, const struct create *create)
{
	struct str mode = json_str(json_get(create->host, "NetworkMode"));
	struct buf text OWN(buf_done) = { 0 };

	buf_init(&text, 512);
	if (*create->def.host.network_from)
		(void)buf_printf(&text, "container:%s", create->def.host.network_from);
	else
		(void)buf_add_str(&text,
				  !mode.len || str_is(mode, "default") ? STR("bridge") : mode);
	json_member_str(w, "NetworkMode", buf_str(&text));
}

static void put_policies(struct json_writer *w, const struct json *host)
{
	struct str policy = json_str(json_get(json_get(host, "RestartPolicy"), "Name"));
	struct str log = json_str(json_get(json_get(host, "LogConfig"), "Type"));
	const struct json *config = json_get(json_get(host, "LogConfig"), "Config");
	int64_t max = 0;

	(void)json_i64(json_get(json_get(host, "RestartPolicy"), "MaximumRetryCount"), 0, INT32_MAX,
		       &max);
	json_key(w, "RestartPolicy");
	json_begin_object(w);
	json_member_str(w, "Name", policy.len ? policy : STR("no"));
	json_member_i64(w, "MaximumRetryCount", max);
	json_end_object(w);
	json_key(w, "LogConfig");
	json_begin_object(w);
	json_member_str(w, "Type", log.len ? log : STR("json-file"));
	json_key(w, "Config");
	if (json_type(config) == JSON_OBJECT) {
		json_put_value(w, config);
	} else {
		json_begin_object(w);
		json_end_object(w);
	}
	json_end_object(w);
}

/* Links of old as Docker prints them, "/NAME:/OWN/ALIAS"; elsewhere they are an endpoint's. */
static void put_links(struct json_writer *w, const struct create *create)
{
	const struct json *value;
	struct json_iter iter;
	struct str none;

	json_key(w, "Links");
	if (!create->def.host.link_env.count) {
		json_put_null(w);
		return;
	}
	json_begin_array(w);
	json_iter_init(&iter, json_get(create->host, "Links"));
	while (json_iter_next(&iter, &none, &value)) {
		struct buf text OWN(buf_done) = { 0 };
		const struct docker_box *other;
		struct str name, alias;

		create_link_parts(json_str(value), &name, &alias);
		other = create_other(create, name);
		buf_init(&text, 1024);
		(void)buf_printf(&text, "/%.*s:/%s/%.*s", STR_ARG(other ? other->view.name : name),
				 create->def.name, STR_ARG(alias));
		json_put_str(w, buf_str(&text));
	}
	json_end_array(w);
}

static void put_host(struct json_writer *w, const struct create *create)
{
	static const char *const own[] = { "NetworkMode", "RestartPolicy", "LogConfig",
					   "Links",	  "PidMode",	   "IpcMode" };
	static const char *const defaulted[] = { "CgroupnsMode", "Runtime",   "UTSMode",
						 "UsernsMode",	 "Isolation", "Cgroup",
						 "VolumeDriver" };
	const struct json *value;
	struct json_iter iter;
	struct str key;

	json_begin_object(w);
	json_iter_init(&iter, create->host);
	while (json_iter_next(&iter, &key, &value)) {
		bool skip = false;
		int64_t number;

		for (size_t i = 0; i < ARRAY_LEN(own); i++)
			skip |= str_is(key, own[i]);
		for (size_t i = 0; i < ARRAY_LEN(defaulted); i++)
			skip |= str_is(key, defaulted[i]) && !json_str(value).len;
		skip |= (str_is(key, "MaskedPaths") || str_is(key, "ReadonlyPaths")) &&
			json_type(value) != JSON_ARRAY;
		skip |= str_is(key, "ShmSize") && json_i64(value, 1, INT64_MAX, &number) < 0;
		if (skip)
			continue;
		json_key_str(w, key);
		json_put_value(w, value);
	}
	put_links(w, create);
	put_network_mode(w, create);
	put_policies(w, create->host);
	put_defaults(w, &create->def, create->host);
	json_end_object(w);
}

int create_api(struct create *create, struct err *err)
{
	struct buf text OWN(buf_done) = { 0 };
	const struct json *endpoints;
	struct json_writer w;

	buf_init(&text, CREATE_API_MAX);
	json_writer_init(&w, &text);
	json_begin_object(&w);
	json_key(&w, "Config");
	put_config(&w, create);
	json_key(&w, "HostConfig");
	put_host(&w, create);
	endpoints = json_get(json_get(create->body, "NetworkingConfig"), "EndpointsConfig");
	if (json_count(endpoints)) {
		json_key(&w, "Endpoints");
		json_put_value(&w, endpoints);
	}
	json_end_object(&w);
	if (buf_error(&text))
		return err_set(err, -EINVAL, "the container's configuration is too large");
	create->def.host.api = arena_text(create->arena, buf_str(&text));
	return create->def.host.api ? 0 : err_set(err, -ENOMEM, "no memory for a request");
}
