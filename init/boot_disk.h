/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_BOOT_DISK_H
#define HOY_INIT_BOOT_DISK_H

#include <stdbool.h>
#include <stdint.h>
#include "init/boot_gpt.h"
#include "init/boot_probe.h"
#include "lib/err.h"

/* The block devices of the machine, and reading and writing them below any file system. */

enum { DISK_NAME_MAX = 32, DISKS_MAX = 128, DISK_SERIAL_MAX = 64 };

struct disk {
	char name[DISK_NAME_MAX];   /* "vda", "nvme0n1p2" */
	char parent[DISK_NAME_MAX]; /* whole disk of a partition, "" for a whole disk */
	char serial[DISK_SERIAL_MAX];
	uint32_t partition;   /* 0 = whole disk */
	uint64_t start_bytes; /* of a partition */
	uint64_t bytes;
	uint32_t sector_bytes;
	bool read_only;
	bool carried; /* removable, on USB, or read-only: people bring it */
};

struct disk_list {
	struct disk disks[DISKS_MAX];
	size_t count;
};

/* Lists what /sys/class/block shows, sorted by name; loop, ram and zero-sized devices left out. */
int disk_list_read(struct disk_list *list, struct err *err);
const struct disk *disk_find(const struct disk_list *list, const char *name);

/* "/dev/NAME" in dst. */
const char *disk_path(const char *name, char dst[DISK_NAME_MAX + 8]);

/* Opens the device; flags O_RDONLY or O_RDWR. */
int disk_open(const char *name, int flags, struct err *err);
/* Exactly len bytes at offset. */
int disk_read(int fd, uint64_t offset, void *dst, size_t len, struct err *err);
/* Exactly len bytes at offset, durable when it returns. */
int disk_write(int fd, uint64_t offset, const void *data, size_t len, struct err *err);

/* The ext4 file system of the device; false when there is none or it cannot be read. */
bool disk_ext4(const char *name, struct probe_ext4 *ret_info);
bool disk_fat_label(const char *name, char ret_label[PROBE_LABEL_MAX]);
/* The serial number that formatting gave to a FAT volume. */
bool disk_fat_serial(const char *name, uint32_t *ret_serial);
/*
 * 1 = nothing is there (the first and the last MiB are blank), 0 = something is. The last 64 KiB
 * belong to the format mark and do not count.
 */
int disk_blank(const struct disk *disk, struct err *err);

/*
 * The format mark: 16 bytes in the last 64 KiB of the device, outside of the file system, while
 * mke2fs works. A device that carries it was never used: making it anew loses nothing.
 */
enum { DISK_MARK_ZONE_BYTES = 65536 };
int disk_mark_set(const struct disk *disk, uint64_t start_bytes, uint64_t bytes, bool on,
		  struct err *err);
bool disk_mark_get(const struct disk *disk);

/*
 * The partition table of a whole disk: the primary, or the backup where the primary is broken.
 * Writing puts the backup first and syncs, then the primary: whatever moment the power fails, one
 * of the two is whole. -EBADMSG when there is no usable table.
 */
int disk_gpt_read(const struct disk *disk, struct gpt *ret_gpt, struct err *err);
int disk_gpt_write(const struct disk *disk, const struct gpt *gpt, struct err *err);

/* Tells the kernel about one new or grown partition (number from 1). */
int disk_partition_add(const struct disk *disk, uint32_t number, uint64_t start, uint64_t bytes,
		       struct err *err);
int disk_partition_resize(const struct disk *disk, uint32_t number, uint64_t start, uint64_t bytes,
			  struct err *err);

#endif
