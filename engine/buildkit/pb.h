/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_BUILDKIT_PB_H
#define HOY_ENGINE_BUILDKIT_PB_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/buf.h"
#include "lib/str.h"

/*
 * Protocol buffers field by field, over nanopb's streams: messages here are few and are read with a
 * switch over their field numbers. Texts and messages inside of a message are slices of it.
 */
struct pb_field {
	uint32_t number;
	bool is_bytes;	/* else a number */
	uint64_t value; /* of a number; a fixed64 and a fixed32 too */
	struct str bytes;
};

/*
 * The next field: 1; 0 at the end; -EBADMSG for what is no message (then *rest is empty). Groups
 * are refused.
 */
int pb_next(struct str *rest, struct pb_field *ret_field);
/* A map's entry: its key and value, both texts or bytes. -EBADMSG. */
int pb_entry(struct str entry, struct str *ret_key, struct str *ret_value);

/* Values that are zero or empty are written too: leave out what need not be there. */
void pb_put_number(struct buf *out, uint32_t field, uint64_t value);
void pb_put_bytes(struct buf *out, uint32_t field, struct str bytes);
void pb_put_text(struct buf *out, uint32_t field, const char *text);
void pb_put_entry(struct buf *out, uint32_t field, const char *key, struct str value);
/* google.protobuf.Timestamp */
void pb_put_time(struct buf *out, uint32_t field, int64_t time_ns);

#endif
