/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the wire form of rows of named fields, for netd itself and for those who show them. Pure. It
 * must never trust a kind or a length before the reader has bounded it.
 */
#include <errno.h>
#include "netd/api/netd_msg.h"
#include "netd/api/netd_rows_msg.h"

void netd_row_put(struct buf *out, const char *name, enum netd_field_kind kind, struct str text,
		  int64_t number)
{
	wire_put_u8(out, (uint8_t)kind);
	wire_put_text(out, name);
	if (kind == NETD_FIELD_TEXT)
		wire_put_str(out, text);
	else
		wire_put_i64(out, number);
}

void netd_row_end(struct buf *out)
{
	wire_put_u8(out, NETD_FIELD_END);
}

bool netd_row_next(struct wire *in, struct netd_field *ret_field)
{
	uint8_t kind;

	if (!in->left || in->error)
		return false;
	kind = wire_u8(in);
	if (kind > NETD_FIELD_FLAG)
		in->error = -EBADMSG;
	*ret_field = (struct netd_field){ .kind = (enum netd_field_kind)kind };
	if (kind == NETD_FIELD_END)
		return !in->error;
	ret_field->name = wire_str(in, NETD_NAME_MAX);
	if (kind == NETD_FIELD_TEXT)
		ret_field->text = wire_str(in, NETD_SHOW_MAX);
	else
		ret_field->number = wire_i64(in);
	return !in->error;
}
