/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exit codes and JSON for scripts. Runs in the console program. Pure: must never let a byte out
 * that is not valid JSON.
 */
#include "init/console/script.h"
#include <errno.h>

enum script_exit script_exit_code(int result)
{
	switch (result < 0 ? -result : 0) {
	case 0:
		return SCRIPT_EXIT_OK;
	case EINVAL:
	case EBADMSG:
	case E2BIG:
		return SCRIPT_EXIT_USAGE;
	case ENOENT:
	case ESRCH:
		return SCRIPT_EXIT_MISSING;
	case ENODEV:
	case EPIPE:
	case ECONNREFUSED:
	case ECONNRESET:
	case ETIMEDOUT:
		return SCRIPT_EXIT_AWAY;
	case EPERM:
	case EACCES:
		return SCRIPT_EXIT_DENIED;
	case EAGAIN:
	case EBUSY:
		return SCRIPT_EXIT_BUSY;
	default:
		return SCRIPT_EXIT_FAILED;
	}
}

/* Length of the UTF-8 character at the start of text (RFC 3629), 0 = none. */
static size_t utf8_len(struct str text)
{
	const unsigned char *s = (const unsigned char *)text.ptr;
	size_t len = s[0] < 0x80		   ? 1
		     : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
		     : s[0] < 0xe0		   ? 0
		     : s[0] < 0xf0		   ? 3
		     : s[0] < 0xf5		   ? 4
						   : 0;

	if (!len || len > text.len)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	}
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return len;
}

void script_put_string(struct buf *out, struct str text)
{
	(void)buf_add_byte(out, '"');
	while (text.len) {
		unsigned char byte = (unsigned char)text.ptr[0];
		size_t len = utf8_len(text);

		if (byte == '"' || byte == '\\')
			(void)buf_printf(out, "\\%c", byte);
		else if (byte < 0x20 || byte == 0x7f)
			(void)buf_printf(out, "\\u%04x", byte);
		else if (!len)
			(void)buf_add_text(out, "\\ufffd");
		else
			(void)buf_add_str(out, str_head(text, len));
		text = str_skip(text, len ? len : 1);
	}
	(void)buf_add_byte(out, '"');
}

static void put_name(struct buf *out, const char *name)
{
	if (out->len && out->data[out->len - 1] != '{')
		(void)buf_add_byte(out, ',');
	script_put_string(out, str_from(name));
	(void)buf_add_byte(out, ':');
}

void script_put_text(struct buf *out, const char *name, const char *text)
{
	put_name(out, name);
	script_put_string(out, str_from(text));
}

void script_put_number(struct buf *out, const char *name, int64_t number)
{
	put_name(out, name);
	(void)buf_printf(out, "%lld", (long long)number);
}

void script_put_bool(struct buf *out, const char *name, bool value)
{
	put_name(out, name);
	(void)buf_add_text(out, value ? "true" : "false");
}
