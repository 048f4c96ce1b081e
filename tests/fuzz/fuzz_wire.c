/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wire reader: the first half of the input says which fields are read, the second is the body.
 * Slices stay within the body, and after an error everything is zero or empty.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "lib/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool good)
{
	if (!good)
		abort();
}

static void check_slice(struct str s, const uint8_t *body, size_t len, size_t max, bool failed)
{
	require(s.len <= max);
	require(!failed || s.len == 0);
	require(s.len == 0 ||
		((const uint8_t *)s.ptr >= body && (const uint8_t *)s.ptr + s.len <= body + len));
}

static void read_field(struct wire *in, uint8_t op, const uint8_t *body, size_t len)
{
	bool failed = in->error != 0;
	size_t max = (size_t)(op >> 4) * 3;
	char text[48];
	struct str s;

	switch (op & 15) {
	case 0:
		require(wire_u8(in) == 0 || !failed);
		break;
	case 1:
		require(wire_u16(in) == 0 || !failed);
		break;
	case 2:
		require(wire_u32(in) == 0 || !failed);
		break;
	case 3:
		require(wire_u64(in) == 0 || !failed);
		break;
	case 4:
		require(wire_i64(in) == 0 || !failed);
		break;
	case 5:
		require(!wire_bool(in) || !failed);
		break;
	case 6:
		s = wire_str(in, max);
		check_slice(s, body, len, max, failed);
		require(s.len == 0 || !memchr(s.ptr, '\0', s.len));
		break;
	case 7:
		check_slice(wire_blob(in, max), body, len, max, failed);
		break;
	case 8:
		wire_text(in, text, max < sizeof(text) ? max : sizeof(text));
		require(max == 0 || strlen(text) < max);
		break;
	case 9:
		wire_bytes(in, text, max < sizeof(text) ? max : sizeof(text));
		break;
	default:
		require(wire_count(in, (uint32_t)max) <= max);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t half = size / 2;
	struct wire in;

	wire_init(&in, data + half, size - half);
	for (size_t i = 0; i < half; i++) {
		int before = in.error;

		read_field(&in, data[i], data + half, size - half);
		require(in.left <= size - half);
		require(before == 0 || in.error == before);
	}
	require(wire_end(&in) <= 0);
	require(in.error == 0 || wire_end(&in) < 0);
	return 0;
}
