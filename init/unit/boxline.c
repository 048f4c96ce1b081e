/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the lines of a container's log, as the engine's shim writes them. Pure; the console and role
 * syslog read what containers wrote with it. Must never believe that a line is whole.
 */
#include "init/unit/boxline.h"

#include <errno.h>
#include <string.h>

/* Code point to UTF-8; returns the bytes. */
static size_t put_utf8(uint32_t code, char *dst)
{
	if (code < 0x80) {
		dst[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		dst[0] = (char)(0xc0 | code >> 6);
		dst[1] = (char)(0x80 | (code & 0x3f));
		return 2;
	}
	dst[0] = (char)(0xe0 | code >> 12);
	dst[1] = (char)(0x80 | (code >> 6 & 0x3f));
	dst[2] = (char)(0x80 | (code & 0x3f));
	return 3;
}

/* One escape at line[*i] == '\\'; returns the bytes written, or -EBADMSG. */
static int unescape(struct str line, size_t *i, char *dst)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *hit;
	uint8_t code[2];

	if (*i + 1 >= line.len)
		return -EBADMSG;
	hit = strchr(from, line.ptr[*i + 1]);
	if (hit && *hit) {
		*dst = to[hit - from];
		*i += 1;
		return 1;
	}
	if (line.ptr[*i + 1] != 'u' || *i + 5 >= line.len ||
	    str_unhex(str_make(line.ptr + *i + 2, 4), code, 2) < 0)
		return -EBADMSG;
	*i += 5;
	return (int)put_utf8((uint32_t)code[0] << 8 | code[1], dst);
}

int boxline_text(struct str line, char *dst, size_t cap, bool *ret_stderr)
{
	static const char head[] = "{\"log\":\"";
	size_t at = 0, i = sizeof(head) - 1;

	if (!str_starts(line, str_from(head)))
		return -EBADMSG;
	for (; i < line.len && line.ptr[i] != '"'; i++) {
		int n = 1;

		if (at + 4 >= cap)
			continue; /* what does not fit is left out; the rest is still checked */
		if (line.ptr[i] == '\\')
			n = unescape(line, &i, dst + at);
		else
			dst[at] = line.ptr[i];
		if (n < 0)
			return n;
		at += (size_t)n;
	}
	if (i >= line.len)
		return -EBADMSG;
	*ret_stderr = str_starts(str_skip(line, i), STR("\",\"stream\":\"stderr\""));
	dst[at] = 0;
	return (int)at;
}

struct str boxline_time(struct str line)
{
	static const char head[] = "\"time\":\"";
	size_t end = line.len, start, n = sizeof(head) - 1;

	if (!str_ends(line, STR("\"}")))
		return (struct str){ 0 };
	end -= 2;
	for (start = end; start > 0 && line.ptr[start - 1] != '"'; start--)
		;
	if (start < n || memcmp(line.ptr + start - n, head, n) != 0)
		return (struct str){ 0 };
	return str_make(line.ptr + start, end - start);
}
