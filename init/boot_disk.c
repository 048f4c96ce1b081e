/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns block devices below the file systems. Runs in init's disk role, never in PID 1: a dying disk
 * may block any call here for minutes. Must never write to a device its caller did not choose.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/blkpg.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "init/boot_disk.h"
#include "lib/fs.h"
#include "lib/own.h"

static const uint8_t mark[16] = "HOY unfinished\n";

/* One attribute below /sys/class/block, blanks cut; "" when it is not there. */
static void attribute(int sys_fd, const char *name, const char *what, char *dst, size_t cap)
{
	char path[128];
	struct buf text;
	struct str value;

	buf_init(&text, 4096);
	snprintf(path, sizeof(path), "%s/%s", name, what);
	dst[0] = '\0';
	if (fs_read(sys_fd, path, FS_HOST, 4096, &text, NULL) == 0) {
		value = buf_str(&text);
		while (value.len > 0 && (unsigned char)value.ptr[value.len - 1] <= ' ')
			value.len--;
		if (str_copy(str_trim(value), dst, cap) < 0)
			dst[0] = '\0';
	}
	buf_done(&text);
}

static uint64_t attribute_number(int sys_fd, const char *name, const char *what)
{
	char text[32];
	uint64_t value = 0;

	attribute(sys_fd, name, what, text, sizeof(text));
	if (str_to_u64(str_from(text), 0, UINT64_MAX, &value) < 0)
		return 0;
	return value;
}

/* "DEVNAME=vda" of the directory above a partition's. */
static void parent_name(int sys_fd, const char *name, char *dst, size_t cap)
{
	char text[1024];
	struct str rest, line;

	attribute(sys_fd, name, "../uevent", text, sizeof(text));
	rest = str_from(text);
	dst[0] = '\0';
	while (str_cut(&rest, '\n', &line))
		if (str_starts(line, STR("DEVNAME=")))
			str_copy(str_skip(line, 8), dst, cap);
}

/* In sysfs the USB interface is three above the SCSI device: interface, host, target, device. */
static bool is_carried(int sys_fd, const struct disk *disk)
{
	const char *whole = disk->partition != 0 ? "../" : "";
	char path[128];

	if (disk->read_only)
		return true;
	snprintf(path, sizeof(path), "%sremovable", whole);
	if (attribute_number(sys_fd, disk->name, path) != 0)
		return true;
	snprintf(path, sizeof(path), "%s/%sdevice/../../../bInterfaceClass", disk->name, whole);
	return fs_exists(sys_fd, path, FS_HOST);
}

static int list_entry(int sys_fd, const char *name, unsigned char type, void *owner,
		      struct err *err)
{
	struct disk_list *list = owner;
	struct disk *disk = &list->disks[list->count];

	(void)type;
	(void)err;
	if (list->count == DISKS_MAX || strlen(name) >= DISK_NAME_MAX ||
	    strncmp(name, "loop", 4) == 0 || strncmp(name, "ram", 3) == 0)
		return 0;
	*disk = (struct disk){ .sector_bytes = 512 };
	snprintf(disk->name, sizeof(disk->name), "%s", name);
	disk->bytes = attribute_number(sys_fd, name, "size") * 512;
	disk->partition = (uint32_t)attribute_number(sys_fd, name, "partition");
	disk->read_only = attribute_number(sys_fd, name, "ro") != 0;
	if (disk->partition != 0) {
		parent_name(sys_fd, name, disk->parent, sizeof(disk->parent));
		disk->start_bytes = attribute_number(sys_fd, name, "start") * 512;
		disk->sector_bytes =
			(uint32_t)attribute_number(sys_fd, name, "../queue/logical_block_size");
	} else {
		attribute(sys_fd, name, "serial", disk->serial, sizeof(disk->serial));
		if (disk->serial[0] == '\0')
			attribute(sys_fd, name, "device/serial", disk->serial,
				  sizeof(disk->serial));
		disk->sector_bytes =
			(uint32_t)attribute_number(sys_fd, name, "queue/logical_block_size");
	}
	disk->carried = is_carried(sys_fd, disk);
	if (disk->bytes > 0 && disk->sector_bytes >= 512 && disk->sector_bytes <= 4096)
		list->count++;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct disk *)a)->name, ((const struct disk *)b)->name);
}

