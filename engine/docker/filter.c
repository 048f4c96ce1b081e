/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Docker's `filters`. Runs in the api role, on foreign JSON. Pure but for the answer to a wrong
 * one.
 */
#include <stdio.h>
#include <string.h>
#include "engine/docker/filter.h"
#include "engine/docker/moment.h"
#include "engine/docker/text.h"
#include "lib/own.h"

enum { FILTERS_MAX = 8192 };

static bool in_list(const char *list, struct str word)
{
	struct str rest = str_from(list), one;

	while (str_cut(&rest, ' ', &one)) {
		if (str_eq(one, word))
			return true;
	}
	return false;
}

bool docker_filters_read(struct docker_client *client, const char *allowed,
			 struct docker_filters *ret_filters)
{
	char *text = arena_alloc(&client->arena, FILTERS_MAX);
	const struct json *value;
	struct json_iter iter;
	struct err err = { 0 };
	char shown[160];
	struct str key;

	ret_filters->doc = (struct json_doc){ 0 };
	if (!text || !docker_query(client, "filters", text, FILTERS_MAX) || !*text)
		return true;
	if (json_parse(str_from(text), FILTERS_MAX, &ret_filters->doc, &err) < 0 ||
	    json_type(ret_filters->doc.root) != JSON_OBJECT) {
		json_done(&ret_filters->doc);
		docker_reply_error(client, 400, "invalid filter");
		return false;
	}
	json_iter_init(&iter, ret_filters->doc.root);
	while (json_iter_next(&iter, &key, &value)) {
		if (in_list(allowed, key))
			continue;
		(void)snprintf(shown, sizeof(shown), "invalid filter '%.*s'",
			       key.len > 80 ? 80 : (int)key.len, key.ptr);
		json_done(&ret_filters->doc);
		docker_reply_error(client, 400, shown);
		return false;
	}
	return true;
}

void docker_filters_done(struct docker_filters *filters)
{
	json_done(&filters->doc);
}

bool docker_filters_have(const struct docker_filters *filters, const char *name)
{
	return json_count(json_get(filters->doc.root, name)) > 0;
}

/* The value at an iterator: the key of the old form, the text of the new one. */
static bool next_value(struct json_iter *iter, bool object, struct str *ret_value)
{
	const struct json *value;
	struct str key;

	if (!json_iter_next(iter, &key, &value))
		return false;
	*ret_value = object ? key : json_str(value);
	return true;
}

static bool values(const struct docker_filters *filters, const char *name, struct json_iter *iter,
		   bool *ret_object)
{
	const struct json *list = json_get(filters->doc.root, name);

	*ret_object = json_type(list) == JSON_OBJECT;
	json_iter_init(iter, list);
	return json_count(list) > 0;
}

static bool contains(struct str text, struct str part)
{
	for (size_t i = 0; i + part.len <= text.len; i++) {
		if (!memcmp(text.ptr + i, part.ptr, part.len))
			return true;
	}
	return false;
}

bool docker_filters_fit(const struct docker_filters *filters, const char *name, struct str text,
			bool loose)
{
	struct json_iter iter;
	struct str value;
	bool object;

	if (!values(filters, name, &iter, &object))
		return true;
	while (next_value(&iter, object, &value)) {
		if (str_eq(value, text) || (loose && value.len && contains(text, value)))
			return true;
		/* "^name$" is what scripts write for an exact match. */
		if (loose && value.len > 1 && value.ptr[0] == '^' &&
		    str_starts(text,
			       str_skip(str_ends(value, STR("$")) ? str_head(value, value.len - 1)
								  : value,
					1)) &&
		    (!str_ends(value, STR("$")) || text.len == value.len - 2))
			return true;
	}
	return false;
}

/* The filter "name" or "name=value" against one label. */
static bool label_is(struct str wanted, struct str name, struct str value)
{
	struct str rest = wanted, key;

	(void)str_cut(&rest, '=', &key);
	return str_eq(key, name) && (key.len == wanted.len || str_eq(rest, value));
}

static bool text_is(struct str wanted, struct str text)
{
	struct str name;

	(void)str_cut(&text, '=', &name);
	return label_is(wanted, name, text);
}

