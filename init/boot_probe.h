/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_BOOT_PROBE_H
#define HOY_INIT_BOOT_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/str.h"

/* What stands on a block device, told from its first bytes; and disk selectors. Pure. */

enum { PROBE_EXT4_AT = 1024, PROBE_EXT4_BYTES = 1024, PROBE_LABEL_MAX = 17 };

struct probe_ext4 {
	char label[PROBE_LABEL_MAX];
	uint64_t blocks;
	uint32_t block_bytes;
	bool clean;	 /* unmounted orderly, no error noted */
	bool has_errors; /* the kernel noted an error */
};

/* A superblock (linux/Documentation/filesystems/ext4/super.rst), 1,024 bytes of it. */
bool probe_ext4(const uint8_t *superblock, struct probe_ext4 *ret_info);

/* The label in a FAT boot sector (512 bytes), blanks at the end cut; false when it is no FAT. */
bool probe_fat(const uint8_t *sector, char ret_label[PROBE_LABEL_MAX]);

/* The serial number there, which formatting chooses (FAT specification, BS_VolID). */
bool probe_fat_serial(const uint8_t *sector, uint32_t *ret_serial);

/* All bytes 0x00, or all 0xff as erased flash reads. */
bool probe_blank(const uint8_t *data, size_t len);

/* hoy.data= and hoy.config=: which device is meant. */
enum probe_by { PROBE_BY_LABEL, PROBE_BY_SERIAL, PROBE_BY_DEVICE, PROBE_BY_NONE };

struct probe_selector {
	enum probe_by by;
	struct str text; /* label, serial number, or device name without "/dev/" */
};

/* -EINVAL for anything that is not one of the four forms. "" gives BY_LABEL of `label`. */
int probe_selector(struct str text, const char *label, struct probe_selector *ret_selector);

#endif
