/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of what refers to a digest, asked for and kept. Runs in the pull role. It must never take a
 * list it could not read for an empty one.
 */
#include "engine/registry/referrers.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "engine/api/pull_msg.h"
#include "engine/oci/oci.h"
#include "engine/registry/place.h"
#include "lib/own.h"
#include "lib/wire.h"

enum { REFERRERS_PAGES_MAX = 32, REFERRERS_ARENA_MAX = 32 << 20, REFERRERS_TAG_MAX = 128 };

/* "sha256-<hex>" */
static void tag_name(const struct digest *digest, char dst[REFERRERS_TAG_MAX])
{
	char text[DIGEST_TEXT_MAX];

	snprintf(dst, REFERRERS_TAG_MAX, "sha256-%s", digest_text(digest, text) + 7);
}

/* The target of "Link: <TARGET>; rel="next"", "" = there is none. */
static int next_page(const struct client_response *response, char *dst, size_t cap, struct err *err)
{
	struct str link = http_field(&response->head, "Link");
	ptrdiff_t end = str_find(link, '>');

	dst[0] = 0;
	if (!str_starts(link, STR("<")) || end < 0 || !memmem(link.ptr, link.len, "next", 4))
		return 0;
	if (str_copy(str_head(str_skip(link, 1), (size_t)end - 1), dst, cap) < 0)
		return err_set(err, -EBADMSG, "the place of the next page is too long");
	return 0;
}

/* One document; page: where the next one is, NULL = there are no pages. */
static int fetch(struct session *session, const struct session_request *request, struct buf *text,
		 char *page, struct err *err)
{
	struct client_response response;
	int r = session_get(session, request, &response, err);

	if (r < 0)
		return r;
	buf_clear(text);
	if (page)
		r = next_page(&response, page, PULL_PLACE_MAX, err);
	if (r == 0)
		r = client_read_all(&response, OCI_DOCUMENT_MAX, text, err);
	client_finish(&response);
	return r;
}

/* What the tag has: -ENOENT = nothing. */
static int fetch_tag(struct session *session, const struct digest *digest, struct buf *text,
		     struct err *err)
{
	char name[REFERRERS_TAG_MAX];
	const struct session_request request = { .kind = "manifests",
						 .name = name,
						 .accept = OCI_MEDIA_INDEX };

	tag_name(digest, name);
	return fetch(session, &request, text, NULL, err);
}

int referrers_list(struct session *session, const struct digest *digest, const char *artifact_type,
		   struct arena *arena, struct oci_referrer *list, uint32_t *ret_count,
		   struct err *err)
{
	struct buf text OWN(buf_done) = { 0 };
	char name[DIGEST_TEXT_MAX], page[PULL_PLACE_MAX] = "", next[PULL_PLACE_MAX] = "";
	struct session_request request = { .kind = "referrers",
					   .name = digest_text(digest, name),
					   .accept = OCI_MEDIA_INDEX };
	int r, pages = 0;

	*ret_count = 0;
	buf_init(&text, OCI_DOCUMENT_MAX + 1);
	do {
		memcpy(page, next, sizeof(page));
		request.place = page[0] ? page : NULL;
		r = fetch(session, &request, &text, next, err);
		if (r == -ENOENT && pages == 0)
			r = fetch_tag(session, digest, &text, err);
		if (r == -ENOENT && pages == 0)
			return 0;
		if (r == 0)
			r = oci_referrers_parse(buf_str(&text), artifact_type, arena, list,
						ret_count, err);
		if (r == 0 && next[0] && ++pages == REFERRERS_PAGES_MAX)
			r = err_set(err, -E2BIG, "more than %d pages of referrers", pages);
	} while (r == 0 && next[0]);
	return r;
}

/* ---- kept by the client ---- */

static int put_tag(struct session *session, const struct digest *digest, struct str index,
		   struct err *err)
{
	char name[REFERRERS_TAG_MAX];
	const struct client_body body = {
		.type = OCI_MEDIA_INDEX, .fd = -1, .text = index, .size = index.len
	};
	const struct session_request request = {
		.method = "PUT", .kind = "manifests", .name = name, .body = &body
	};
	struct client_response response;
	int r;

	tag_name(digest, name);
	r = session_get(session, &request, &response, err);
	if (r < 0)
		return r;
	if (response.head.status != 201)
		r = err_set(err, -EBADMSG, "answers %u to a list of referrers",
			    response.head.status);
	client_finish(&response);
	return r;
}

