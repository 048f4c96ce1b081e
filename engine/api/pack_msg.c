/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encoding of the pack role's answer. Pure; linked by engine main and the pack role. Must never
 * allocate beyond the caller's buffer.
 */
#include "engine/api/pack_msg.h"

void pack_result_put(struct buf *out, const struct pack_result *result)
{
	wire_put_u64(out, result->bytes);
	wire_put_u64(out, result->entries);
	wire_put_u64(out, result->data_bytes);
	wire_put_bytes(out, result->tar.bytes, sizeof(result->tar.bytes));
	wire_put_u64(out, result->tar_bytes);
}

void pack_result_get(struct wire *in, struct pack_result *ret_result)
{
	ret_result->bytes = wire_u64(in);
	ret_result->entries = wire_u64(in);
	ret_result->data_bytes = wire_u64(in);
	wire_bytes(in, ret_result->tar.bytes, sizeof(ret_result->tar.bytes));
	ret_result->tar_bytes = wire_u64(in);
}
