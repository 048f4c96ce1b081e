/* SPDX-License-Identifier: Apache-2.0 */
/* The image record: its wire form and its lists. */
#include <errno.h>
#include "engine/oci/image.h"
#include "tests/unit/tap.h"

static struct arena arena;

static void fill(struct image *image)
{
	static struct image_layer layers[2];
	static struct image_history history[1];

	image_init(image);
	image->reference = "docker.io/library/x:1";
	image->os = "linux";
	image->architecture = "amd64";
	image->manifest_size = 10;
	image->config_size = 20;
	memset(image->config.bytes, 7, sizeof(image->config.bytes));
	layers[0] = (struct image_layer){ .size = 100, .media_type = "t" };
	layers[1] = (struct image_layer){ .size = 200, .media_type = "u" };
	image->layers = layers;
	image->layer_count = 2;
	history[0] = (struct image_history){ "c", "b", "", "", true };
	image->history = history;
	image->history_count = 1;
	image->health.retries = 4;
	image->health.interval_ns = -1;
	image_texts_add(&arena, &image->cmd, "sh", NULL);
	image_env_set(&arena, &image->env, "A", "1", NULL);
	image_pairs_set(&arena, &image->labels, "k", "v", NULL);
}

static void test_round(void)
{
	struct image image, back;
	struct wire in;
	struct buf out;

	fill(&image);
	buf_init(&out, IMAGE_RECORD_MAX);
	image_encode(&image, &out);
	wire_init(&in, out.data, out.len);
	is_int(image_decode(&in, &arena, &back, NULL), 0, "decoded");
	is_int(wire_end(&in), 0, "to the last byte");
	is_text(back.reference, image.reference, "reference");
	is_text(back.workdir, "", "an empty text is not NULL");
	ok(back.layer_count == 2 && back.layers[1].size == 200, "layers");
	ok(back.history_count == 1 && back.history[0].empty_layer, "history");
	ok(back.health.retries == 4 && back.health.interval_ns == -1, "health check");
	is_text(image_env_get(&back.env, "A"), "1", "environment");
	is_text(back.labels.items[0].key, "k", "labels");
	is_int((long long)image_size(&back), 330, "size");
	for (size_t n = 0; n < out.len; n++) {
		wire_init(&in, out.data, n);
		if (image_decode(&in, &arena, &back, NULL) != -EBADMSG) {
			ok(false, "a prefix of %zu bytes is refused", n);
			break;
		}
	}
	ok(true, "no prefix is taken for a record");
	out.data[0] = 9;
	wire_init(&in, out.data, out.len);
	is_int(image_decode(&in, &arena, &back, NULL), -EBADMSG, "another version");
	buf_done(&out);
}

static void test_lists(void)
{
	struct image_texts env = { 0 }, copy;
	struct image_pairs labels = { 0 };

	image_env_set(&arena, &env, "A", "1", NULL);
	image_env_set(&arena, &env, "AB", "2", NULL);
	copy = env;
	image_env_set(&arena, &env, "A", "3", NULL);
	is_int(env.count, 2, "a variable set again replaces");
	is_text(image_env_get(&env, "A"), "3", "its value");
	is_text(image_env_get(&env, "AB"), "2", "not that of a longer name");
	is_text(image_env_get(&copy, "A"), "1", "the older list is untouched");
	ok(image_env_get(&env, "B") == NULL, "a missing one");
	image_pairs_set(&arena, &labels, "a", "1", NULL);
	image_pairs_set(&arena, &labels, "b", "2", NULL);
	image_pairs_set(&arena, &labels, "a", "3", NULL);
	ok(labels.count == 2 && !strcmp(labels.items[0].value, "3"), "a label set again replaces");
	for (unsigned i = env.count; i < IMAGE_TEXTS_MAX; i++)
		image_texts_add(&arena, &env, "x", NULL);
	is_int(image_texts_add(&arena, &env, "x", NULL), -ENOSPC, "a list has its end");
}

static void test_copy(void)
{
	struct arena other;
	struct image image, copy;

	fill(&image);
	arena_init(&other, 1 << 20);
	is_int(image_copy(&other, &image, &copy, NULL), 0, "copied");
	ok(copy.reference != image.reference && !strcmp(copy.reference, image.reference),
	   "into memory of its own");
	arena_done(&other);
	arena_init(&other, 16);
	is_int(image_copy(&other, &image, &copy, NULL), -ENOMEM, "or not at all");
	arena_done(&other);
}

int main(void)
{
	arena_init(&arena, 64 << 20);
	test_round();
	test_lists();
	test_copy();
	arena_done(&arena);
	return tap_done();
}
