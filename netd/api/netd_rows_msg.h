/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_API_NETD_ROWS_MSG_H
#define HOY_NETD_API_NETD_ROWS_MSG_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/buf.h"
#include "lib/str.h"
#include "lib/wire.h"

/* What NETD_MSG_ROWS answers with: rows of named fields. */
enum netd_field_kind { NETD_FIELD_END, NETD_FIELD_TEXT, NETD_FIELD_NUMBER, NETD_FIELD_FLAG };

struct netd_field {
	enum netd_field_kind kind; /* END: the row is over */
	struct str name, text;
	int64_t number; /* also of a flag */
};

/* Rows one behind another, each field {u8 kind, text name, text or i64}, a row ends with END. */
void netd_row_put(struct buf *out, const char *name, enum netd_field_kind kind, struct str text,
		  int64_t number);
void netd_row_end(struct buf *out);
/* The next field: true; at the end of the rows, or of sense (in->error), false. */
bool netd_row_next(struct wire *in, struct netd_field *ret_field);

#endif
