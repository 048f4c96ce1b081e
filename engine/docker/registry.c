/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a registry answers itself: POST /auth, GET /distribution/NAME/json, GET /images/search. Runs
 * in the api role, where the registry's documents are read.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "engine/api/image_msg.h"
#include "engine/docker/handlers.h"
#include "engine/docker/login.h"
#include "engine/docker/record.h"
#include "engine/oci/reference.h"
#include "lib/own.h"

enum { REGISTRY_DOCUMENT_MAX = 4 << 20, REGISTRY_BODY_MAX = 40 << 10, SEARCH_MAX = 100 };

struct document {
	struct str type, digest, text;
};

/* False: the answer could not be read, which has been said. */
static bool read_document(struct docker_client *client, const struct msg *reply,
			  struct document *ret_document)
{
	struct wire in;

	wire_init(&in, reply->body.ptr, reply->body.len);
	ret_document->type = wire_str(&in, 1024);
	ret_document->digest = wire_str(&in, 256);
	ret_document->text = wire_blob(&in, REGISTRY_DOCUMENT_MAX);
	if (wire_end(&in) >= 0)
		return true;
	docker_reply_error(client, 500, "the registry's answer is malformed");
	return false;
}

/* ---- auth ---- */

static void on_login(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct docker_client *client = owner;

	(void)peer;
	if (reply)
		docker_reply_json(client, 200,
				  STR("{\"IdentityToken\":\"\",\"Status\":\"Login Succeeded\"}\n"));
	else if (err->code == -EACCES)
		docker_reply_error(client, 401, err_text(err));
	else
		docker_reply_err(client, err);
}

/* "https://index.docker.io/v1/" and "https://host:5000/v2/" as a host. */
static struct str server_host(struct str address)
{
	struct str host = address;

	if (str_starts(host, STR("https://")))
		host = str_skip(host, 8);
	else if (str_starts(host, STR("http://")))
		host = str_skip(host, 7);
	if (str_find(host, '/') >= 0)
		host = str_head(host, (size_t)str_find(host, '/'));
	return host.len && !str_is(host, "index.docker.io") ? host : STR("docker.io");
}

void docker_auth(struct docker_client *client)
{
	struct buf body OWN(buf_done) = { 0 }, name OWN(buf_done) = { 0 };
	const struct json *root;
	struct str host;

	if (!docker_body_json(client))
		return;
	root = client->json.root;
	host = server_host(json_str(json_get(root, "serveraddress")));
	buf_init(&name, 512);
	buf_init(&body, REGISTRY_BODY_MAX);
	/* Any repository: what is asked for is the registry itself. */
	(void)buf_printf(&name, "%.*s/login/login:latest", STR_ARG(host));
	wire_put_str(&body, buf_str(&name));
	wire_put_text(&body, "/v2/");
	docker_put_login(root, &body);
	if (buf_error(&name) || buf_error(&body))
		docker_reply_error(client, 400, "the login is too long");
	else
		docker_ask(client, ENGINE_MSG_REGISTRY, buf_str(&body), on_login);
}

/* ---- distribution inspect ---- */

/* "docker.io/library/x:1" of the first question, for the second. */
struct distribution {
	char reference[OCI_REFERENCE_MAX];
	struct str type, digest; /* in the arena */
	uint64_t size;
};

static void no_free(void *work)
{
	(void)work; /* in the request's arena */
}

static void put_platform(struct json_writer *w, const struct json *platform)
{
	static const char *const keys[] = { "architecture", "os", "variant" };

	json_begin_object(w);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		struct str value = json_str(json_get(platform, keys[i]));

		if (value.len || i < 2)
			json_member_str(w, keys[i], value);
	}
	json_end_object(w);
}

