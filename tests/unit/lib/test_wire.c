/* SPDX-License-Identifier: Apache-2.0 */
/* Capped buffers, and message bodies written into them and read back. */
#include <errno.h>
#include <stdlib.h>
#include "lib/own.h"
#include "lib/wire.h"
#include "tests/unit/tap.h"

static void test_buf(void)
{
	OWN(buf_done) struct buf buf;
	char big[300] = { 0 };

	buf_init(&buf, 10);
	is_text(buf_text(&buf), "", "an empty buffer is an empty text");
	is_int(buf_add_text(&buf, "hello"), 0, "five bytes");
	is_int(buf_printf(&buf, " %d", 1234), 0, "five more fill it");
	is_text(buf_text(&buf), "hello 1234", "to the last byte");
	is_int(buf_add_byte(&buf, 'x'), -ENOSPC, "the cap holds");
	is_int(buf_add_text(&buf, ""), -ENOSPC, "the error is sticky");
	is_int(buf_error(&buf), -ENOSPC, "and can be asked for");
	is_int((long long)buf.len, 10, "the content stays");
	buf_clear(&buf);
	is_int(buf_error(&buf), 0, "clearing forgets it");
	is_int(buf_printf(&buf, "%s", "elevenchars"), -ENOSPC, "printing knows the cap too");
	buf_clear(&buf);
	(void)buf_add_text(&buf, "abcdef");
	buf_consume(&buf, 4);
	is_text(buf_text(&buf), "ef", "the front is gone");
	buf_consume(&buf, 99);
	is_text(buf_text(&buf), "", "more than there is takes all");
	buf_done(&buf);
	buf_init(&buf, 1 << 20);
	for (int i = 0; i < 1000; i++)
		(void)buf_add(&buf, big, sizeof(big));
	is_int((long long)buf.len, 300000, "it grows");
	is_int(buf_add(&buf, NULL, 0), 0, "adding nothing is nothing");
	buf_done(NULL);
}

static void write_all(struct buf *buf)
{
	wire_put_u8(buf, 0xfe);
	wire_put_u16(buf, 0x1234);
	wire_put_u32(buf, 0xdeadbeef);
	wire_put_u64(buf, 0x0102030405060708ull);
	wire_put_i64(buf, -5);
	wire_put_text(buf, "hello");
	wire_put_text(buf, NULL);
	wire_put_str(buf, STR("a\0b"));
	wire_put_u8(buf, 1);
	wire_put_bytes(buf, "xyz", 3);
	wire_put_u32(buf, 2); /* a list of two bytes */
	wire_put_u8(buf, 7);
	wire_put_u8(buf, 8);
}

static void test_round_trip(void)
{
	OWN(buf_done) struct buf buf;
	char text[6], raw[3];
	struct str blob;
	struct wire in;

	buf_init(&buf, 4096);
	write_all(&buf);
	ok(buf.len > 3 && (unsigned char)buf.data[1] == 0x34, "little-endian");
	wire_init(&in, buf.data, buf.len);
	is_int(wire_u8(&in), 0xfe, "u8");
	is_int(wire_u16(&in), 0x1234, "u16");
	is_int(wire_u32(&in), 0xdeadbeef, "u32");
	ok(wire_u64(&in) == 0x0102030405060708ull, "u64");
	is_int(wire_i64(&in), -5, "i64");
	wire_text(&in, text, sizeof(text));
	is_text(text, "hello", "text that just fits");
	is_int((long long)wire_str(&in, 9).len, 0, "NULL is written as empty");
	blob = wire_blob(&in, 3);
	ok(str_eq(blob, STR("a\0b")), "a blob may hold anything");
	ok(wire_bool(&in), "bool");
	wire_bytes(&in, raw, 3);
	ok(memcmp(raw, "xyz", 3) == 0, "raw bytes");
	is_int(wire_count(&in, 2), 2, "count");
	(void)wire_u8(&in);
	is_int(wire_end(&in), -EBADMSG, "something is left");
	(void)wire_u8(&in);
	is_int(wire_end(&in), 0, "all was read and all was good");
}

/* Every prefix of a good body must be an error, and never a read beyond it. */
static void test_truncated(void)
{
	OWN(buf_done) struct buf buf;
	unsigned good = 0;

	buf_init(&buf, 4096);
	write_all(&buf);
	for (size_t len = 0; len < buf.len; len++) {
		char *copy = malloc(len ? len : 1);
		char text[6], raw[3];
		struct wire in;

		memcpy(copy, buf.data, len);
		wire_init(&in, copy, len);
		(void)wire_u8(&in);
		(void)wire_u16(&in);
		(void)wire_u32(&in);
		(void)wire_u64(&in);
		(void)wire_i64(&in);
		wire_text(&in, text, sizeof(text));
		(void)wire_str(&in, 9);
		(void)wire_blob(&in, 9);
		(void)wire_bool(&in);
		wire_bytes(&in, raw, 3);
		for (uint32_t n = wire_count(&in, 9); n > 0; n--)
			(void)wire_u8(&in);
		good += wire_end(&in) == 0;
		free(copy);
	}
	is_int(good, 0, "no prefix of a body is a body");
}

static void test_lies(void)
{
	static const unsigned char huge[] = { 0xff, 0xff, 0xff, 0xff, 'a' };
	static const unsigned char nul[] = { 3, 0, 0, 0, 'a', 0, 'b', 2 };
	char text[3];
	struct wire in;

	wire_init(&in, huge, sizeof(huge));
	is_int((long long)wire_str(&in, SIZE_MAX).len, 0, "a length beyond the end");
	is_int(wire_u8(&in), 0, "after an error everything is zero");
	is_int(wire_end(&in), -EBADMSG, "and the end tells");
	wire_init(&in, huge, sizeof(huge));
	is_int(wire_count(&in, UINT32_MAX), 0, "a count beyond what is left");
	wire_init(&in, nul, sizeof(nul));
	is_int((long long)wire_str(&in, 9).len, 0, "a NUL inside a string");
	is_int(wire_end(&in), -EBADMSG, "is an error");
	wire_init(&in, nul, sizeof(nul));
	wire_text(&in, text, sizeof(text));
	is_text(text, "", "too long for its place");
	wire_init(&in, nul + 7, 1);
	ok(!wire_bool(&in) && wire_end(&in) < 0, "2 is no bool");
	wire_init(&in, NULL, 0);
	is_int(wire_end(&in), 0, "an empty body is well read");
	wire_bytes(&in, text, 3);
	ok(text[0] == 0 && text[2] == 0, "missing bytes are zero");
}

int main(void)
{
	test_buf();
	test_round_trip();
	test_truncated();
	test_lies();
	return tap_done();
}
