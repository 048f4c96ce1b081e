/* SPDX-License-Identifier: Apache-2.0 */
/*
 * New images without a build: commit of a container, import of a root file system. Runs in the api
 * role. Must never take an instruction that would have to be carried out.
 */
#include "engine/docker/new_image.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include "engine/build/plan.h"
#include "engine/docker/create.h"
#include "engine/docker/handlers.h"
#include "engine/docker/platform.h"
#include "engine/docker/progress.h"
#include "engine/docker/transfer.h"
#include "engine/docker/view.h"
#include "engine/http/url.h"
#include "engine/oci/reference.h"
#include "lib/own.h"

enum { NEW_QUERY_MAX = 8192, NEW_BODY_MAX = 3 << 20 };

static int no_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "no memory for a request");
}

static const char *query_text(struct docker_client *client, const char *name)
{
	char text[NEW_QUERY_MAX];

	return docker_query(client, name, text, sizeof(text))
		       ? arena_text(&client->arena, str_from(text))
		       : "";
}

int new_image_query(struct docker_client *client, struct engine_new_image *ret_wanted,
		    struct err *err)
{
	char repo[512] = "", tag[160] = "", full[OCI_REFERENCE_MAX] = "";
	struct engine_new_image wanted = { .container = "", .pause = true };
	struct buf name OWN(buf_done) = { 0 };

	(void)docker_query(client, "repo", repo, sizeof(repo));
	(void)docker_query(client, "tag", tag, sizeof(tag));
	buf_init(&name, 1024);
	(void)buf_printf(&name, "%s%s%s", repo, *tag ? ":" : "", tag);
	if (*repo && (strchr(repo, '@') || oci_reference_normalise(buf_str(&name), full, NULL) < 0))
		return *tag && oci_reference_normalise(str_from(repo), full, NULL) >= 0
			       ? err_set(err, -EINVAL, "invalid tag format")
			       : docker_reference_refuse(repo, err);
	image_init(&wanted.config);
	wanted.reference = arena_text(&client->arena, str_from(full));
	wanted.author = query_text(client, "author");
	wanted.comment = query_text(client, "comment");
	if (wanted.comment && !*wanted.comment)
		wanted.comment = query_text(client, "message");
	if (!wanted.reference || !wanted.author || !wanted.comment)
		return no_memory(err);
	*ret_wanted = wanted;
	return 0;
}

/* ---- changes ---- */

/* The part that an instruction sets; 0: it is none that changes a configuration. */
static uint32_t set_of(enum dockerfile_kind kind)
{
	switch (kind) {
	case DOCKERFILE_KIND_CMD:
		return ENGINE_SET_CMD;
	case DOCKERFILE_KIND_ENTRYPOINT: /* it makes the command meaningless */
		return ENGINE_SET_ENTRYPOINT | ENGINE_SET_CMD;
	case DOCKERFILE_KIND_LABEL:
		return ENGINE_SET_LABELS;
	case DOCKERFILE_KIND_EXPOSE:
		return ENGINE_SET_PORTS;
	case DOCKERFILE_KIND_ENV:
		return ENGINE_SET_ENV;
	case DOCKERFILE_KIND_VOLUME:
		return ENGINE_SET_VOLUMES;
	case DOCKERFILE_KIND_USER:
		return ENGINE_SET_USER;
	case DOCKERFILE_KIND_WORKDIR:
		return ENGINE_SET_WORKDIR;
	case DOCKERFILE_KIND_STOPSIGNAL:
		return ENGINE_SET_STOP_SIGNAL;
	case DOCKERFILE_KIND_HEALTHCHECK:
		return ENGINE_SET_HEALTH;
	case DOCKERFILE_KIND_ONBUILD:
		return ENGINE_SET_ON_BUILD;
	case DOCKERFILE_KIND_FROM:
	case DOCKERFILE_KIND_RUN:
	case DOCKERFILE_KIND_ADD:
	case DOCKERFILE_KIND_COPY:
	case DOCKERFILE_KIND_ARG:
	case DOCKERFILE_KIND_SHELL:
	case DOCKERFILE_KIND_MAINTAINER:
		return 0;
	}
	return 0;
}

