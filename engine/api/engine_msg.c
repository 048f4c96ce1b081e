/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encoding of the rows that the engine answers with. Pure; linked by engine main, the api role and
 * the console. Must never allocate beyond the caller's buffer.
 */
#include "engine/api/engine_msg.h"

void engine_row_put(struct buf *out, const struct engine_row *row)
{
	wire_put_text(out, row->id);
	wire_put_text(out, row->name);
	wire_put_text(out, row->image);
	wire_put_text(out, row->state);
	wire_put_text(out, row->status);
	wire_put_text(out, row->ports);
	wire_put_i64(out, row->created_s);
	wire_put_i64(out, row->pid);
	wire_put_i64(out, row->exit_code);
	wire_put_u32(out, row->restarts);
	wire_put_u8(out, row->declared);
}

void engine_row_get(struct wire *in, struct engine_row *ret_row)
{
	wire_text(in, ret_row->id, sizeof(ret_row->id));
	wire_text(in, ret_row->name, sizeof(ret_row->name));
	wire_text(in, ret_row->image, sizeof(ret_row->image));
	wire_text(in, ret_row->state, sizeof(ret_row->state));
	wire_text(in, ret_row->status, sizeof(ret_row->status));
	wire_text(in, ret_row->ports, sizeof(ret_row->ports));
	ret_row->created_s = wire_i64(in);
	ret_row->pid = (int32_t)wire_i64(in);
	ret_row->exit_code = (int32_t)wire_i64(in);
	ret_row->restarts = wire_u32(in);
	ret_row->declared = wire_bool(in);
}
