/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON reader's bounds and the writer's escapes. */
#include <errno.h>
#include "engine/json/json.h"
#include "tests/unit/tap.h"

static int parse(struct str text, struct err *err)
{
	struct json_doc doc = { 0 };
	int r = json_parse(text, JSON_TEXT_MAX, &doc, err);

	json_done(&doc);
	return r;
}

static void refused(struct str text, const char *what)
{
	struct err err = { 0 };
	int r = parse(text, &err);

	ok(r == -EBADMSG && err.text[0], "refused: %s (%s)", what, err_text(&err));
}

static void test_refused(void)
{
	refused(STR(""), "an empty text");
	refused(STR("{\"a\":1,\"a\":2}"), "a key that stands twice");
	refused(STR("[{\"x\":{\"a\":1,\"b\":2,\"a\":2}}]"), "a key that stands twice, inside");
	refused(STR("\"a\\u0000b\""), "a NUL in a string");
	refused(STR("{\"a\\u0000\":1}"), "a NUL in a key");
	refused(STR("{\"a\":1} x"), "bytes behind the value");
	refused(STR("{\"a\":1,}"), "a comma too many");
	refused(STR("\"\xff\""), "invalid UTF-8");
	refused(STR("\"\xed\xa0\x80\""), "a surrogate in UTF-8");
	refused(STR("NaN"), "not a number");
	refused(STR("// x\n1"), "a comment");
	refused(STR("{'a':1}"), "single quotes");
	refused(STR("[1"), "an open list");
}

