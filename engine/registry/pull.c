/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pull: reference -> manifest (through an index) -> config -> layers. Runs in the pull role. It
 * must never use a document whose digest and size it did not check, and never follow "urls".
 */
#include "engine/registry/pull.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "engine/oci/oci.h"
#include "engine/oci/reference.h"
#include "engine/registry/session.h"
#include "lib/own.h"

enum {
	PULL_BLOCK = 64 << 10,
	PULL_TRIES_MAX = 5, /* without a byte of progress between them */
	PULL_PAUSE_MS = 500,
	PULL_PAUSE_MAX_MS = 8000,
};

static const char manifest_types[] = OCI_MEDIA_INDEX
	", " OCI_MEDIA_MANIFEST ", " OCI_MEDIA_DOCKER_LIST ", " OCI_MEDIA_DOCKER_MANIFEST;

struct pull {
	const struct pull_start *start;
	const struct pull_sink *sink;
	struct arena *arena;
	struct oci_reference reference;
	struct session session;
	struct image image;
	struct oci_manifest manifest;
	struct str manifest_text;
};

/* A document and what is known of it. */
struct document {
	struct str text;  /* in the arena */
	const char *said; /* Content-Type, or the descriptor's type */
	struct digest digest;
};

static bool is_transient(int code)
{
	return code == -ECONNRESET || code == -ETIMEDOUT || code == -EAGAIN ||
	       code == -ECONNREFUSED || code == -EHOSTUNREACH || code == -ENETUNREACH ||
	       code == -EPROTO;
}

static void pause_ms(int64_t ms)
{
	poll(NULL, 0, (int)ms);
}

static void digest_of(struct str text, struct digest *ret_digest)
{
	struct sha256 hash;

	sha256_init(&hash);
	sha256_add(&hash, text.ptr, text.len);
	sha256_end(&hash, ret_digest);
}

/* ---- documents ---- */

static int keep_document(struct pull *pull, struct client_response *response, struct str body,
			 struct document *ret_doc, struct err *err)
{
	struct str said = http_field(&response->head, "Content-Type");
	struct str claim = http_field(&response->head, "Docker-Content-Digest");
	struct digest claimed;
	char *text = arena_text(pull->arena, body);

	ret_doc->text = str_make(text, body.len);
	ret_doc->said = arena_text(pull->arena, str_head(said, OCI_MEDIA_TYPE_MAX));
	if (!text || !ret_doc->said)
		return err_set(err, -ENOMEM, "no memory for a manifest");
	digest_of(body, &ret_doc->digest);
	if (claim.len && (digest_parse(claim, &claimed, NULL) < 0 ||
			  memcmp(&claimed, &ret_doc->digest, sizeof(claimed)) != 0))
		return err_set(err, -EBADMSG,
			       "the manifest's bytes are not those of its Docker-Content-Digest");
	return 0;
}

static int get_document(struct pull *pull, const char *kind, const char *name, const char *accept,
			struct document *ret_doc, struct err *err)
{
	struct session_request request = { .kind = kind, .name = name, .accept = accept };
	struct client_response response;
	struct buf body OWN(buf_done);
	int r = session_get(&pull->session, &request, &response, err);

	buf_init(&body, OCI_DOCUMENT_MAX + 1);
	if (r < 0)
		return r;
	if (response.head.status != 200)
		r = err_set(err, -EBADMSG, "answers %u to a plain request", response.head.status);
	if (r == 0)
		r = client_read_all(&response, OCI_DOCUMENT_MAX, &body, err);
	if (r == 0)
		r = keep_document(pull, &response, buf_str(&body), ret_doc, err);
	client_finish(&response);
	return r;
}

