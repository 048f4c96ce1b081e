/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Compose file as INI: whatever it holds, what comes out is lines that begin a section or are
 * KEY = VALUE, and the same text gives the same lines.
 */
#include <stdint.h>
#include <stdlib.h>
#include "engine/compose/compose.h"
#include "lib/own.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool line_is_ini(struct str line)
{
	return !line.len || (str_starts(line, STR("[service ")) && str_ends(line, STR("]"))) ||
	       (str_find(line, '=') > 0 && line.ptr[0] != '[');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf ini OWN(buf_done) = { 0 }, notes OWN(buf_done) = { 0 };
	struct buf again OWN(buf_done) = { 0 }, more OWN(buf_done) = { 0 };
	struct str text = str_make(data, size), rest, line;
	int r;

	if (size > 65536)
		return 0;
	buf_init(&ini, COMPOSE_INI_MAX);
	buf_init(&notes, COMPOSE_NOTES_MAX);
	buf_init(&again, COMPOSE_INI_MAX);
	buf_init(&more, COMPOSE_NOTES_MAX);
	r = compose_convert(text, &ini, &notes, NULL);
	if (compose_convert(text, &again, &more, NULL) != r ||
	    !str_eq(buf_str(&ini), buf_str(&again)) || !str_eq(buf_str(&notes), buf_str(&more)))
		abort();
	rest = buf_str(&ini);
	while (r >= 0 && str_cut(&rest, '\n', &line)) {
		if (!line_is_ini(line))
			abort();
	}
	return 0;
}
