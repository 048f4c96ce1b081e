/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_JSON_JSON_H
#define HOY_ENGINE_JSON_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/str.h"

/*
 * JSON (RFC 8259) for the whole engine: a strict, bounded reader over yyjson and one writer. A text
 * is refused when it is over the caller's size, nested deeper than JSON_DEPTH_MAX, not valid UTF-8,
 * has a key twice in one object, a NUL inside a string, or anything behind the value.
 */
enum { JSON_DEPTH_MAX = 64, JSON_TEXT_MAX = 4 << 20 };

enum json_type {
	JSON_NONE, /* no value: what the getters give for a missing one */
	JSON_NULL,
	JSON_BOOL,
	JSON_NUMBER,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT,
};

struct json; /* a value inside a document; NULL = missing, accepted everywhere */

struct json_doc {
	void *memory;
	const struct json *root;
};

/*
 * Parses text (at most max bytes, max <= JSON_TEXT_MAX); the texts of the document live as long as
 * it does. -EBADMSG with position and reason, -EFBIG, -ENOMEM.
 */
int json_parse(struct str text, size_t max, struct json_doc *ret_doc, struct err *err);
void json_done(struct json_doc *doc); /* accepts zeroed */

enum json_type json_type(const struct json *value);

/* The member of an object; NULL when missing or when `object` is none. */
const struct json *json_get(const struct json *object, const char *key);

/* The bytes of a string (NUL-terminated behind), empty for all other types. */
struct str json_str(const struct json *value);
bool json_is(const struct json *value, const char *text);

/* true only for the value true. */
bool json_true(const struct json *value);

/* A whole number within [min, max]: 0, else -EINVAL or -ERANGE and *ret_value untouched. */
int json_i64(const struct json *value, int64_t min, int64_t max, int64_t *ret_value);
int json_u64(const struct json *value, uint64_t max, uint64_t *ret_value);

/*
 * Gives each member of an object whose key differs from one of these names in ASCII's case only
 * that name, unless the object has a member of that name. Changes the document; texts that were
 * taken from it before stay.
 */
void json_respell(const struct json *object, const char *const *names, size_t count);

/* Elements of an array or members of an object, 0 for other types. */
size_t json_count(const struct json *value);

/* Walks an array or object; `key` is empty for arrays. */
struct json_iter {
	const struct json *at;
	size_t left;
	bool object;
};
void json_iter_init(struct json_iter *iter, const struct json *value);
bool json_iter_next(struct json_iter *iter, struct str *ret_key, const struct json **ret_value);

/* ---- writer: commas and escapes are its business, matching begin and end the caller's ---- */

struct json_writer {
	struct buf *out; /* sticky error there */
	uint64_t comma;	 /* bit n: depth n has a member already */
	unsigned depth;
	bool after_key;
};

void json_writer_init(struct json_writer *w, struct buf *out);
void json_begin_object(struct json_writer *w);
void json_end_object(struct json_writer *w);
void json_begin_array(struct json_writer *w);
void json_end_array(struct json_writer *w);
void json_key(struct json_writer *w, const char *key);
void json_key_str(struct json_writer *w, struct str key);
/* Bytes that are no valid UTF-8 become U+FFFD. */
void json_put_str(struct json_writer *w, struct str s);
void json_put_text(struct json_writer *w, const char *text); /* NULL as "" */
void json_put_u64(struct json_writer *w, uint64_t v);
void json_put_i64(struct json_writer *w, int64_t v);
/* v in thousandths, printed as a decimal fraction. */
void json_put_milli(struct json_writer *w, int64_t v);
void json_put_bool(struct json_writer *w, bool v);
void json_put_null(struct json_writer *w);
/* A piece of JSON that is complete in itself. */
void json_put_raw(struct json_writer *w, struct str json);
/* A parsed value, as it is (numbers keep their value, object order is kept). */
void json_put_value(struct json_writer *w, const struct json *value);

/* Key and value at once. */
void json_member_str(struct json_writer *w, const char *key, struct str s);
void json_member_text(struct json_writer *w, const char *key, const char *text);
void json_member_u64(struct json_writer *w, const char *key, uint64_t v);
void json_member_i64(struct json_writer *w, const char *key, int64_t v);
void json_member_bool(struct json_writer *w, const char *key, bool v);
void json_member_null(struct json_writer *w, const char *key);

#endif
