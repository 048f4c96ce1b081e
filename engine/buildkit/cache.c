/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which caches a build reads and writes, out of BuildKit's messages and options. Pure; runs in the
 * api role. Must never pass over one of a kind that is not carried out.
 */
#include "engine/buildkit/cache.h"

#include <errno.h>
#include <string.h>
#include "engine/buildkit/pb.h"
#include "engine/json/json.h"

enum { CACHE_IMPORTS_MAX = 64 << 10 };

static int unknown(struct err *err, const char *what, struct str type)
{
	return err_set(err, -ENOTSUP,
		       "unknown cache %s: \"%.*s\": this engine knows type=registry, see "
		       "docs/build.md",
		       what, STR_ARG(str_head(type, 40)));
}

static int add(struct arena *arena, struct image_pairs *list, struct str name, const char *how,
	       struct err *err)
{
	const char *text =
		name.len == 0 || memchr(name.ptr, 0, name.len) ? NULL : arena_text(arena, name);

	if (!text || list->count == ENGINE_CONTEXT_PAIRS_MAX)
		return err_set(err, -EINVAL, "cache: a registry's type needs ref=NAME");
	return image_pairs_set(arena, list, text, how, err);
}

/* "NAME,NAME": registries alone, as clients have said it from the first. */
static int take_names(struct arena *arena, const char *value, struct image_pairs *list,
		      struct err *err)
{
	struct str rest = str_from(value), name;
	int r = 0;

	while (r >= 0 && str_cut(&rest, ',', &name))
		r = name.len ? add(arena, list, name, "", err) : 0;
	return r;
}

/* [{"Type": "registry", "Attrs": {"ref": NAME}}...] */
static int take_json(struct arena *arena, const char *value, struct image_pairs *list,
		     struct err *err)
{
	struct json_doc doc = { 0 };
	const struct json *item;
	struct json_iter iter;
	struct str key;
	int r = json_parse(str_from(value), CACHE_IMPORTS_MAX, &doc, err);

	if (r < 0)
		return err_prefix(err, "cache-imports");
	for (json_iter_init(&iter, doc.root); r >= 0 && json_iter_next(&iter, &key, &item);) {
		if (!json_is(json_get(item, "Type"), "registry"))
			r = unknown(err, "importer", json_str(json_get(item, "Type")));
		else
			r = add(arena, list, json_str(json_get(json_get(item, "Attrs"), "ref")), "",
				err);
	}
	json_done(&doc);
	return r;
}

int buildkit_cache_option(struct arena *arena, const char *key, const char *value,
			  struct image_pairs *list, struct err *err)
{
	if (!*value)
		return 0;
	return !strcmp(key, "cache-imports") ? take_json(arena, value, list, err)
					     : take_names(arena, value, list, err);
}

/* {1 type, 2 map of attributes} as the words of build_call_msg.h's cache-to. */
static int take_entry(struct arena *arena, struct str message, bool to, struct image_pairs *list,
		      struct err *err)
{
	struct str type = STR(""), name = STR(""), key, value;
	struct buf how;
	struct pb_field f;
	const char *words;
	int r;

	buf_init(&how, 256);
	while ((r = pb_next(&message, &f)) > 0) {
		if (f.number == 1 && f.is_bytes)
			type = f.bytes;
		if (f.number != 2 || !f.is_bytes)
			continue;
		if (pb_entry(f.bytes, &key, &value) < 0)
			break;
		if (str_is(key, "ref"))
			name = value;
		else if (str_is(key, "mode") || str_is(key, "ignore-error"))
			buf_printf(&how, "%.*s=%.*s,", STR_ARG(key), STR_ARG(value));
	}
	words = buf_error(&how) ? NULL : arena_text(arena, buf_str(&how));
	buf_done(&how);
	if (r != 0 || !words)
		return err_set(err, -EBADMSG, "malformed request of a build");
	/* What goes into the image itself serves those who look for it there: nobody here. */
	if (to && str_is(type, "inline"))
		return 0;
	if (!str_is(type, "registry"))
		return unknown(err, to ? "exporter" : "importer", type);
	return add(arena, list, name, to ? words : "", err);
}

int buildkit_cache_options(struct arena *arena, struct str message, struct image_pairs *from,
			   struct image_pairs *to, struct err *err)
{
	struct pb_field f;
	int r;

	while ((r = pb_next(&message, &f)) > 0) {
		if ((f.number != 4 && f.number != 5) || !f.is_bytes)
			continue;
		r = take_entry(arena, f.bytes, f.number == 4, f.number == 4 ? to : from, err);
		if (r < 0)
			return r;
	}
	return r < 0 ? err_set(err, -EBADMSG, "malformed request of a build") : 0;
}
