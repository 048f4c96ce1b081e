/* SPDX-License-Identifier: Apache-2.0 */
/* What is said of a text that is no JSON: of one that the reader takes nothing is said. */
#include <stdint.h>
#include <stdlib.h>
#include "engine/docker/json_fault.h"
#include "engine/json/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_make((const char *)data, size);
	char words[JSON_FAULT_MAX];
	struct json_doc doc = { 0 };
	bool taken = json_parse(text, JSON_TEXT_MAX, &doc, NULL) >= 0;

	if (json_fault(text, words) && taken)
		abort();
	json_done(&doc);
	return 0;
}