static bool has_label(struct str wanted, const struct docker_labels *labels)
{
	const struct json *value;
	struct json_iter iter;
	struct str name;

	json_iter_init(&iter, labels->object);
	while (json_iter_next(&iter, &name, &value)) {
		if (label_is(wanted, name, json_str(value)))
			return true;
	}
	for (uint32_t i = 0; labels->pairs && i < labels->pairs->count; i++) {
		if (label_is(wanted, str_from(labels->pairs->items[i].key),
			     str_from(labels->pairs->items[i].value)))
			return true;
	}
	for (uint32_t i = 0; labels->texts && i < labels->texts->count; i++) {
		if (text_is(wanted, str_from(labels->texts->items[i])))
			return true;
	}
	for (uint32_t i = 0; i < labels->slice_count; i++) {
		if (text_is(wanted, labels->slices[i]))
			return true;
	}
	return labels->own && text_is(wanted, str_from(labels->own));
}

static bool has_all(const struct docker_filters *filters, const char *name,
		    const struct docker_labels *labels)
{
	struct json_iter iter;
	struct str value;
	bool object;

	(void)values(filters, name, &iter, &object);
	while (next_value(&iter, object, &value)) {
		if (!has_label(value, labels))
			return false;
	}
	return true;
}

bool docker_filters_labels(const struct docker_filters *filters, const struct docker_labels *labels)
{
	return has_all(filters, "label", labels) &&
	       (!docker_filters_have(filters, "label!") || !has_all(filters, "label!", labels));
}

/* 400 with the value that is wrong. */
static bool bad_value(struct docker_client *client, const char *name, struct str value)
{
	char shown[200];

	(void)snprintf(shown, sizeof(shown), "invalid filter '%s=%.*s'", name,
		       value.len > 80 ? 80 : (int)value.len, value.ptr ? value.ptr : "");
	docker_reply_error(client, 400, shown);
	return false;
}

bool docker_filters_flag(struct docker_client *client, const struct docker_filters *filters,
			 const char *name, bool fallback, bool *ret_flag)
{
	struct json_iter iter;
	bool object, yes = false, no = false;
	struct str value;

	*ret_flag = fallback;
	if (!values(filters, name, &iter, &object))
		return true;
	while (next_value(&iter, object, &value)) {
		yes |= str_is(value, "true") || str_is(value, "1");
		no |= str_is(value, "false") || str_is(value, "0");
	}
	if (yes == no) {
		char shown[120];
		struct str first = docker_filters_value(filters, name, 0);

		(void)snprintf(shown, sizeof(shown), "[%.*s]", first.len > 80 ? 80 : (int)first.len,
			       first.ptr ? first.ptr : "");
		return bad_value(client, name, str_from(shown));
	}
	*ret_flag = yes;
	return true;
}

bool docker_filters_until(struct docker_client *client, const struct docker_filters *filters,
			  int64_t *ret_ns)
{
	if (!docker_filters_value(filters, "until", 1).len)
		return docker_filters_untils(client, filters, ret_ns);
	docker_reply_error(client, 400, "more than one until filter specified");
	return false;
}

bool docker_filters_untils(struct docker_client *client, const struct docker_filters *filters,
			   int64_t *ret_ns)
{
	struct str value = { 0 };
	char shown[160];
	int64_t at = 0;
	bool fine = true;

	*ret_ns = INT64_MAX;
	if (!docker_filters_have(filters, "until"))
		return true;
	for (size_t n = 0; fine && (!n || docker_filters_value(filters, "until", n).len); n++) {
		value = docker_filters_value(filters, "until", n);
		fine = docker_moment_parse(value, docker_now_ns(), &at) >= 0;
		if (fine && at < *ret_ns)
			*ret_ns = at;
	}
	if (fine)
		return true;
	(void)snprintf(shown, sizeof(shown), "failed to parse value as time or duration: \"%.*s\"",
		       value.len > 80 ? 80 : (int)value.len, value.ptr ? value.ptr : "");
	docker_reply_error(client, 400, shown);
	return false;
}

struct str docker_filters_value(const struct docker_filters *filters, const char *name, size_t n)
{
	struct json_iter iter;
	struct str value;
	bool object;

	(void)values(filters, name, &iter, &object);
	for (size_t i = 0; next_value(&iter, object, &value); i++) {
		if (i == n)
			return value;
	}
	return STR("");
}
