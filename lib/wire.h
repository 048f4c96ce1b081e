/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_LIB_WIRE_H
#define HOY_LIB_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/buf.h"
#include "lib/str.h"

/*
 * Little-endian fields one behind another; a string is a u32 length and its bytes; a list is a u32
 * count and its items. Writers append to a struct buf (sticky error there). The reader is a bounded
 * cursor with a sticky error: after the first bad field every read gives zero or empty, and
 * wire_end() tells once at the end. Strings read are slices into the input.
 */
struct wire {
	const uint8_t *ptr;
	size_t left;
	int error; /* 0 or -EBADMSG */
};

void wire_put_u8(struct buf *out, uint8_t v);
void wire_put_u16(struct buf *out, uint16_t v);
void wire_put_u32(struct buf *out, uint32_t v);
void wire_put_u64(struct buf *out, uint64_t v);
void wire_put_i64(struct buf *out, int64_t v);
void wire_put_str(struct buf *out, struct str s);
void wire_put_text(struct buf *out, const char *text);		    /* NULL as "" */
void wire_put_bytes(struct buf *out, const void *data, size_t len); /* no length in front */

void wire_init(struct wire *in, const void *data, size_t len);
uint8_t wire_u8(struct wire *in);
uint16_t wire_u16(struct wire *in);
uint32_t wire_u32(struct wire *in);
uint64_t wire_u64(struct wire *in);
int64_t wire_i64(struct wire *in);
bool wire_bool(struct wire *in); /* 0 or 1, anything else is an error */

/* At most max bytes, no NUL inside. */
struct str wire_str(struct wire *in, size_t max);
/* As wire_str, bytes may be anything. */
struct str wire_blob(struct wire *in, size_t max);
/* Copies a string into dst[cap] with a NUL; too long is an error. */
void wire_text(struct wire *in, char *dst, size_t cap);
/* n raw bytes into dst. */
void wire_bytes(struct wire *in, void *dst, size_t n);
/* A list's count, at most max. */
uint32_t wire_count(struct wire *in, uint32_t max);

/* 0 when every read was good and nothing is left, else -EBADMSG. */
int wire_end(const struct wire *in);

#endif
