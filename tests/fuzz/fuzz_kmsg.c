/* SPDX-License-Identifier: Apache-2.0 */
/* Records of the kernel's log: programs may write into it too. */
#include <stdint.h>
#include "init/unit/kmsg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ring_line line;

	if (!kmsg_parse(str_make((const char *)data, size), &line))
		return 0;
	if (line.len > RING_TEXT_MAX || line.text[line.len] != '\0' || line.prio > 7)
		__builtin_trap();
	for (size_t i = 0; i < line.len; i++)
		if ((unsigned char)line.text[i] < ' ' || (unsigned char)line.text[i] >= 0x7f)
			__builtin_trap();
	return 0;
}
