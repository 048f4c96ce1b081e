/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /build: the query becomes a call to engine main, the context passes through a pipe, or
 * engine main fetches it. Runs in the api role, which unpacks nothing of it. Must never pass over
 * an option that changes the image.
 */
#include "engine/docker/build.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "engine/api/engine_msg.h"
#include "engine/api/image_msg.h"
#include "engine/build/plan.h"
#include "engine/docker/base64.h"
#include "engine/docker/create.h"
#include "engine/docker/handlers.h"
#include "engine/docker/platform.h"
#include "engine/docker/transfer.h"
#include "engine/git/git.h"
#include "engine/oci/oci.h"
#include "engine/oci/reference.h"
#include "lib/own.h"

enum { BUILD_QUERY_MAX = 8192, BUILD_BODY = 2 << 20, BUILD_LOGIN_MAX = 16384 };

static int no_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "no memory for a request");
}

static const char *query_text(struct docker_client *client, const char *name)
{
	char text[BUILD_QUERY_MAX];

	return docker_query(client, name, text, sizeof(text))
		       ? arena_text(&client->arena, str_from(text))
		       : "";
}

/* ---- lists in JSON ---- */

static int parse_query(struct docker_client *client, const char *name, struct json_doc *ret_doc,
		       struct err *err)
{
	const char *text = query_text(client, name);
	struct err bad = { 0 };

	*ret_doc = (struct json_doc){ 0 };
	if (!text)
		return no_memory(err);
	if (!*text || json_parse(str_from(text), BUILD_QUERY_MAX, ret_doc, &bad) >= 0)
		return 0;
	return err_set(err, -EINVAL, "%s: invalid JSON: %s", name, err_text(&bad));
}

/* {"key": "value"}; null: the client has no value for it. */
static int read_pairs(struct docker_client *client, const char *name, struct image_pairs *pairs,
		      struct err *err)
{
	struct json_doc doc;
	const struct json *value;
	struct json_iter iter;
	struct str key;
	int r = parse_query(client, name, &doc, err);

	json_iter_init(&iter, doc.root);
	while (r >= 0 && json_iter_next(&iter, &key, &value)) {
		const char *k = arena_text(&client->arena, key);
		const char *v = arena_text(&client->arena, json_str(value));

		if (json_type(value) == JSON_NULL)
			continue;
		if (!k || !v)
			r = no_memory(err);
		else if (json_type(value) != JSON_STRING)
			r = err_set(err, -EINVAL, "%s: the value of %.100s is no string", name, k);
		else if (pairs->count >= ENGINE_CONTEXT_PAIRS_MAX)
			r = err_set(err, -EINVAL, "%s: more than %d", name,
				    ENGINE_CONTEXT_PAIRS_MAX);
		else
			r = image_pairs_set(&client->arena, pairs, k, v, err);
	}
	json_done(&doc);
	return r;
}

/* Each extrahosts=NAME:ADDRESS of the query. */
static int read_hosts(struct docker_client *client, struct image_pairs *hosts, struct err *err)
{
	struct str rest = str_from(client->query), pair;
	struct arena *arena = &client->arena;
	char text[1024];
	int r = 0;

	while (r >= 0 && str_cut(&rest, '&', &pair)) {
		const char *name = NULL, *address = NULL;
		char *colon;

		if (!str_starts(pair, STR("extrahosts=")))
			continue;
		if (docker_decode_query(str_skip(pair, 11), text, sizeof(text)) < 0)
			return err_set(err, -EINVAL, "bad format for add-host");
		colon = strchr(text, ':');
		if (!colon || colon == text || !colon[1] ||
		    hosts->count >= ENGINE_CONTEXT_PAIRS_MAX)
			return err_set(err, -EINVAL, "bad format for add-host: \"%.100s\"", text);
		name = arena_text(arena, str_make(text, (size_t)(colon - text)));
		address = arena_text(arena, str_from(colon + 1));
		r = name && address ? image_pairs_set(arena, hosts, name, address, err)
				    : no_memory(err);
	}
	return r;
}

/* ---- what is not carried out ---- */

