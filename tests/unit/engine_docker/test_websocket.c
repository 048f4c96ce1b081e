/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include "engine/docker/websocket.h"
#include "lib/own.h"
#include "tests/unit/tap.h"

static int64_t take(struct websocket *ws, const char *bytes, size_t len, struct buf *data,
		    struct buf *out)
{
	return websocket_take(ws, str_make(bytes, len), 4096, data, out, NULL);
}

static void test_accept(void)
{
	char accept[WEBSOCKET_ACCEPT_MAX];

	/* The example of RFC 6455, section 1.3. */
	ok(websocket_accept(STR("dGhlIHNhbXBsZSBub25jZQ=="), accept, NULL) >= 0 &&
		   str_is(str_from(accept), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
	   "the key of the RFC's example has the RFC's answer");
	ok(websocket_accept(STR("dGhlIHNhbXBsZQ=="), accept, NULL) < 0 &&
		   websocket_accept(STR("dGhlIHNhbXBsZSBub25jZQ=!"), accept, NULL) < 0,
	   "a key that is no 16 bytes in base64 is refused");
}

static void test_frames(void)
{
	/* Section 5.7: a masked "Hello", whole and in two frames with a ping between. */
	static const char whole[] = "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
	static const char parts[] = "\x01\x83\x00\x00\x00\x00Hel\x89\x80\x00\x00\x00\x00"
				    "\x80\x82\x00\x00\x00\x00lo";
	struct buf data OWN(buf_done) = { 0 }, out OWN(buf_done) = { 0 };
	struct websocket ws = { 0 };

	buf_init(&data, 8192);
	buf_init(&out, 8192);
	ok(take(&ws, whole, sizeof(whole) - 1, &data, &out) == (int64_t)sizeof(whole) - 1 &&
		   str_is(buf_str(&data), "Hello") && !out.len,
	   "a masked frame is what was typed");
	buf_clear(&data);
	for (size_t i = 0; i < sizeof(parts) - 1; i++)
		(void)take(&ws, parts + i, 1, &data, &out);
	ok(str_is(buf_str(&data), "Hello") && str_eq(buf_str(&out), str_make("\x8a\x00", 2)),
	   "a message in parts, byte by byte, with a ping between that is answered");
	buf_clear(&out);
	ok(take(&ws, "\x88\x82\x00\x00\x00\x00\x03\xe8", 8, &data, &out) == 8 && ws.closed &&
		   str_eq(buf_str(&out), str_make("\x88\x02\x03\xe8", 4)),
	   "a close frame is answered with its code");
	ok(take(&ws, whole, sizeof(whole) - 1, &data, &out) == (int64_t)sizeof(whole) - 1 &&
		   str_is(buf_str(&data), "Hello"),
	   "what follows a close frame is dropped");
}

static void test_room(void)
{
	struct buf data OWN(buf_done) = { 0 }, out OWN(buf_done) = { 0 };
	struct websocket ws = { 0 };

	buf_init(&data, 8192);
	buf_init(&out, 8192);
	ok(websocket_take(&ws, str_make("\x82\x85\x00\x00\x00\x00Hello", 11), 2, &data, &out,
			  NULL) == 8 &&
		   str_is(buf_str(&data), "He"),
	   "no more is taken than there is room for");
	buf_clear(&data);
	ok(websocket_take(&ws, STR("llo"), 8, &data, &out, NULL) == 3 &&
		   str_is(buf_str(&data), "llo") && !ws.in_frame,
	   "and the rest later");
}

static void test_bad(void)
{
	static const struct {
		const char *bytes;
		size_t len;
		const char *what;
	} rows[] = {
		{ "\x81\x05Hello", 7, "a frame without a mask is refused" },
		{ "\xc1\x80\x00\x00\x00\x00", 6, "a reserved bit is refused" },
		{ "\x83\x80\x00\x00\x00\x00", 6, "an opcode without a meaning is refused" },
		{ "\x8b\x80\x00\x00\x00\x00", 6, "so is one of a control frame" },
		{ "\x80\x80\x00\x00\x00\x00", 6, "a continuation of nothing is refused" },
		{ "\x09\x80\x00\x00\x00\x00", 6, "a ping in parts is refused" },
		{ "\x89\xfe\x00\x7e\x00\x00\x00\x00", 8, "a ping of 126 bytes is refused" },
		{ "\x82\xfe\x00\x7d\x00\x00\x00\x00", 8, "a length that is too wide is refused" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf data OWN(buf_done) = { 0 }, out OWN(buf_done) = { 0 };
		struct websocket ws = { 0 };

		buf_init(&data, 8192);
		buf_init(&out, 8192);
		ok(take(&ws, rows[i].bytes, rows[i].len, &data, &out) == -EPROTO && ws.closed &&
			   str_eq(buf_str(&out), str_make("\x88\x02\x03\xea", 4)),
		   "%s, with 1002", rows[i].what);
	}
}

static void test_put(void)
{
	static char big[70000];
	struct buf out OWN(buf_done) = { 0 };

	buf_init(&out, 1 << 20);
	websocket_put(&out, WEBSOCKET_BINARY, STR("hi"));
	ok(str_eq(buf_str(&out), STR("\x82\x02hi")), "a short frame");
	buf_clear(&out);
	websocket_put(&out, WEBSOCKET_TEXT, str_make(big, 200));
	ok(out.len == 204 && str_starts(buf_str(&out), str_make("\x81\x7e\x00\xc8", 4)),
	   "one of two bytes of length");
	buf_clear(&out);
	websocket_put(&out, WEBSOCKET_BINARY, str_make(big, sizeof(big)));
	ok(out.len == sizeof(big) + 10 &&
		   str_starts(buf_str(&out), str_make("\x82\x7f\0\0\0\0\0\x01\x11\x70", 10)),
	   "one of eight");
}

int main(void)
{
	test_accept();
	test_frames();
	test_room();
	test_bad();
	test_put();
	return tap_done();
}
