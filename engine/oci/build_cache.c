/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cache of builds as documents. Pure: written in engine main, read in the pull role. Must never
 * give a layer that the manifest does not name with its size.
 */
#include "engine/oci/build_cache.h"

#include <errno.h>
#include <string.h>
#include "engine/json/json.h"

/* ---- writing ---- */

/* Where in "layers" the layer of a step stands: one entry for each step that has one. */
static int64_t entry_of(const struct oci_cache_step *steps, uint32_t step)
{
	int64_t at = 0;

	for (uint32_t i = 0; i < step; i++)
		at += steps[i].has_layer;
	return at;
}

/* The layer beneath that of a step: of the first step before it that has one. */
static int64_t entry_beneath(const struct oci_cache_step *steps, uint32_t step)
{
	int32_t at = steps[step].parent;

	while (at >= 0 && !steps[at].has_layer)
		at = steps[at].parent;
	return at < 0 ? -1 : entry_of(steps, (uint32_t)at);
}

static void put_digest(struct json_writer *w, const char *key, const struct digest *digest)
{
	char text[DIGEST_TEXT_MAX];

	json_member_text(w, key, digest_text(digest, text));
}

static void put_result(struct json_writer *w, const struct oci_cache_step *steps, uint32_t at)
{
	json_key(w, steps[at].has_layer ? "layers" : "chains");
	json_begin_array(w);
	json_begin_object(w);
	if (steps[at].has_layer) {
		json_member_i64(w, "layer", entry_of(steps, at));
	} else {
		json_key(w, "layers");
		json_begin_array(w);
		json_end_array(w);
	}
	json_end_object(w);
	json_end_array(w);
}

static void put_record(struct json_writer *w, const struct oci_cache_step *steps, uint32_t at)
{
	json_begin_object(w);
	put_digest(w, "digest", &steps[at].key);
	if (steps[at].parent >= 0) {
		json_key(w, "inputs");
		json_begin_array(w);
		json_begin_array(w);
		json_begin_object(w);
		json_member_i64(w, "link", steps[at].parent);
		json_end_object(w);
		json_end_array(w);
		json_end_array(w);
	}
	put_result(w, steps, at);
	json_end_object(w);
}

static void put_config(const struct oci_cache_step *steps, uint32_t count, struct buf *out)
{
	struct json_writer w;

	json_writer_init(&w, out);
	json_begin_object(&w);
	json_key(&w, "layers");
	json_begin_array(&w);
	for (uint32_t i = 0; i < count; i++) {
		if (!steps[i].has_layer)
			continue;
		json_begin_object(&w);
		put_digest(&w, "blob", &steps[i].layer);
		json_member_i64(&w, "parent", entry_beneath(steps, i));
		json_end_object(&w);
	}
	json_end_array(&w);
	json_key(&w, "records");
	json_begin_array(&w);
	for (uint32_t i = 0; i < count; i++)
		put_record(&w, steps, i);
	json_end_array(&w);
	json_end_object(&w);
}

static void digest_of(const struct buf *text, struct digest *ret_digest, uint64_t *ret_size)
{
	struct sha256 sum;

	sha256_init(&sum);
	sha256_add(&sum, text->data, text->len);
	sha256_end(&sum, ret_digest);
	*ret_size = text->len;
}

int oci_cache_write(struct image *image, const struct oci_cache_step *steps, uint32_t count,
		    struct buf *config, struct buf *manifest, struct err *err)
{
	int r;

	put_config(steps, count, config);
	if (buf_error(config) < 0)
		return err_set(err, -E2BIG, "the build's cache has too many steps");
	digest_of(config, &image->config, &image->config_size);
	image->config_type = OCI_MEDIA_BUILD_CACHE;
	r = oci_manifest_write(image, manifest, err);
	if (r < 0)
		return r;
	digest_of(manifest, &image->manifest, &image->manifest_size);
	image->manifest_type = OCI_MEDIA_MANIFEST;
	image->source = image->manifest;
	return 0;
}

/* ---- reading ---- */

int oci_cache_config(struct str manifest, struct str said, struct arena *arena,
		     struct oci_manifest *ret_manifest, struct err *err)
{
	int r = oci_artifact_parse(manifest, said, arena, ret_manifest, err);

	if (r < 0)
		return r;
	if (strcmp(ret_manifest->config.media_type, OCI_MEDIA_BUILD_CACHE) == 0)
		return 0;
	return err_set(err, -ENOTSUP, "its config is of type %.120s: no cache of builds",
		       ret_manifest->config.media_type);
}