static int refuse_set(struct docker_client *client, struct err *err)
{
	static const struct {
		const char *name, *option, *none[3];
	} options[] = { { "cgroupparent", "--cgroup-parent", { "", "", "" } },
			{ "isolation", "--isolation", { "default", "", "" } },
			{ "securityopt", "--security-opt", { "", "null", "[]" } } };

	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		const char *text = query_text(client, options[i].name);
		bool none = text && !*text;

		for (size_t n = 0; text && !none && n < ARRAY_LEN(options[i].none); n++)
			none = !strcmp(text, options[i].none[n]);
		if (!none)
			return err_set(err, -EINVAL,
				       "build %s %.100s is not supported by this engine: leave it "
				       "out",
				       options[i].option, text ? text : "");
	}
	if (docker_query_flag(client, "squash", false))
		return err_set(err, -EINVAL, "squash is only supported with experimental mode");
	return 0;
}

static bool is_url(const char *text)
{
	return !strncmp(text, "http://", 7) || !strncmp(text, "https://", 8);
}

static int check_source(struct docker_client *client, struct err *err)
{
	const char *remote = query_text(client, "remote");
	const char *platform = query_text(client, "platform");
	struct oci_platform own = oci_platform_own();
	struct docker_platform wanted;
	char ours[64];

	if (!remote || !platform)
		return no_memory(err);
	if (*remote && !is_url(remote) && !git_source_is_context(str_from(remote)))
		return err_set(err, -EINVAL, "remoteURL (%.200s) could not be recognized as URL",
			       remote);
	(void)snprintf(ours, sizeof(ours), "%s/%s", own.os, own.architecture);
	if (*platform && strncmp(platform, ours, strlen(ours)) != 0 &&
	    strcmp(platform, own.architecture) != 0)
		return docker_platform_parse(str_from(platform), &wanted, err) < 0
			       ? -EINVAL
			       : err_set(err, -EINVAL,
					 "build --platform %.100s: only %s can run here", platform,
					 ours);
	return 0;
}

/* ---- names and logins ---- */

static int read_names(struct docker_client *client, struct engine_context *wanted, struct err *err)
{
	struct str rest = str_from(client->query), pair;
	char name[1024], full[OCI_REFERENCE_MAX];
	bool known;

	while (str_cut(&rest, '&', &pair)) {
		if (!str_starts(pair, STR("t=")))
			continue;
		if (docker_decode_query(str_skip(pair, 2), name, sizeof(name)) < 0)
			return docker_reference_refuse("", err);
		if (!*name)
			continue;
		if (strchr(name, '@'))
			return err_set(err, -EINVAL, "build tag cannot contain a digest: %.200s",
				       name);
		if (oci_reference_normalise(str_from(name), full, NULL) < 0)
			return docker_reference_refuse(name, err);
		known = false;
		for (uint32_t i = 0; i < wanted->name_count; i++)
			known |= !strcmp(wanted->names[i], full);
		if (known)
			continue;
		if (wanted->name_count == ENGINE_CONTEXT_NAMES_MAX)
			return err_set(err, -EINVAL, "more than %d names for one image",
				       ENGINE_CONTEXT_NAMES_MAX);
		wanted->names[wanted->name_count] = arena_text(&client->arena, str_from(full));
		if (!wanted->names[wanted->name_count++])
			return no_memory(err);
	}
	return 0;
}

/* "https://index.docker.io/v1/" and "registry:5000" as engine main names hosts. */
static struct str login_host(struct str key)
{
	ptrdiff_t at;

	if (str_starts(key, STR("https://")))
		key = str_skip(key, 8);
	else if (str_starts(key, STR("http://")))
		key = str_skip(key, 7);
	at = str_find(key, '/');
	if (at >= 0)
		key = str_head(key, (size_t)at);
	return str_is(key, "index.docker.io") || str_is(key, "docker.io")
		       ? STR("registry-1.docker.io")
		       : key;
}