/* root: an index, or the config of the only image. */
static void distribution_reply(struct docker_client *client, const struct json *root, bool index)
{
	const struct distribution *distribution = client->work;
	struct buf body OWN(buf_done) = { 0 };
	const struct json *entry;
	struct json_iter iter;
	struct json_writer w;
	struct str none;

	buf_init(&body, DOCKER_REPLY_MAX);
	json_writer_init(&w, &body);
	json_begin_object(&w);
	json_key(&w, "Descriptor");
	json_begin_object(&w);
	json_member_str(&w, "mediaType", distribution->type);
	json_member_str(&w, "digest", distribution->digest);
	json_member_u64(&w, "size", distribution->size);
	json_end_object(&w);
	json_key(&w, "Platforms");
	json_begin_array(&w);
	if (!index)
		put_platform(&w, root);
	json_iter_init(&iter, index ? json_get(root, "manifests") : NULL);
	while (json_iter_next(&iter, &none, &entry))
		put_platform(&w, json_get(entry, "platform"));
	json_end_array(&w);
	json_end_object(&w);
	docker_reply_json(client, 200, buf_str(&body));
}

static void on_config(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct docker_client *client = owner;
	struct json_doc doc OWN(json_done) = { 0 };
	struct document document;
	struct err bad = { 0 };

	(void)peer;
	if (!reply)
		docker_reply_err(client, err);
	else if (!read_document(client, reply, &document))
		return;
	else if (json_parse(document.text, JSON_TEXT_MAX, &doc, &bad) < 0)
		docker_reply_err(client, &bad);
	else
		distribution_reply(client, doc.root, false);
}

static bool ask(struct docker_client *client, const char *reference, const char *place,
		msg_reply_fn *fn)
{
	struct buf body OWN(buf_done) = { 0 };

	buf_init(&body, REGISTRY_BODY_MAX);
	wire_put_text(&body, reference);
	wire_put_text(&body, place);
	if (!docker_put_header_login(client, &body))
		return false;
	docker_ask(client, ENGINE_MSG_REGISTRY, buf_str(&body), fn);
	return true;
}

static void ask_config(struct docker_client *client, struct str digest)
{
	const struct distribution *distribution = client->work;
	struct buf place OWN(buf_done) = { 0 };
	struct oci_reference reference;
	struct digest parsed;

	buf_init(&place, 1024);
	if (oci_reference_parse(str_from(distribution->reference), &reference, NULL) < 0 ||
	    digest_parse(digest, &parsed, NULL) < 0) {
		docker_reply_error(client, 500, "the registry's manifest names no config");
		return;
	}
	(void)buf_printf(&place, "/v2/%s/blobs/%.*s", reference.path, STR_ARG(digest));
	(void)ask(client, distribution->reference, buf_text(&place), on_config);
}

static void on_manifest(struct msg_peer *peer, void *owner, struct msg *reply,
			const struct err *err)
{
	struct docker_client *client = owner;
	struct distribution *distribution = client->work;
	struct json_doc doc OWN(json_done) = { 0 };
	struct document document;
	struct err bad = { 0 };

	(void)peer;
	if (!reply) {
		docker_reply_err(client, err);
		return;
	}
	if (!read_document(client, reply, &document))
		return;
	distribution->type = str_from(arena_text(&client->arena, document.type));
	distribution->digest = str_from(arena_text(&client->arena, document.digest));
	distribution->size = document.text.len;
	if (json_parse(document.text, JSON_TEXT_MAX, &doc, &bad) < 0)
		docker_reply_err(client, &bad);
	else if (json_type(json_get(doc.root, "manifests")) == JSON_ARRAY)
		distribution_reply(client, doc.root, true);
	else
		ask_config(client, json_str(json_get(json_get(doc.root, "config"), "digest")));
}

