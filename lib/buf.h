/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_LIB_BUF_H
#define HOY_LIB_BUF_H

#include <stddef.h>
#include <stdarg.h>
#include "lib/str.h"

/*
 * A growable byte buffer with a mandatory cap. The error is sticky: after one append failed
 * (-ENOSPC at the cap, -ENOMEM) all further ones fail and buf_error() tells; so a sequence of
 * appends needs one check. The content always has a NUL behind data[len] (not counted).
 */
struct buf {
	char *data; /* NULL while empty */
	size_t len;
	size_t cap;
	size_t max; /* bytes; len never exceeds it */
	int error;  /* 0 or a negative errno */
};

void buf_init(struct buf *buf, size_t max_bytes);
void buf_done(struct buf *buf);	 /* frees; accepts NULL and zeroed */
void buf_clear(struct buf *buf); /* len = 0 and error = 0, memory kept */

int buf_add(struct buf *buf, const void *data, size_t len);
int buf_add_str(struct buf *buf, struct str s);
int buf_add_text(struct buf *buf, const char *text);
int buf_add_byte(struct buf *buf, unsigned char byte);
int buf_printf(struct buf *buf, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int buf_vprintf(struct buf *buf, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));

/* Room for at least `want` more bytes at data + len; the caller then adds to len. */
int buf_reserve(struct buf *buf, size_t want);

/* Drops the first n bytes (n <= len). */
void buf_consume(struct buf *buf, size_t n);

int buf_error(const struct buf *buf);
struct str buf_str(const struct buf *buf);

/* The content as a C string that lives as long as the buffer is not changed; "" while empty. */
const char *buf_text(const struct buf *buf);

#endif
