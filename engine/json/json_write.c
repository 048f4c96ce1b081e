/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer half of the tree's JSON: into a struct buf, whose sticky error is the only one. Runs
 * in every role that answers or stores JSON. It must never produce a text that json_parse()
 * refuses.
 */
#include "engine/json/json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <yyjson.h>
#include "lib/defence.h"

void json_writer_init(struct json_writer *w, struct buf *out)
{
	*w = (struct json_writer){ .out = out };
}

/* What stands in front of a value: a comma from the second member of a container on. */
static void begin_value(struct json_writer *w)
{
	uint64_t bit = UINT64_C(1) << (w->depth & 63);

	if (w->after_key) {
		w->after_key = false;
		return;
	}
	if (w->depth > 0 && (w->comma & bit))
		buf_add_byte(w->out, ',');
	w->comma |= bit;
}

static void open_container(struct json_writer *w, char bracket)
{
	begin_value(w);
	buf_add_byte(w->out, (unsigned char)bracket);
	/* A program that nests deeper than the reader allows writes what nobody reads. */
	if (w->depth + 1 >= JSON_DEPTH_MAX && !w->out->error)
		w->out->error = -EOVERFLOW;
	w->depth++;
	w->comma &= ~(UINT64_C(1) << (w->depth & 63));
}

static void close_container(struct json_writer *w, char bracket)
{
	if (w->depth > 0)
		w->depth--;
	buf_add_byte(w->out, (unsigned char)bracket);
}

void json_begin_object(struct json_writer *w)
{
	open_container(w, '{');
}

void json_end_object(struct json_writer *w)
{
	close_container(w, '}');
}

void json_begin_array(struct json_writer *w)
{
	open_container(w, '[');
}

void json_end_array(struct json_writer *w)
{
	close_container(w, ']');
}

/*
 * Length of the valid UTF-8 sequence at p[0..left) (RFC 3629: no overlong forms, no surrogates,
 * nothing above U+10FFFF), 0 when there is none.
 */
static size_t utf8_length(const unsigned char *p, size_t left)
{
	size_t n;
	unsigned char low = 0x80, high = 0xbf;

	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		n = 2;
	else if (p[0] >= 0xe0 && p[0] <= 0xef)
		n = 3;
	else if (p[0] >= 0xf0 && p[0] <= 0xf4)
		n = 4;
	else
		return 0;
	if (left < n)
		return 0;
	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f;
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	if (p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++) {
		if (p[i] < 0x80 || p[i] > 0xbf)
			return 0;
	}
	return n;
}

static void put_control(struct buf *out, unsigned char c)
{
	switch (c) {
	case '"':
		buf_add_text(out, "\\\"");
		return;
	case '\\':
		buf_add_text(out, "\\\\");
		return;
	case '\n':
		buf_add_text(out, "\\n");
		return;
	case '\r':
		buf_add_text(out, "\\r");
		return;
	case '\t':
		buf_add_text(out, "\\t");
		return;
	case '\0':
		/* The reader refuses NUL: it is written as what it is, no character. */
		buf_add_text(out, "\xef\xbf\xbd");
		return;
	default:
		buf_printf(out, "\\u%04x", c);
	}
}

static void put_quoted(struct buf *out, struct str s)
{
	const unsigned char *p = (const unsigned char *)s.ptr;
	size_t from = 0, i = 0;

	buf_add_byte(out, '"');
	while (i < s.len) {
		size_t n = utf8_length(p + i, s.len - i);

		bool plain = p[i] >= 0x20 && p[i] != '"' && p[i] != '\\';

		if (n > 0 && (plain || !defence_on(DEFENCE_A18_TEXT))) {
			i += n;
			continue;
		}
		buf_add(out, s.ptr + from, i - from);
		if (n == 0)
			buf_add_text(out, "\xef\xbf\xbd"); /* U+FFFD */
		else
			put_control(out, p[i]);
		from = ++i;
	}
	if (i > from)
		buf_add(out, s.ptr + from, i - from);
	buf_add_byte(out, '"');
}