void docker_distribution(struct docker_client *client)
{
	struct distribution *distribution = arena_alloc(&client->arena, sizeof(*distribution));
	struct err err = { -ENOMEM, "no memory for a request" };

	if (distribution &&
	    oci_reference_normalise(str_from(client->argument), distribution->reference, NULL) < 0)
		(void)docker_reference_refuse(client->argument, &err);
	if (!distribution || err.code == -EINVAL) {
		docker_reply_err(client, &err);
		return;
	}
	client->work = distribution;
	client->work_free = no_free;
	(void)ask(client, distribution->reference, "", on_manifest);
}

/* ---- search ---- */

static void on_found(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	static const char *const texts[] = { "name", "description" };
	static const char *const flags[] = { "is_official", "is_automated" };
	struct docker_client *client = owner;
	struct json_doc doc OWN(json_done) = { 0 };
	struct buf body OWN(buf_done) = { 0 };
	struct document document;
	const struct json *row;
	struct json_iter iter;
	struct json_writer w;
	struct err bad = { 0 };
	struct str none;

	(void)peer;
	if (!reply && err->code == -ENOENT) {
		docker_reply_error(client, 404, "this registry offers no search");
		return;
	}
	if (!reply) {
		docker_reply_err(client, err);
		return;
	}
	if (!read_document(client, reply, &document))
		return;
	if (json_parse(document.text, JSON_TEXT_MAX, &doc, &bad) < 0) {
		docker_reply_err(client, &bad);
		return;
	}
	buf_init(&body, DOCKER_REPLY_MAX);
	json_writer_init(&w, &body);
	json_begin_array(&w);
	json_iter_init(&iter, json_get(doc.root, "results"));
	while (json_iter_next(&iter, &none, &row)) {
		uint64_t stars = 0;

		json_begin_object(&w);
		(void)json_u64(json_get(row, "star_count"), UINT32_MAX, &stars);
		json_member_u64(&w, "star_count", stars);
		for (size_t i = 0; i < ARRAY_LEN(texts); i++)
			json_member_str(&w, texts[i], json_str(json_get(row, texts[i])));
		for (size_t i = 0; i < ARRAY_LEN(flags); i++)
			json_member_bool(&w, flags[i], json_true(json_get(row, flags[i])));
		json_end_object(&w);
	}
	json_end_array(&w);
	docker_reply_json(client, 200, buf_str(&body));
}

/* "term", or "host/term" for another registry than docker.io. */
void docker_search(struct docker_client *client)
{
	struct buf name OWN(buf_done) = { 0 }, place OWN(buf_done) = { 0 };
	char term[256] = "", refused[80];
	struct oci_reference reference;
	struct str text, host = STR("docker.io");
	int64_t limit;

	(void)docker_query(client, "term", term, sizeof(term));
	if (docker_query_number(client, "limit", 25, &limit) < 0)
		return;
	text = str_from(term);
	buf_init(&name, 512);
	buf_init(&place, 1024);
	(void)buf_printf(&name, "%s/x:latest", term);
	if (str_find(text, '/') > 0 && oci_reference_parse(buf_str(&name), &reference, NULL) >= 0 &&
	    strcmp(reference.domain, "docker.io") != 0) {
		host = str_head(text, (size_t)str_find(text, '/'));
		text = str_skip(text, host.len + 1);
	}
	(void)buf_printf(&place, "/v1/search?n=%d&q=",
			 limit > 0 && limit <= SEARCH_MAX ? (int)limit : SEARCH_MAX);
	for (size_t i = 0; i < text.len; i++)
		(void)buf_printf(&place, "%%%02x", (unsigned char)text.ptr[i]);
	buf_clear(&name);
	(void)buf_printf(&name, "%.*s/search/search:latest", STR_ARG(host));
	(void)snprintf(refused, sizeof(refused), "limit %lld is outside the range of [1, 100]",
		       (long long)limit);
	if (!text.len || limit < 0 || limit > SEARCH_MAX)
		docker_reply_error(client, 400, text.len ? refused : "term to search for is empty");
	else
		(void)ask(client, buf_text(&name), buf_text(&place), on_found);
}
