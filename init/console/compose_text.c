/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns how the sections of a Compose file come into the configuration and go out of it. Pure; run
 * by the console program. Must never touch a section that the file does not name.
 */
#include "init/console/compose_text.h"

#include <errno.h>
#include "init/conf_text.h"
#include "lib/own.h"

/* The name in "[service web]"; false for another line. */
static bool section_of(struct str line, struct str *ret_section)
{
	line = str_trim(line);
	if (line.len < 3 || line.ptr[0] != '[' || line.ptr[line.len - 1] != ']')
		return false;
	*ret_section = str_head(str_skip(line, 1), line.len - 2);
	return true;
}

/* Every section of ini out of the text; how many there were. */
static int take_away(struct buf *text, struct str ini, struct err *err)
{
	struct str line, section;
	int count = 0;

	while (ini.len > 0) {
		struct buf next OWN(buf_done) = { 0 };
		int r;

		(void)str_cut(&ini, '\n', &line);
		if (!section_of(line, &section))
			continue;
		buf_init(&next, CONF_TEXT_MAX);
		r = conf_text_set(buf_str(text), section, STR(""), NULL, 0, &next, err);
		if (r == -ENOENT)
			continue;
		if (r < 0)
			return r;
		buf_clear(text);
		(void)buf_add_str(text, buf_str(&next));
		count++;
	}
	return count;
}

static void put_sections(struct buf *out, struct str ini)
{
	struct str line;

	if (out->len > 0 && out->data[out->len - 1] != '\n')
		(void)buf_add_byte(out, '\n');
	while (ini.len > 0) {
		(void)str_cut(&ini, '\n', &line);
		if (line.len > 0 && line.ptr[0] == '#')
			continue;
		(void)buf_add_str(out, line);
		(void)buf_add_byte(out, '\n');
	}
}

int compose_text(struct str text, struct str ini, bool put, struct buf *out, struct err *err)
{
	int r;

	buf_clear(out);
	(void)buf_add_str(out, text);
	r = take_away(out, ini, err);
	if (r < 0)
		return r;
	if (r == 0 && !put)
		return err_set(err, -ENOENT, "none of its services are in the configuration");
	if (put)
		put_sections(out, ini);
	return buf_error(out) ? err_set(err, -E2BIG, "a configuration has at most %d KiB",
					CONF_TEXT_MAX / 1024)
			      : 0;
}
