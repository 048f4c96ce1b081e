/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Base64 (RFC 4648), as header fields of the Docker API carry JSON. Runs in the api role. Pure.
 */
#include "engine/docker/base64.h"

#include <stdint.h>
#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int base64_digit(char c)
{
	const char *at = c ? strchr(digits, c) : NULL;

	if (c == '-' || c == '_')
		return c == '-' ? 62 : 63;
	return at ? (int)(at - digits) : -1;
}

bool docker_base64_decode(struct str text, struct buf *out)
{
	uint32_t bits = 0;
	unsigned count = 0;

	while (text.len && text.ptr[text.len - 1] == '=')
		text = str_head(text, text.len - 1);
	for (size_t i = 0; i < text.len; i++) {
		int digit = base64_digit(text.ptr[i]);

		if (digit < 0)
			return false;
		bits = bits << 6 | (uint32_t)digit;
		count += 6;
		if (count >= 8) {
			count -= 8;
			(void)buf_add_byte(out, (unsigned char)(bits >> count));
		}
	}
	return !buf_error(out);
}

void docker_base64_encode(struct str bytes, struct buf *out)
{
	for (size_t i = 0; i < bytes.len; i += 3) {
		size_t have = bytes.len - i < 3 ? bytes.len - i : 3;
		uint32_t bits = 0;

		for (size_t k = 0; k < 3; k++)
			bits = bits << 8 | (k < have ? (unsigned char)bytes.ptr[i + k] : 0U);
		for (size_t k = 0; k < 4; k++)
			(void)buf_add_byte(
				out,
				k <= have ? (unsigned char)digits[bits >> (18 - 6 * k) & 63] : '=');
	}
}