/* The same, as the digest and the size (0 = unknown) demand it; once more when the line broke. */
static int get_checked(struct pull *pull, const char *kind, const struct digest *digest,
		       uint64_t size, const char *accept, struct document *ret_doc, struct err *err)
{
	char name[DIGEST_TEXT_MAX];
	int r = 0;

	digest_text(digest, name);
	for (unsigned attempt = 0; attempt < PULL_TRIES_MAX; attempt++) {
		r = get_document(pull, kind, name, accept, ret_doc, err);
		if (r == 0 || !is_transient(r))
			break;
		pause_ms(backoff_ms(attempt, PULL_PAUSE_MS, PULL_PAUSE_MAX_MS, 0));
	}
	if (r < 0)
		return r;
	if (size && ret_doc->text.len != size)
		return err_set(err, -EBADMSG, "%s: %zu bytes came, its descriptor says %llu", name,
			       ret_doc->text.len, (unsigned long long)size);
	if (memcmp(&ret_doc->digest, digest, sizeof(*digest)) != 0)
		return err_set(err, -EBADMSG, "%s: the registry sent other bytes than the digest's",
			       name);
	return 0;
}

/* What the reference names; the first contact with the registry. */
static int get_first(struct pull *pull, struct document *ret_doc, struct err *err)
{
	if (pull->reference.has_digest)
		return get_checked(pull, "manifests", &pull->reference.digest, 0, manifest_types,
				   ret_doc, err);
	return get_document(pull, "manifests", pull->reference.tag, manifest_types, ret_doc, err);
}

static int choose_manifest(struct pull *pull, struct document *doc, struct err *err)
{
	struct oci_platform wanted = { .os = pull->start->os,
				       .architecture = pull->start->architecture,
				       .variant = pull->start->variant };
	const struct oci_descriptor *choice;
	struct oci_index index;
	enum oci_type type;
	int r = oci_document_type(doc->text, str_from(doc->said), &type, err);

	if (r < 0 || type == OCI_TYPE_MANIFEST)
		return r;
	r = oci_index_parse(doc->text, str_from(doc->said), pull->arena, &index, err);
	if (r == 0)
		r = oci_index_choose(&index, &wanted, &choice, err);
	if (r < 0)
		return r;
	r = get_checked(pull, "manifests", &choice->digest, choice->size, manifest_types, doc, err);
	/* The index said what it is: that has to hold too. */
	if (r == 0 && choice->type == OCI_TYPE_MANIFEST &&
	    oci_type_of(str_from(doc->said)) == OCI_TYPE_OTHER)
		doc->said = choice->media_type;
	return r;
}

static int check_platform(const struct pull *pull, struct err *err)
{
	const struct pull_start *start = pull->start;
	char os[40], machine[40];

	if (strcmp(pull->image.os, start->os) == 0 &&
	    strcmp(pull->image.architecture, start->architecture) == 0)
		return 0;
	str_escape(str_from(pull->image.os), os, sizeof(os));
	str_escape(str_from(pull->image.architecture), machine, sizeof(machine));
	return err_set(err, -ENOENT, "the image is built for %s/%s, not for %s/%s", os, machine,
		       start->os, start->architecture);
}

static int get_manifest(struct pull *pull, struct err *err)
{
	struct document doc;
	struct digest source;
	char text[OCI_REFERENCE_MAX];
	struct document config;
	int r = get_first(pull, &doc, err);

	if (r < 0)
		return r;
	source = doc.digest;
	r = choose_manifest(pull, &doc, err);
	if (r == 0)
		r = oci_manifest_parse(doc.text, str_from(doc.said), pull->arena, &pull->manifest,
				       err);
	if (r == 0)
		r = get_checked(pull, "blobs", &pull->manifest.config.digest,
				pull->manifest.config.size, NULL, &config, err);
	if (r == 0)
		r = oci_image_parse(&pull->manifest, config.text, pull->arena, &pull->image, err);
	if (r == 0)
		r = check_platform(pull, err);
	if (r < 0)
		return r;
	oci_reference_print(&pull->reference, text);
	pull->manifest_text = doc.text;
	pull->image.reference = arena_text(pull->arena, str_from(text));
	pull->image.source = source;
	pull->image.manifest = doc.digest;
	pull->image.manifest_size = doc.text.len;
	if (!pull->image.reference)
		return err_set(err, -ENOMEM, "no memory for an image");
	struct pull_blob blob = { .digest = pull->image.config,
				  .size = pull->image.config_size,
				  .kind = PULL_KIND_CONFIG,
				  .media_type = pull->image.config_type };
	return feed_text(pull->sink, &blob, config.text, err);
}

