/* SPDX-License-Identifier: Apache-2.0 */
/* What the reader takes, the writer writes so that the reader takes it again, and the same. */
#include <stdlib.h>
#include "engine/json/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_value(const struct json *value, struct buf *out)
{
	struct json_writer w;

	buf_init(out, 32 << 20);
	json_writer_init(&w, out);
	json_put_value(&w, value);
	if (buf_error(out) && buf_error(out) != -75 /* EOVERFLOW: at the depth limit */)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json_doc doc = { 0 }, again = { 0 };
	struct buf one, two;

	if (json_parse(str_make(data, size), JSON_TEXT_MAX, &doc, NULL) < 0)
		return 0;
	write_value(doc.root, &one);
	if (!buf_error(&one) && one.len <= JSON_TEXT_MAX) {
		if (json_parse(buf_str(&one), JSON_TEXT_MAX, &again, NULL) < 0)
			abort();
		write_value(again.root, &two);
		if (!str_eq(buf_str(&one), buf_str(&two)))
			abort();
		buf_done(&two);
		json_done(&again);
	}
	buf_done(&one);
	json_done(&doc);
	return 0;
}
