/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_BOOT_PSTORE_H
#define HOY_INIT_BOOT_PSTORE_H

#include <stddef.h>
#include "lib/str.h"

/*
 * What the last session left in pstore: why PID 1 reset the machine (fault.h), or what the kernel
 * died of. dst gets one line for people, "" for nothing; say() each line of the kernel's last words
 * from the one that names the fault on, at most PSTORE_LINES_MAX. Removes the records: whatever
 * they say is the caller's now.
 */
enum { PSTORE_LINES_MAX = 60 };

void boot_pstore_read(int dir_fd, char *dst, size_t cap, void (*say)(struct str line));

#endif
