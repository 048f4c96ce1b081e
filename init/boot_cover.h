/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_BOOT_COVER_H
#define HOY_INIT_BOOT_COVER_H

#include "lib/buf.h"
#include "lib/str.h"

/*
 * {u32 count, text...}: a sentence for each key that differs between two texts of the data layer
 * and stands in the config media or on the kernel command line too, which win (conf_cover.h).
 */
void boot_cover_put(struct str from, struct str to, struct buf *out);

#endif
