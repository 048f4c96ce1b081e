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

/* A place for each line of the sections, and nothing behind the notes. */
static void check_places(struct str ini, struct str places)
{
	char text[1024];
	struct wire in;
	uint32_t lines = 0;

	for (size_t i = 0; i < ini.len; i++)
		lines += ini.ptr[i] == '\n';
	wire_init(&in, places.ptr, places.len);
	if (wire_u32(&in) != lines)
		abort();
	for (uint32_t i = 0; i < 2 * lines; i++)
		if (!wire_u32(&in))
			abort();
	for (uint32_t i = wire_u32(&in); i && !in.error; i--) {
		(void)wire_u32(&in);
		(void)wire_u32(&in);
		(void)wire_bool(&in);
		wire_text(&in, text, sizeof(text));
		wire_text(&in, text, sizeof(text));
	}
	if (wire_end(&in) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf ini OWN(buf_done) = { 0 }, notes OWN(buf_done) = { 0 };
	struct buf places OWN(buf_done) = { 0 };
	struct buf again OWN(buf_done) = { 0 }, more OWN(buf_done) = { 0 };
	struct str text = str_make(data, size), rest, line;
	int r;

	if (size > 65536)
		return 0;
	buf_init(&ini, COMPOSE_INI_MAX);
	buf_init(&notes, COMPOSE_NOTES_MAX);
	buf_init(&places, 2 * COMPOSE_PLACES_MAX);
	buf_init(&again, COMPOSE_INI_MAX);
	buf_init(&more, COMPOSE_NOTES_MAX);
	r = compose_convert(text, &ini, &notes, &places, NULL);
	if (compose_convert(text, &again, &more, NULL, NULL) != r ||
	    !str_eq(buf_str(&ini), buf_str(&again)) || !str_eq(buf_str(&notes), buf_str(&more)))
		abort();
	if (r >= 0)
		check_places(buf_str(&ini), buf_str(&places));
	rest = buf_str(&ini);
	while (r >= 0 && str_cut(&rest, '\n', &line)) {
		if (!line_is_ini(line))
			abort();
	}
	return 0;
}
