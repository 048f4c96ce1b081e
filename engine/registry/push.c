/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A push: layers, config, manifest, in this order. Runs in the pull role. It must never send a blob
 * whose size is not the manifest's, nor name a manifest before all it names is there.
 */
#include "engine/registry/push.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "engine/oci/image.h"
#include "engine/oci/reference.h"
#include "engine/registry/documents.h"
#include "engine/registry/place.h"
#include "engine/registry/referrers.h"
#include "engine/registry/retry.h"
#include "lib/own.h"
#include "lib/random.h"

enum {
	PUSH_WHOLE_MAX = 4 << 20, /* one request */
	PUSH_CHUNK = 8 << 20,
};

struct push {
	const struct push_source *source;
	struct oci_reference target;
	struct image image;
	struct documents documents;
	struct session *session;
};

/* One blob on its way. */
struct parcel {
	struct digest digest, diff; /* `diff`: of a layer, uncompressed */
	char name[DIGEST_TEXT_MAX], what[40];
	bool layer;
	int fd;
	struct str text; /* instead of a file */
	uint64_t size, done;
	struct rate rate;
	char place[URL_MAX]; /* of the upload, "" = none was begun */
	enum pull_stage end; /* how it came to be there */
};

static void tell(const struct push *push, struct parcel *parcel, enum pull_stage stage)
{
	const struct pull_progress progress = { .rate = rate_add(&parcel->rate, mono_now(),
								 parcel->done),
						.digest = parcel->diff,
						.done = parcel->done,
						.total = parcel->size,
						.what = parcel->what,
						.stage = stage };

	push->source->progress(push->source->owner, &progress);
}

/* ---- one upload ---- */

/* Keeps where the next request of the upload goes: the registry moves it with every answer. */
static int keep_place(struct parcel *parcel, const struct client_response *response,
		      struct err *err)
{
	struct str location = http_field(&response->head, "Location");

	if (location.len == 0 || str_copy(location, parcel->place, sizeof(parcel->place)) < 0)
		return err_set(err, -EBADMSG, "an upload that names no place");
	return 0;
}

static int ask(struct push *push, const struct parcel *parcel, const char *method,
	       const char *place, const struct client_body *body, struct client_response *response,
	       struct err *err)
{
	const struct session_request request = { .method = method,
						 .place = place,
						 .kind = "blobs",
						 .name = parcel->name,
						 .body = body };

	return session_get(push->session, &request, response, err);
}

/* 1 = the registry has it. */
static int is_there(struct push *push, const struct parcel *parcel, struct err *err)
{
	struct client_response response;
	int r = ask(push, parcel, "HEAD", NULL, NULL, &response, err);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	client_finish(&response);
	return 1;
}

/* Begins an upload: 1 = another repository's blob was mounted instead. */
static int begin(struct push *push, struct parcel *parcel, struct err *err)
{
	const struct client_body nothing = { .fd = -1 };
	struct client_response response;
	char place[2 * OCI_PATH_MAX + 256];
	int r;

	if (push->session->mount_from[0])
		snprintf(place, sizeof(place), "/v2/%s/blobs/uploads/?mount=%s&from=%s",
			 push->session->repository, parcel->name, push->session->mount_from);
	else
		snprintf(place, sizeof(place), "/v2/%s/blobs/uploads/", push->session->repository);
	r = ask(push, parcel, "POST", place, &nothing, &response, err);
	if (r < 0)
		return r;
	r = response.head.status == 201 ? 1 : keep_place(parcel, &response, err);
	client_finish(&response);
	parcel->done = 0;
	return r;
}

/* The last request: names the digest, with all bytes or with none. */
static int finish(struct push *push, struct parcel *parcel, struct err *err)
{
	const struct client_body body = { .type = "application/octet-stream",
					  .fd = parcel->size > parcel->done ? parcel->fd : -1,
					  .text = parcel->text,
					  .from = parcel->done,
					  .size = parcel->size - parcel->done };
	struct client_response response;
	char place[URL_MAX + DIGEST_TEXT_MAX + 16];
	int r;

	snprintf(place, sizeof(place), "%s%cdigest=%s", parcel->place,
		 strchr(parcel->place, '?') ? '&' : '?', parcel->name);
	r = ask(push, parcel, "PUT", place, &body, &response, err);
	if (r < 0)
		return r;
	if (response.head.status != 201)
		r = err_set(err, -EBADMSG, "answers %u to the end of an upload",
			    response.head.status);
	client_finish(&response);
	parcel->done = parcel->size;
	return r;
}

/* "0-N" or "bytes=0-N": how much the registry has. */
static int take_range(struct parcel *parcel, const struct client_response *response,
		      struct err *err)
{
	struct str range = http_field(&response->head, "Range");
	uint64_t last;
	ptrdiff_t dash;

