/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protocol buffers, field by field. Pure; runs in the api role. Must never give out a slice that
 * leaves the message it was cut from.
 */
#include "engine/buildkit/pb.h"

#include <errno.h>
#include <pb_decode.h>
#include <pb_encode.h>
#include <string.h>
#include "lib/own.h"

enum { PB_HEAD_MAX = 20, PB_TIME_MAX = 32 };

/* ---- reading ---- */

static bool read_bytes(pb_istream_t *in, struct str *rest, struct str *ret_bytes)
{
	uint64_t len;

	if (!pb_decode_varint(in, &len) || len > in->bytes_left)
		return false;
	*ret_bytes = str_make(rest->ptr + (rest->len - in->bytes_left), (size_t)len);
	return pb_read(in, NULL, (size_t)len);
}

static bool read_value(pb_istream_t *in, pb_wire_type_t type, struct str *rest,
		       struct pb_field *field)
{
	uint32_t small;

	switch (type) {
	case PB_WT_VARINT:
		return pb_decode_varint(in, &field->value);
	case PB_WT_64BIT:
		return pb_decode_fixed64(in, &field->value);
	case PB_WT_32BIT:
		if (!pb_decode_fixed32(in, &small))
			return false;
		field->value = small;
		return true;
	case PB_WT_STRING:
		field->is_bytes = true;
		return read_bytes(in, rest, &field->bytes);
	case PB_WT_PACKED:
		break;
	}
	return false;
}

int pb_next(struct str *rest, struct pb_field *ret_field)
{
	pb_istream_t in = pb_istream_from_buffer((const pb_byte_t *)rest->ptr, rest->len);
	struct pb_field field = { .bytes = STR("") };
	pb_wire_type_t type;
	bool end = false;

	if (!rest->len)
		return 0;
	if (!pb_decode_tag(&in, &type, &field.number, &end) || end || !field.number ||
	    !read_value(&in, type, rest, &field)) {
		*rest = STR("");
		return -EBADMSG;
	}
	*rest = str_skip(*rest, rest->len - in.bytes_left);
	*ret_field = field;
	return 1;
}

int pb_entry(struct str entry, struct str *ret_key, struct str *ret_value)
{
	struct str key = STR(""), value = STR("");
	struct pb_field field;
	int r;

	while ((r = pb_next(&entry, &field)) > 0) {
		if (!field.is_bytes)
			return -EBADMSG;
		if (field.number == 1)
			key = field.bytes;
		else if (field.number == 2)
			value = field.bytes;
	}
	if (r < 0)
		return r;
	*ret_key = key;
	*ret_value = value;
	return 0;
}

/* ---- writing ---- */

static void put_head(struct buf *out, pb_wire_type_t type, uint32_t field, uint64_t value)
{
	pb_byte_t head[PB_HEAD_MAX];
	pb_ostream_t to = pb_ostream_from_buffer(head, sizeof(head));

	if (pb_encode_tag(&to, type, field) && pb_encode_varint(&to, value))
		(void)buf_add(out, head, to.bytes_written);
}

void pb_put_number(struct buf *out, uint32_t field, uint64_t value)
{
	put_head(out, PB_WT_VARINT, field, value);
}

void pb_put_bytes(struct buf *out, uint32_t field, struct str bytes)
{
	put_head(out, PB_WT_STRING, field, bytes.len);
	(void)buf_add_str(out, bytes);
}

void pb_put_text(struct buf *out, uint32_t field, const char *text)
{
	pb_put_bytes(out, field, str_from(text));
}

void pb_put_entry(struct buf *out, uint32_t field, const char *key, struct str value)
{
	struct buf entry OWN(buf_done) = { 0 };

	buf_init(&entry, strlen(key) + value.len + 2 * (size_t)PB_HEAD_MAX);
	pb_put_text(&entry, 1, key);
	pb_put_bytes(&entry, 2, value);
	pb_put_bytes(out, field, buf_str(&entry));
}

void pb_put_time(struct buf *out, uint32_t field, int64_t time_ns)
{
	struct buf time OWN(buf_done) = { 0 };

	buf_init(&time, PB_TIME_MAX);
	pb_put_number(&time, 1, (uint64_t)(time_ns / 1000000000));
	pb_put_number(&time, 2, (uint64_t)(time_ns % 1000000000));
	pb_put_bytes(out, field, buf_str(&time));
}
