/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The image record: wire form, copies and its small lists. Runs in every engine role that hands
 * images around. Pure; it must never trust a count or length of the wire form before it checked it.
 */
#include "engine/oci/image.h"

#include <errno.h>
#include <string.h>

enum { IMAGE_WIRE_VERSION = 1 };

void image_init(struct image *image)
{
	*image = (struct image){
		.reference = "",
		.manifest_type = "",
		.config_type = "",
		.created = "",
		.author = "",
		.os = "",
		.architecture = "",
		.variant = "",
		.workdir = "",
		.user = "",
		.stop_signal = "",
	};
}

uint64_t image_size(const struct image *image)
{
	uint64_t sum = image->manifest_size + image->config_size;

	for (uint32_t i = 0; i < image->layer_count; i++)
		sum += image->layers[i].size;
	return sum;
}

/* ---- encoding ---- */

static void put_digest(struct buf *out, const struct digest *digest)
{
	wire_put_bytes(out, digest->bytes, sizeof(digest->bytes));
}

static void put_texts(struct buf *out, const struct image_texts *texts)
{
	wire_put_u32(out, texts->count);
	for (uint32_t i = 0; i < texts->count; i++)
		wire_put_text(out, texts->items[i]);
}

static void put_layers(struct buf *out, const struct image *image)
{
	wire_put_u32(out, image->layer_count);
	for (uint32_t i = 0; i < image->layer_count; i++) {
		const struct image_layer *layer = &image->layers[i];

		put_digest(out, &layer->blob);
		put_digest(out, &layer->diff);
		wire_put_u64(out, layer->size);
		wire_put_text(out, layer->media_type);
	}
}

static void put_history(struct buf *out, const struct image *image)
{
	wire_put_u32(out, image->history_count);
	for (uint32_t i = 0; i < image->history_count; i++) {
		const struct image_history *step = &image->history[i];

		wire_put_text(out, step->created);
		wire_put_text(out, step->created_by);
		wire_put_text(out, step->author);
		wire_put_text(out, step->comment);
		wire_put_u8(out, step->empty_layer);
	}
}

static void put_health(struct buf *out, const struct image_health *health)
{
	put_texts(out, &health->test);
	wire_put_i64(out, health->interval_ns);
	wire_put_i64(out, health->timeout_ns);
	wire_put_i64(out, health->start_period_ns);
	wire_put_i64(out, health->start_interval_ns);
	wire_put_u32(out, health->retries);
}

void image_encode(const struct image *image, struct buf *out)
{
	wire_put_u8(out, IMAGE_WIRE_VERSION);
	wire_put_text(out, image->reference);
	put_digest(out, &image->source);
	put_digest(out, &image->manifest);
	put_digest(out, &image->config);
	wire_put_u64(out, image->manifest_size);
	wire_put_u64(out, image->config_size);
	wire_put_text(out, image->manifest_type);
	wire_put_text(out, image->config_type);
	wire_put_text(out, image->created);
	wire_put_text(out, image->author);
	wire_put_text(out, image->os);
	wire_put_text(out, image->architecture);
	wire_put_text(out, image->variant);
	put_layers(out, image);
	put_texts(out, &image->env);
	put_texts(out, &image->entrypoint);
	put_texts(out, &image->cmd);
	put_texts(out, &image->exposed_ports);
	put_texts(out, &image->volumes);
	put_texts(out, &image->shell);
	put_texts(out, &image->on_build);
	wire_put_u32(out, image->labels.count);
	for (uint32_t i = 0; i < image->labels.count; i++) {
		wire_put_text(out, image->labels.items[i].key);
		wire_put_text(out, image->labels.items[i].value);
	}
	wire_put_text(out, image->workdir);
	wire_put_text(out, image->user);
	wire_put_text(out, image->stop_signal);
	put_health(out, &image->health);
	put_history(out, image);
}

/* ---- decoding: the arena's failure is remembered, the wire's is its own ---- */

struct decoder {
	struct wire *in;
	struct arena *arena;
	bool no_memory;
};

static const char *get_text(struct decoder *d)
{
	struct str s = wire_str(d->in, IMAGE_TEXT_MAX);
	const char *text;

	if (s.len == 0 || d->no_memory)
		return "";
	text = arena_text(d->arena, s);
	if (!text)
		d->no_memory = true;
	return text ? text : "";
}

