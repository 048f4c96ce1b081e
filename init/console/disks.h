/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_CONSOLE_DISKS_H
#define HOY_INIT_CONSOLE_DISKS_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/str.h"

/* What the kernel says of block devices, pure. */
struct disks_row {
	struct str name; /* "vda", "vda1" */
	uint64_t bytes;
};

/* One row of /proc/partitions after another; heads and what is no row are passed over. */
bool disks_next(struct str *rest, struct disks_row *ret_row);
/* The value behind NAME= in a uevent of /sys; empty where it has none. */
struct str disks_field(struct str uevent, const char *name);

#endif
