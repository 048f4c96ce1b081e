/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pull and push: engine main's progress lines as Docker's stream of JSON. Runs in the api role. The
 * registry login of the client goes to engine main with the call and is kept nowhere.
 */
#include <errno.h>
#include <string.h>
#include "engine/api/engine_msg.h"
#include "engine/docker/base64.h"
#include "engine/docker/handlers.h"
#include "engine/docker/login.h"
#include "engine/docker/progress.h"
#include "engine/docker/record.h"
#include "engine/oci/reference.h"
#include "lib/own.h"

enum { LOGIN_MAX = 16384 };

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

static void pull_end(struct docker_client *client, struct str digest)
{
	const struct pull *pull = client->work;
	struct buf line OWN(buf_done) = { 0 };
	struct oci_reference reference;
	char name[OCI_REFERENCE_MAX] = "";

	if (oci_reference_parse(str_from(pull->reference), &reference, NULL) >= 0)
		(void)oci_reference_familiar(&reference, name);
	buf_init(&line, 1024);
	if (pull->push) {
		(void)buf_printf(&line, "%s: digest: %.*s size: 0", pull->tag, STR_ARG(digest));
		docker_put_status(client, buf_str(&line));
	} else {
		(void)buf_printf(&line, "Digest: %.*s", STR_ARG(digest));
		docker_put_status(client, buf_str(&line));
		buf_clear(&line);
		(void)buf_printf(&line, "Status: Downloaded newer image for %s", name);
		docker_put_status(client, buf_str(&line));
	}
	docker_stream_end(client);
}

static void on_progress(struct msg_peer *peer, void *owner, struct msg *reply,
			const struct err *err)
{
	struct docker_client *client = owner;
	struct wire in;
	struct str text;

	(void)peer;
	if (!reply && client->streaming) {
		docker_put_failure(client, err);
	} else if (!reply) {
		docker_reply_err(client, err);
	} else {
		wire_init(&in, reply->body.ptr, reply->body.len);
		text = wire_str(&in, 4096);
		if (!(reply->flags & MSG_FLAG_MORE))
			pull_end(client, text);
		else if (!docker_stream_full(client)) /* progress may be left out */
			docker_put_status(client, text);
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
	else if (pull_name(client, pull, name, tag))
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
