/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the one way in which foreign bytes reach a terminal or a log. Every role runs it, PID 1
 * included. It must never let a control character, a terminal sequence or a text-direction override
 * through.
 */
#include "lib/str.h"

#include <string.h>

enum { PIECE_MAX = 4 }; /* "\xHH", and the longest UTF-8 sequence */

/* Length of the well-formed UTF-8 sequence at the front (RFC 3629, table in section 4), else 0. */
static size_t utf8_sequence(struct str s, uint32_t *ret_code)
{
	unsigned char first = (unsigned char)s.ptr[0];
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t len = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 0;
	uint32_t code;

	if (len == 0 || first > 0xf4 || len > s.len)
		return 0;
	code = first & (0xffu >> (len + 1));
	for (size_t i = 1; i < len; i++) {
		unsigned char next = (unsigned char)s.ptr[i];

		if ((next & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (next & 0x3f);
	}
	if (code < least[len] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 0;
	*ret_code = code;
	return len;
}

/* C1 controls drive terminals; the others reorder, hide or break what a person reads. */
static bool deceives(uint32_t code)
{
	return code < 0xa0 || (code >= 0x200b && code <= 0x200f) ||
	       (code >= 0x2028 && code <= 0x202e) || (code >= 0x2060 && code <= 0x206f) ||
	       code == 0xfeff || code == 0x061c || code >= 0xe0000;
}

/* Writes the form of what stands at the front into piece, returns how many bytes it consumed. */
static size_t escape_one(struct str s, char piece[PIECE_MAX], size_t *ret_len)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char c = (unsigned char)s.ptr[0];
	uint32_t code;
	size_t len;

	if (c == '\n' || c == '"' || c == '\\') {
		piece[0] = '\\';
		piece[1] = c == '\n' ? 'n' : (char)c;
		*ret_len = 2;
		return 1;
	}
	if (c >= 0x20 && c < 0x7f) {
		piece[0] = (char)c;
		*ret_len = 1;
		return 1;
	}
	len = c >= 0x80 ? utf8_sequence(s, &code) : 0;
	if (len > 0 && !deceives(code)) {
		memcpy(piece, s.ptr, len);
		*ret_len = len;
		return len;
	}
	piece[0] = '\\';
	piece[1] = 'x';
	piece[2] = digits[c >> 4];
	piece[3] = digits[c & 15];
	*ret_len = 4;
	return 1;
}

size_t str_escape(struct str s, char *dst, size_t cap)
{
	static const char dots[] = "...";
	size_t len = 0, safe = 0; /* safe: the last point at which the dots still fit */

	if (cap == 0)
		return 0;
	while (s.len > 0) {
		char piece[PIECE_MAX];
		size_t piece_len, used = escape_one(s, piece, &piece_len);

		if (len + piece_len >= cap) {
			len = safe;
			for (size_t i = 0; dots[i] && len + 1 < cap; i++)
				dst[len++] = dots[i];
			break;
		}
		memcpy(dst + len, piece, piece_len);
		len += piece_len;
		if (len + sizeof(dots) <= cap)
			safe = len;
		s = str_skip(s, used);
	}
	dst[len] = '\0';
	return len;
}
