/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Indexes and manifests. Pure; runs in the pull and load roles. It must never read one text as two
 * kinds of document, nor follow "urls".
 */
#include "engine/oci/oci.h"

#include <errno.h>
#include <string.h>
#include "engine/json/json.h"

static const struct {
	const char *media_type;
	enum oci_type type;
} media_types[] = {
	{ OCI_MEDIA_INDEX, OCI_TYPE_INDEX },
	{ OCI_MEDIA_MANIFEST, OCI_TYPE_MANIFEST },
	{ OCI_MEDIA_CONFIG, OCI_TYPE_CONFIG },
	{ OCI_MEDIA_LAYER_TAR, OCI_TYPE_LAYER_TAR },
	{ OCI_MEDIA_LAYER_GZIP, OCI_TYPE_LAYER_GZIP },
	{ OCI_MEDIA_LAYER_ZSTD, OCI_TYPE_LAYER_ZSTD },
	{ OCI_MEDIA_DOCKER_LIST, OCI_TYPE_INDEX },
	{ OCI_MEDIA_DOCKER_MANIFEST, OCI_TYPE_MANIFEST },
	{ OCI_MEDIA_DOCKER_CONFIG, OCI_TYPE_CONFIG },
	{ OCI_MEDIA_DOCKER_LAYER, OCI_TYPE_LAYER_GZIP },
	{ "application/vnd.docker.image.rootfs.diff.tar", OCI_TYPE_LAYER_TAR },
	{ "application/vnd.docker.image.rootfs.diff.tar.zstd", OCI_TYPE_LAYER_ZSTD },
	{ "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", OCI_TYPE_LAYER_GZIP },
	{ "application/vnd.oci.image.layer.nondistributable.v1.tar", OCI_TYPE_LAYER_TAR },
	{ "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", OCI_TYPE_LAYER_GZIP },
	{ "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd", OCI_TYPE_LAYER_ZSTD },
};

/* "type/sub; charset=utf-8" without its parameters. */
static struct str bare_type(struct str media_type)
{
	ptrdiff_t semicolon = str_find(media_type, ';');

	return str_trim(semicolon < 0 ? media_type : str_head(media_type, (size_t)semicolon));
}

enum oci_type oci_type_of(struct str media_type)
{
	struct str bare = bare_type(media_type);

	for (size_t i = 0; i < sizeof(media_types) / sizeof(media_types[0]); i++) {
		if (str_is_nocase(bare, media_types[i].media_type))
			return media_types[i].type;
	}
	return OCI_TYPE_OTHER;
}

static const char *keep_text(struct arena *arena, struct str s)
{
	const char *text = s.len ? arena_text(arena, s) : "";

	return text ? text : "";
}

/* A registry that has nothing better to say: that is no claim about the document. */
static bool is_vague(struct str said)
{
	struct str bare = bare_type(said);

	return bare.len == 0 || str_is_nocase(bare, "application/json") ||
	       str_is_nocase(bare, "text/plain") || str_is_nocase(bare, "application/octet-stream");
}

static int refuse_type(struct str said, struct err *err)
{
	char shown[100];

	str_escape(said, shown, sizeof(shown));
	return err_set(err, -EBADMSG, "Content-Type \"%s\" does not fit the document", shown);
}

static int check_document(const struct json *root, struct str said, enum oci_type *ret_type,
			  struct err *err)
{
	const struct json *manifests = json_get(root, "manifests");
	const struct json *layers = json_get(root, "layers");
	struct str own = json_str(json_get(root, "mediaType"));
	enum oci_type type;
	int64_t version = 0;

	if (json_type(root) != JSON_OBJECT)
		return err_set(err, -EBADMSG, "the manifest is no JSON object");
	json_i64(json_get(root, "schemaVersion"), 0, 100, &version);
	if (version == 1 || json_get(root, "fsLayers"))
		return err_set(err, -ENOTSUP,
			       "the image has the old manifest schema 1: push it again with a "
			       "current client");
	/* Docker's own archives may have an index without. */
	if (version != 2 && (version || !manifests || json_get(root, "schemaVersion")))
		return err_set(err, -EBADMSG, "the manifest's schemaVersion is not 2");
	if (manifests && (layers || json_get(root, "config")))
		return err_set(err, -EBADMSG, "a document with both \"manifests\" and \"layers\"");
	if (json_type(manifests) != JSON_ARRAY && json_type(layers) != JSON_ARRAY)
		return err_set(err, -EBADMSG, "neither \"manifests\" nor \"layers\" is a list");
	type = manifests ? OCI_TYPE_INDEX : OCI_TYPE_MANIFEST;
	if (json_get(root, "mediaType") && oci_type_of(own) != type)
		return err_set(err, -EBADMSG, "the mediaType does not fit the document");
	if (!is_vague(said) && oci_type_of(said) != type)
		return refuse_type(said, err);
	if (!is_vague(said) && own.len && !str_eq(bare_type(said), bare_type(own)))
		return err_set(err, -EBADMSG, "Content-Type and mediaType of the manifest differ");
	*ret_type = type;
	return 0;
}

