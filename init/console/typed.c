/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines typed for a program that has no terminal, by the console's line editor. Pure; runs in the
 * console program. Must never pass on a line that is not complete.
 */
#include "init/console/typed.h"

#include <string.h>
#include "init/console/edit.h"

static struct edit edit;

static void next_line(void)
{
	struct buf none = { 0 };

	buf_init(&none, 0); /* an empty line is not drawn: nobody asks for one */
	edit_begin(&edit, "", false, &none);
	buf_done(&none);
}

void typed_begin(unsigned columns)
{
	edit_init(&edit, columns);
	next_line();
}

static void put_line(char *dst, size_t cap, size_t *len)
{
	if (edit.len + 1 <= cap - *len) {
		memcpy(dst + *len, edit.line, edit.len);
		*len += edit.len;
		dst[(*len)++] = '\n';
	}
	next_line();
}

enum typed_event typed_feed(struct str keys, char *dst, size_t cap, size_t *len, struct buf *out)
{
	for (size_t i = 0; i < keys.len; i++) {
		unsigned char key = (unsigned char)keys.ptr[i];

		switch (edit_feed(&edit, key, out)) {
		case EDIT_EVENT_LINE:
			put_line(dst, cap, len);
			break;
		case EDIT_EVENT_HELP:
			edit_insert(&edit, "?", 1, out);
			break;
		case EDIT_EVENT_INTERRUPT:
			return TYPED_EVENT_INTERRUPT;
		case EDIT_EVENT_END:
			return TYPED_EVENT_END;
		case EDIT_EVENT_NONE:
		case EDIT_EVENT_TAB:
			break;
		}
	}
	return TYPED_EVENT_NONE;
}
