/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies of the messages between engine main and the unpack role. Pure, both sides.
 */
#include "engine/api/unpack_msg.h"

#include <errno.h>
#include "lib/wire.h"

void unpack_start_encode(const struct unpack_start *start, struct buf *out)
{
	wire_put_text(out, start->media_type);
	wire_put_u32(out, start->flags);
	wire_put_u64(out, start->bytes_max);
	wire_put_u32(out, start->entries_max);
	wire_put_u32(out, start->ratio_max);
	wire_put_u8(out, start->has_diff);
	wire_put_bytes(out, start->diff.bytes, sizeof(start->diff.bytes));
}

int unpack_start_decode(struct str body, struct unpack_start *ret_start, struct err *err)
{
	struct unpack_start start = { 0 };
	struct wire in;

	wire_init(&in, body.ptr, body.len);
	wire_text(&in, start.media_type, sizeof(start.media_type));
	start.flags = wire_u32(&in);
	start.bytes_max = wire_u64(&in);
	start.entries_max = wire_u32(&in);
	start.ratio_max = wire_u32(&in);
	start.has_diff = wire_bool(&in);
	wire_bytes(&in, start.diff.bytes, sizeof(start.diff.bytes));
	if (wire_end(&in) < 0)
		return err_set(err, -EBADMSG, "malformed unpack start message");
	*ret_start = start;
	return 0;
}

void unpack_result_encode(const struct unpack_result *result, struct buf *out)
{
	wire_put_bytes(out, result->diff.bytes, sizeof(result->diff.bytes));
	wire_put_u64(out, result->entries);
	wire_put_u64(out, result->bytes);
	wire_put_u64(out, result->stream_bytes);
}

int unpack_result_decode(struct str body, struct unpack_result *ret_result, struct err *err)
{
	struct unpack_result result = { 0 };
	struct wire in;

	wire_init(&in, body.ptr, body.len);
	wire_bytes(&in, result.diff.bytes, sizeof(result.diff.bytes));
	result.entries = wire_u64(&in);
	result.bytes = wire_u64(&in);
	result.stream_bytes = wire_u64(&in);
	if (wire_end(&in) < 0)
		return err_set(err, -EBADMSG, "malformed unpack result message");
	*ret_result = result;
	return 0;
}
