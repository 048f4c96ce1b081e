/* SPDX-License-Identifier: Apache-2.0 */
/* Entry records as pack gets them: each that is taken is written as the same bytes again. */
#include <stdlib.h>
#include "engine/api/entry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct entry entry;
	struct entry_state state = { 0 };
	struct str in = str_make(data, size);
	struct buf out;
	int64_t used;

	buf_init(&out, 1 << 20);
	while (in.len > 0) {
		used = entry_parse(&state, in, &entry, NULL);
		if (used <= 0)
			break;
		if ((size_t)used > in.len)
			abort();
		buf_clear(&out);
		entry_encode(&entry, &out);
		if (!str_eq(buf_str(&out), str_head(in, (size_t)used)))
			abort();
		in = str_skip(in, (size_t)used);
	}
	buf_done(&out);
	return 0;
}
