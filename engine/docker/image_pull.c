/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pull and push: how far engine main's job is, as Docker's stream of JSON. Runs in the api role.
 * The registry login of the client goes to engine main with the call and is kept nowhere.
 */
#include <errno.h>
#include <string.h>
#include "engine/api/engine_msg.h"
#include "engine/api/pull_msg.h"
#include "engine/docker/base64.h"
#include "engine/docker/handlers.h"
#include "engine/docker/login.h"
#include "engine/docker/platform.h"
#include "engine/docker/progress.h"
#include "engine/docker/record.h"
#include "engine/oci/reference.h"
#include "lib/own.h"

enum {
	LOGIN_MAX = 16384,
	LAYER_ID = 12, /* digits that a layer is called by */
};

struct pull {
	char reference[OCI_REFERENCE_MAX];
	char tag[160];
	bool push;
};

static void no_free(void *work)
{
	(void)work; /* in the request's arena */
}

/* ---- the login: base64 of {"username":..,"password":..,"identitytoken":..} ---- */

void docker_put_login(const struct json *login, struct buf *body)
{
	static const char *const keys[] = { "username", "password", "identitytoken" };

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		wire_put_str(body, json_str(json_get(login, keys[i])));
}

bool docker_put_header_login(struct docker_client *client, struct buf *body)
{
	struct str header = http_field(&client->head, "X-Registry-Auth");
	struct buf text OWN(buf_done) = { 0 };
	struct json_doc doc OWN(json_done) = { 0 };

	buf_init(&text, LOGIN_MAX);
	if (header.len && (!docker_base64_decode(header, &text) ||
			   json_parse(buf_str(&text), LOGIN_MAX, &doc, NULL) < 0)) {
		docker_reply_error(client, 400, "invalid X-Registry-Auth header");
		return false;
	}
	docker_put_login(doc.root, body);
	return true;
}

/* ---- the stream ---- */

/* Its first object, before anything is told of a layer. */
static void put_begin(struct docker_client *client)
{
	const struct pull *pull = client->work;
	struct buf line OWN(buf_done) = { 0 };
	struct oci_reference reference;

	if (client->streaming ||
	    oci_reference_parse(str_from(pull->reference), &reference, NULL) < 0)
		return;
	buf_init(&line, 1024);
	if (pull->push) {
		(void)buf_printf(&line, "The push refers to repository [%s/%s]", reference.domain,
				 reference.path);
		docker_put_status(client, buf_str(&line));
	} else {
		(void)buf_printf(&line, "Pulling from %s", reference.path);
		docker_put_status_of(client, pull->tag, buf_text(&line));
	}
}

static const char *stage_text(enum pull_stage stage, bool push)
{
	switch (stage) {
	case PULL_STAGE_MOVE:
		return push ? "Pushing" : "Downloading";
	case PULL_STAGE_WAIT:
		return push ? "Preparing" : "Pulling fs layer";
	case PULL_STAGE_STORE:
		return "Download complete";
	case PULL_STAGE_READY:
		return push ? "Pushed" : "Pull complete";
	case PULL_STAGE_THERE:
		return push ? "Layer already exists" : "Already exists";
	case PULL_STAGE_MOUNTED:
		return "Mounted from another repository";
	}
	return "";
}

static void put_stage(struct docker_client *client, const struct pull_progress *progress)
{
	const struct pull *pull = client->work;
	bool moves = progress->stage == PULL_STAGE_MOVE;
	char id[DIGEST_TEXT_MAX];

	put_begin(client);
	if (digest_is_zero(&progress->digest) || (moves && docker_stream_full(client)))
		return; /* how many bytes there are may be left out */
	(void)digest_text(&progress->digest, id);
	id[strlen("sha256:") + LAYER_ID] = 0;
	docker_put_layer(client, id + strlen("sha256:"), stage_text(progress->stage, pull->push),
			 moves ? progress->done : 0, moves ? progress->total : 0);
}

static void pull_end(struct docker_client *client, struct str body)
{
	const struct pull *pull = client->work;
	struct buf line OWN(buf_done) = { 0 };
	char name[OCI_REFERENCE_MAX] = "";
	struct oci_reference reference;
	struct str digest;
	uint64_t bytes;
	struct wire in;
	bool same;

	wire_init(&in, body.ptr, body.len);
	digest = wire_str(&in, DIGEST_TEXT_MAX);
	same = wire_bool(&in);
	bytes = wire_u64(&in);
	put_begin(client);
	if (oci_reference_parse(str_from(pull->reference), &reference, NULL) >= 0)
		(void)oci_reference_familiar(&reference, name);
	buf_init(&line, 1024);
	if (pull->push) {
		(void)buf_printf(&line, "%s: digest: %.*s size: %llu", pull->tag, STR_ARG(digest),
				 (unsigned long long)bytes);
		docker_put_status(client, buf_str(&line));
		docker_put_aux_push(client, pull->tag, digest, bytes);
	} else {
		(void)buf_printf(&line, "Digest: %.*s", STR_ARG(digest));
		docker_put_status(client, buf_str(&line));
		buf_clear(&line);
		(void)buf_printf(&line, "Status: %s for %s",
				 same ? "Image is up to date" : "Downloaded newer image", name);
		docker_put_status(client, buf_str(&line));
	}
	docker_stream_end(client);
}