int disk_list_read(struct disk_list *list, struct err *err)
{
	OWN_FD int fd =
		fs_open(AT_FDCWD, "/sys/class/block", FS_HOST, O_RDONLY | O_DIRECTORY, 0, err);

	list->count = 0;
	if (fd < 0)
		return fd;
	if (fs_each(fd, list_entry, list, err) < 0)
		return -EIO;
	qsort(list->disks, list->count, sizeof(list->disks[0]), by_name);
	return 0;
}

const struct disk *disk_find(const struct disk_list *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->disks[i].name, name) == 0)
			return &list->disks[i];
	return NULL;
}

const char *disk_path(const char *name, char dst[DISK_NAME_MAX + 8])
{
	snprintf(dst, DISK_NAME_MAX + 8, "/dev/%s", name);
	return dst;
}

int disk_open(const char *name, int flags, struct err *err)
{
	char path[DISK_NAME_MAX + 8];

	return fs_open(AT_FDCWD, disk_path(name, path), FS_HOST, flags, 0, err);
}

int disk_read(int fd, uint64_t offset, void *dst, size_t len, struct err *err)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = pread(fd, (uint8_t *)dst + done, len - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_sys(err, n < 0 ? -errno : -EIO, "read at byte %llu",
				       (unsigned long long)offset);
		done += (size_t)n;
	}
	return 0;
}

int disk_write(int fd, uint64_t offset, const void *data, size_t len, struct err *err)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = pwrite(fd, (const uint8_t *)data + done, len - done,
				   (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_sys(err, n < 0 ? -errno : -EIO, "write at byte %llu",
				       (unsigned long long)offset);
		done += (size_t)n;
	}
	if (fsync(fd) < 0)
		return err_sys(err, -errno, "sync");
	return 0;
}

bool disk_ext4(const char *name, struct probe_ext4 *ret_info)
{
	OWN_FD int fd = disk_open(name, O_RDONLY, NULL);
	uint8_t superblock[PROBE_EXT4_BYTES];

	return fd >= 0 && disk_read(fd, PROBE_EXT4_AT, superblock, sizeof(superblock), NULL) == 0 &&
	       probe_ext4(superblock, ret_info);
}

bool disk_fat_label(const char *name, char ret_label[PROBE_LABEL_MAX])
{
	OWN_FD int fd = disk_open(name, O_RDONLY, NULL);
	uint8_t sector[512];

	return fd >= 0 && disk_read(fd, 0, sector, sizeof(sector), NULL) == 0 &&
	       probe_fat(sector, ret_label);
}

bool disk_fat_serial(const char *name, uint32_t *ret_serial)
{
	OWN_FD int fd = disk_open(name, O_RDONLY, NULL);
	uint8_t sector[512];

	return fd >= 0 && disk_read(fd, 0, sector, sizeof(sector), NULL) == 0 &&
	       probe_fat_serial(sector, ret_serial);
}

/* 1 = the range is blank, 0 = not. */
static int range_blank(int fd, uint64_t from, uint64_t to, struct err *err)
{
	static uint8_t chunk[64 * 1024];

	while (from < to) {
		size_t n = to - from < sizeof(chunk) ? (size_t)(to - from) : sizeof(chunk);
		int r = disk_read(fd, from, chunk, n, err);

		if (r < 0)
			return r;
		if (!probe_blank(chunk, n))
			return 0;
		from += n;
	}
	return 1;
}

int disk_blank(const struct disk *disk, struct err *err)
{
	OWN_FD int fd = disk_open(disk->name, O_RDONLY, err);
	uint64_t end = disk->bytes - DISK_MARK_ZONE_BYTES;
	uint64_t span = end < GPT_ALIGN_BYTES ? end : GPT_ALIGN_BYTES;
	int r;

	if (fd < 0)
		return fd;
	if (disk->bytes < 2 * DISK_MARK_ZONE_BYTES)
		return 0;
	r = range_blank(fd, 0, span, err);
	if (r == 1)
		r = range_blank(fd, end - span, disk->bytes, err);
	return r;
}

int disk_mark_set(const struct disk *disk, uint64_t start_bytes, uint64_t bytes, bool on,
		  struct err *err)
{
	OWN_FD int fd = disk_open(disk->name, O_RDWR, err);
	uint8_t sector[4096] = { 0 };

	if (fd < 0)
		return fd;
	if (on)
		memcpy(sector, mark, sizeof(mark));
	return disk_write(fd, start_bytes + bytes - DISK_MARK_ZONE_BYTES, sector, sizeof(sector),
			  err);
}