/* "FROM image" and the changes, one line each. */
static int read_changes(struct docker_client *client, struct buf *out, struct err *err)
{
	struct str rest = str_from(client->query), pair;
	char line[NEW_QUERY_MAX];

	(void)buf_add_text(out, "FROM image\n");
	while (str_cut(&rest, '&', &pair)) {
		if (!str_starts(pair, STR("changes=")))
			continue;
		if (docker_decode_query(str_skip(pair, 8), line, sizeof(line)) < 0)
			return err_set(err, -EINVAL, "a change that is badly encoded");
		(void)buf_printf(out, "%s\n", line);
	}
	return buf_error(out) ? no_memory(err) : 0;
}

static int check_changes(struct docker_client *client, struct str text, uint32_t *set,
			 struct err *err)
{
	struct dockerfile file;
	int r = dockerfile_parse(text, &client->arena, &file, err);

	for (uint32_t i = 1; r >= 0 && i < file.step_count; i++) {
		uint32_t part = set_of(file.steps[i].kind);

		if (!part)
			r = err_set(err, -EINVAL, "%s is not a valid change command",
				    dockerfile_kind_name(file.steps[i].kind));
		*set |= part;
	}
	return r;
}

int new_image_changes(struct docker_client *client, struct engine_new_image *wanted,
		      struct err *err)
{
	struct buf text OWN(buf_done) = { 0 };
	struct build_plan *plan = arena_alloc(&client->arena, sizeof(*plan));
	struct build_inputs inputs = { .target = "" };
	struct err bad = { 0 };
	int r;

	if (!plan)
		return no_memory(err);
	buf_init(&text, 2 * NEW_QUERY_MAX);
	r = read_changes(client, &text, err);
	if (r >= 0)
		r = check_changes(client, buf_str(&text), &wanted->set, &bad);
	inputs.dockerfile = buf_str(&text);
	if (r >= 0)
		r = build_plan_make(&inputs, &wanted->config, 1, &client->arena, plan, &bad);
	if (bad.code)
		return err_set(err, bad.code == -ENOMEM ? -ENOMEM : -EINVAL, "%s", err_text(&bad));
	if (r < 0)
		return r;
	wanted->config = plan->stages[plan->target].image;
	return 0;
}

/* ---- import ---- */

/* "-" = the request's body, or an URL: without a scheme http's, as Docker takes it. */
static int import_source(struct docker_client *client, char dst[ENGINE_PATH_MAX], struct err *err)
{
	char text[ENGINE_PATH_MAX - 8] = "";
	struct url url;
	const char *scheme;

	if (!docker_query(client, "fromSrc", text, sizeof(text)) || !*text)
		return err_set(err, -EINVAL, "import: the source is missing, or too long");
	scheme = strcmp(text, "-") == 0 || strstr(text, "://") ? "" : "http://";
	(void)snprintf(dst, ENGINE_PATH_MAX, "%s%s", scheme, text);
	return strcmp(dst, "-") == 0 ? 0 : url_parse(str_from(dst), &url, err);
}

static void on_imported(struct msg_peer *peer, void *owner, struct msg *reply,
			const struct err *err)
{
	struct docker_client *client = owner;
	struct wire in;

	(void)peer;
	if (!reply) {
		docker_put_failure(client, err);
		return;
	}
	wire_init(&in, reply->body.ptr, reply->body.len);
	docker_put_status(client, wire_str(&in, 128));
	docker_stream_end(client);
}

/* What an URL leads to: nothing was sent yet, so a failure has its status. */
static void on_fetched(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct docker_client *client = owner;
	char url[ENGINE_PATH_MAX], text[ENGINE_PATH_MAX + 32];

	if (!reply) {
		docker_reply_err(client, err);
		return;
	}
	(void)import_source(client, url, NULL);
	(void)snprintf(text, sizeof(text), "Downloading from %.*s",
		       STR_ARG(url_shown(str_from(url))));
	docker_put_status(client, str_from(text));
	on_imported(peer, owner, reply, err);
}

