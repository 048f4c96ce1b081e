/* SPDX-License-Identifier: Apache-2.0 */
/*
 * .gitmodules, as far as a checkout needs it: which path comes from which URL. Pure; runs in the
 * unpack role. Must never read more of git's configuration language than plain values.
 */
#include <errno.h>
#include <string.h>
#include "engine/git/tree.h"
#include "lib/own.h"

/* "key = value", the value perhaps in quotes; comments behind it go. */
static bool read_line(struct str line, struct str *ret_key, struct str *ret_value)
{
	struct str value = line, key;

	if (str_find(line, '=') < 0)
		return false;
	(void)str_cut(&value, '=', &key);
	value = str_trim(value);
	if (value.len > 0 && value.ptr[0] == '"') {
		ptrdiff_t end = str_find(str_skip(value, 1), '"');

		value = end < 0 ? (struct str){ 0 } : str_head(str_skip(value, 1), (size_t)end);
	} else {
		for (size_t i = 0; i < value.len; i++)
			if (value.ptr[i] == '#' || value.ptr[i] == ';')
				value.len = i;
		value = str_trim(value);
	}
	*ret_key = str_trim(key);
	*ret_value = value;
	return true;
}

int git_module_url(struct str file, struct str path, struct arena *arena, const char **ret,
		   struct err *err)
{
	struct str line, key, value, url = { 0 }, here = { 0 }, found = { 0 };

	while (file.len > 0) {
		(void)str_cut(&file, '\n', &line);
		while (line.len > 0 && (line.ptr[line.len - 1] == '\r'))
			line.len--;
		line = str_trim(line);
		if (line.len == 0 || line.ptr[0] == '#' || line.ptr[0] == ';')
			continue;
		if (line.ptr[0] == '[') {
			url = here = (struct str){ 0 };
			continue;
		}
		if (!read_line(line, &key, &value))
			continue;
		if (str_is_nocase(key, "path"))
			here = value;
		else if (str_is_nocase(key, "url"))
			url = value;
		if (here.len > 0 && url.len > 0 && str_eq(here, path))
			found = url;
	}
	*ret = memchr(found.ptr ? found.ptr : "", 0, found.len) ? NULL : arena_text(arena, found);
	return *ret ? 0 : err_set(err, -EBADMSG, "git: .gitmodules is malformed");
}