void json_key_str(struct json_writer *w, struct str key)
{
	begin_value(w);
	put_quoted(w->out, key);
	buf_add_byte(w->out, ':');
	w->after_key = true;
}

void json_key(struct json_writer *w, const char *key)
{
	json_key_str(w, str_from(key));
}

void json_put_str(struct json_writer *w, struct str s)
{
	begin_value(w);
	put_quoted(w->out, s);
}

void json_put_text(struct json_writer *w, const char *text)
{
	json_put_str(w, str_from(text));
}

void json_put_u64(struct json_writer *w, uint64_t v)
{
	begin_value(w);
	buf_printf(w->out, "%" PRIu64, v);
}

void json_put_i64(struct json_writer *w, int64_t v)
{
	begin_value(w);
	buf_printf(w->out, "%" PRId64, v);
}

void json_put_milli(struct json_writer *w, int64_t v)
{
	uint64_t magnitude = v < 0 ? UINT64_C(0) - (uint64_t)v : (uint64_t)v;

	begin_value(w);
	buf_printf(w->out, "%s%" PRIu64 ".%03u", v < 0 ? "-" : "", magnitude / 1000,
		   (unsigned)(magnitude % 1000));
}

void json_put_bool(struct json_writer *w, bool v)
{
	begin_value(w);
	buf_add_text(w->out, v ? "true" : "false");
}

void json_put_null(struct json_writer *w)
{
	begin_value(w);
	buf_add_text(w->out, "null");
}

void json_put_raw(struct json_writer *w, struct str json)
{
	begin_value(w);
	buf_add_str(w->out, json);
}

static void put_number(struct json_writer *w, const struct json *value)
{
	const yyjson_val *v = (const yyjson_val *)(const void *)value;
	char text[40];
	int64_t i;
	uint64_t u;

	if (json_u64(value, UINT64_MAX, &u) == 0) {
		json_put_u64(w, u);
	} else if (json_i64(value, INT64_MIN, INT64_MAX, &i) == 0) {
		json_put_i64(w, i);
	} else {
		begin_value(w);
		/* 17 digits bring every double back as it was. */
		snprintf(text, sizeof(text), "%.17g", v->uni.f64);
		buf_add_text(w->out, text);
		/* A whole number stays a fraction: "-0" would come back as 0. */
		if (!strpbrk(text, ".e"))
			buf_add_text(w->out, ".0");
	}
}

void json_put_value(struct json_writer *w, const struct json *value)
{
	struct json_iter iter;
	struct str key;
	const struct json *item;

	switch (json_type(value)) {
	case JSON_NONE:
	case JSON_NULL:
		json_put_null(w);
		break;
	case JSON_BOOL:
		json_put_bool(w, json_true(value));
		break;
	case JSON_NUMBER:
		put_number(w, value);
		break;
	case JSON_STRING:
		json_put_str(w, json_str(value));
		break;
	case JSON_ARRAY:
		json_begin_array(w);
		for (json_iter_init(&iter, value); json_iter_next(&iter, &key, &item);)
			json_put_value(w, item);
		json_end_array(w);
		break;
	case JSON_OBJECT:
		json_begin_object(w);
		for (json_iter_init(&iter, value); json_iter_next(&iter, &key, &item);) {
			json_key_str(w, key);
			json_put_value(w, item);
		}
		json_end_object(w);
		break;
	}
}

void json_member_str(struct json_writer *w, const char *key, struct str s)
{
	json_key(w, key);
	json_put_str(w, s);
}

void json_member_text(struct json_writer *w, const char *key, const char *text)
{
	json_key(w, key);
	json_put_text(w, text);
}

void json_member_u64(struct json_writer *w, const char *key, uint64_t v)
{
	json_key(w, key);
	json_put_u64(w, v);
}

void json_member_i64(struct json_writer *w, const char *key, int64_t v)
{
	json_key(w, key);
	json_put_i64(w, v);
}

void json_member_bool(struct json_writer *w, const char *key, bool v)
{
	json_key(w, key);
	json_put_bool(w, v);
}

void json_member_null(struct json_writer *w, const char *key)
{
	json_key(w, key);
	json_put_null(w);
}
