/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_BOOT_SEARCH_H
#define HOY_INIT_BOOT_SEARCH_H

#include "init/boot_disk.h"

/* Which device is, or may become, the data partition. */
#define SEARCH_DATA_LABEL "HOY_DATA" /* ext4 label and GPT partition name */
#define SEARCH_ESP_LABEL  "HOY_ESP"  /* GPT name of the partition we boot from */

enum search_verdict {
	SEARCH_NONE,	/* nothing that could be meant is there (yet) */
	SEARCH_FOUND,	/* ret_disk carries the file system, whole or not */
	SEARCH_FORMAT,	/* ret_disk may be formatted: blank, or its formatting was interrupted */
	SEARCH_DAMAGED, /* ret_disk is ours but no file system can be seen */
	SEARCH_REFUSED, /* ret_disk holds something else */
	SEARCH_OFF,	/* hoy.data=none */
};

enum { SEARCH_WHY_MAX = 200, SEARCH_MIN_BYTES = 32 << 20 };

/*
 * Follows the rule of the design: only the free space of the disk that carries our ESP, or a disk
 * without any signature that hoy.data= names, may ever be formatted. Makes the partition in the
 * free space when that is the case. `why` gets a text for a person unless FOUND or FORMAT.
 */
enum search_verdict search_data(struct disk_list *list, const char *selector, struct disk *ret_disk,
				char why[SEARCH_WHY_MAX]);

/* Makes our own partition reach to the end of the free space behind it. True = it grew. */
bool search_grow_partition(struct disk_list *list, const struct disk *partition);

/* The volume with configuration: FAT with this label, or the named device. False = none. */
bool search_config(const struct disk_list *list, const char *selector, struct disk *ret_disk);

#endif