/* ---- layers ---- */

/* 200 where 206 was asked for: the registry begins anew, what is there already is read past. */
static int skip_bytes(struct client_response *response, uint64_t count, char *block,
		      struct err *err)
{
	while (count > 0) {
		ssize_t n = client_read(response, block,
					count < PULL_BLOCK ? (size_t)count : PULL_BLOCK, err);

		if (n < 0)
			return (int)n;
		if (n == 0)
			return err_set(err, -ECONNRESET, "the layer ended before what was there");
		count -= (uint64_t)n;
	}
	return 0;
}

/* "bytes N-M/T" has to begin where we asked. */
static int check_range(const struct client_response *response, uint64_t from, struct err *err)
{
	struct str range = http_field(&response->head, "Content-Range");
	uint64_t start;
	ptrdiff_t dash;

	if (str_starts(range, STR("bytes ")))
		range = str_skip(range, 6);
	dash = str_find(range, '-');
	if (dash < 0 || str_to_u64(str_head(range, (size_t)dash), 0, UINT64_MAX, &start) < 0 ||
	    start != from)
		return err_set(err, -EBADMSG, "a part of the layer came that was not asked for");
	return 0;
}

static int read_layer(struct client_response *response, struct feed *feed, char *block,
		      struct err *err)
{
	for (;;) {
		ssize_t n = client_read(response, block, PULL_BLOCK, err);
		int r;

		if (n < 0)
			return (int)n;
		if (n == 0)
			return 0;
		r = feed_write(feed, str_make(block, (size_t)n), err);
		if (r < 0)
			return r;
	}
}

/* One request for what is still missing. */
static int transfer(struct pull *pull, struct feed *feed, const char *name, char *block,
		    struct err *err)
{
	struct session_request request = { .kind = "blobs",
					   .name = name,
					   .range_from = feed->done };
	struct client_response response;
	uint64_t skip = 0, left = feed->blob.size - feed->done;
	int r = session_get(&pull->session, &request, &response, err);

	if (r < 0)
		return r;
	if (response.head.status == 206 && feed->done > 0)
		r = check_range(&response, feed->done, err);
	else if (response.head.status == 200)
		skip = feed->done;
	else
		r = err_set(err, -EBADMSG, "answers %u to a request for a layer",
			    response.head.status);
	if (r == 0 && response.body.framing == HTTP_FRAMING_LENGTH &&
	    response.body.left != left + skip)
		r = err_set(err, -EBADMSG,
			    "%s: the registry has %llu bytes, the manifest says %llu", name,
			    (unsigned long long)(response.body.left - skip + feed->done),
			    (unsigned long long)feed->blob.size);
	if (r == 0)
		r = skip_bytes(&response, skip, block, err);
	if (r == 0)
		r = read_layer(&response, feed, block, err);
	/* An orderly end before the last byte is the same as a broken line: it may be resumed. */
	if (r == 0 && feed->done < feed->blob.size && response.body.framing == HTTP_FRAMING_CLOSE)
		r = err_set(err, -ECONNRESET, "the connection was cut off");
	client_finish(&response);
	return r;
}

static int transfer_all(struct pull *pull, struct feed *feed, struct err *err)
{
	char name[DIGEST_TEXT_MAX];
	char *block OWN_FREE = malloc(PULL_BLOCK);
	unsigned attempt = 0;
	int r;

	if (!block)
		return err_set(err, -ENOMEM, "no memory for a layer");
	digest_text(&feed->blob.digest, name);
	for (;;) {
		uint64_t before = feed->done;

		r = transfer(pull, feed, name, block, err);
		if (r == 0 || !is_transient(r))
			return r;
		attempt = feed->done > before ? 0 : attempt + 1;
		if (attempt == PULL_TRIES_MAX)
			return err_prefix(err, "%s: broke off at byte %llu of %llu", feed->what,
					  (unsigned long long)feed->done,
					  (unsigned long long)feed->blob.size);
		pause_ms(backoff_ms(attempt, PULL_PAUSE_MS, PULL_PAUSE_MAX_MS, 0));
	}
}

