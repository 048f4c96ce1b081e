/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Image configs into the image record. Pure; runs in the pull and load roles. It must never let a
 * value of a wrong type pass as "not set": a config that cannot be understood is refused.
 */
#include "engine/oci/oci.h"

#include <errno.h>
#include <string.h>
#include "engine/json/json.h"

struct reader {
	struct arena *arena;
	struct err *err;
	int r; /* sticky */
};

static void fail(struct reader *in, int code, const char *key, const char *what)
{
	if (in->r == 0)
		in->r = err_set(in->err, code, "image config: \"%s\" %s", key, what);
}

static const char *keep(struct reader *in, struct str s, const char *key)
{
	const char *text;

	if (s.len == 0)
		return "";
	if (s.len >= IMAGE_TEXT_MAX) {
		fail(in, -EFBIG, key, "is too long");
		return "";
	}
	text = arena_text(in->arena, s);
	if (!text)
		fail(in, -ENOMEM, key, "does not fit the memory set aside for it");
	return text ? text : "";
}

/* Missing and null are "". */
static const char *read_text(struct reader *in, const struct json *object, const char *key)
{
	const struct json *value = json_get(object, key);
	enum json_type type = json_type(value);

	if (type == JSON_NONE || type == JSON_NULL)
		return "";
	if (type != JSON_STRING)
		fail(in, -EBADMSG, key, "is no text");
	return keep(in, json_str(value), key);
}

static bool start_list(struct reader *in, const struct json *value, enum json_type want,
		       const char *key, size_t max)
{
	enum json_type type = json_type(value);

	if (in->r < 0 || type == JSON_NONE || type == JSON_NULL)
		return false;
	if (type != want)
		fail(in, -EBADMSG, key, want == JSON_ARRAY ? "is no list" : "is no object");
	else if (json_count(value) > max)
		fail(in, -E2BIG, key, "has too many entries");
	return in->r == 0 && json_count(value) > 0;
}

/* A list of texts, or (keys) the member names of an object. */
static void read_texts(struct reader *in, const struct json *object, const char *key, bool keys,
		       struct image_texts *ret_texts)
{
	const struct json *value = json_get(object, key), *item;
	struct json_iter iter;
	struct str name;
	uint32_t n = 0;

	if (!start_list(in, value, keys ? JSON_OBJECT : JSON_ARRAY, key, IMAGE_TEXTS_MAX))
		return;
	ret_texts->items = arena_array(in->arena, json_count(value), sizeof(const char *));
	if (!ret_texts->items) {
		fail(in, -ENOMEM, key, "does not fit the memory set aside for it");
		return;
	}
	for (json_iter_init(&iter, value); json_iter_next(&iter, &name, &item);) {
		if (!keys && json_type(item) != JSON_STRING)
			fail(in, -EBADMSG, key, "has an entry that is no text");
		ret_texts->items[n++] = keep(in, keys ? name : json_str(item), key);
	}
	ret_texts->count = n;
}

static void read_labels(struct reader *in, const struct json *object, struct image_pairs *ret)
{
	const struct json *value = json_get(object, "Labels"), *item;
	struct json_iter iter;
	struct str name;
	uint32_t n = 0;

	if (!start_list(in, value, JSON_OBJECT, "Labels", IMAGE_TEXTS_MAX))
		return;
	ret->items = arena_array(in->arena, json_count(value), sizeof(*ret->items));
	if (!ret->items) {
		fail(in, -ENOMEM, "Labels", "does not fit the memory set aside for it");
		return;
	}
	for (json_iter_init(&iter, value); json_iter_next(&iter, &name, &item);) {
		if (json_type(item) != JSON_STRING)
			fail(in, -EBADMSG, "Labels", "has a value that is no text");
		ret->items[n].key = keep(in, name, "Labels");
		ret->items[n++].value = keep(in, json_str(item), "Labels");
	}
	ret->count = n;
}

static int64_t read_duration(struct reader *in, const struct json *object, const char *key)
{
	int64_t ns = 0;

	if (json_get(object, key) && json_i64(json_get(object, key), 0, INT64_MAX, &ns) < 0)
		fail(in, -EBADMSG, key, "is no duration in nanoseconds");
	return ns;
}

static void read_health(struct reader *in, const struct json *config, struct image_health *health)
{
	const struct json *value = json_get(config, "Healthcheck");
	int64_t retries = 0;

	if (!start_list(in, value, JSON_OBJECT, "Healthcheck", 64))
		return;
	read_texts(in, value, "Test", false, &health->test);
	health->interval_ns = read_duration(in, value, "Interval");
	health->timeout_ns = read_duration(in, value, "Timeout");
	health->start_period_ns = read_duration(in, value, "StartPeriod");
	health->start_interval_ns = read_duration(in, value, "StartInterval");
	if (json_get(value, "Retries") &&
	    json_i64(json_get(value, "Retries"), 0, 1000000, &retries) < 0)
		fail(in, -EBADMSG, "Retries", "is no count");
	health->retries = (uint32_t)retries;
}

