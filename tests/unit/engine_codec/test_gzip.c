/* SPDX-License-Identifier: Apache-2.0 */
/* The gzip decoder beside zlib: the same bytes from the same stream, the same streams refused. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include "engine/tar/stream.h"
#include "lib/buf.h"
#include "tests/unit/tap.h"

enum { TEXT_MAX = 100 << 10, PACKED_MAX = 150 << 10 };

static unsigned char text[TEXT_MAX], packed[PACKED_MAX], out[TEXT_MAX + 64],
	out_zlib[TEXT_MAX + 64];

struct source {
	const unsigned char *at;
	size_t left, step;
};

static ssize_t give(void *owner, void *dst, size_t cap, struct err *err)
{
	struct source *source = owner;
	size_t n = source->left < cap ? source->left : cap;

	(void)err;
	if (source->step && n > source->step)
		n = source->step;
	memcpy(dst, source->at, n);
	source->at += n;
	source->left -= n;
	return (ssize_t)n;
}

/* Bytes that came out, or -errno; in pieces of `step` in and `cap` out. */
static ssize_t ours(const unsigned char *in, size_t len, size_t step, size_t cap)
{
	const struct tar_stream_limits limits = { 0 };
	struct source source = { .at = in, .left = len, .step = step };
	struct tar_stream stream;
	struct err err = { 0 };
	size_t total = 0;
	ssize_t n = tar_stream_init(&stream, give, &source, &limits, &err);

	if (n < 0)
		return n;
	do {
		size_t room = sizeof(out) - total;

		n = room ? tar_stream_read(&stream, out + total, cap < room ? cap : room, &err)
			 : -E2BIG;
		total += n > 0 ? (size_t)n : 0;
	} while (n > 0);
	tar_stream_done(&stream);
	return n < 0 ? n : (ssize_t)total;
}

/* The same by zlib: one member and nothing behind it. */
static ssize_t theirs(unsigned char *in, size_t len)
{
	z_stream z = { .next_in = in, .avail_in = (uInt)len };
	int r;

	inflateInit2(&z, 15 + 16);
	z.next_out = out_zlib;
	z.avail_out = sizeof(out_zlib);
	r = inflate(&z, Z_FINISH);
	inflateEnd(&z);
	return r == Z_STREAM_END && z.avail_in == 0 ? (ssize_t)z.total_out : -EBADMSG;
}

static size_t pack(size_t len, int level, int strategy, gz_header *header)
{
	z_stream z = { .next_in = text, .avail_in = (uInt)len };

	deflateInit2(&z, level, Z_DEFLATED, 15 + 16, 9, strategy);
	if (header)
		deflateSetHeader(&z, header);
	z.next_out = packed;
	z.avail_out = sizeof(packed);
	deflate(&z, Z_FINISH);
	deflateEnd(&z);
	return z.total_out;
}

static uint32_t noise(uint32_t *x)
{
	*x = *x * 1664525 + 1013904223;
	return *x >> 16;
}

/* 0 noise, 1 words, 2 zeros, 3 repeats from as far back as deflate can say. */
static void fill(int kind)
{
	uint32_t x = 7;

	for (size_t i = 0; i < TEXT_MAX; i++) {
		if (kind == 0 || (kind == 3 && i < 32768))
			text[i] = (unsigned char)noise(&x);
		if (kind == 1)
			text[i] =
				(unsigned char)"etaoin shrdlu\n"[noise(&x) % 14 * (noise(&x) % 2)];
		if (kind == 2)
			text[i] = 0;
		if (kind == 3 && i >= 32768)
			text[i] = (noise(&x) & 1023) ? text[i - 32768] : (unsigned char)x;
	}
}

static void test_streams(void)
{
	static const int strategies[] = { Z_DEFAULT_STRATEGY, Z_FILTERED, Z_HUFFMAN_ONLY, Z_RLE,
					  Z_FIXED };
	static const int levels[] = { 0, 1, 6, 9 };
	static const size_t steps[] = { 0, 301, 4093 }, caps[] = { 65536, 1000, 77 };
	int bad = 0, done = 0;

	for (int kind = 0; kind < 4; kind++) {
		fill(kind);
		for (size_t s = 0; s < 5 * 4; s++) {
			size_t len = pack(TEXT_MAX, levels[s % 4], strategies[s / 4], NULL);

			for (size_t p = 0; p < 3; p++) {
				ssize_t n = ours(packed, len, steps[p], caps[(p + s) % 3]);

				bad += n != TEXT_MAX || memcmp(out, text, TEXT_MAX) != 0;
				done++;
			}
		}
	}
	is_int(bad, 0, "streams of every kind of block, in pieces in and out, come out whole");
	is_int(done, 4 * 5 * 4 * 3, "all of them");
}

static void test_header(void)
{
	unsigned char extra[300] = { 1, 2, 0, 3 }, name[] = "a name", comment[] = "a comment";
	gz_header header = { .extra = extra,
			     .extra_len = sizeof(extra),
			     .name = name,
			     .comment = comment,
			     .hcrc = 1,
			     .time = 5 };
	size_t len;
	int bad = 0;

	fill(1);
	len = pack(1000, 6, Z_DEFAULT_STRATEGY, &header);
	for (size_t step = 0; step < 340; step += 3)
		bad += ours(packed, len, step, 4096) != 1000 || memcmp(out, text, 1000) != 0;
	is_int(bad, 0, "a header with every field, cut anywhere");
	packed[20] ^= 1;
	is_int((int)ours(packed, len, 0, 4096), -EBADMSG, "one that is not its checksum's");
}

static void test_cut(void)
{
	int bad = 0;
	size_t len;

	fill(1);
	len = pack(5000, 6, Z_DEFAULT_STRATEGY, NULL);
	for (size_t cut = 6; cut < len; cut++)
		bad += ours(packed, cut, 0, 65536) != -EBADMSG;
	is_int(bad, 0, "cut off behind each of its %zu bytes it is refused", len);
}

static void test_damage(void)
{
	int apart = 0, taken = 0;
	size_t len;

	fill(1);
	len = pack(700, 9, Z_DEFAULT_STRATEGY, NULL);
	for (size_t bit = 16; bit < 8 * len; bit++) {
		ssize_t a, b;

		packed[bit / 8] ^= (unsigned char)(1 << bit % 8);
		a = ours(packed, len, bit % 3, 4096);
		b = theirs(packed, len);
		taken += a >= 0;
		apart += (a >= 0) != (b >= 0) || (a >= 0 && memcmp(out, out_zlib, (size_t)a) != 0);
		packed[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
	is_int(apart, 0, "each bit turned over: refused where zlib refuses it");
	ok(taken > 0 && taken < 80, "what is taken is time and system of the header (%d)", taken);
}

int main(void)
{
	test_streams();
	test_header();
	test_cut();
	test_damage();
	return tap_done();
}