static void *get_array(struct decoder *d, uint32_t count, size_t size)
{
	void *array;

	if (count == 0 || d->in->error || d->no_memory)
		return NULL;
	array = arena_array(d->arena, count, size);
	if (!array)
		d->no_memory = true;
	return array;
}

static void get_digest(struct decoder *d, struct digest *digest)
{
	wire_bytes(d->in, digest->bytes, sizeof(digest->bytes));
}

static void get_texts(struct decoder *d, struct image_texts *texts)
{
	uint32_t count = wire_count(d->in, IMAGE_TEXTS_MAX);

	texts->items = get_array(d, count, sizeof(*texts->items));
	texts->count = texts->items ? count : 0;
	for (uint32_t i = 0; i < texts->count; i++)
		texts->items[i] = get_text(d);
}

static void get_layers(struct decoder *d, struct image *image)
{
	uint32_t count = wire_count(d->in, IMAGE_LAYERS_MAX);

	image->layers = get_array(d, count, sizeof(*image->layers));
	image->layer_count = image->layers ? count : 0;
	for (uint32_t i = 0; i < image->layer_count; i++) {
		struct image_layer *layer = &image->layers[i];

		get_digest(d, &layer->blob);
		get_digest(d, &layer->diff);
		layer->size = wire_u64(d->in);
		layer->media_type = get_text(d);
	}
}

static void get_labels(struct decoder *d, struct image_pairs *pairs)
{
	uint32_t count = wire_count(d->in, IMAGE_TEXTS_MAX);

	pairs->items = get_array(d, count, sizeof(*pairs->items));
	pairs->count = pairs->items ? count : 0;
	for (uint32_t i = 0; i < pairs->count; i++) {
		pairs->items[i].key = get_text(d);
		pairs->items[i].value = get_text(d);
	}
}

static void get_health(struct decoder *d, struct image_health *health)
{
	get_texts(d, &health->test);
	health->interval_ns = wire_i64(d->in);
	health->timeout_ns = wire_i64(d->in);
	health->start_period_ns = wire_i64(d->in);
	health->start_interval_ns = wire_i64(d->in);
	health->retries = wire_u32(d->in);
}

static void get_history(struct decoder *d, struct image *image)
{
	uint32_t count = wire_count(d->in, IMAGE_HISTORY_MAX);

	image->history = get_array(d, count, sizeof(*image->history));
	image->history_count = image->history ? count : 0;
	for (uint32_t i = 0; i < image->history_count; i++) {
		struct image_history *step = &image->history[i];

		step->created = get_text(d);
		step->created_by = get_text(d);
		step->author = get_text(d);
		step->comment = get_text(d);
		step->empty_layer = wire_bool(d->in);
	}
}

static void get_head(struct decoder *d, struct image *image)
{
	image->reference = get_text(d);
	get_digest(d, &image->source);
	get_digest(d, &image->manifest);
	get_digest(d, &image->config);
	image->manifest_size = wire_u64(d->in);
	image->config_size = wire_u64(d->in);
	image->manifest_type = get_text(d);
	image->config_type = get_text(d);
	image->created = get_text(d);
	image->author = get_text(d);
	image->os = get_text(d);
	image->architecture = get_text(d);
	image->variant = get_text(d);
}

int image_decode(struct wire *in, struct arena *arena, struct image *ret_image, struct err *err)
{
	struct decoder d = { .in = in, .arena = arena };
	struct image image;

	image_init(&image);
	if (wire_u8(in) != IMAGE_WIRE_VERSION)
		return err_set(err, -EBADMSG, "image record: not of version %d",
			       IMAGE_WIRE_VERSION);
	get_head(&d, &image);
	get_layers(&d, &image);
	get_texts(&d, &image.env);
	get_texts(&d, &image.entrypoint);
	get_texts(&d, &image.cmd);
	get_texts(&d, &image.exposed_ports);
	get_texts(&d, &image.volumes);
	get_texts(&d, &image.shell);
	get_texts(&d, &image.on_build);
	get_labels(&d, &image.labels);
	image.workdir = get_text(&d);
	image.user = get_text(&d);
	image.stop_signal = get_text(&d);
	get_health(&d, &image.health);
	get_history(&d, &image);
	if (d.no_memory)
		return err_set(err, -ENOMEM, "image record: over the memory it may take");
	if (in->error)
		return err_set(err, -EBADMSG, "image record: damaged or over a limit");
	*ret_image = image;
	return 0;
}

