/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader half of the tree's JSON: yyjson behind bounds. Runs in the roles that may parse
 * foreign text (pull, load, api) and in the store for its own files. Pure; it must never be given a
 * text that the caller did not bound, and no other file includes yyjson.
 */
#include "engine/json/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

/* yyjson never writes to what it gave out as const: the casts are for its own signatures. */
static yyjson_val *to_val(const struct json *value)
{
	union {
		const struct json *in;
		yyjson_val *out;
	} u = { .in = value };

	return u.out;
}

static const struct json *from_val(const yyjson_val *value)
{
	return (const struct json *)(const void *)value;
}

/*
 * The nesting of the brackets outside of strings, before the parser sees the text: yyjson has no
 * limit of its own, and our walk below recurses.
 */
static int check_depth(struct str text, struct err *err)
{
	unsigned depth = 0;
	bool in_string = false;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];

		if (in_string) {
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
		} else if (c == '"') {
			in_string = true;
		} else if (c == '{' || c == '[') {
			if (++depth > JSON_DEPTH_MAX)
				return err_set(err, -EBADMSG,
					       "JSON: nested deeper than %d at byte %zu",
					       JSON_DEPTH_MAX, i);
		} else if ((c == '}' || c == ']') && depth > 0) {
			depth--;
		}
	}
	return 0;
}

static int check_string(const yyjson_val *value, struct err *err)
{
	const char *text = unsafe_yyjson_get_str(to_val(from_val(value)));
	size_t len = unsafe_yyjson_get_len(to_val(from_val(value)));

	if (memchr(text, 0, len))
		return err_set(err, -EBADMSG, "JSON: a string has a NUL character in it");
	return 0;
}

static int compare_keys(const void *a, const void *b)
{
	const struct str *x = a, *y = b;

	return str_cmp(*x, *y);
}

static int report_duplicate(struct str key, struct err *err)
{
	char shown[80];

	str_escape(key, shown, sizeof(shown));
	return err_set(err, -EBADMSG, "JSON: key \"%s\" stands twice in one object", shown);
}

/* Small objects are compared pairwise, big ones sorted: no input makes this quadratic. */
static int check_keys(yyjson_val *object, struct err *err)
{
	enum { SMALL = 24 };
	struct str small[SMALL];
	struct str *keys = small;
	size_t count = yyjson_obj_size(object), n = 0;
	size_t index, max;
	yyjson_val *key, *value;
	int r = 0;

	if (count > SMALL) {
		keys = calloc(count, sizeof(*keys));
		if (!keys)
			return err_set(err, -ENOMEM, "JSON: no memory for %zu keys", count);
	}
	yyjson_obj_foreach(object, index, max, key, value)
	{
		(void)value;
		keys[n++] = str_make(yyjson_get_str(key), yyjson_get_len(key));
	}
	if (count > 1)
		qsort(keys, n, sizeof(*keys), compare_keys);
	for (size_t i = 1; i < n && !r; i++) {
		if (str_eq(keys[i - 1], keys[i]))
			r = report_duplicate(keys[i], err);
	}
	if (keys != small)
		free(keys);
	return r;
}

/* Recursion is bounded by check_depth(). */
static int check_value(yyjson_val *value, struct err *err)
{
	size_t index, max;
	yyjson_val *key, *item;
	int r;

	if (yyjson_is_str(value))
		return check_string(value, err);
	if (yyjson_is_arr(value)) {
		yyjson_arr_foreach(value, index, max, item)
		{
			r = check_value(item, err);
			if (r < 0)
				return r;
		}
		return 0;
	}
	if (!yyjson_is_obj(value))
		return 0;
	yyjson_obj_foreach(value, index, max, key, item)
	{
		r = check_string(key, err);
		if (r == 0)
			r = check_value(item, err);
		if (r < 0)
			return r;
	}
	return check_keys(value, err);
}