int oci_document_type(struct str text, struct str said, enum oci_type *ret_type, struct err *err)
{
	struct json_doc doc = { 0 };
	int r = json_parse(text, OCI_DOCUMENT_MAX, &doc, err);

	if (r < 0)
		return r;
	r = check_document(doc.root, said, ret_type, err);
	json_done(&doc);
	return r;
}

/* restricted-name "/" restricted-name of RFC 6838, as the spec's schema has it. */
static bool is_media_type(struct str s)
{
	struct str rest = s, part;
	unsigned parts = 0;

	while (str_cut(&rest, '/', &part)) {
		if (part.len == 0 || part.len > 127 || ++parts > 2)
			return false;
		for (size_t i = 0; i < part.len; i++) {
			char c = part.ptr[i];

			if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			      (c >= '0' && c <= '9') || (i > 0 && c && strchr("!#$&^_.+-", c))))
				return false;
		}
	}
	return parts == 2;
}

static void parse_platform(const struct json *value, struct arena *arena,
			   struct oci_descriptor *desc)
{
	struct str variant = json_str(json_get(value, "variant"));

	desc->has_platform = json_type(value) == JSON_OBJECT;
	desc->platform.os = keep_text(arena, json_str(json_get(value, "os")));
	desc->platform.architecture = keep_text(arena, json_str(json_get(value, "architecture")));
	/* "arm64" means v8, "arm" without a variant v7: containerd's normal form. */
	if (str_is(str_from(desc->platform.architecture), "arm64") && str_is(variant, "v8"))
		variant = (struct str){ 0 };
	desc->platform.variant = keep_text(arena, variant);
}

static int parse_descriptor(const struct json *value, const char *what, struct arena *arena,
			    struct oci_descriptor *ret_desc, struct err *err)
{
	struct str media_type = json_str(json_get(value, "mediaType"));
	const struct json *notes = json_get(value, "annotations");
	struct oci_descriptor desc = { 0 };

	if (json_type(value) != JSON_OBJECT)
		return err_set(err, -EBADMSG, "%s: the descriptor is no object", what);
	if (!is_media_type(media_type))
		return err_set(err, -EBADMSG, "%s: the descriptor has no valid mediaType", what);
	if (digest_parse(json_str(json_get(value, "digest")), &desc.digest, NULL) < 0)
		return err_set(err, -EBADMSG,
			       "%s: the digest is not sha256: and 64 lower-case hexadecimal digits",
			       what);
	if (json_u64(json_get(value, "size"), INT64_MAX, &desc.size) < 0)
		return err_set(err, -EBADMSG, "%s: the size is no whole number", what);
	desc.type = oci_type_of(media_type);
	desc.media_type = keep_text(arena, media_type);
	desc.ref_name =
		keep_text(arena, json_str(json_get(notes, "org.opencontainers.image.ref.name")));
	desc.full_name = keep_text(arena, json_str(json_get(notes, "io.containerd.image.name")));
	desc.attestation =
		json_is(json_get(notes, "vnd.docker.reference.type"), "attestation-manifest");
	parse_platform(json_get(value, "platform"), arena, &desc);
	*ret_desc = desc;
	return 0;
}

static int parse_descriptors(const struct json *list, const char *what, uint32_t max,
			     struct arena *arena, struct oci_descriptor **ret_list,
			     uint32_t *ret_count, struct err *err)
{
	struct oci_descriptor *descs;
	struct json_iter iter;
	const struct json *item;
	struct str key;
	uint32_t n = 0;
	int r;

	if (json_count(list) > max)
		return err_set(err, -E2BIG, "%zu entries of %s, at most %u are taken",
			       json_count(list), what, max);
	descs = arena_array(arena, json_count(list) + 1, sizeof(*descs));
	if (!descs)
		return err_set(err, -ENOMEM, "no memory for a manifest");
	for (json_iter_init(&iter, list); json_iter_next(&iter, &key, &item); n++) {
		r = parse_descriptor(item, what, arena, &descs[n], err);
		if (r < 0)
			return r;
	}
	*ret_list = descs;
	*ret_count = n;
	return 0;
}

