/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the growable byte buffer. Every role runs it but PID 1 after boot, for it allocates. It must
 * never grow beyond the cap its owner gave.
 */
#include "lib/buf.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUF_FIRST_STEP = 128 };

void buf_init(struct buf *buf, size_t max_bytes)
{
	*buf = (struct buf){ .max = max_bytes };
}

void buf_done(struct buf *buf)
{
	if (!buf)
		return;
	free(buf->data);
	*buf = (struct buf){ .max = buf->max };
}

void buf_clear(struct buf *buf)
{
	buf->len = 0;
	buf->error = 0;
	if (buf->data)
		buf->data[0] = '\0';
}

int buf_reserve(struct buf *buf, size_t want)
{
	size_t need, step;
	char *data;

	if (buf->error)
		return buf->error;
	if (want > buf->max - buf->len)
		return buf->error = -ENOSPC;
	need = buf->len + want;
	if (need < buf->cap) /* cap counts the NUL too */
		return 0;
	step = buf->cap ? buf->cap : BUF_FIRST_STEP;
	while (step <= need)
		step = step > SIZE_MAX / 2 ? SIZE_MAX : step * 2;
	if (step > buf->max && buf->max < SIZE_MAX)
		step = buf->max + 1;
	data = realloc(buf->data, step);
	if (!data)
		return buf->error = -ENOMEM;
	buf->data = data;
	buf->cap = step;
	data[buf->len] = '\0';
	return 0;
}

int buf_add(struct buf *buf, const void *data, size_t len)
{
	int r = buf_reserve(buf, len);

	if (r < 0)
		return r;
	if (len > 0)
		memcpy(buf->data + buf->len, data, len);
	buf->len += len;
	buf->data[buf->len] = '\0';
	return 0;
}

int buf_add_str(struct buf *buf, struct str s)
{
	return buf_add(buf, s.ptr, s.len);
}

int buf_add_text(struct buf *buf, const char *text)
{
	return buf_add(buf, text, text ? strlen(text) : 0);
}

int buf_add_byte(struct buf *buf, unsigned char byte)
{
	return buf_add(buf, &byte, 1);
}

int buf_vprintf(struct buf *buf, const char *fmt, va_list ap)
{
	va_list again;
	int n, r;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n < 0)
		return buf->error = -EINVAL;
	r = buf_reserve(buf, (size_t)n);
	if (r < 0)
		return r;
	(void)vsnprintf(buf->data + buf->len, (size_t)n + 1, fmt, ap);
	buf->len += (size_t)n;
	return 0;
}

int buf_printf(struct buf *buf, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = buf_vprintf(buf, fmt, ap);
	va_end(ap);
	return r;
}

void buf_consume(struct buf *buf, size_t n)
{
	if (n > buf->len)
		n = buf->len;
	if (n == 0)
		return;
	memmove(buf->data, buf->data + n, buf->len - n);
	buf->len -= n;
	buf->data[buf->len] = '\0';
}

int buf_error(const struct buf *buf)
{
	return buf->error;
}

struct str buf_str(const struct buf *buf)
{
	return (struct str){ buf->data, buf->len };
}

const char *buf_text(const struct buf *buf)
{
	return buf->data ? buf->data : "";
}