static void test_depth(void)
{
	char text[2 * JSON_DEPTH_MAX + 8];
	struct err err = { 0 };

	memset(text, '[', JSON_DEPTH_MAX);
	memset(text + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
	is_int(parse(str_make(text, 2 * JSON_DEPTH_MAX), &err), 0, "64 levels are taken");
	memset(text, '[', JSON_DEPTH_MAX + 1);
	memset(text + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
	is_int(parse(str_make(text, 2 * JSON_DEPTH_MAX + 2), &err), -EBADMSG, "65 are not");
	is_int(parse(STR("\"[[[\\\"[[[\""), &err), 0, "brackets in a string are no depth");
}

static void test_size(void)
{
	struct json_doc doc = { 0 };

	is_int(json_parse(STR("[1,2,3]"), 6, &doc, NULL), -EFBIG, "a text over the cap");
	ok(doc.memory == NULL, "nothing is given out then");
}

static void test_many_keys(void)
{
	struct buf text;

	buf_init(&text, 1 << 20);
	buf_add_text(&text, "{");
	for (int i = 0; i < 1000; i++)
		buf_printf(&text, "\"k%d\":%d,", i, i);
	buf_add_text(&text, "\"k\":0}");
	is_int(parse(buf_str(&text), NULL), 0, "1,001 different keys");
	text.len--;
	buf_add_text(&text, ",\"k500\":1}");
	is_int(parse(buf_str(&text), NULL), -EBADMSG, "one of them twice");
	buf_done(&text);
}

static void test_getters(void)
{
	struct json_doc doc = { 0 };
	const struct json *item;
	struct json_iter iter;
	struct str key;
	uint64_t u = 7;
	int64_t i = 7, sum = 0;

	is_int(json_parse(STR("{\"s\":\"x\\u00e9\",\"n\":-5,\"u\":18446744073709551615,\"t\":true,"
			      "\"l\":[1,2,3],\"f\":1.5,\"z\":null}"),
			  JSON_TEXT_MAX, &doc, NULL),
	       0, "a document");
	ok(json_is(json_get(doc.root, "s"), "x\xc3\xa9"), "a string, escape decoded");
	ok(json_i64(json_get(doc.root, "n"), -10, 10, &i) == 0 && i == -5, "a negative number");
	ok(json_i64(json_get(doc.root, "n"), 0, 10, &i) == -ERANGE && i == -5, "out of range");
	ok(json_u64(json_get(doc.root, "u"), UINT64_MAX, &u) == 0 && u == UINT64_MAX, "2^64-1");
	is_int(json_i64(json_get(doc.root, "u"), INT64_MIN, INT64_MAX, &i), -ERANGE,
	       "2^64-1 as i64");
	is_int(json_u64(json_get(doc.root, "f"), 10, &u), -EINVAL,
	       "a fraction is no number of things");
	is_int(json_u64(json_get(doc.root, "s"), 10, &u), -EINVAL, "nor a string");
	ok(json_true(json_get(doc.root, "t")) && !json_true(json_get(doc.root, "s")), "true");
	is_int(json_type(json_get(doc.root, "z")), JSON_NULL, "null");
	is_int(json_type(json_get(doc.root, "absent")), JSON_NONE, "missing");
	is_int(json_type(json_get(json_get(doc.root, "absent"), "x")), JSON_NONE, "below missing");
	for (json_iter_init(&iter, json_get(doc.root, "l")); json_iter_next(&iter, &key, &item);) {
		json_i64(item, 0, 10, &i);
		sum += i;
	}
	is_int(sum, 6, "walk of a list");
	json_iter_init(&iter, doc.root);
	ok(json_iter_next(&iter, &key, &item) && str_is(key, "s"), "walk of an object has keys");
	json_done(&doc);
}

static void written(const char *want, struct json_writer *w, struct buf *out)
{
	(void)w;
	is_text(buf_text(out), want, "writes %s", want);
	buf_clear(out);
}

static void test_writer(void)
{
	struct json_writer w;
	struct buf out;

	buf_init(&out, 4096);
	json_writer_init(&w, &out);
	json_put_str(&w, STR("a\"b\\c\n\t\r\x01\x7f/"));
	written("\"a\\\"b\\\\c\\n\\t\\r\\u0001\x7f/\"", &w, &out);
	json_writer_init(&w, &out);
	json_put_str(&w, STR("\xc3\xa9\xff\xed\xa0\x80\xe2\x82"));
	written("\"\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
		"\"",
		&w, &out);
	json_writer_init(&w, &out);
	json_begin_object(&w);
	json_member_text(&w, "a", "x");
	json_key(&w, "b");
	json_begin_array(&w);
	json_put_u64(&w, UINT64_MAX);
	json_put_i64(&w, -1);
	json_put_null(&w);
	json_begin_object(&w);
	json_end_object(&w);
	json_end_array(&w);
	json_member_bool(&w, "c", true);
	json_key(&w, "d");
	json_put_milli(&w, -1500);
	json_end_object(&w);
	written("{\"a\":\"x\",\"b\":[18446744073709551615,-1,null,{}],\"c\":true,\"d\":-1.500}", &w,
		&out);
	buf_done(&out);
}

static void test_round(void)
{
	static const char text[] = "{\"a\":[1,-2,1.25,\"\\u0007\",true,null,{}],\"b\":{\"c\":[]}}";
	struct json_doc doc = { 0 };
	struct json_writer w;
	struct buf out;

	buf_init(&out, 4096);
	json_writer_init(&w, &out);
	is_int(json_parse(str_from(text), JSON_TEXT_MAX, &doc, NULL), 0, "parsed");
	json_put_value(&w, doc.root);
	is_text(buf_text(&out), text, "a parsed value is written as it was");
	json_done(&doc);
	buf_done(&out);
}

static void test_writer_limits(void)
{
	struct json_writer w;
	struct buf out;

	buf_init(&out, 4096);
	json_writer_init(&w, &out);
	for (int i = 0; i < JSON_DEPTH_MAX + 2; i++)
		json_begin_array(&w);
	ok(buf_error(&out) < 0, "deeper than the reader allows is an error");
	buf_done(&out);
	buf_init(&out, 8);
	json_writer_init(&w, &out);
	json_put_text(&w, "longer than eight");
	is_int(buf_error(&out), -ENOSPC, "the buffer's cap is sticky");
	buf_done(&out);
}

int main(void)
{
	test_refused();
	test_depth();
	test_size();
	test_many_keys();
	test_getters();
	test_writer();
	test_round();
	test_writer_limits();
	return tap_done();
}
