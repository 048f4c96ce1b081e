/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns how a JSON object becomes a C struct by a table, and the one form of its errors. Runs in
 * hoy-oci's sandboxed parser; pure. It must never let a value of a wrong type or range pass as "not
 * set", and never name a value without its place.
 */
#include "engine/oci/runtime_read.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "engine/oci/runtime_value.h"
#include "lib/own.h"
#include "lib/str.h"

enum { PATH_DEPTH = 16 }; /* the schemas are not half as deep */

static const char *type_name(const struct json *value)
{
	switch (json_type(value)) {
	case JSON_NONE:
		return "nothing";
	case JSON_NULL:
		return "null";
	case JSON_BOOL:
		return "true or false";
	case JSON_NUMBER:
		return "number";
	case JSON_STRING:
		return "text";
	case JSON_ARRAY:
		return "list";
	case JSON_OBJECT:
		return "object";
	}
	return "nothing";
}

/* "process.rlimits[3].soft": made only for a message, for each field of each config passes here. */
static void put_path(const struct runtime_place *place, char *dst, size_t cap)
{
	const struct runtime_place *way[PATH_DEPTH];
	size_t depth = 0, len = 0;

	for (; place && depth < PATH_DEPTH; place = place->above)
		way[depth++] = place;
	while (depth > 0 && len < cap) {
		const struct runtime_place *at = way[--depth];
		char shown[64];
		int n;

		if (at->key.len > 0)
			str_escape(at->key, shown, sizeof(shown));
		n = at->key.len > 0 ? snprintf(dst + len, cap - len, "%s%s", len ? "." : "", shown)
				    : snprintf(dst + len, cap - len, "[%zu]", at->index);
		len += n < 0 ? 0 : (size_t)n;
	}
}

__attribute__((format(printf, 3, 4))) static void fail(struct runtime_reader *in, int code,
						       const char *fmt, ...)
{
	char text[320], path[256] = "the whole text";
	va_list ap;

	if (in->r < 0)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	put_path(in->place, path, sizeof(path));
	in->r = err_set(in->err, code, "%s: %s: %s", in->file, path, text);
}

static void fail_type(struct runtime_reader *in, const struct json *value, const char *expected)
{
	fail(in, -EBADMSG, "expected %s, found %s", expected, type_name(value));
}

/* Goes to a member or an item; `place` lives until ascend(). */
static void descend(struct runtime_reader *in, struct runtime_place *place, struct str key,
		    size_t index)
{
	*place = (struct runtime_place){ in->place, key, index };
	in->place = place;
}

static void ascend(struct runtime_reader *in)
{
	in->place = in->place->above;
}

static void read_text(struct runtime_reader *in, const struct json *value, const char **ret_text)
{
	if (json_type(value) != JSON_STRING)
		fail_type(in, value, "text");
	else
		*ret_text = json_str(value).ptr;
}

static int64_t read_i64(struct runtime_reader *in, const struct json *value, int64_t min,
			int64_t max)
{
	int64_t number = 0;

	if (json_type(value) != JSON_NUMBER)
		fail_type(in, value, "a whole number");
	else if (json_i64(value, min, max, &number) < 0)
		fail(in, -EBADMSG, "expected a whole number from %lld to %lld", (long long)min,
		     (long long)max);
	return number;
}

static uint64_t read_u64(struct runtime_reader *in, const struct json *value, uint64_t max)
{
	uint64_t number = 0;

	if (json_type(value) != JSON_NUMBER)
		fail_type(in, value, "a whole number");
	else if (json_u64(value, max, &number) < 0)
		fail(in, -EBADMSG, "expected a whole number from 0 to %llu",
		     (unsigned long long)max);
	return number;
}

/* 1 + the index of the name. */
static int read_name(struct runtime_reader *in, const struct json *value, const char *const *names)
{
	const char *near;
	char shown[80];
	int count = 0;

	if (json_type(value) != JSON_STRING) {
		fail_type(in, value, "text");
		return 0;
	}
	for (; names[count]; count++)
		if (json_is(value, names[count]))
			return count + 1;
	str_escape(json_str(value), shown, sizeof(shown));
	near = str_nearest(json_str(value), names, (size_t)count);
	fail(in, -EBADMSG, "unknown value \"%s\"; %s %s", shown,
	     near ? "did you mean" : "the first known one is", near ? near : names[0]);
	return 0;
}

