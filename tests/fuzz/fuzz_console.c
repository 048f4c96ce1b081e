/* SPDX-License-Identifier: Apache-2.0 */
/* Console input: the editor, the word splitter, log lines, lists of disks. */
#include <stdint.h>
#include <stdlib.h>
#include "init/console/alias.h"
#include "init/console/disks.h"
#include "init/console/edit.h"
#include "init/console/pipe.h"
#include "init/console/words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct edit edit;
	static struct words words;
	struct disks_row row;
	struct pipe_line pipe;
	struct str rest;
	struct buf out;
	char text[64];
	bool is_stderr;

	buf_init(&out, 1 << 16);
	edit_init(&edit, 40);
	edit_begin(&edit, "> ", false, &out);
	for (size_t i = 0; i < size; i++) {
		buf_clear(&out);
		if (edit_feed(&edit, data[i], &out) == EDIT_EVENT_LINE) {
			edit_remember(&edit);
			edit_begin(&edit, "> ", false, &out);
		}
		if (edit.len >= EDIT_LINE_MAX || edit.pos > edit.len)
			abort();
	}
	buf_done(&out);
	if (words_split(str_make(data, size), &words, NULL) >= 0) {
		alias_expand(&words);
		if (words.count > WORDS_MAX || words.items[words.count])
			abort();
	}
	rest = str_make(data, size);
	while (disks_next(&rest, &row))
		if (!row.name.len || row.name.len > size)
			abort();
	if (disks_field(str_make(data, size), "PARTNAME").len > size)
		abort();
	if (log_line_text(str_make(data, size), text, sizeof(text), &is_stderr) >=
	    (int)sizeof(text))
		abort();
	if (pipe_parse(str_make(data, size), &pipe, NULL) == 0 &&
	    (pipe.count > PIPE_MAX || pipe.command.len > size))
		abort();
	if (log_line_time(str_make(data, size)).len > size)
		abort();
	return 0;
}
