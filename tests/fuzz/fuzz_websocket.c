/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames of a websocket: whole and byte by byte give the same payload, the same answers and the
 * same end. Its first byte is the room that there is for payload at a time.
 */
#include <stdint.h>
#include <stdlib.h>
#include "engine/docker/websocket.h"
#include "lib/own.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Takes all of it, `step` bytes at a time; false: the protocol was broken. */
static bool run(struct str raw, size_t room, size_t step, struct buf *all, struct buf *out)
{
	struct buf part OWN(buf_done) = { 0 };
	struct websocket ws = { 0 };
	size_t at = 0;

	buf_init(&part, 1 << 16);
	while (at < raw.len) {
		struct str piece = str_skip(raw, at);
		int64_t n =
			websocket_take(&ws, str_head(piece, step < piece.len ? step : piece.len),
				       room, &part, out, NULL);

		if (part.len > room)
			abort();
		(void)buf_add_str(all, buf_str(&part));
		buf_clear(&part);
		if (n < 0)
			return false;
		if (!n)
			abort(); /* nothing moves although there is room */
		at += (size_t)n;
	}
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf all OWN(buf_done) = { 0 }, out OWN(buf_done) = { 0 };
	struct buf all_slow OWN(buf_done) = { 0 }, out_slow OWN(buf_done) = { 0 };
	char accept[WEBSOCKET_ACCEPT_MAX];
	struct str raw;
	bool good;

	if (size < 1 || size > 32768)
		return 0;
	raw = str_make(data + 1, size - 1);
	buf_init(&all, 1 << 17);
	buf_init(&out, 1 << 20);
	buf_init(&all_slow, 1 << 17);
	buf_init(&out_slow, 1 << 20);
	good = run(raw, 65536, raw.len, &all, &out);
	if (good != run(raw, data[0] % 8U + 1, data[0] / 8U + 1, &all_slow, &out_slow) ||
	    !str_eq(buf_str(&all), buf_str(&all_slow)) ||
	    !str_eq(buf_str(&out), buf_str(&out_slow)))
		abort();
	(void)websocket_accept(raw, accept, NULL);
	return 0;
}