bool disk_mark_get(const struct disk *disk)
{
	OWN_FD int fd = disk_open(disk->name, O_RDONLY, NULL);
	uint8_t found[sizeof(mark)];

	return fd >= 0 && disk->bytes > DISK_MARK_ZONE_BYTES &&
	       disk_read(fd, disk->bytes - DISK_MARK_ZONE_BYTES, found, sizeof(found), NULL) == 0 &&
	       memcmp(found, mark, sizeof(mark)) == 0;
}

static int gpt_read_at(int fd, const struct disk *disk, uint64_t lba, struct gpt *ret_gpt,
		       struct err *err)
{
	static uint8_t table[GPT_TABLE_MAX];
	uint64_t sectors = disk->bytes / disk->sector_bytes, table_lba;
	uint8_t header[4096];
	uint32_t bytes;
	int r;

	r = disk_read(fd, lba * disk->sector_bytes, header, disk->sector_bytes, err);
	if (r == 0)
		r = gpt_parse_header(header, disk->sector_bytes, sectors, lba, &table_lba, &bytes,
				     err);
	if (r == 0)
		r = disk_read(fd, table_lba * disk->sector_bytes, table, bytes, err);
	if (r == 0)
		r = gpt_parse(ret_gpt, header, disk->sector_bytes, sectors, lba, table, err);
	return r;
}

int disk_gpt_read(const struct disk *disk, struct gpt *ret_gpt, struct err *err)
{
	OWN_FD int fd = disk_open(disk->name, O_RDONLY, err);
	uint64_t sectors = disk->bytes / disk->sector_bytes;

	if (fd < 0)
		return fd;
	if (sectors < 64)
		return err_set(err, -EBADMSG, "partition table: the disk is too small for one");
	if (gpt_read_at(fd, disk, 1, ret_gpt, err) == 0)
		return 0;
	return gpt_read_at(fd, disk, sectors - 1, ret_gpt, NULL) == 0 ? 0 : -EBADMSG;
}

int disk_gpt_write(const struct disk *disk, const struct gpt *gpt, struct err *err)
{
	OWN_FD int fd = disk_open(disk->name, O_RDWR, err);
	uint64_t end = gpt->disk_sectors - 1, unit = gpt->sector_bytes;
	size_t bytes = (size_t)gpt->count * GPT_ENTRY_BYTES;
	uint8_t header[4096];
	int r;

	if (fd < 0)
		return fd;
	gpt_build_header(gpt, true, header);
	r = disk_write(fd, (end - gpt_table_sectors(gpt)) * unit, gpt->table, bytes, err);
	if (r == 0)
		r = disk_write(fd, end * unit, header, gpt->sector_bytes, err);
	gpt_build_header(gpt, false, header);
	if (r == 0)
		r = disk_write(fd, 2 * unit, gpt->table, bytes, err);
	if (r == 0)
		r = disk_write(fd, unit, header, gpt->sector_bytes, err);
	if (r == 0)
		r = disk_read(fd, 0, header, gpt->sector_bytes, err);
	if (r == 0 && gpt_fix_mbr(header, gpt->disk_sectors))
		r = disk_write(fd, 0, header, gpt->sector_bytes, err);
	return r;
}

static int partition_ioctl(const struct disk *disk, int op, uint32_t number, uint64_t start,
			   uint64_t bytes, struct err *err)
{
	OWN_FD int fd = disk_open(disk->name, O_RDWR, err);
	struct blkpg_partition part = { .start = (long long)start,
					.length = (long long)bytes,
					.pno = (int)number };
	struct blkpg_ioctl_arg arg = { .op = op, .datalen = sizeof(part), .data = &part };

	if (fd < 0)
		return fd;
	if (ioctl(fd, BLKPG, &arg) < 0)
		return err_sys(err, -errno, "/dev/%s: partition %u", disk->name, number);
	return 0;
}

int disk_partition_add(const struct disk *disk, uint32_t number, uint64_t start, uint64_t bytes,
		       struct err *err)
{
	return partition_ioctl(disk, BLKPG_ADD_PARTITION, number, start, bytes, err);
}

int disk_partition_resize(const struct disk *disk, uint32_t number, uint64_t start, uint64_t bytes,
			  struct err *err)
{
	return partition_ioctl(disk, BLKPG_RESIZE_PARTITION, number, start, bytes, err);
}
