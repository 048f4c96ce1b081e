/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What hoy-oci reads with its capabilities: the parser's answer, and (with a checksum made good)
 * its own state file. What is taken is written again as the same bytes.
 */
#include <stdlib.h>
#include <string.h>
#include "engine/bundle/state.h"
#include "lib/sha256.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_answer(const uint8_t *data, size_t size)
{
	struct answer answer;
	struct buf out;

	if (answer_decode(data, size, &answer, NULL) < 0)
		return;
	buf_init(&out, ANSWER_MAX);
	answer_encode(&answer, &out);
	/* The text of an error that is none is not kept. */
	if (size >= 13 && data[8] == 1 && !str_eq(buf_str(&out), str_make(data, size)))
		abort();
	buf_done(&out);
	answer_done(&answer);
}

static void check_state(const uint8_t *data, size_t size)
{
	struct buf in, out;
	struct sha256 ctx;
	struct digest digest;
	struct state state;

	buf_init(&in, STATE_SIZE_MAX);
	buf_add(&in, data, size);
	sha256_init(&ctx);
	sha256_add(&ctx, data, size);
	sha256_end(&ctx, &digest);
	buf_add(&in, digest.bytes, sizeof(digest.bytes));
	if (state_decode(buf_str(&in), &state, NULL) == 0) {
		buf_init(&out, STATE_SIZE_MAX);
		if (state_encode(&state, &out) < 0 || out.len != in.len)
			abort();
		buf_done(&out);
		state_done(&state);
	}
	buf_done(&in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_answer(data, size);
	check_state(data, size);
	(void)state_start_time(str_make(data, size));
	return 0;
}