/* The image that is made is this machine's. */
static int import_platform(struct docker_client *client, struct err *err)
{
	char text[DOCKER_PLATFORM_MAX] = "";
	struct docker_platform wanted;
	int r;

	if (!docker_query(client, "platform", text, sizeof(text)) || !*text)
		return 0;
	r = docker_platform_parse(str_from(text), &wanted, err);
	if (r < 0 || docker_platform_is_own(&wanted))
		return r;
	if (strcmp(wanted.os, "linux") != 0)
		return err_set(err, -EINVAL, "operating system is not supported");
	docker_platform_text(&wanted, text);
	return err_set(err, -EINVAL,
		       "import --platform %s: this engine keeps images of its own platform only",
		       text);
}

void docker_image_import(struct docker_client *client)
{
	struct engine_new_image wanted;
	struct buf body OWN(buf_done) = { 0 };
	char source[ENGINE_PATH_MAX], from[ENGINE_PATH_MAX + 32];
	struct err err = { 0 };

	if (import_source(client, source, &err) < 0 || import_platform(client, &err) < 0 ||
	    new_image_query(client, &wanted, &err) < 0 ||
	    new_image_changes(client, &wanted, &err) < 0) {
		docker_reply_err(client, &err);
		return;
	}
	(void)snprintf(from, sizeof(from), "Imported from %.*s",
		       STR_ARG(url_shown(str_from(source))));
	if (!*wanted.comment)
		wanted.comment = from;
	buf_init(&body, NEW_BODY_MAX);
	engine_new_image_put(&body, &wanted);
	wire_put_text(&body, strcmp(source, "-") == 0 ? "" : source);
	if (strcmp(source, "-") == 0)
		docker_upload(client, ENGINE_MSG_IMPORT, buf_str(&body), on_imported);
	else
		docker_ask(client, ENGINE_MSG_IMPORT, buf_str(&body), on_fetched);
}

/* ---- commit ---- */

static void on_committed(struct msg_peer *peer, void *owner, struct msg *reply,
			 const struct err *err)
{
	struct wire in;

	(void)peer;
	if (!reply) {
		docker_reply_err(owner, err);
		return;
	}
	wire_init(&in, reply->body.ptr, reply->body.len);
	docker_reply_id(owner, wire_str(&in, 128), DOCKER_REPLY_BARE);
}

/* The names of an object's members: "ExposedPorts", "Volumes". */
static int read_names(struct arena *arena, const struct json *object, struct image_texts *texts,
		      struct err *err)
{
	const struct json *value;
	struct json_iter iter;
	struct str key;
	int r = 0;

	json_iter_init(&iter, object);
	while (r >= 0 && json_iter_next(&iter, &key, &value)) {
		const char *name = arena_text(arena, key);

		r = name ? image_texts_add(arena, texts, name, err) : no_memory(err);
	}
	return r;
}

static int read_labels(struct arena *arena, const struct json *object, struct image_pairs *pairs,
		       struct err *err)
{
	const struct json *value;
	struct json_iter iter;
	struct str key;
	int r = 0;

	json_iter_init(&iter, object);
	while (r >= 0 && json_iter_next(&iter, &key, &value)) {
		const char *name = arena_text(arena, key);
		const char *text = arena_text(arena, json_str(value));

		r = name && text ? image_pairs_set(arena, pairs, name, text, err) : no_memory(err);
	}
	return r;
}

/* Which parts a Config speaks of. */
static uint32_t set_of_config(const struct json *config)
{
	static const struct {
		const char *key;
		uint32_t part;
	} parts[] = { { "Cmd", ENGINE_SET_CMD },
		      { "Entrypoint", ENGINE_SET_ENTRYPOINT },
		      { "Env", ENGINE_SET_ENV },
		      { "OnBuild", ENGINE_SET_ON_BUILD },
		      { "User", ENGINE_SET_USER },
		      { "WorkingDir", ENGINE_SET_WORKDIR },
		      { "StopSignal", ENGINE_SET_STOP_SIGNAL },
		      { "ExposedPorts", ENGINE_SET_PORTS },
		      { "Volumes", ENGINE_SET_VOLUMES },
		      { "Labels", ENGINE_SET_LABELS } };
	uint32_t set = 0;

	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		set |= create_empty(json_get(config, parts[i].key)) ? 0 : parts[i].part;
	return set;
}

