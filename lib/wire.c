/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the encoding of message bodies and state records. Every role runs it; the reader also in
 * PID 1, it never allocates. It must never trust a length it has not compared with what is left.
 */
#include "lib/wire.h"

#include <errno.h>
#include <string.h>

static void put_le(struct buf *out, uint64_t v, size_t bytes)
{
	uint8_t raw[8];

	for (size_t i = 0; i < bytes; i++)
		raw[i] = (uint8_t)(v >> (8 * i));
	(void)buf_add(out, raw, bytes);
}

void wire_put_u8(struct buf *out, uint8_t v)
{
	put_le(out, v, 1);
}

void wire_put_u16(struct buf *out, uint16_t v)
{
	put_le(out, v, 2);
}

void wire_put_u32(struct buf *out, uint32_t v)
{
	put_le(out, v, 4);
}

void wire_put_u64(struct buf *out, uint64_t v)
{
	put_le(out, v, 8);
}

void wire_put_i64(struct buf *out, int64_t v)
{
	put_le(out, (uint64_t)v, 8);
}

void wire_put_str(struct buf *out, struct str s)
{
	if (s.len > UINT32_MAX) {
		out->error = out->error ? out->error : -ENOSPC;
		return;
	}
	put_le(out, s.len, 4);
	(void)buf_add_str(out, s);
}

void wire_put_text(struct buf *out, const char *text)
{
	wire_put_str(out, str_from(text));
}

void wire_put_bytes(struct buf *out, const void *data, size_t len)
{
	(void)buf_add(out, data, len);
}

void wire_init(struct wire *in, const void *data, size_t len)
{
	*in = (struct wire){ .ptr = data, .left = len };
}

/* The next n bytes, NULL (and the sticky error) when there are fewer. */
static const uint8_t *take(struct wire *in, size_t n)
{
	const uint8_t *at = in->ptr;

	if (in->error || n > in->left) {
		in->error = -EBADMSG;
		return NULL;
	}
	if (n > 0)
		in->ptr += n;
	in->left -= n;
	return at;
}

static uint64_t get_le(struct wire *in, size_t bytes)
{
	const uint8_t *raw = take(in, bytes);
	uint64_t v = 0;

	if (!raw)
		return 0;
	for (size_t i = 0; i < bytes; i++)
		v |= (uint64_t)raw[i] << (8 * i);
	return v;
}

uint8_t wire_u8(struct wire *in)
{
	return (uint8_t)get_le(in, 1);
}

uint16_t wire_u16(struct wire *in)
{
	return (uint16_t)get_le(in, 2);
}

uint32_t wire_u32(struct wire *in)
{
	return (uint32_t)get_le(in, 4);
}

uint64_t wire_u64(struct wire *in)
{
	return get_le(in, 8);
}

int64_t wire_i64(struct wire *in)
{
	return (int64_t)get_le(in, 8);
}

bool wire_bool(struct wire *in)
{
	uint8_t v = wire_u8(in);

	if (v > 1) {
		in->error = -EBADMSG;
		return false;
	}
	return v == 1;
}

struct str wire_blob(struct wire *in, size_t max)
{
	size_t len = wire_u32(in);
	const uint8_t *at;

	if (in->error)
		return (struct str){ 0 };
	if (len > max) {
		in->error = -EBADMSG;
		return (struct str){ 0 };
	}
	at = take(in, len);
	if (!at || len == 0)
		return (struct str){ 0 };
	return str_make(at, len);
}

struct str wire_str(struct wire *in, size_t max)
{
	struct str s = wire_blob(in, max);

	if (s.len > 0 && memchr(s.ptr, '\0', s.len)) {
		in->error = -EBADMSG;
		return (struct str){ 0 };
	}
	return s;
}

void wire_text(struct wire *in, char *dst, size_t cap)
{
	struct str s = wire_str(in, cap > 0 ? cap - 1 : 0);

	if (cap == 0)
		return;
	if (s.len > 0)
		memcpy(dst, s.ptr, s.len);
	dst[s.len] = '\0';
}

void wire_bytes(struct wire *in, void *dst, size_t n)
{
	const uint8_t *at = take(in, n);

	if (n == 0)
		return;
	if (at)
		memcpy(dst, at, n);
	else
		memset(dst, 0, n);
}

uint32_t wire_count(struct wire *in, uint32_t max)
{
	uint32_t n = wire_u32(in);

	/* No item is smaller than one byte: a count beyond what is left is a lie. */
	if (n > max || n > in->left) {
		in->error = -EBADMSG;
		return 0;
	}
	return n;
}

int wire_end(const struct wire *in)
{
	return in->error || in->left > 0 ? -EBADMSG : 0;
}
