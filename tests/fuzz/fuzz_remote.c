/* SPDX-License-Identifier: Apache-2.0 */
/* Words of `hoy -H`: what is taken goes back as it came, and its role is told; heads of frames. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "init/console/remote.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_words(struct str body)
{
	static struct words words;
	struct buf out;
	struct err err = { 0 };

	if (remote_request_get(body, &words, &err) < 0)
		return;
	buf_init(&out, REMOTE_REQUEST_MAX + 8);
	(void)remote_need(&words);
	if (words.count < 1 || words.items[words.count] ||
	    remote_request_put(&out, (char *const *)(uintptr_t)words.items, words.count,
			       &(const struct remote_screen){ 24, 80, true }, &err) < 0 ||
	    out.len != body.len + 4 + REMOTE_SCREEN_SIZE ||
	    memcmp(out.data + 4, body.ptr, body.len) != 0)
		abort();
	if (remote_may(&words, GATE_ROLE_READER, &err) >= 0 &&
	    remote_may(&words, GATE_ROLE_ADMIN, &err) < 0)
		abort();
	buf_done(&out);
}

/* What a client sends: never more is wanted than there is room, never nothing while it goes on. */
static void check_input(const uint8_t *data, size_t size)
{
	struct remote_input input = { 0 };
	size_t at = 0;

	while (at < size && !input.over) {
		size_t want = remote_input_want(&input, 1 + data[at] % 64);
		uint8_t *bytes;
		int got;

		if (!want || want > 64)
			abort();
		want = want < size - at ? want : size - at;
		bytes = malloc(want); /* not a byte behind them is looked at */
		if (!bytes)
			abort();
		memcpy(bytes, data + at, want);
		got = remote_input_take(&input, bytes, want, NULL);
		free(bytes);
		if (got < 0)
			return;
		at += want;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum remote_frame kind;
	struct err err = { 0 };
	size_t length;

	check_words(str_make((const char *)data, size));
	check_input(data, size);
	if (size >= 4 && remote_request_size(data, &length, &err) >= 0 &&
	    (length < 2 || length > REMOTE_REQUEST_MAX))
		abort();
	if (size >= REMOTE_HEAD_SIZE && remote_head_get(data, &kind, &length, &err) >= 0 &&
	    length > REMOTE_FRAME_MAX)
		abort();
	return 0;
}