	if (str_starts(range, STR("bytes=")))
		range = str_skip(range, 6);
	dash = str_find(range, '-');
	if (dash < 0 ||
	    str_to_u64(str_skip(range, (size_t)dash + 1), 0, parcel->size - 1, &last) < 0)
		return err_set(err, -EBADMSG, "an upload whose range cannot be read");
	/* Nothing yet is "0-0", as is one byte: a second try of that byte would be refused. */
	parcel->done = last == 0 ? 0 : last + 1;
	return 0;
}

static int send_chunk(struct push *push, struct parcel *parcel, struct err *err)
{
	uint64_t left = parcel->size - parcel->done;
	struct client_body body = { .type = "application/octet-stream",
				    .fd = parcel->fd,
				    .from = parcel->done,
				    .size = left < PUSH_CHUNK ? left : PUSH_CHUNK };
	struct client_response response;
	char range[64];
	int r;

	snprintf(range, sizeof(range), "%" PRIu64 "-%" PRIu64, parcel->done,
		 parcel->done + body.size - 1);
	body.range = range;
	r = ask(push, parcel, "PATCH", parcel->place, &body, &response, err);
	if (r < 0)
		return r;
	if (response.head.status == 416)
		r = err_set(err, -EAGAIN, "the registry has another part of the upload");
	if (r == 0)
		r = keep_place(parcel, &response, err);
	if (r == 0)
		r = take_range(parcel, &response, err);
	client_finish(&response);
	tell(push, parcel, PULL_STAGE_MOVE);
	return r;
}

/* Asks an upload that broke off how far it came; one that is gone begins anew. */
static int resume(struct push *push, struct parcel *parcel, struct err *err)
{
	struct client_response response;
	int r = ask(push, parcel, NULL, parcel->place, NULL, &response, NULL);

	if (r == -ENOENT) {
		parcel->place[0] = 0;
		return 0;
	}
	if (r < 0)
		return 0; /* the next try says why */
	r = take_range(parcel, &response, err);
	if (r == 0 && http_field(&response.head, "Location").len)
		r = keep_place(parcel, &response, err);
	client_finish(&response);
	return r;
}

/* The bytes, once it is clear that they are needed. */
static int open_parcel(struct push *push, struct parcel *parcel, struct err *err)
{
	uint64_t is;
	int r;

	if (parcel->fd >= 0 || parcel->text.len > 0)
		return 0;
	r = push->source->open(push->source->owner, &parcel->digest, &is, err);
	if (r == -ENOENT)
		return err_set(err, r,
			       "it is not kept as it was transferred: set keep_blobs = yes and "
			       "pull the image again");
	if (r < 0)
		return r;
	parcel->fd = r;
	if (is == parcel->size)
		return 0;
	return err_set(err, -EBADMSG, "the store has %" PRIu64 " bytes, the image says %" PRIu64,
		       is, parcel->size);
}

static int send_chunks(struct push *push, struct parcel *parcel, struct err *err)
{
	int r = 0;

	while (r == 0 && parcel->done < parcel->size) {
		uint64_t before = parcel->done;

		r = send_chunk(push, parcel, err);
		if (r == 0 && parcel->done <= before)
			r = err_set(err, -EBADMSG, "the upload stays at byte %" PRIu64, before);
	}
	return r;
}

/* One try: 0 = it is there. */
static int upload(struct push *push, struct parcel *parcel, struct err *err)
{
	bool whole = parcel->size <= PUSH_WHOLE_MAX;
	int r = 0;

	if (parcel->place[0] && !whole)
		r = resume(push, parcel, err);
	if (r == 0 && (whole || !parcel->place[0]))
		r = begin(push, parcel, err);
	if (r == 1)
		parcel->end = PULL_STAGE_MOUNTED;
	if (r != 0)
		return r < 0 ? r : 0;
	tell(push, parcel, PULL_STAGE_MOVE);
	parcel->end = PULL_STAGE_READY;
	r = open_parcel(push, parcel, err);
	if (r == 0 && !whole)
		r = send_chunks(push, parcel, err);
	return r < 0 ? r : finish(push, parcel, err);
}

static bool wait_retry(const struct push *push, unsigned attempt)
{
	int64_t pause = retry_pause_ms(attempt, push->session->asked_ms, random_jitter());

	if (pause >= 0)
		poll(NULL, 0, (int)pause);
	return pause >= 0;
}

static int send_parcel(struct push *push, struct parcel *parcel, struct err *err)
{
	unsigned attempt = 0;
	uint64_t before;
	int r;

	do {
		before = parcel->done;
		r = is_there(push, parcel, err);
		if (r == 1)
			parcel->end = PULL_STAGE_THERE;
		if (r == 0)
			r = upload(push, parcel, err);
		if (r < 0 && parcel->done > before)
			attempt = 0;
	} while (retry_helps(r) && wait_retry(push, attempt++));
	if (r < 0)
		return err_prefix(err, "%s", parcel->what);
	parcel->done = parcel->size;
	tell(push, parcel, PULL_STAGE_MOVE);
	if (parcel->layer)
		tell(push, parcel, parcel->end);
	return 0;
}