static void on_progress(struct msg_peer *peer, void *owner, struct msg *reply,
			const struct err *err)
{
	struct docker_client *client = owner;
	struct arena arena OWN(arena_done) = { 0 };
	struct pull_progress progress;

	(void)peer;
	if (!reply && client->streaming) {
		docker_put_failure(client, err);
	} else if (!reply) {
		docker_reply_err(client, err);
	} else if (!(reply->flags & MSG_FLAG_MORE)) {
		pull_end(client, reply->body);
	} else {
		arena_init(&arena, 4096);
		if (pull_progress_decode(reply->body, &arena, &progress, NULL) >= 0)
			put_stage(client, &progress);
	}
}

static void pull_ask(struct docker_client *client, struct pull *pull)
{
	struct buf body OWN(buf_done) = { 0 };

	client->work = pull;
	client->work_free = no_free;
	buf_init(&body, LOGIN_MAX * 2);
	wire_put_text(&body, pull->reference);
	wire_put_text(&body, "");
	if (!docker_put_header_login(client, &body))
		return;
	wire_put_u8(&body, pull->push);
	docker_ask(client, ENGINE_MSG_PULL_AS, buf_str(&body), on_progress);
}

/* NAME and TAG (which may be a digest) as one canonical reference; false: 400 was answered. */
static bool pull_name(struct docker_client *client, struct pull *pull, const char *name,
		      const char *tag)
{
	struct buf full OWN(buf_done) = { 0 };
	struct err err = { 0 };

	buf_init(&full, 2048);
	(void)buf_printf(&full, "%s%s%s", name, !*tag ? "" : strchr(tag, ':') ? "@" : ":", tag);
	(void)str_copy(str_from(*tag ? tag : "latest"), pull->tag, sizeof(pull->tag));
	if (!strcmp(name, "scratch") && !pull->push) {
		docker_reply_error(client, 403, "'scratch' is a reserved name");
		return false;
	}
	if (oci_reference_normalise(buf_str(&full), pull->reference, NULL) >= 0)
		return true;
	if (*tag && oci_reference_normalise(str_from(name), pull->reference, NULL) >= 0)
		(void)err_set(&err, -EINVAL, "invalid tag format");
	else
		(void)docker_reference_refuse(name, &err);
	docker_reply_err(client, &err);
	return false;
}

/* What is kept here is this machine's; false: it was answered. */
static bool is_own_platform(struct docker_client *client)
{
	char text[DOCKER_PLATFORM_MAX] = "";
	struct docker_platform wanted;
	struct err err = { 0 };

	if (!docker_query(client, "platform", text, sizeof(text)) || !*text)
		return true;
	if (docker_platform_parse(str_from(text), &wanted, &err) >= 0) {
		if (docker_platform_is_own(&wanted))
			return true;
		docker_platform_text(&wanted, text);
		err_set(&err, -ENOENT,
			"no matching manifest for %s in the manifest list entries: this engine "
			"keeps images of its own platform only",
			text);
	}
	docker_reply_err(client, &err);
	return false;
}

void docker_image_pull(struct docker_client *client)
{
	struct pull *pull = arena_alloc(&client->arena, sizeof(*pull));
	char name[512] = "", tag[160] = "", source[64] = "";

	(void)docker_query(client, "fromImage", name, sizeof(name));
	(void)docker_query(client, "tag", tag, sizeof(tag));
	if (docker_query(client, "fromSrc", source, sizeof(source)) && *source)
		docker_image_import(client);
	else if (!pull)
		docker_reply_error(client, 500, "no memory for a request");
	else if (pull_name(client, pull, name, tag) && is_own_platform(client))
		pull_ask(client, pull);
}

void docker_image_push(struct docker_client *client)
{
	struct pull *pull = arena_alloc(&client->arena, sizeof(*pull));
	char tag[160] = "";

	(void)docker_query(client, "tag", tag, sizeof(tag));
	if (!pull) {
		docker_reply_error(client, 500, "no memory for a request");
		return;
	}
	pull->push = true;
	if (pull_name(client, pull, client->argument, tag))
		pull_ask(client, pull);
}