/* The manifest's layer with this digest, if it is a plain tar. */
static const struct oci_descriptor *find_layer(const struct oci_manifest *manifest, struct str text)
{
	struct digest digest;

	if (digest_parse(text, &digest, NULL) < 0)
		return NULL;
	for (uint32_t i = 0; i < manifest->layer_count; i++) {
		const struct oci_descriptor *layer = &manifest->layers[i];

		if (memcmp(&layer->digest, &digest, sizeof(digest)) == 0)
			return layer->type == OCI_TYPE_LAYER_TAR ? layer : NULL;
	}
	return NULL;
}

/* The descriptors of "layers", NULL for those that are of no use here. */
static int read_layers(const struct json *list, const struct oci_manifest *manifest,
		       struct arena *arena, const struct oci_descriptor ***ret_layers,
		       struct err *err)
{
	struct json_iter iter;
	const struct json *item;
	struct str key;
	uint32_t n = 0;

	if (json_count(list) > OCI_CACHE_STEPS_MAX)
		return err_set(err, -E2BIG, "the cache has more than %d layers",
			       OCI_CACHE_STEPS_MAX);
	*ret_layers = arena_array(arena, json_count(list) + 1, sizeof(**ret_layers));
	if (!*ret_layers)
		return err_set(err, -ENOMEM, "no memory for a cache");
	for (json_iter_init(&iter, list); json_iter_next(&iter, &key, &item);)
		(*ret_layers)[n++] = find_layer(manifest, json_str(json_get(item, "blob")));
	return 0;
}

static const struct json *only_item(const struct json *list)
{
	const struct json *item = NULL;
	struct json_iter iter;
	struct str key;

	if (json_type(list) != JSON_ARRAY || json_count(list) != 1)
		return NULL;
	json_iter_init(&iter, list);
	(void)json_iter_next(&iter, &key, &item);
	return item;
}

/* One record: whether it is one of ours. */
static bool read_record(const struct json *record, const struct oci_descriptor *const *layers,
			size_t layer_count, struct oci_cache_step *ret)
{
	const struct json *result = only_item(json_get(record, "layers"));
	const struct json *chain = json_get(only_item(json_get(record, "chains")), "layers");
	uint64_t at;

	*ret = (struct oci_cache_step){ .parent = -1 };
	if (digest_parse(json_str(json_get(record, "digest")), &ret->key, NULL) < 0)
		return false;
	if (!result)
		return json_type(chain) == JSON_ARRAY && json_count(chain) == 0;
	if (json_u64(json_get(result, "layer"), OCI_CACHE_STEPS_MAX, &at) < 0 ||
	    at >= layer_count || !layers[at])
		return false;
	ret->has_layer = true;
	ret->layer = layers[at]->digest;
	ret->size = layers[at]->size;
	return true;
}

static int read_records(const struct json *root, const struct oci_manifest *manifest,
			struct arena *arena, struct oci_cache_step **ret_steps, uint32_t *ret_count,
			struct err *err)
{
	const struct json *records = json_get(root, "records");
	const struct json *list = json_get(root, "layers");
	const struct oci_descriptor **layers = NULL;
	struct json_iter iter;
	const struct json *item;
	struct str key;
	uint32_t n = 0;
	int r = read_layers(list, manifest, arena, &layers, err);

	if (r < 0)
		return r;
	if (json_count(records) > OCI_CACHE_STEPS_MAX)
		return err_set(err, -E2BIG, "the cache has more than %d steps",
			       OCI_CACHE_STEPS_MAX);
	*ret_steps = arena_array(arena, json_count(records) + 1, sizeof(**ret_steps));
	if (!*ret_steps)
		return err_set(err, -ENOMEM, "no memory for a cache");
	for (json_iter_init(&iter, records); json_iter_next(&iter, &key, &item);)
		n += read_record(item, layers, json_count(list), &(*ret_steps)[n]);
	*ret_count = n;
	return 0;
}

int oci_cache_parse(const struct oci_manifest *manifest, struct str config, struct arena *arena,
		    struct oci_cache_step **ret_steps, uint32_t *ret_count, struct err *err)
{
	struct json_doc doc = { 0 };
	int r = json_parse(config, OCI_DOCUMENT_MAX, &doc, err);

	if (r < 0)
		return err_prefix(err, "cache");
	if (json_type(doc.root) != JSON_OBJECT)
		r = err_set(err, -EBADMSG, "the cache is no JSON object");
	else
		r = read_records(doc.root, manifest, arena, ret_steps, ret_count, err);
	json_done(&doc);
	return r;
}