static int read_login(struct docker_client *client, struct engine_context *wanted, struct str key,
		      const struct json *value, struct err *err)
{
	struct engine_context_login *login = &wanted->logins[wanted->login_count];
	struct arena *arena = &client->arena;

	if (wanted->login_count == ENGINE_CONTEXT_LOGINS_MAX)
		return err_set(err, -EINVAL, "X-Registry-Config: more than %d registries",
			       ENGINE_CONTEXT_LOGINS_MAX);
	login->host = arena_text(arena, login_host(key));
	login->user = arena_text(arena, json_str(json_get(value, "username")));
	login->password = arena_text(arena, json_str(json_get(value, "password")));
	login->token = arena_text(arena, json_str(json_get(value, "identitytoken")));
	if (!login->host || !login->user || !login->password || !login->token)
		return no_memory(err);
	wanted->login_count += *login->user || *login->token;
	return 0;
}

static int read_logins(struct docker_client *client, struct engine_context *wanted, struct err *err)
{
	struct str header = http_field(&client->head, "X-Registry-Config"), key;
	struct buf text OWN(buf_done) = { 0 };
	const struct json *value;
	struct json_doc doc = { 0 };
	struct json_iter iter;
	int r = 0;

	buf_init(&text, BUILD_LOGIN_MAX);
	if (header.len && (!docker_base64_decode(header, &text) ||
			   json_parse(buf_str(&text), BUILD_LOGIN_MAX, &doc, NULL) < 0))
		return err_set(err, -EINVAL, "invalid X-Registry-Config header");
	json_iter_init(&iter, doc.root);
	while (r >= 0 && json_iter_next(&iter, &key, &value))
		r = read_login(client, wanted, key, value, err);
	json_done(&doc);
	return r;
}

/* ---- the request ---- */

uint64_t docker_build_token(void)
{
	static uint64_t tokens;

	return ++tokens;
}

static int read_request(struct docker_client *client, struct engine_context *wanted,
			struct err *err)
{
	int r = check_source(client, err);

	*wanted = (struct engine_context){ .token = docker_build_token() };
	wanted->dockerfile = query_text(client, "dockerfile");
	wanted->target = query_text(client, "target");
	wanted->remote = query_text(client, "remote");
	wanted->no_cache = docker_query_flag(client, "nocache", false);
	wanted->pull = docker_query_flag(client, "pull", false);
	if (r >= 0 && (!wanted->dockerfile || !wanted->target || !wanted->remote))
		r = no_memory(err);
	if (r >= 0)
		r = refuse_set(client, err);
	if (r >= 0)
		r = build_read_limits(client, wanted, err);
	if (r >= 0)
		r = read_names(client, wanted, err);
	if (r >= 0)
		r = read_pairs(client, "buildargs", &wanted->args, err);
	if (r >= 0)
		r = read_pairs(client, "labels", &wanted->labels, err);
	if (r >= 0)
		r = read_hosts(client, &wanted->hosts, err);
	return r < 0 ? r : read_logins(client, wanted, err);
}

/* BuildKit's builder, and not with a tar as the body: that is built as it always was. */
static bool wants_session(struct docker_client *client)
{
	const char *remote = query_text(client, "remote");
	char version[8] = "";

	(void)docker_query(client, "version", version, sizeof(version));
	return !strcmp(version, "2") && remote && *remote;
}

void docker_build(struct docker_client *client)
{
	struct engine_context wanted;
	struct buf body OWN(buf_done) = { 0 };
	struct err err = { 0 };
	struct build *build;

	if (wants_session(client)) {
		docker_build_session(client);
		return;
	}
	if (read_request(client, &wanted, &err) < 0) {
		docker_reply_err(client, &err);
		return;
	}
	buf_init(&body, BUILD_BODY);
	engine_context_put(&body, &wanted);
	build = buf_error(&body) ? NULL : build_new_work(client);
	if (!build) {
		docker_reply_error(client, 500, "no memory for a request");
		return;
	}
	build->wanted = wanted;
	build->quiet = docker_query_flag(client, "q", false);
	if (*wanted.remote)
		docker_ask(client, ENGINE_MSG_BUILD_CONTEXT, buf_str(&body), build_on_said);
	else
		docker_upload(client, ENGINE_MSG_BUILD_CONTEXT, buf_str(&body), build_on_said);
}

/* A classic build ends with its connection; there is none by a number. */
void docker_build_give_up(struct docker_client *client)
{
	char id[128] = "";

	(void)docker_query(client, "id", id, sizeof(id));
	if (*id)
		docker_reply_empty(client, 200);
	else
		docker_reply_error(client, 400, "build ID not provided");
}
