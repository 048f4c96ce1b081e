/* SPDX-License-Identifier: Apache-2.0 */
/* Console input: the editor, the word splitter, log lines, lists of disks, run's words and frames.
 */
#include <stdint.h>
#include <stdlib.h>
#include "init/console/alias.h"
#include "init/console/disks.h"
#include "init/console/edit.h"
#include "init/console/pipe.h"
#include "init/console/run_words.h"
#include "init/console/words.h"
#include "init/unit/boxline.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Each line of the section is a key: no word of a person's becomes one of its own. */
static void try_run(const struct words *words)
{
	struct run_wish wish;
	struct str rest, line;
	struct buf out;

	buf_init(&out, RUN_SECTION_MAX);
	if (run_words_parse(words, &wish, &out, NULL) >= 0) {
		rest = buf_str(&out);
		if (!str_cut(&rest, '\n', &line) || !str_is(line, "[service run]"))
			abort();
		while (rest.len && str_cut(&rest, '\n', &line))
			if (str_find(line, '=') < 1 || line.ptr[0] < 'a' || line.ptr[0] > 'z')
				abort();
	}
	buf_done(&out);
}

static void try_frames(struct str bytes)
{
	struct run_frames frames = { .stream = 0 };
	size_t taken = 0, all = bytes.len;
	struct str piece;
	int stream = 0;

	while (bytes.len && run_frames_next(&frames, &bytes, &piece, &stream, NULL) >= 0) {
		taken += piece.len;
		if (piece.len && (stream < 1 || stream > 2))
			abort();
	}
	if (taken > all)
		abort();
}

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
		try_run(&words);
		alias_expand(&words);
		if (words.count > WORDS_MAX || words.items[words.count])
			abort();
	}
	try_frames(str_make(data, size));
	rest = str_make(data, size);
	while (disks_next(&rest, &row))
		if (!row.name.len || row.name.len > size)
			abort();
	if (disks_field(str_make(data, size), "PARTNAME").len > size)
		abort();
	if (boxline_text(str_make(data, size), text, sizeof(text), &is_stderr) >= (int)sizeof(text))
		abort();
	if (pipe_parse(str_make(data, size), &pipe, NULL) == 0 &&
	    (pipe.count > PIPE_MAX || pipe.command.len > size))
		abort();
	if (boxline_time(str_make(data, size)).len > size)
		abort();
	return 0;
}