/* Parses the text and demands the type; the document is the caller's to free on 0. */
static int open_document(struct str text, struct str said, enum oci_type want,
			 struct json_doc *ret_doc, struct err *err)
{
	enum oci_type type;
	int r = json_parse(text, OCI_DOCUMENT_MAX, ret_doc, err);

	if (r < 0)
		return err_prefix(err, "manifest");
	r = check_document(ret_doc->root, said, &type, err);
	if (r == 0 && type != want)
		r = err_set(err, -EBADMSG, "%s where %s was expected",
			    type == OCI_TYPE_INDEX ? "an index" : "a manifest",
			    want == OCI_TYPE_INDEX ? "an index" : "a manifest");
	if (r < 0)
		json_done(ret_doc);
	return r;
}

int oci_index_parse(struct str text, struct str said, struct arena *arena,
		    struct oci_index *ret_index, struct err *err)
{
	struct oci_index index = { 0 };
	struct json_doc doc = { 0 };
	int r = open_document(text, said, OCI_TYPE_INDEX, &doc, err);

	if (r < 0)
		return r;
	r = parse_descriptors(json_get(doc.root, "manifests"), "index", OCI_MANIFESTS_MAX, arena,
			      &index.manifests, &index.count, err);
	json_done(&doc);
	if (r == 0)
		*ret_index = index;
	return r;
}

/* Layers of an unknown kind (encrypted, artifacts) cannot become a root file system. */
static int check_layers(const struct oci_manifest *manifest, struct err *err)
{
	for (uint32_t i = 0; i < manifest->layer_count; i++) {
		const struct oci_descriptor *layer = &manifest->layers[i];

		if (layer->type != OCI_TYPE_LAYER_TAR && layer->type != OCI_TYPE_LAYER_GZIP &&
		    layer->type != OCI_TYPE_LAYER_ZSTD)
			return err_set(err, -ENOTSUP, "layer %u is of type %.120s, not a tar",
				       i + 1, layer->media_type);
	}
	if (manifest->config.type != OCI_TYPE_CONFIG)
		return err_set(err, -ENOTSUP,
			       "the config is of type %.120s: an artifact, not an image to run",
			       manifest->config.media_type);
	return 0;
}

static int parse_manifest(const struct json *root, struct arena *arena,
			  struct oci_manifest *manifest, struct err *err)
{
	struct str media_type = json_str(json_get(root, "mediaType"));
	int r = parse_descriptor(json_get(root, "config"), "config", arena, &manifest->config, err);

	if (r < 0)
		return r;
	r = parse_descriptors(json_get(root, "layers"), "layers", IMAGE_LAYERS_MAX, arena,
			      &manifest->layers, &manifest->layer_count, err);
	if (r < 0)
		return r;
	manifest->media_type = media_type.len ? keep_text(arena, media_type) : OCI_MEDIA_MANIFEST;
	if (manifest->config.size > OCI_DOCUMENT_MAX)
		return err_set(err, -EFBIG, "the config is over %d bytes", OCI_DOCUMENT_MAX);
	return 0;
}

int oci_artifact_parse(struct str text, struct str said, struct arena *arena,
		       struct oci_manifest *ret_manifest, struct err *err)
{
	struct oci_manifest manifest = { 0 };
	struct json_doc doc = { 0 };
	int r = open_document(text, said, OCI_TYPE_MANIFEST, &doc, err);

	if (r < 0)
		return r;
	r = parse_manifest(doc.root, arena, &manifest, err);
	json_done(&doc);
	if (r == 0)
		*ret_manifest = manifest;
	return r;
}

int oci_manifest_parse(struct str text, struct str said, struct arena *arena,
		       struct oci_manifest *ret_manifest, struct err *err)
{
	struct oci_manifest manifest = { 0 };
	int r = oci_artifact_parse(text, said, arena, &manifest, err);

	if (r == 0)
		r = check_layers(&manifest, err);
	if (r == 0)
		*ret_manifest = manifest;
	return r;
}
