/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Indexes, manifests and configs. A config that is taken can be written, and read again as the
 * same; a text is never both index and manifest. The first byte chooses what was said of the type.
 */
#include <stdlib.h>
#include "engine/oci/oci.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_config(struct str text)
{
	struct arena arena;
	struct image image, again;
	struct buf one, two;

	arena_init(&arena, 64 << 20);
	buf_init(&one, 16 << 20);
	buf_init(&two, 16 << 20);
	if (oci_config_parse(text, &arena, &image, NULL) == 0) {
		if (oci_config_write(&image, &one, NULL) < 0)
			abort();
		if (one.len <= OCI_DOCUMENT_MAX) {
			if (oci_config_parse(buf_str(&one), &arena, &again, NULL) < 0 ||
			    oci_config_write(&again, &two, NULL) < 0 ||
			    !str_eq(buf_str(&one), buf_str(&two)))
				abort();
		}
	}
	buf_done(&one);
	buf_done(&two);
	arena_done(&arena);
}

static void check_record(struct str bytes)
{
	struct arena arena;
	struct image image;
	struct wire in;
	struct buf out;

	arena_init(&arena, 8 << 20);
	buf_init(&out, 8 << 20);
	wire_init(&in, bytes.ptr, bytes.len);
	if (image_decode(&in, &arena, &image, NULL) == 0 && wire_end(&in) == 0) {
		image_encode(&image, &out);
		if (!str_eq(buf_str(&out), bytes))
			abort();
	}
	buf_done(&out);
	arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct str said[] = { STR(""), STR(OCI_MEDIA_MANIFEST), STR(OCI_MEDIA_INDEX),
					   STR(OCI_MEDIA_DOCKER_MANIFEST) };
	const struct oci_platform wanted = { "linux", "arm", "v7" };
	const struct oci_descriptor *choice;
	struct oci_manifest manifest;
	struct oci_index index;
	struct arena arena;
	struct str text, type;
	bool is_index, is_manifest;

	if (size == 0)
		return 0;
	type = said[data[0] & 3];
	text = str_make(data + 1, size - 1);
	arena_init(&arena, 32 << 20);
	is_index = oci_index_parse(text, type, &arena, &index, NULL) == 0;
	is_manifest = oci_manifest_parse(text, type, &arena, &manifest, NULL) == 0;
	if (is_index && is_manifest)
		abort();
	if (is_index)
		(void)oci_index_choose(&index, &wanted, &choice, NULL);
	arena_done(&arena);
	check_config(text);
	check_record(text);
	return 0;
}