static void read_history(struct reader *in, const struct json *root, struct image *image)
{
	const struct json *value = json_get(root, "history"), *item;
	struct json_iter iter;
	struct str name;

	if (!start_list(in, value, JSON_ARRAY, "history", IMAGE_HISTORY_MAX))
		return;
	image->history = arena_array(in->arena, json_count(value), sizeof(*image->history));
	if (!image->history) {
		fail(in, -ENOMEM, "history", "does not fit the memory set aside for it");
		return;
	}
	for (json_iter_init(&iter, value); json_iter_next(&iter, &name, &item);) {
		struct image_history *step = &image->history[image->history_count++];

		if (json_type(item) != JSON_OBJECT)
			fail(in, -EBADMSG, "history", "has an entry that is no object");
		step->created = read_text(in, item, "created");
		step->created_by = read_text(in, item, "created_by");
		step->author = read_text(in, item, "author");
		step->comment = read_text(in, item, "comment");
		step->empty_layer = json_true(json_get(item, "empty_layer"));
	}
}

static void read_diff_ids(struct reader *in, const struct json *root, struct image *image)
{
	const struct json *rootfs = json_get(root, "rootfs");
	const struct json *value = json_get(rootfs, "diff_ids"), *item;
	struct json_iter iter;
	struct str name;

	if (json_type(rootfs) != JSON_OBJECT || !json_is(json_get(rootfs, "type"), "layers")) {
		fail(in, -EBADMSG, "rootfs", "is not of type \"layers\"");
		return;
	}
	if (!start_list(in, value, JSON_ARRAY, "diff_ids", IMAGE_LAYERS_MAX))
		return;
	image->layers = arena_array(in->arena, json_count(value), sizeof(*image->layers));
	if (!image->layers) {
		fail(in, -ENOMEM, "diff_ids", "does not fit the memory set aside for it");
		return;
	}
	for (json_iter_init(&iter, value); json_iter_next(&iter, &name, &item);) {
		struct image_layer *layer = &image->layers[image->layer_count++];

		layer->media_type = "";
		if (digest_parse(json_str(item), &layer->diff, NULL) < 0)
			fail(in, -EBADMSG, "diff_ids", "has an entry that is no sha256 digest");
	}
}

static void read_root(struct reader *in, const struct json *root, struct image *image)
{
	const struct json *config = json_get(root, "config");

	image->created = read_text(in, root, "created");
	image->author = read_text(in, root, "author");
	image->os = read_text(in, root, "os");
	image->architecture = read_text(in, root, "architecture");
	image->variant = read_text(in, root, "variant");
	if (!image->os[0] || !image->architecture[0])
		fail(in, -EBADMSG, "os", "and \"architecture\" are needed");
	if (config && json_type(config) != JSON_OBJECT && json_type(config) != JSON_NULL)
		fail(in, -EBADMSG, "config", "is no object");
	read_texts(in, config, "Env", false, &image->env);
	read_texts(in, config, "Entrypoint", false, &image->entrypoint);
	read_texts(in, config, "Cmd", false, &image->cmd);
	read_texts(in, config, "ExposedPorts", true, &image->exposed_ports);
	read_texts(in, config, "Volumes", true, &image->volumes);
	read_texts(in, config, "Shell", false, &image->shell);
	read_texts(in, config, "OnBuild", false, &image->on_build);
	read_labels(in, config, &image->labels);
	image->workdir = read_text(in, config, "WorkingDir");
	image->user = read_text(in, config, "User");
	image->stop_signal = read_text(in, config, "StopSignal");
	read_health(in, config, &image->health);
	read_history(in, root, image);
	read_diff_ids(in, root, image);
}

int oci_config_parse(struct str text, struct arena *arena, struct image *ret_image, struct err *err)
{
	struct reader in = { .arena = arena, .err = err };
	struct json_doc doc = { 0 };
	struct image image;
	int r = json_parse(text, OCI_DOCUMENT_MAX, &doc, err);

	if (r < 0)
		return err_prefix(err, "image config");
	image_init(&image);
	if (json_type(doc.root) == JSON_OBJECT)
		read_root(&in, doc.root, &image);
	else
		in.r = err_set(err, -EBADMSG, "image config: it is no JSON object");
	json_done(&doc);
	if (in.r == 0)
		*ret_image = image;
	return in.r;
}

int oci_image_parse(const struct oci_manifest *manifest, struct str config, struct arena *arena,
		    struct image *ret_image, struct err *err)
{
	struct image image;
	int r = oci_config_parse(config, arena, &image, err);

	if (r < 0)
		return r;
	if (image.layer_count != manifest->layer_count)
		return err_set(err, -EBADMSG, "the manifest has %u layers, its config %u diff_ids",
			       manifest->layer_count, image.layer_count);
	for (uint32_t i = 0; i < image.layer_count; i++) {
		image.layers[i].blob = manifest->layers[i].digest;
		image.layers[i].size = manifest->layers[i].size;
		image.layers[i].media_type = manifest->layers[i].media_type;
	}
	image.manifest_type = manifest->media_type;
	image.config = manifest->config.digest;
	image.config_size = manifest->config.size;
	image.config_type = manifest->config.media_type;
	*ret_image = image;
	return 0;
}