/* Memory for a list, with a zeroed item behind it; NULL after an error. */
static void *make_list(struct runtime_reader *in, const struct json *value, enum json_type want,
		       const struct runtime_field *field, size_t item_size)
{
	size_t count = json_count(value);
	void *items;

	if (json_type(value) != want) {
		fail_type(in, value, want == JSON_ARRAY ? "a list" : "an object");
		return NULL;
	}
	if (count > field->max) {
		fail(in, -E2BIG, "%zu entries, at most %llu", count,
		     (unsigned long long)field->max);
		return NULL;
	}
	items = arena_array(in->arena, count + 1, item_size);
	if (!items)
		fail(in, -ENOMEM, "does not fit the memory set aside for it");
	return items;
}

static void read_texts(struct runtime_reader *in, const struct json *value,
		       const struct runtime_field *field, struct runtime_texts *ret)
{
	const char **items = make_list(in, value, JSON_ARRAY, field, sizeof(*items));
	const struct json *item;
	struct json_iter iter;
	struct str key;
	size_t n = 0;

	if (!items)
		return;
	json_iter_init(&iter, value);
	while (in->r == 0 && json_iter_next(&iter, &key, &item)) {
		struct runtime_place place;

		descend(in, &place, (struct str){ 0 }, n);
		read_text(in, item, &items[n++]);
		ascend(in);
	}
	*ret = (struct runtime_texts){ items, n };
}

static void read_u32s(struct runtime_reader *in, const struct json *value,
		      const struct runtime_field *field, struct runtime_u32s *ret)
{
	uint32_t *items = make_list(in, value, JSON_ARRAY, field, sizeof(*items));
	const struct json *item;
	struct json_iter iter;
	struct str key;
	size_t n = 0;

	if (!items)
		return;
	json_iter_init(&iter, value);
	while (in->r == 0 && json_iter_next(&iter, &key, &item)) {
		struct runtime_place place;

		descend(in, &place, (struct str){ 0 }, n);
		items[n++] = (uint32_t)read_u64(in, item, UINT32_MAX);
		ascend(in);
	}
	*ret = (struct runtime_u32s){ items, n };
}

static void read_pairs(struct runtime_reader *in, const struct json *value,
		       const struct runtime_field *field, struct runtime_pairs *ret)
{
	struct runtime_pair *items = make_list(in, value, JSON_OBJECT, field, sizeof(*items));
	const struct json *item;
	struct json_iter iter;
	struct str key;
	size_t n = 0;

	if (!items)
		return;
	json_iter_init(&iter, value);
	while (in->r == 0 && json_iter_next(&iter, &key, &item)) {
		struct runtime_place place;

		descend(in, &place, key, 0);
		if (key.len == 0)
			fail(in, -EBADMSG, "an empty key");
		items[n].key = key.ptr;
		read_text(in, item, &items[n++].value);
		ascend(in);
	}
	*ret = (struct runtime_pairs){ items, n };
}

static uint64_t read_set(struct runtime_reader *in, const struct json *value,
			 const struct runtime_field *field)
{
	const struct json *item;
	struct json_iter iter;
	struct str key;
	uint64_t bits = 0;
	size_t n = 0;

	if (json_type(value) != JSON_ARRAY) {
		fail_type(in, value, "a list");
		return 0;
	}
	json_iter_init(&iter, value);
	while (in->r == 0 && json_iter_next(&iter, &key, &item)) {
		struct runtime_place place;
		int name;

		descend(in, &place, (struct str){ 0 }, n++);
		name = read_name(in, item, field->names);
		ascend(in);
		bits |= name > 0 ? (uint64_t)1 << (name - 1) : 0;
	}
	return bits;
}