/* What of a Config is said replaces what `image` has so far, as Docker merges the two. */
static int read_config(struct create *create, const struct json *config, struct image *image,
		       struct err *err)
{
	static const struct {
		const char *key;
		size_t offset;
	} lists[] = { { "Cmd", offsetof(struct image, cmd) },
		      { "Entrypoint", offsetof(struct image, entrypoint) },
		      { "Env", offsetof(struct image, env) },
		      { "OnBuild", offsetof(struct image, on_build) } },
	  texts[] = { { "User", offsetof(struct image, user) },
		      { "WorkingDir", offsetof(struct image, workdir) },
		      { "StopSignal", offsetof(struct image, stop_signal) } };
	int r = 0;

	for (size_t i = 0; r >= 0 && i < ARRAY_LEN(lists); i++) {
		struct image_texts *list = (struct image_texts *)((char *)image + lists[i].offset);

		if (create_empty(json_get(config, lists[i].key)))
			continue;
		*list = (struct image_texts){ 0 };
		r = create_texts(create, config, lists[i].key, list, err);
	}
	for (size_t i = 0; r >= 0 && i < ARRAY_LEN(texts); i++) {
		if (json_str(json_get(config, texts[i].key)).len)
			r = create_text(create, config, texts[i].key,
					(const char **)((char *)image + texts[i].offset), err);
	}
	if (r >= 0)
		r = read_names(create->arena, json_get(config, "ExposedPorts"),
			       &image->exposed_ports, err);
	if (r >= 0)
		r = read_names(create->arena, json_get(config, "Volumes"), &image->volumes, err);
	return r < 0 ? r
		     : read_labels(create->arena, json_get(config, "Labels"), &image->labels, err);
}

/* The image's configuration is the container's, then the request's, then the changes. */
static int plan_commit(struct docker_client *client, const struct docker_box *box,
		       struct engine_new_image *wanted, struct err *err)
{
	struct create create = { .client = client, .arena = &client->arena };
	struct json_doc api = { 0 };
	int r = new_image_query(client, wanted, err);

	wanted->container = arena_text(&client->arena, box->view.id);
	wanted->pause = docker_query_flag(client, "pause", true);
	if (r >= 0 && !wanted->container)
		r = no_memory(err);
	if (r >= 0 && box->has_def && box->def.host_set &&
	    json_parse(str_from(box->def.host.api), JSON_TEXT_MAX, &api, NULL) >= 0) {
		wanted->set = ENGINE_SET_ENV | ENGINE_SET_LABELS | ENGINE_SET_CMD |
			      ENGINE_SET_ENTRYPOINT | ENGINE_SET_WORKDIR | ENGINE_SET_USER |
			      ENGINE_SET_PORTS | ENGINE_SET_VOLUMES;
		r = read_config(&create, json_get(api.root, "Config"), &wanted->config, err);
	}
	json_done(&api);
	if (r >= 0 && *wanted->config.stop_signal)
		wanted->set |= ENGINE_SET_STOP_SIGNAL;
	if (r >= 0 && client->json.root) {
		r = read_config(&create, client->json.root, &wanted->config, err);
		wanted->set |= set_of_config(client->json.root);
	}
	return r < 0 ? r : new_image_changes(client, wanted, err);
}

static void on_commit_view(struct msg_peer *peer, void *owner, struct msg *reply,
			   const struct err *err)
{
	struct docker_client *client = owner;
	struct buf body OWN(buf_done) = { 0 };
	struct docker_boxes boxes = { 0 };
	struct engine_new_image wanted;
	struct err bad = { 0 };

	(void)peer;
	if (!reply || docker_boxes_read(reply->body, &client->arena, &boxes, &bad) < 0 ||
	    !boxes.count || plan_commit(client, &boxes.rows[0], &wanted, &bad) < 0) {
		docker_reply_err(client, reply ? &bad : err);
		return;
	}
	buf_init(&body, NEW_BODY_MAX);
	engine_new_image_put(&body, &wanted);
	docker_ask(client, ENGINE_MSG_COMMIT, buf_str(&body), on_committed);
}

void docker_commit(struct docker_client *client)
{
	if (client->body.len && !docker_body_json(client))
		return;
	if (!docker_query(client, "container", client->argument, sizeof(client->argument)) ||
	    !*client->argument) {
		docker_reply_error(client, 404, "No such container: ");
		return;
	}
	docker_ask_argument(client, ENGINE_MSG_VIEWS, on_commit_view);
}