int referrers_push(struct session *session, struct str manifest, const char *media_type,
		   struct err *err)
{
	struct buf index OWN(buf_done) = { 0 }, out OWN(buf_done) = { 0 };
	struct digest subject;
	int r = oci_subject_parse(manifest, &subject, err);

	if (r != 1)
		return r;
	buf_init(&index, OCI_DOCUMENT_MAX + 1);
	buf_init(&out, OCI_DOCUMENT_MAX);
	r = fetch_tag(session, &subject, &index, err);
	if (r == -ENOENT)
		r = 0;
	if (r == 0)
		r = oci_referrers_add(buf_str(&index), manifest, media_type, &out, err);
	if (r == 1)
		r = put_tag(session, &subject, buf_str(&out), err);
	return r < 0 ? err_prefix(err, "referrers") : 0;
}

/* ---- the call ---- */

/* The digest that the reference means: its own, or the one that HEAD tells. */
static int find_digest(struct session *session, const struct oci_reference *reference,
		       struct digest *ret_digest, struct err *err)
{
	const struct session_request request = {
		.method = "HEAD",
		.kind = "manifests",
		.name = reference->tag,
		.accept = OCI_MEDIA_INDEX ", " OCI_MEDIA_MANIFEST ", " OCI_MEDIA_DOCKER_LIST
					  ", " OCI_MEDIA_DOCKER_MANIFEST,
	};
	struct client_response response;
	int r;

	*ret_digest = reference->digest;
	if (reference->has_digest)
		return 0;
	r = session_get(session, &request, &response, err);
	if (r < 0)
		return r;
	r = digest_parse(http_field(&response.head, "Docker-Content-Digest"), ret_digest, NULL);
	client_finish(&response);
	return r < 0 ? err_set(err, -EBADMSG,
			       "it does not say which digest '%s' has: name it, as NAME@sha256:...",
			       reference->tag)
		     : 0;
}

static int serve_list(struct session *session, const struct oci_reference *reference,
		      const char *artifact_type, struct arena *arena, struct buf *reply,
		      struct err *err)
{
	struct oci_referrer *list = arena_array(arena, OCI_REFERRERS_MAX, sizeof(*list));
	char name[DIGEST_TEXT_MAX];
	struct digest digest;
	uint32_t count;
	int r = list ? find_digest(session, reference, &digest, err)
		     : err_set(err, -ENOMEM, "no memory for a list of referrers");

	if (r == 0)
		r = referrers_list(session, &digest, artifact_type, arena, list, &count, err);
	if (r < 0)
		return r;
	wire_put_text(reply, digest_text(&digest, name));
	wire_put_u32(reply, count);
	for (uint32_t i = 0; i < count; i++) {
		wire_put_text(reply, digest_text(&list[i].digest, name));
		wire_put_u64(reply, list[i].size);
		wire_put_text(reply, list[i].media_type);
		wire_put_text(reply, list[i].artifact_type);
	}
	return buf_error(reply) < 0 ? err_set(err, -E2BIG, "the list is too long") : 0;
}

int referrers_serve(struct str body, struct str system_ca, struct buf *reply, struct err *err)
{
	struct arena arena OWN(arena_done) = { 0 };
	char artifact_type[OCI_MEDIA_TYPE_MAX];
	struct oci_reference reference;
	struct pull_start start;
	struct session *session;
	struct places places;
	struct wire in;
	int r;

	arena_init(&arena, REFERRERS_ARENA_MAX);
	wire_init(&in, body.ptr, body.len);
	wire_text(&in, artifact_type, sizeof(artifact_type));
	if (in.error)
		return err_set(err, -EBADMSG, "malformed request for referrers");
	r = pull_start_decode(str_make(in.ptr, in.left), &arena, &start, err);
	if (r == 0)
		r = oci_reference_parse(str_from(start.reference), &reference, err);
	if (r < 0)
		return r;
	places_init(&places, &start, &reference, system_ca, &arena);
	r = place_open(&places, places.count - 1, &session, err);
	if (r == 0)
		r = serve_list(session, &reference, artifact_type, &arena, reply, err);
	if (r < 0)
		r = place_explain(&places, places.count - 1, r, err);
	places_done(&places);
	return r;
}