/* A list of objects, or an object of objects whose keys are the items' first members. */
static void read_list(struct runtime_reader *in, const struct json *value,
		      const struct runtime_field *field, void *ret)
{
	bool map = field->type == RUNTIME_TYPE_MAP;
	const struct runtime_schema *schema = field->schema;
	struct {
		char *items;
		size_t count;
	} *list = ret;
	const struct json *item;
	struct json_iter iter;
	struct str key;
	size_t n = 0;
	char *items = make_list(in, value, map ? JSON_OBJECT : JSON_ARRAY, field, schema->size);

	if (!items)
		return;
	json_iter_init(&iter, value);
	while (in->r == 0 && json_iter_next(&iter, &key, &item)) {
		struct runtime_place place;
		void *at = items + n * schema->size;

		descend(in, &place, key, n++);
		if (map)
			*(const char **)at = key.ptr;
		runtime_read_object(in, item, schema, at);
		ascend(in);
	}
	list->items = items;
	list->count = n;
}

static void read_numbers(struct runtime_reader *in, const struct json *value,
			 const struct runtime_field *field, void *at)
{
	if (field->type == RUNTIME_TYPE_I32)
		*(int32_t *)at = (int32_t)read_i64(in, value, field->min, (int64_t)field->max);
	else if (field->type == RUNTIME_TYPE_I64)
		*(int64_t *)at = read_i64(in, value, field->min, (int64_t)field->max);
	else if (field->type == RUNTIME_TYPE_U32)
		*(uint32_t *)at = (uint32_t)read_u64(in, value, field->max);
	else if (field->type == RUNTIME_TYPE_U64)
		*(uint64_t *)at = read_u64(in, value, field->max);
	else if (field->type == RUNTIME_TYPE_OPT_I)
		*(struct runtime_i64 *)at =
			(struct runtime_i64){ true, read_i64(in, value, field->min,
							     (int64_t)field->max) };
	else
		*(struct runtime_u64 *)at =
			(struct runtime_u64){ true, read_u64(in, value, field->max) };
}

static void read_field(struct runtime_reader *in, const struct json *value,
		       const struct runtime_field *field, void *at)
{
	enum json_type type = json_type(value);

	switch (field->type) {
	case RUNTIME_TYPE_TEXT:
		return read_text(in, value, at);
	case RUNTIME_TYPE_BOOL:
		if (type != JSON_BOOL)
			fail_type(in, value, "true or false");
		*(bool *)at = json_true(value);
		return;
	case RUNTIME_TYPE_I32:
	case RUNTIME_TYPE_I64:
	case RUNTIME_TYPE_U32:
	case RUNTIME_TYPE_U64:
	case RUNTIME_TYPE_OPT_I:
	case RUNTIME_TYPE_OPT_U:
		return read_numbers(in, value, field, at);
	case RUNTIME_TYPE_ENUM:
		*(int *)at = read_name(in, value, field->names);
		return;
	case RUNTIME_TYPE_SET:
		*(uint64_t *)at = read_set(in, value, field);
		return;
	case RUNTIME_TYPE_TEXTS:
		return read_texts(in, value, field, at);
	case RUNTIME_TYPE_U32S:
		return read_u32s(in, value, field, at);
	case RUNTIME_TYPE_PAIRS:
		return read_pairs(in, value, field, at);
	case RUNTIME_TYPE_OBJECT:
		return runtime_read_object(in, value, field->schema, at);
	case RUNTIME_TYPE_LIST:
	case RUNTIME_TYPE_MAP:
		return read_list(in, value, field, at);
	case RUNTIME_TYPE_THERE:
		if (type != JSON_OBJECT && type != JSON_ARRAY)
			fail_type(in, value, "an object or a list");
		*(bool *)at = true;
		return;
	}
}

void runtime_read_object(struct runtime_reader *in, const struct json *object,
			 const struct runtime_schema *schema, void *at)
{
	if (json_type(object) != JSON_OBJECT) {
		fail_type(in, object, "an object");
		return;
	}
	if (schema->set_offset != SIZE_MAX)
		*((bool *)at + schema->set_offset) = true;
	for (size_t i = 0; i < schema->count && in->r == 0; i++) {
		const struct runtime_field *field = &schema->fields[i];
		const struct json *value = json_get(object, field->key);
		struct runtime_place place;

		if (field->other && json_type(value) == JSON_NONE)
			value = json_get(object, field->other);
		descend(in, &place, str_from(field->key), 0);
		/* Go programs write null for what is not set. */
		if (json_type(value) != JSON_NONE && json_type(value) != JSON_NULL)
			read_field(in, value, field, (char *)at + field->offset);
		else if (field->required)
			fail(in, -EBADMSG, "missing, the specification requires it");
		ascend(in);
	}
}
