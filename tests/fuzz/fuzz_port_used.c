/* SPDX-License-Identifier: Apache-2.0 */
/* A file of /proc/net: read as it is; the ports it names are found again when it is written anew.
 */
#include <stdio.h>
#include <string.h>
#include "netd/container/port_used.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct port_used first, again;
	char line[64];

	memset(&first, 0, sizeof(first));
	memset(&again, 0, sizeof(again));
	port_used_note(&first, str_make((const char *)data, size));
	for (unsigned port = 0; port <= UINT16_MAX; port++) {
		if (!port_used_has(&first, (uint16_t)port))
			continue;
		snprintf(line, sizeof(line), "   0: 0100007F:%04X 00000000:0000 0A\n", port);
		port_used_note(&again, str_make(line, strlen(line)));
	}
	if (memcmp(first.bits, again.bits, sizeof(first.bits)) != 0)
		__builtin_trap();
	return 0;
}
