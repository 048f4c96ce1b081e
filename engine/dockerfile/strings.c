/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exec form of Dockerfile instructions, read by the tree's JSON reader. Pure; runs in the api
 * role. Must never take anything but a flat list of strings.
 */
#include "engine/dockerfile/strings.h"

#include <errno.h>
#include <string.h>
#include "engine/dockerfile/dockerfile.h"
#include "engine/json/json.h"
#include "lib/own.h"

int strings_parse(struct str text, struct arena *arena, struct image_texts *ret_list)
{
	struct json_doc doc OWN(json_done) = { 0 };
	struct image_texts list = { 0 };
	struct json_iter iter;
	const struct json *value;
	struct str key;
	int r = json_parse(text, DOCKERFILE_BYTES_MAX, &doc, NULL);
	if (r < 0)
		return r == -ENOMEM ? r : -EINVAL;
	if (json_type(doc.root) != JSON_ARRAY || json_count(doc.root) > DOCKERFILE_WORDS_MAX)
		return -EINVAL;

	json_iter_init(&iter, doc.root);
	while (json_iter_next(&iter, &key, &value)) {
		if (json_type(value) != JSON_STRING)
			return -EDOM;
		const char *word = arena_text(arena, json_str(value));
		if (!word || image_texts_add(arena, &list, word, NULL) < 0)
			return -ENOMEM;
	}
	*ret_list = list;
	return 0;
}
