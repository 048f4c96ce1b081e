/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_BOOT_GPT_H
#define HOY_INIT_BOOT_GPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/err.h"

/*
 * GUID partition table in memory (UEFI specification 2.10, chapter 5.3). Only tables of 128-byte
 * entries, at most 256 of them, are understood; any other is left alone with an error. All sector
 * numbers are in units of the disk's logical sector.
 */
enum {
	GPT_ENTRY_BYTES = 128,
	GPT_ENTRIES_MAX = 256,
	GPT_TABLE_MAX = GPT_ENTRY_BYTES * GPT_ENTRIES_MAX,
	GPT_HEADER_BYTES = 92,
	GPT_NAME_MAX = 37,
	GPT_ALIGN_BYTES = 1 << 20,
};

struct gpt_guid {
	uint8_t bytes[16]; /* as on disk */
};

extern const struct gpt_guid gpt_type_esp;
extern const struct gpt_guid gpt_type_data; /* ours: type of the data partition */

struct gpt {
	uint32_t sector_bytes;
	uint64_t disk_sectors;
	uint64_t first_usable, last_usable;
	uint32_t count; /* entries in the table */
	struct gpt_guid disk;
	uint8_t table[GPT_TABLE_MAX];
};

struct gpt_entry {
	struct gpt_guid type, unique;
	uint64_t first, last;	 /* both inclusive */
	char name[GPT_NAME_MAX]; /* other than printable ASCII as '?' */
};

/* Where the table of a header stands: for reading it before gpt_parse(). Checks the header's own
 * checksum. -EBADMSG when it is no valid header for that place. */
int gpt_parse_header(const uint8_t *header, uint32_t sector_bytes, uint64_t disk_sectors,
		     uint64_t header_lba, uint64_t *ret_table_lba, uint32_t *ret_table_bytes,
		     struct err *err);
/* Header and table together; refuses overlapping entries and entries outside the usable range. */
int gpt_parse(struct gpt *gpt, const uint8_t *header, uint32_t sector_bytes, uint64_t disk_sectors,
	      uint64_t header_lba, const uint8_t *table, struct err *err);

/* Entry i (0-based; partition number i + 1); false when it is unused. */
bool gpt_entry(const struct gpt *gpt, uint32_t i, struct gpt_entry *ret_entry);
/* Index of the first entry with this type (and name, unless NULL), -1 when there is none. */
int gpt_find(const struct gpt *gpt, const struct gpt_guid *type, const char *name);

/* Moves the end of the usable range to the end of the disk (it may have grown). True = changed. */
bool gpt_stretch(struct gpt *gpt);
/* The largest free range, both ends at 1 MiB alignment; false when there is none. */
bool gpt_free_largest(const struct gpt *gpt, uint64_t *ret_first, uint64_t *ret_last);
/* Last sector that entry i could end at: before a 1 MiB boundary, never below its own end. */
uint64_t gpt_free_end(const struct gpt *gpt, uint32_t i);
/* Adds a partition in a free range; index, -ENOSPC when the table is full. */
int gpt_add(struct gpt *gpt, const struct gpt_guid *type, const struct gpt_guid *unique,
	    uint64_t first, uint64_t last, const char *name, struct err *err);
void gpt_set_last(struct gpt *gpt, uint32_t i, uint64_t last);

/* Sectors that the table takes on disk. */
uint64_t gpt_table_sectors(const struct gpt *gpt);
/*
 * The header sector (sector_bytes long) of the primary (at sector 1, table at 2) or the backup
 * (last sector, table right before it). The table's bytes are gpt->table, count * 128 of them.
 */
void gpt_build_header(const struct gpt *gpt, bool backup, uint8_t *header);

/* Corrects the size in the protective MBR (sector 0, 512 bytes); false when it has no such entry or
 * is right already. */
bool gpt_fix_mbr(uint8_t *sector, uint64_t disk_sectors);

uint32_t gpt_crc32(const uint8_t *data, size_t len);

#endif