static int get_layer(struct pull *pull, uint32_t index, struct err *err)
{
	const struct image_layer *layer = &pull->image.layers[index];
	struct pull_blob blob = {
		.digest = layer->blob,
		.size = layer->size,
		.kind = PULL_KIND_LAYER,
		.media_type = layer->media_type,
		.has_diff = true,
		.diff = layer->diff,
		.index = index,
		.total = pull->image.layer_count,
	};
	struct feed feed;
	int r;

	for (uint32_t i = 0; i < index; i++) {
		if (memcmp(&pull->image.layers[i].blob, &layer->blob, sizeof(layer->blob)) == 0)
			return 0;
	}
	r = feed_begin(&feed, pull->sink, &blob, err);
	if (r != 0)
		return r < 0 ? r : 0;
	r = transfer_all(pull, &feed, err);
	if (r == -EPIPE) {
		/* Whoever took the bytes gave up, and knows why. */
		feed_abort(&feed);
		r = pull->sink->blob_end(pull->sink->owner, &blob.digest, err);
		return r < 0 ? r : err_set(err, -EPIPE, "layer %u was not taken", index + 1);
	}
	if (r < 0) {
		feed_abort(&feed);
		return r;
	}
	return feed_end(&feed, err);
}

static int get_layers(struct pull *pull, struct err *err)
{
	struct pull_blob blob = { .digest = pull->image.manifest,
				  .size = pull->image.manifest_size,
				  .kind = PULL_KIND_MANIFEST,
				  .media_type = pull->image.manifest_type };
	int r = 0;

	for (uint32_t i = 0; i < pull->image.layer_count && r == 0; i++)
		r = get_layer(pull, i, err);
	return r < 0 ? r : feed_text(pull->sink, &blob, pull->manifest_text, err);
}

/* ---- hosts ---- */

/* "registry HOST: " in front; where a key is missing, the section it belongs into behind. */
static int explain(const struct pull_host *host, int code, struct err *err)
{
	const char *text = err_text(err);
	bool key = text[0] && text[strlen(text) - 1] == '=';
	struct err whole = { 0 };

	err_set(&whole, code, "registry %s: %s%s%s%s%s%s%s", host->host, text,
		key ? " in [registry " : "", key ? host->host : "", key ? "]" : "",
		code == -EKEYREJECTED && host->ca_missing[0] ? " (" : "",
		code == -EKEYREJECTED ? host->ca_missing : "",
		code == -EKEYREJECTED && host->ca_missing[0] ? ")" : "");
	if (err)
		*err = whole;
	return code;
}

static int pull_from(struct pull *pull, const struct pull_host *host, struct str system_ca,
		     struct err *err)
{
	struct tls_trust *trust = NULL;
	int r = tls_trust_new(host->insecure ? STR("") : system_ca, str_from(host->ca_pem), &trust,
			      err);

	if (r == 0)
		r = session_init(&pull->session, host, pull->reference.path, trust, err);
	if (r == 0)
		r = get_manifest(pull, err);
	if (r == 0)
		r = get_layers(pull, err);
	session_done(&pull->session);
	tls_trust_free(trust);
	return r < 0 ? explain(host, r, err) : 0;
}

int pull_image(const struct pull_start *start, struct str system_ca, const struct pull_sink *sink,
	       struct arena *arena, struct image *ret_image, struct err *err)
{
	struct pull pull = { .start = start, .sink = sink, .arena = arena };
	struct pull_host own = {
		.host = "", .ca_pem = "", .ca_missing = "", .user = "", .password = "", .token = ""
	};
	int r = oci_reference_parse(str_from(start->reference), &pull.reference, err);

	if (r < 0)
		return r;
	own.host = pull.reference.domain;
	if (start->host_count == 0)
		r = pull_from(&pull, &own, system_ca, err);
	for (uint32_t i = 0; i < start->host_count; i++) {
		r = pull_from(&pull, &start->hosts[i], system_ca, err);
		if (r == 0)
			break;
	}
	if (r == 0)
		*ret_image = pull.image;
	return r;
}