int json_parse(struct str text, size_t max, struct json_doc *ret_doc, struct err *err)
{
	yyjson_read_err why;
	yyjson_doc *doc;
	int r;

	if (max > JSON_TEXT_MAX)
		max = JSON_TEXT_MAX;
	if (text.len > max)
		return err_set(err, -EFBIG, "JSON: %zu bytes, at most %zu are taken", text.len,
			       max);
	if (text.len == 0)
		return err_set(err, -EBADMSG, "JSON: the text is empty");
	r = check_depth(text, err);
	if (r < 0)
		return r;
	/* Without YYJSON_READ_INSITU the input is only read. */
	union {
		const char *in;
		char *out;
	} input = { .in = text.ptr };
	doc = yyjson_read_opts(input.out, text.len, YYJSON_READ_NOFLAG, NULL, &why);
	if (!doc) {
		if (why.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
			return err_set(err, -ENOMEM, "JSON: no memory for %zu bytes", text.len);
		return err_set(err, -EBADMSG, "JSON: %s at byte %zu", why.msg, why.pos);
	}
	r = check_value(yyjson_doc_get_root(doc), err);
	if (r < 0) {
		yyjson_doc_free(doc);
		return r;
	}
	*ret_doc = (struct json_doc){ .memory = doc, .root = from_val(yyjson_doc_get_root(doc)) };
	return 0;
}

void json_done(struct json_doc *doc)
{
	if (!doc || !doc->memory)
		return;
	yyjson_doc_free(doc->memory);
	*doc = (struct json_doc){ 0 };
}

enum json_type json_type(const struct json *value)
{
	switch (yyjson_get_type(to_val(value))) {
	case YYJSON_TYPE_NULL:
		return JSON_NULL;
	case YYJSON_TYPE_BOOL:
		return JSON_BOOL;
	case YYJSON_TYPE_NUM:
		return JSON_NUMBER;
	case YYJSON_TYPE_STR:
		return JSON_STRING;
	case YYJSON_TYPE_ARR:
		return JSON_ARRAY;
	case YYJSON_TYPE_OBJ:
		return JSON_OBJECT;
	default:
		return JSON_NONE;
	}
}

const struct json *json_get(const struct json *object, const char *key)
{
	return from_val(yyjson_obj_get(to_val(object), key));
}

void json_respell(const struct json *object, const char *const *names, size_t count)
{
	size_t index, max;
	yyjson_val *key, *value;

	yyjson_obj_foreach(to_val(object), index, max, key, value)
	{
		struct str text = str_make(yyjson_get_str(key), yyjson_get_len(key));

		(void)value;
		for (size_t i = 0; i < count; i++) {
			if (str_is_nocase(text, names[i]) && !json_get(object, names[i]))
				yyjson_set_strn(key, names[i], text.len);
		}
	}
}

struct str json_str(const struct json *value)
{
	if (!yyjson_is_str(to_val(value)))
		return (struct str){ 0 };
	return str_make(yyjson_get_str(to_val(value)), yyjson_get_len(to_val(value)));
}

bool json_is(const struct json *value, const char *text)
{
	return json_type(value) == JSON_STRING && str_is(json_str(value), text);
}

bool json_true(const struct json *value)
{
	return yyjson_is_true(to_val(value));
}

int json_i64(const struct json *value, int64_t min, int64_t max, int64_t *ret_value)
{
	yyjson_val *v = to_val(value);
	int64_t n;

	if (yyjson_is_uint(v)) {
		if (yyjson_get_uint(v) > INT64_MAX)
			return -ERANGE;
		n = (int64_t)yyjson_get_uint(v);
	} else if (yyjson_is_sint(v)) {
		n = yyjson_get_sint(v);
	} else {
		return -EINVAL;
	}
	if (n < min || n > max)
		return -ERANGE;
	*ret_value = n;
	return 0;
}

int json_u64(const struct json *value, uint64_t max, uint64_t *ret_value)
{
	yyjson_val *v = to_val(value);

	if (!yyjson_is_uint(v))
		return yyjson_is_sint(v) ? -ERANGE : -EINVAL;
	if (yyjson_get_uint(v) > max)
		return -ERANGE;
	*ret_value = yyjson_get_uint(v);
	return 0;
}

size_t json_count(const struct json *value)
{
	yyjson_val *v = to_val(value);

	return yyjson_is_arr(v) ? yyjson_arr_size(v) : yyjson_obj_size(v);
}

void json_iter_init(struct json_iter *iter, const struct json *value)
{
	yyjson_val *v = to_val(value);

	*iter = (struct json_iter){ .left = json_count(value), .object = yyjson_is_obj(v) };
	if (iter->left > 0)
		iter->at = from_val(unsafe_yyjson_get_first(v));
}

bool json_iter_next(struct json_iter *iter, struct str *ret_key, const struct json **ret_value)
{
	yyjson_val *v = to_val(iter->at);

	if (iter->left == 0)
		return false;
	*ret_key = (struct str){ 0 };
	if (iter->object) {
		*ret_key = json_str(iter->at);
		v++; /* yyjson: the value lies behind its key */
	}
	*ret_value = from_val(v);
	iter->left--;
	if (iter->left > 0)
		iter->at = from_val(unsafe_yyjson_get_next(v));
	return true;
}
