/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The documents of an image, written: config, manifest, index. Pure; runs where images are made
 * (build, load, store). The same record gives the same bytes: no time, no order of a hash table.
 */
#include "engine/oci/oci.h"

#include <errno.h>
#include <string.h>
#include "engine/json/json.h"

static void member_texts(struct json_writer *w, const char *key, const struct image_texts *texts)
{
	if (texts->count == 0)
		return;
	json_key(w, key);
	json_begin_array(w);
	for (uint32_t i = 0; i < texts->count; i++)
		json_put_text(w, texts->items[i]);
	json_end_array(w);
}

/* {"80/tcp": {}}: the form of sets in Go's JSON. */
static void member_set(struct json_writer *w, const char *key, const struct image_texts *texts)
{
	if (texts->count == 0)
		return;
	json_key(w, key);
	json_begin_object(w);
	for (uint32_t i = 0; i < texts->count; i++) {
		json_key(w, texts->items[i]);
		json_begin_object(w);
		json_end_object(w);
	}
	json_end_object(w);
}

static void member_given(struct json_writer *w, const char *key, const char *text)
{
	if (text[0])
		json_member_text(w, key, text);
}

static void member_digest(struct json_writer *w, const char *key, const struct digest *digest)
{
	char text[DIGEST_TEXT_MAX];

	json_member_text(w, key, digest_text(digest, text));
}

static void member_duration(struct json_writer *w, const char *key, int64_t ns)
{
	if (ns > 0)
		json_member_i64(w, key, ns);
}

static void write_health(struct json_writer *w, const struct image_health *health)
{
	if (health->test.count == 0)
		return;
	json_key(w, "Healthcheck");
	json_begin_object(w);
	member_texts(w, "Test", &health->test);
	member_duration(w, "Interval", health->interval_ns);
	member_duration(w, "Timeout", health->timeout_ns);
	member_duration(w, "StartPeriod", health->start_period_ns);
	member_duration(w, "StartInterval", health->start_interval_ns);
	if (health->retries)
		json_member_u64(w, "Retries", health->retries);
	json_end_object(w);
}

static void write_run_config(struct json_writer *w, const struct image *image)
{
	json_key(w, "config");
	json_begin_object(w);
	member_given(w, "User", image->user);
	member_set(w, "ExposedPorts", &image->exposed_ports);
	member_texts(w, "Env", &image->env);
	member_texts(w, "Entrypoint", &image->entrypoint);
	member_texts(w, "Cmd", &image->cmd);
	write_health(w, &image->health);
	member_set(w, "Volumes", &image->volumes);
	member_given(w, "WorkingDir", image->workdir);
	if (image->labels.count) {
		json_key(w, "Labels");
		json_begin_object(w);
		for (uint32_t i = 0; i < image->labels.count; i++)
			json_member_text(w, image->labels.items[i].key,
					 image->labels.items[i].value);
		json_end_object(w);
	}
	member_given(w, "StopSignal", image->stop_signal);
	member_texts(w, "Shell", &image->shell);
	member_texts(w, "OnBuild", &image->on_build);
	json_end_object(w);
}

static void write_rootfs(struct json_writer *w, const struct image *image)
{
	char text[DIGEST_TEXT_MAX];

	json_key(w, "rootfs");
	json_begin_object(w);
	json_member_text(w, "type", "layers");
	json_key(w, "diff_ids");
	json_begin_array(w);
	for (uint32_t i = 0; i < image->layer_count; i++)
		json_put_text(w, digest_text(&image->layers[i].diff, text));
	json_end_array(w);
	json_end_object(w);
}

static void write_history(struct json_writer *w, const struct image *image)
{
	if (image->history_count == 0)
		return;
	json_key(w, "history");
	json_begin_array(w);
	for (uint32_t i = 0; i < image->history_count; i++) {
		const struct image_history *step = &image->history[i];

		json_begin_object(w);
		member_given(w, "created", step->created);
		member_given(w, "created_by", step->created_by);
		member_given(w, "author", step->author);
		member_given(w, "comment", step->comment);
		if (step->empty_layer)
			json_member_bool(w, "empty_layer", true);
		json_end_object(w);
	}
	json_end_array(w);
}

