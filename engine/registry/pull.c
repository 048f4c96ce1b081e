/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pull: reference -> manifest (through an index) -> config -> layers. Runs in the pull role. It
 * must never use a document whose digest and size it did not check, and never follow "urls".
 */
#include "engine/registry/pull.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include "engine/oci/oci.h"
#include "engine/oci/reference.h"
#include "engine/registry/layers.h"
#include "engine/registry/place.h"
#include "engine/registry/retry.h"
#include "engine/registry/signature.h"
#include "lib/own.h"
#include "lib/random.h"

static const char manifest_types[] = OCI_MEDIA_INDEX
	", " OCI_MEDIA_MANIFEST ", " OCI_MEDIA_DOCKER_LIST ", " OCI_MEDIA_DOCKER_MANIFEST;

struct pull {
	const struct pull_start *start;
	const struct pull_sink *sink;
	struct arena *arena;
	struct oci_reference reference;
	struct places places;
	struct session *session; /* of the place that is asked now */
	bool last;		 /* no other place is left */
	bool has_head;		 /* the place said what the tag means */
	struct digest head;
	bool has_known;
	struct image known;
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

/* Waits before the next try: false = there is none. */
static bool wait_retry(const struct pull *pull, unsigned attempt)
{
	int64_t pause = retry_pause_ms(attempt, pull->session->asked_ms, random_jitter());

	if (pause < 0)
		return false;
	poll(NULL, 0, (int)pause);
	return true;
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
	int r = session_get(pull->session, &request, &response, err);

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
	unsigned attempt = 0;
	int r;

	digest_text(digest, name);
	do
		r = get_document(pull, kind, name, accept, ret_doc, err);
	while (retry_helps(r) && wait_retry(pull, attempt++));
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

/*
 * What the tag means now, by HEAD, the first contact with the registry: it costs no transfer, and
 * registries that count pulls do not count it. Whoever answers it badly is asked by GET.
 */
static int head_tag(struct pull *pull, struct document *ret_doc, struct err *err)
{
	struct session_request request = { .method = "HEAD",
					   .kind = "manifests",
					   .name = pull->reference.tag,
					   .accept = manifest_types };
	struct client_response response;
	int r = session_get(pull->session, &request, &response, err);

	(void)ret_doc;
	pull->has_head = r == 0 && response.head.status == 200 &&
			 digest_parse(http_field(&response.head, "Docker-Content-Digest"),
				      &pull->head, NULL) == 0;
	if (r == 0)
		client_finish(&response);
	return session_may_differ(pull->session, r) ? 0 : r;
}

/* What the reference names, by the digest that HEAD told where it did. */
static int get_first(struct pull *pull, struct document *ret_doc, struct err *err)
{
	char name[DIGEST_TEXT_MAX];
	int r = -ENOENT;

	if (pull->reference.has_digest)
		return get_checked(pull, "manifests", &pull->reference.digest, 0, manifest_types,
				   ret_doc, err);
	if (pull->has_head)
		r = get_document(pull, "manifests", digest_text(&pull->head, name), manifest_types,
				 ret_doc, err);
	if (r == -ENOENT)
		return get_document(pull, "manifests", pull->reference.tag, manifest_types, ret_doc,
				    err);
	if (r == 0 && memcmp(&ret_doc->digest, &pull->head, sizeof(pull->head)) != 0)
		return err_set(err, -EBADMSG, "%s: the registry sent other bytes than the digest's",
			       name);
	return r;
}

typedef int first_fn(struct pull *pull, struct document *ret_doc, struct err *err);

/*
 * A registry that is down is the caller's to wait for, one that says when to come back is asked
 * again here; but not as long as another place is left.
 */
static int ask_patiently(struct pull *pull, first_fn *ask, struct document *ret_doc,
			 struct err *err)
{
	unsigned attempt = 0;
	int r;

	do
		r = ask(pull, ret_doc, err);
	while (r == -EAGAIN && pull->last && pull->session->asked_ms >= 0 &&
	       wait_retry(pull, attempt++));
	return r;
}

/* ---- what is here already ---- */

static int is_here(struct pull *pull, const struct digest *digest, uint64_t size,
		   enum pull_kind kind, struct err *err)
{
	struct pull_blob blob = {
		.digest = *digest, .size = size, .kind = kind, .probe = true, .media_type = ""
	};
	int fd = -1;

	return pull->sink->blob(pull->sink->owner, &blob, &fd, err);
}

/* Whether main has every piece of the known image: 1, 0, -errno. */
static int known_is_whole(struct pull *pull, struct err *err)
{
	const struct image *image = &pull->known;
	int r = is_here(pull, &image->config, image->config_size, PULL_KIND_CONFIG, err);

	for (uint32_t i = 0; i < image->layer_count && r == 1; i++)
		r = is_here(pull, &image->layers[i].blob, image->layers[i].size, PULL_KIND_LAYER,
			    err);
	if (r == 1)
		r = is_here(pull, &image->manifest, image->manifest_size, PULL_KIND_MANIFEST, err);
	return r;
}

/* 1 = the reference still means the known image, and all of it is here. */
static int is_unchanged(struct pull *pull, struct err *err)
{
	const struct digest *known = &pull->known.source;
	const struct digest *now =
		pull->reference.has_digest ? &pull->reference.digest : &pull->head;
	int r;

	if (!pull->has_known || !(pull->reference.has_digest || pull->has_head) ||
	    memcmp(now, known, sizeof(*now)) != 0)
		return 0;
	r = known_is_whole(pull, err);
	/* It may have come when no signature was wanted yet. */
	if (r == 1 && signature_check(pull->session, &pull->start->signature, known,
				      &pull->known.manifest, pull->arena, err) < 0)
		r = -EBADMSG;
	return r;
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
	int r = ask_patiently(pull, get_first, &doc, err);

	if (r < 0)
		return r;
	source = doc.digest;
	r = choose_manifest(pull, &doc, err);
	if (r == 0)
		r = signature_check(pull->session, &pull->start->signature, &source, &doc.digest,
				    pull->arena, err);
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

/* ---- all of it ---- */

static int put_manifest(struct pull *pull, struct err *err)
{
	struct pull_blob blob = { .digest = pull->image.manifest,
				  .size = pull->image.manifest_size,
				  .kind = PULL_KIND_MANIFEST,
				  .media_type = pull->image.manifest_type };

	return feed_text(pull->sink, &blob, pull->manifest_text, err);
}

/* 1 = nothing has changed, 0 = the documents are here and the layers are next. */
static int ask_place(struct pull *pull, uint32_t at, struct err *err)
{
	int r = place_open(&pull->places, at, &pull->session, err);

	pull->last = at + 1 == pull->places.count;
	pull->has_head = false;
	if (r == 0 && !pull->reference.has_digest)
		r = ask_patiently(pull, head_tag, NULL, err);
	if (r == 0)
		r = is_unchanged(pull, err);
	if (r == 0)
		r = get_manifest(pull, err);
	return r < 0 ? place_explain(&pull->places, at, r, err) : r;
}

static bool seen_before(const struct image *image, uint32_t index)
{
	for (uint32_t i = 0; i < index; i++)
		if (memcmp(&image->layers[i].blob, &image->layers[index].blob,
			   sizeof(struct digest)) == 0)
			return true;
	return false;
}

/* What is missing has to fit before its first byte is asked for. */
static int ask_room(const struct pull *pull, struct err *err)
{
	uint64_t bytes = 0;
	int fd = -1, r = 1;

	for (uint32_t i = 0; r >= 0 && i < pull->image.layer_count; i++) {
		const struct image_layer *layer = &pull->image.layers[i];
		const struct pull_blob probe = { .digest = layer->blob,
						 .size = layer->size,
						 .kind = PULL_KIND_LAYER,
						 .probe = true,
						 .media_type = layer->media_type };

		if (seen_before(&pull->image, i))
			continue;
		r = pull->sink->blob(pull->sink->owner, &probe, &fd, err);
		if (r == 0 && layer->size > UINT64_MAX - bytes)
			return err_set(err, -EFBIG, "the layers are said to be over 2^64 bytes");
		bytes += r == 0 ? layer->size : 0;
	}
	return r < 0 || bytes == 0 ? (r < 0 ? r : 0)
				   : pull->sink->need(pull->sink->owner, bytes, err);
}

static int pull_all(struct pull *pull, struct err *err)
{
	uint32_t at = 0;
	int r;

	do
		r = ask_place(pull, at, err);
	while (r < 0 && ++at < pull->places.count);
	if (r == 0 && pull->sink->need)
		r = ask_room(pull, err);
	if (r == 0)
		r = layers_fetch(&pull->places, at, &pull->image, pull->sink, err);
	if (r == 0)
		r = put_manifest(pull, err);
	return r;
}

static void take_known(struct pull *pull, struct str record)
{
	struct wire in;

	wire_init(&in, record.ptr, record.len);
	pull->has_known = record.len > 0 &&
			  image_decode(&in, pull->arena, &pull->known, NULL) == 0 &&
			  strcmp(pull->known.os, pull->start->os) == 0 &&
			  strcmp(pull->known.architecture, pull->start->architecture) == 0;
}

int pull_image(const struct pull_start *start, struct str system_ca, const struct pull_sink *sink,
	       struct arena *arena, struct image *ret_image, struct err *err)
{
	struct pull pull = { .start = start, .sink = sink, .arena = arena };
	int r = oci_reference_parse(str_from(start->reference), &pull.reference, err);

	if (r < 0)
		return r;
	take_known(&pull, start->known);
	places_init(&pull.places, start, &pull.reference, system_ca, arena);
	r = pull_all(&pull, err);
	places_done(&pull.places);
	if (r >= 0)
		*ret_image = r == 1 ? pull.known : pull.image;
	return r;
}

/* ---- caches of builds ---- */

static int get_cache(struct pull *pull, struct oci_cache_step **ret_steps, uint32_t *ret_count,
		     struct err *err)
{
	struct oci_manifest *manifest = &pull->manifest;
	struct document doc, config;
	int r = ask_patiently(pull, get_first, &doc, err);

	if (r == 0)
		r = signature_check(pull->session, &pull->start->signature, &doc.digest,
				    &doc.digest, pull->arena, err);
	if (r == 0)
		r = oci_cache_config(doc.text, str_from(doc.said), pull->arena, manifest, err);
	if (r == 0)
		r = get_checked(pull, "blobs", &manifest->config.digest, manifest->config.size,
				NULL, &config, err);
	return r < 0 ? r
		     : oci_cache_parse(manifest, config.text, pull->arena, ret_steps, ret_count,
				       err);
}

/* The registry itself: nobody keeps caches at a mirror. */
static int open_registry(struct pull *pull, struct str system_ca, struct err *err)
{
	int r = oci_reference_parse(str_from(pull->start->reference), &pull->reference, err);

	if (r < 0)
		return r;
	places_init(&pull->places, pull->start, &pull->reference, system_ca, pull->arena);
	pull->last = true;
	return 0;
}

int pull_cache(const struct pull_start *start, struct str system_ca, struct arena *arena,
	       struct oci_cache_step **ret_steps, uint32_t *ret_count, struct err *err)
{
	struct pull pull = { .start = start, .arena = arena };
	int r = open_registry(&pull, system_ca, err);

	if (r < 0)
		return r;
	r = place_open(&pull.places, pull.places.count - 1, &pull.session, err);
	if (r == 0)
		r = get_cache(&pull, ret_steps, ret_count, err);
	if (r < 0)
		place_explain(&pull.places, pull.places.count - 1, r, err);
	places_done(&pull.places);
	return r;
}

int pull_cache_layer(const struct pull_start *start, struct str system_ca,
		     const struct digest *layer, uint64_t size, const struct pull_sink *sink,
		     struct arena *arena, struct err *err)
{
	struct pull pull = { .start = start, .sink = sink, .arena = arena };
	struct image_layer one = {
		.blob = *layer, .diff = *layer, .size = size, .media_type = OCI_MEDIA_LAYER_TAR
	};
	const struct image image = { .layers = &one, .layer_count = 1 };
	int r = open_registry(&pull, system_ca, err);

	if (r < 0)
		return r;
	r = place_open(&pull.places, pull.places.count - 1, &pull.session, err);
	if (r < 0)
		place_explain(&pull.places, pull.places.count - 1, r, err);
	if (r == 0)
		r = sink->need(sink->owner, size, err);
	if (r == 0)
		r = layers_fetch(&pull.places, pull.places.count - 1, &image, sink, err);
	places_done(&pull.places);
	return r;
}