/* ---- copies and lists ---- */

int image_copy(struct arena *arena, const struct image *image, struct image *ret_image,
	       struct err *err)
{
	struct buf buf;
	struct wire in;
	int r;

	buf_init(&buf, IMAGE_RECORD_MAX);
	image_encode(image, &buf);
	r = buf_error(&buf);
	if (r < 0) {
		buf_done(&buf);
		return err_set(err, r, "image record: over %d bytes", IMAGE_RECORD_MAX);
	}
	wire_init(&in, buf.data, buf.len);
	r = image_decode(&in, arena, ret_image, err);
	buf_done(&buf);
	return r;
}

int image_texts_add(struct arena *arena, struct image_texts *texts, const char *text,
		    struct err *err)
{
	const char **items;
	char *copy;

	if (texts->count >= IMAGE_TEXTS_MAX)
		return err_set(err, -ENOSPC, "a list of an image has at most %d entries",
			       IMAGE_TEXTS_MAX);
	items = arena_array(arena, (size_t)texts->count + 1, sizeof(*items));
	copy = arena_text(arena, str_from(text));
	if (!items || !copy)
		return err_set(err, -ENOMEM, "no memory for an image's list");
	if (texts->count)
		memcpy(items, texts->items, texts->count * sizeof(*items));
	items[texts->count] = copy;
	texts->items = items;
	texts->count++;
	return 0;
}

int image_pairs_set(struct arena *arena, struct image_pairs *pairs, const char *key,
		    const char *value, struct err *err)
{
	char *new_key = arena_text(arena, str_from(key));
	char *new_value = arena_text(arena, str_from(value));
	struct image_pair *items;
	uint32_t at = 0;

	if (!new_key || !new_value)
		return err_set(err, -ENOMEM, "no memory for an image's labels");
	while (at < pairs->count && strcmp(pairs->items[at].key, key) != 0)
		at++;
	if (at == pairs->count) {
		if (at >= IMAGE_TEXTS_MAX)
			return err_set(err, -ENOSPC, "an image has at most %d labels",
				       IMAGE_TEXTS_MAX);
		items = arena_array(arena, (size_t)at + 1, sizeof(*items));
		if (!items)
			return err_set(err, -ENOMEM, "no memory for an image's labels");
		if (at)
			memcpy(items, pairs->items, at * sizeof(*items));
		pairs->items = items;
		pairs->count = at + 1;
	}
	pairs->items[at] = (struct image_pair){ .key = new_key, .value = new_value };
	return 0;
}

/* Whether entry is "NAME=..."; then *ret_value is what follows. */
static bool env_matches(const char *entry, const char *name, const char **ret_value)
{
	size_t len = strlen(name);

	if (strncmp(entry, name, len) != 0 || entry[len] != '=')
		return false;
	*ret_value = entry + len + 1;
	return true;
}

int image_env_set(struct arena *arena, struct image_texts *env, const char *name, const char *value,
		  struct err *err)
{
	char *entry = arena_printf(arena, "%s=%s", name, value);
	const char **items;
	const char *old;

	if (!entry)
		return err_set(err, -ENOMEM, "no memory for environment variable %s", name);
	for (uint32_t i = 0; i < env->count; i++) {
		if (!env_matches(env->items[i], name, &old))
			continue;
		items = arena_array(arena, env->count, sizeof(*items));
		if (!items)
			return err_set(err, -ENOMEM, "no memory for an environment");
		memcpy(items, env->items, env->count * sizeof(*items));
		items[i] = entry;
		env->items = items;
		return 0;
	}
	return image_texts_add(arena, env, entry, err);
}

const char *image_env_get(const struct image_texts *env, const char *name)
{
	const char *value;

	for (uint32_t i = 0; i < env->count; i++) {
		if (env_matches(env->items[i], name, &value))
			return value;
	}
	return NULL;
}
