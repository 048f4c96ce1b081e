/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of the mount table: names in them are chosen by whoever mounted. */
#include <stdint.h>
#include "init/boot_mounts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct boot_mount mount;

	if (boot_mounts_parse(str_make(data, size), &mount) &&
	    (mount.target[0] == '\0' || mount.type[0] == '\0'))
		__builtin_trap();
	return 0;
}
