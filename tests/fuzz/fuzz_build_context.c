/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The call for a build over the API: what is taken, written and read again is the same bytes. Keys
 * that come twice are one pair, so the first bytes may be more.
 */
#include <stdint.h>
#include <stdlib.h>
#include "engine/api/context_msg.h"
#include "lib/own.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool again(struct str body, struct buf *out)
{
	struct arena arena OWN(arena_done) = { 0 };
	struct engine_context context;
	struct wire in;

	arena_init(&arena, 4 << 20);
	wire_init(&in, body.ptr, body.len);
	if (engine_context_get(&in, &arena, &context, NULL) < 0)
		return false;
	engine_context_put(out, &context);
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf one OWN(buf_done) = { 0 }, two OWN(buf_done) = { 0 };

	if (size > 65536)
		return 0;
	buf_init(&one, 1 << 20);
	buf_init(&two, 1 << 20);
	if (!again(str_make(data, size), &one))
		return 0;
	if (one.len > size || !again(buf_str(&one), &two) || !str_eq(buf_str(&one), buf_str(&two)))
		abort();
	return 0;
}
