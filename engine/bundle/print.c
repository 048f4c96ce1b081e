/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns stdout. Runs in the commands. It must never print half of an answer and say nothing.
 */
#include "engine/bundle/print.h"

#include <errno.h>
#include <unistd.h>
#include "lib/fs.h"
#include "lib/own.h"

enum { PRINT_MAX = 32 << 20 };

int print_text(const struct buf *text, struct err *err)
{
	if (buf_error(text))
		return err_sys(err, buf_error(text), "the answer");
	return fs_write_fd(STDOUT_FILENO, text->data, text->len, err);
}

static void new_line(struct buf *out, unsigned depth)
{
	buf_add_byte(out, '\n');
	while (depth-- > 0)
		buf_add_text(out, "  ");
}

void print_indented(struct str json, struct buf *out)
{
	bool text = false;
	unsigned depth = 0;

	for (size_t i = 0; i < json.len; i++) {
		char c = json.ptr[i];
		char next = i + 1 < json.len ? json.ptr[i + 1] : '\0';

		if (!text && (c == '}' || c == ']'))
			new_line(out, --depth);
		buf_add_byte(out, (unsigned char)c);
		if (text) {
			if (c == '\\')
				buf_add_byte(out, (unsigned char)json.ptr[++i]);
			text = c != '"';
		} else if (c == '"') {
			text = true;
		} else if ((c == '{' && next == '}') || (c == '[' && next == ']')) {
			buf_add_byte(out, (unsigned char)json.ptr[++i]);
		} else if (c == '{' || c == '[') {
			new_line(out, ++depth);
		} else if (c == ',') {
			new_line(out, depth);
		} else if (c == ':') {
			buf_add_byte(out, ' ');
		}
	}
	buf_add_byte(out, '\n');
}

int print_json(const struct buf *json, struct err *err)
{
	struct buf out OWN(buf_done) = { 0 };

	if (buf_error(json))
		return err_sys(err, buf_error(json), "the answer");
	buf_init(&out, PRINT_MAX);
	print_indented(buf_str(json), &out);
	return print_text(&out, err);
}
