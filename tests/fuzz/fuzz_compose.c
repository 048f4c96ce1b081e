/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compose files as INI: whatever they hold, what comes out is lines that begin a section or are
 * KEY = VALUE, and the same text gives the same lines. Lines "--- PATH" part an input into files.
 */
#include <stdint.h>
#include <stdlib.h>
#include "engine/compose/compose.h"
#include "lib/own.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool line_is_ini(struct str line)
{
	return !line.len ||
	       ((str_starts(line, STR("[service ")) || str_starts(line, STR("[bridge "))) &&
		str_ends(line, STR("]"))) ||
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
	for (uint32_t i = wire_u32(&in); i && !in.error; i--)
		(void)wire_str(&in, COMPOSE_PATH_MAX);
	if (wire_u32(&in) != lines)
		abort();
	for (uint32_t i = 0; i < 3 * lines; i++)
		if (!wire_u32(&in) && i % 3)
			abort();
	for (uint32_t i = wire_u32(&in); i && !in.error; i--) {
		(void)wire_u32(&in);
		(void)wire_u32(&in);
		(void)wire_u32(&in);
		(void)wire_bool(&in);
		wire_text(&in, text, sizeof(text));
		wire_text(&in, text, sizeof(text));
	}
	if (wire_end(&in) < 0)
		abort();
}

/* The files of the input; the first is /app/compose.yaml, and what is wanted is not there. */
static void put_files(struct compose_request *request, struct str text)
{
	struct str path = STR("/app/compose.yaml"), line, rest = text, bytes = { text.ptr, 0 };
	char shown[COMPOSE_PATH_MAX + 1];

	request->named = 1;
	while (str_cut(&rest, '\n', &line)) {
		if (!str_starts(line, STR("--- /")) ||
		    str_copy(str_skip(line, 4), shown, sizeof(shown)) < 0) {
			bytes.len = (size_t)(line.ptr + line.len - bytes.ptr);
			continue;
		}
		(void)compose_request_add(request, path, bytes, NULL, NULL);
		path = str_skip(line, 4);
		bytes = str_make(rest.ptr ? rest.ptr : line.ptr, 0);
	}
	(void)compose_request_add(request, path, bytes, NULL, NULL);
}

/* As a caller does it: what is wanted is said not to be there. */
static int convert(struct str text, struct compose_result *result)
{
	struct compose_request request OWN(compose_request_done) = { 0 };
	struct err why = { 0 };
	int r = 0;

	compose_request_init(&request);
	put_files(&request, text);
	err_set(&why, -2, "not there");
	for (unsigned round = 0; round <= COMPOSE_ROUNDS_MAX; round++) {
		struct buf body OWN(buf_done) = { 0 };
		struct wire in;
		uint32_t wanted;

		compose_result_done(result);
		compose_result_init(result);
		buf_init(&body, COMPOSE_BODY_MAX);
		compose_request_encode(&request, &body);
		r = compose_convert(buf_str(&body), result, NULL);
		wire_init(&in, result->wanted.data, result->wanted.len);
		wanted = r < 0 ? 0 : wire_u32(&in);
		if (!wanted)
			return r;
		while (wanted--)
			if (compose_request_add(&request, wire_str(&in, COMPOSE_PATH_MAX), STR(""),
						&why, NULL) < 0)
				return -1;
	}
	return -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct compose_result first OWN(compose_result_done) = { 0 };
	struct compose_result second OWN(compose_result_done) = { 0 };
	struct str text = str_make(data, size), rest, line;
	int r;

	if (size > 65536)
		return 0;
	r = convert(text, &first);
	if (convert(text, &second) != r || !str_eq(buf_str(&first.ini), buf_str(&second.ini)) ||
	    !str_eq(buf_str(&first.notes), buf_str(&second.notes)))
		abort();
	if (r < 0)
		return 0;
	check_places(buf_str(&first.ini), buf_str(&first.places));
	rest = buf_str(&first.ini);
	while (str_cut(&rest, '\n', &line))
		if (!line_is_ini(line))
			abort();
	return 0;
}
