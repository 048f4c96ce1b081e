/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel command line: any bytes give a layer without control characters inside a line. */
#include <stdint.h>
#include <string.h>
#include "init/boot_cmdline.h"
#include "init/boot_probe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct boot_cmdline cmdline;
	struct probe_selector sel;
	struct boot_layer layer;
	struct str text = str_make(data, size);

	boot_cmdline_parse(text, &cmdline);
	(void)probe_selector(str_from(cmdline.data), "HOY_DATA", &sel);
	boot_layer_init(&layer);
	(void)boot_cmdline_layer(text, &layer);
	for (size_t i = 0; i < BOOT_FILE_COUNT; i++)
		for (size_t k = 0; k < layer.text[i].len; k++)
			if ((unsigned char)layer.text[i].data[k] < ' ' &&
			    layer.text[i].data[k] != '\n')
				__builtin_trap();
	boot_layer_done(&layer);
	return 0;
}