static int finish(const struct buf *out, const char *what, struct err *err)
{
	int r = buf_error(out);

	return r < 0 ? err_set(err, r, "%s: it does not fit %zu bytes", what, out->max) : 0;
}

int oci_config_write(const struct image *image, struct buf *out, struct err *err)
{
	struct json_writer w;

	if (!image->os[0] || !image->architecture[0])
		return err_set(err, -EINVAL, "image config: os and architecture are not set");
	json_writer_init(&w, out);
	json_begin_object(&w);
	member_given(&w, "created", image->created);
	member_given(&w, "author", image->author);
	json_member_text(&w, "architecture", image->architecture);
	member_given(&w, "variant", image->variant);
	json_member_text(&w, "os", image->os);
	write_run_config(&w, image);
	write_rootfs(&w, image);
	write_history(&w, image);
	json_end_object(&w);
	return finish(out, "image config", err);
}

static void write_descriptor(struct json_writer *w, const char *media_type,
			     const struct digest *digest, uint64_t size)
{
	json_member_text(w, "mediaType", media_type);
	member_digest(w, "digest", digest);
	json_member_u64(w, "size", size);
}

int oci_manifest_write(const struct image *image, struct buf *out, struct err *err)
{
	struct json_writer w;

	json_writer_init(&w, out);
	json_begin_object(&w);
	json_member_u64(&w, "schemaVersion", 2);
	json_member_text(&w, "mediaType", OCI_MEDIA_MANIFEST);
	json_key(&w, "config");
	json_begin_object(&w);
	write_descriptor(&w, image->config_type[0] ? image->config_type : OCI_MEDIA_CONFIG,
			 &image->config, image->config_size);
	json_end_object(&w);
	json_key(&w, "layers");
	json_begin_array(&w);
	for (uint32_t i = 0; i < image->layer_count; i++) {
		json_begin_object(&w);
		write_descriptor(&w, image->layers[i].media_type, &image->layers[i].blob,
				 image->layers[i].size);
		json_end_object(&w);
	}
	json_end_array(&w);
	json_end_object(&w);
	return finish(out, "manifest", err);
}

static void digest_of(const struct buf *text, struct digest *ret_digest, uint64_t *ret_size)
{
	struct sha256 sum;

	sha256_init(&sum);
	sha256_add(&sum, text->data, text->len);
	sha256_end(&sum, ret_digest);
	*ret_size = text->len;
}

int oci_image_seal(struct image *image, struct buf *config, struct buf *manifest, struct err *err)
{
	int r = oci_config_write(image, config, err);

	if (r < 0)
		return r;
	digest_of(config, &image->config, &image->config_size);
	image->config_type = OCI_MEDIA_CONFIG;
	r = oci_manifest_write(image, manifest, err);
	if (r < 0)
		return r;
	digest_of(manifest, &image->manifest, &image->manifest_size);
	image->manifest_type = OCI_MEDIA_MANIFEST;
	image->source = image->manifest;
	return 0;
}

static void write_image_entry(struct json_writer *w, const struct image *image)
{
	json_begin_object(w);
	write_descriptor(w, image->manifest_type[0] ? image->manifest_type : OCI_MEDIA_MANIFEST,
			 &image->manifest, image->manifest_size);
	if (image->os[0] && image->architecture[0]) {
		json_key(w, "platform");
		json_begin_object(w);
		json_member_text(w, "architecture", image->architecture);
		json_member_text(w, "os", image->os);
		member_given(w, "variant", image->variant);
		json_end_object(w);
	}
	if (image->reference[0]) {
		json_key(w, "annotations");
		json_begin_object(w);
		json_member_text(w, "io.containerd.image.name", image->reference);
		json_member_text(w, "org.opencontainers.image.ref.name", image->reference);
		json_end_object(w);
	}
	json_end_object(w);
}

int oci_index_write(const struct image *const *images, size_t count, struct buf *out,
		    struct err *err)
{
	struct json_writer w;

	json_writer_init(&w, out);
	json_begin_object(&w);
	json_member_u64(&w, "schemaVersion", 2);
	json_member_text(&w, "mediaType", OCI_MEDIA_INDEX);
	json_key(&w, "manifests");
	json_begin_array(&w);
	for (size_t i = 0; i < count; i++)
		write_image_entry(&w, images[i]);
	json_end_array(&w);
	json_end_object(&w);
	return finish(out, "index", err);
}