static int send_blob(struct push *push, struct parcel *parcel, struct err *err)
{
	int r;

	digest_text(&parcel->digest, parcel->name);
	rate_init(&parcel->rate, mono_now(), 0);
	r = send_parcel(push, parcel, err);
	own_close(&parcel->fd);
	return r;
}

static struct parcel layer_parcel(const struct image *image, uint32_t index)
{
	const struct image_layer *layer = &image->layers[index];
	struct parcel parcel = { .digest = layer->blob,
				 .diff = layer->diff,
				 .fd = -1,
				 .size = layer->size,
				 .layer = true };

	snprintf(parcel.what, sizeof(parcel.what), "layer %u/%u", index + 1, image->layer_count);
	return parcel;
}

/* ---- the manifest ---- */

static int send_manifest(struct push *push, struct err *err)
{
	struct client_response response;
	char name[DIGEST_TEXT_MAX];
	struct client_body body = { .type = push->image.manifest_type,
				    .fd = -1,
				    .text = push->documents.manifest,
				    .size = push->documents.manifest.len };
	struct session_request request = { .method = "PUT", .kind = "manifests", .body = &body };
	unsigned attempt = 0;
	bool listed;
	int r;

	request.name =
		push->target.tag[0] ? push->target.tag : digest_text(&push->image.manifest, name);
	do
		r = session_get(push->session, &request, &response, err);
	while (retry_helps(r) && wait_retry(push, attempt++));
	if (r < 0)
		return err_prefix(err, "manifest");
	if (response.head.status != 201)
		r = err_set(err, -EBADMSG, "answers %u to a manifest", response.head.status);
	listed = http_field(&response.head, "OCI-Subject").len > 0;
	client_finish(&response);
	return r < 0 || listed ? r
			       : referrers_push(push->session, push->documents.manifest,
						push->image.manifest_type, err);
}

static int send_all(struct push *push, struct err *err)
{
	const struct image *image = &push->image;
	struct parcel parcel;
	int r = 0;

	for (uint32_t i = 0; i < image->layer_count; i++) {
		parcel = layer_parcel(image, i);
		tell(push, &parcel, PULL_STAGE_WAIT);
	}
	for (uint32_t i = 0; i < image->layer_count && r == 0; i++) {
		parcel = layer_parcel(image, i);
		r = send_blob(push, &parcel, err);
	}
	if (r == 0) {
		parcel = (struct parcel){ .digest = image->config,
					  .fd = -1,
					  .what = "config",
					  .size = image->config_size,
					  .text = push->documents.config };
		r = send_blob(push, &parcel, err);
	}
	return r < 0 ? r : send_manifest(push, err);
}

/* Another repository of the same registry, which the image came from, can lend its blobs. */
static void set_mount(struct push *push)
{
	struct oci_reference from;

	if (oci_reference_parse(str_from(push->image.reference), &from, NULL) == 0 &&
	    strcmp(from.domain, push->target.domain) == 0 &&
	    strcmp(from.path, push->target.path) != 0)
		snprintf(push->session->mount_from, sizeof(push->session->mount_from), "%s",
			 from.path);
}

int push_image(const struct pull_start *start, struct str system_ca,
	       const struct push_source *source, struct arena *arena, struct digest *ret_manifest,
	       uint64_t *ret_bytes, struct err *err)
{
	struct push push = { .source = source };
	struct places places;
	struct wire in;
	uint32_t at;
	int r = oci_reference_parse(str_from(start->reference), &push.target, err);

	wire_init(&in, start->known.ptr, start->known.len);
	if (r == 0)
		r = image_decode(&in, arena, &push.image, err);
	if (r == 0)
		r = documents_take(source, &push.image, arena, &push.documents, err);
	if (r < 0)
		return r;
	if (push.target.has_digest &&
	    memcmp(&push.target.digest, &push.image.manifest, sizeof(struct digest)) != 0)
		return err_set(err, -EINVAL, "the image has another digest than %s names",
			       start->reference);
	places_init(&places, start, &push.target, system_ca, arena);
	at = places.count - 1;
	r = place_open(&places, at, &push.session, err);
	if (r == 0) {
		push.session->push = true;
		set_mount(&push);
		r = send_all(&push, err);
	}
	if (r < 0)
		place_explain(&places, at, r, err);
	*ret_manifest = push.image.manifest;
	*ret_bytes = push.documents.manifest.len;
	places_done(&places);
	return r;
}
