/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cache of builds in a registry: manifest and config, a NUL between them. What is taken names
 * layers of the manifest with its sizes, and can be written and read again as the same steps.
 */
#include <stdlib.h>
#include <string.h>
#include "engine/oci/build_cache.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct oci_descriptor *find(const struct oci_manifest *manifest,
					 const struct digest *digest)
{
	for (uint32_t i = 0; i < manifest->layer_count; i++) {
		if (memcmp(&manifest->layers[i].digest, digest, sizeof(*digest)) == 0)
			return &manifest->layers[i];
	}
	return NULL;
}

/* Each layer once, and each step upon the one before. */
static void gather(struct arena *arena, struct oci_cache_step *steps, uint32_t count,
		   struct image *image)
{
	image_init(image);
	image->layers = arena_array(arena, count + 1, sizeof(*image->layers));
	if (!image->layers)
		abort();
	for (uint32_t i = 0; i < count; i++) {
		uint32_t at = 0;

		steps[i].parent = (int32_t)i - 1;
		while (at < image->layer_count &&
		       memcmp(&image->layers[at].blob, &steps[i].layer, SHA256_SIZE) != 0)
			at++;
		if (!steps[i].has_layer || at < image->layer_count)
			continue;
		image->layers[image->layer_count++] =
			(struct image_layer){ .blob = steps[i].layer,
					      .diff = steps[i].layer,
					      .size = steps[i].size,
					      .media_type = OCI_MEDIA_LAYER_TAR };
	}
}

static void write_again(struct arena *arena, struct oci_cache_step *steps, uint32_t count)
{
	struct oci_cache_step *again;
	struct oci_manifest manifest;
	struct buf config, text;
	struct image image;
	uint32_t number;

	buf_init(&config, OCI_DOCUMENT_MAX);
	buf_init(&text, OCI_DOCUMENT_MAX);
	gather(arena, steps, count, &image);
	if (image.layer_count > 0) {
		if (oci_cache_write(&image, steps, count, &config, &text, NULL) < 0 ||
		    oci_cache_config(buf_str(&text), STR(OCI_MEDIA_MANIFEST), arena, &manifest,
				     NULL) < 0 ||
		    oci_cache_parse(&manifest, buf_str(&config), arena, &again, &number, NULL) < 0)
			abort();
		if (number != count)
			abort();
		for (uint32_t i = 0; i < count; i++) {
			if (again[i].has_layer != steps[i].has_layer ||
			    again[i].size != steps[i].size ||
			    memcmp(&again[i].key, &steps[i].key, SHA256_SIZE) != 0 ||
			    memcmp(&again[i].layer, &steps[i].layer, SHA256_SIZE) != 0)
				abort();
		}
	}
	buf_done(&config);
	buf_done(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size ? memchr(data, 0, size) : NULL;
	size_t first = end ? (size_t)(end - data) : size;
	struct str text = str_make(data, first);
	struct str config = end ? str_make(end + 1, size - first - 1) : STR("");
	struct oci_manifest manifest;
	struct oci_cache_step *steps;
	struct arena arena;
	uint32_t count;

	arena_init(&arena, 64 << 20);
	if (oci_cache_config(text, STR(""), &arena, &manifest, NULL) == 0 &&
	    oci_cache_parse(&manifest, config, &arena, &steps, &count, NULL) == 0) {
		if (count > OCI_CACHE_STEPS_MAX)
			abort();
		for (uint32_t i = 0; i < count; i++) {
			const struct oci_descriptor *layer = find(&manifest, &steps[i].layer);

			if (steps[i].has_layer && (!layer || layer->size != steps[i].size))
				abort();
		}
		write_again(&arena, steps, count);
	}
	arena_done(&arena);
	return 0;
}
