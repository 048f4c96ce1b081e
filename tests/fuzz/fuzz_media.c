/* SPDX-License-Identifier: Apache-2.0 */
/* The record of confirmed config media: what is read is what was written, and nothing else. */
#include <stdint.h>
#include <string.h>
#include "init/boot_media.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[BOOT_MEDIA_RECORD_MAX];
	struct boot_media_record record;

	if (boot_media_parse(str_make((const char *)data, size), &record, NULL) == 0 &&
	    (boot_media_format(&record, text) != size || memcmp(text, data, size) != 0))
		__builtin_trap();
	return 0;
}
