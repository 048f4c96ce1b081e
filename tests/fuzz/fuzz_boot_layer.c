/* SPDX-License-Identifier: Apache-2.0 */
/* boot.ini of foreign media: nothing of it is lost or doubled by the cutting. */
#include <stdint.h>
#include "init/boot_layer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Lines that are not blank, and their bytes. */
static void measure(struct str text, size_t *lines, size_t *bytes)
{
	struct str line;

	while (str_cut(&text, '\n', &line))
		if (str_trim(line).len > 0) {
			*lines += 1;
			*bytes += line.len;
		}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t lines = 0, bytes = 0, out_lines = 0, out_bytes = 0;
	struct boot_layer layer;
	struct str text = str_make(data, size), rest = text;

	if (size >= 3 && data[0] == 0xef && data[1] == 0xbb && data[2] == 0xbf)
		rest = str_skip(rest, 3);
	boot_layer_init(&layer);
	if (boot_layer_split(text, &layer) == 0) {
		measure(rest, &lines, &bytes);
		for (size_t i = 0; i < BOOT_FILE_COUNT; i++)
			measure(buf_str(&layer.text[i]), &out_lines, &out_bytes);
		if (lines != out_lines || bytes != out_bytes)
			__builtin_trap();
	}
	boot_layer_done(&layer);
	return 0;
}
