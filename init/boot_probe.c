/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the recognition of file systems and disk selectors. Runs in init's disk role. Pure: must
 * never do I/O.
 */
#include <errno.h>
#include <string.h>
#include "init/boot_probe.h"

enum {
	EXT4_STATE_VALID = 1,
	EXT4_STATE_ERROR = 2,
	EXT4_INCOMPAT_RECOVER = 4,
	EXT4_INCOMPAT_64BIT = 0x80,
};

static uint32_t get16(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static uint32_t get32(const uint8_t *p)
{
	return get16(p) | get16(p + 2) << 16;
}

/* A label of at most n bytes; anything but printable ASCII as '?'. */
static void label_copy(const uint8_t *p, size_t n, char *dst)
{
	size_t i = 0;

	for (; i < n && p[i] != 0; i++)
		dst[i] = (char)(p[i] < ' ' || p[i] > '~' ? '?' : p[i]);
	while (i > 0 && dst[i - 1] == ' ')
		i--;
	dst[i] = '\0';
}

bool probe_ext4(const uint8_t *superblock, struct probe_ext4 *ret_info)
{
	uint32_t state, incompat = get32(superblock + 0x60), shift = get32(superblock + 0x18);

	if (get16(superblock + 0x38) != 0xef53 || shift > 6)
		return false;
	state = get16(superblock + 0x3a);
	ret_info->block_bytes = 1024U << shift;
	ret_info->blocks = get32(superblock + 4);
	if (incompat & EXT4_INCOMPAT_64BIT)
		ret_info->blocks |= (uint64_t)get32(superblock + 0x150) << 32;
	ret_info->has_errors = (state & EXT4_STATE_ERROR) != 0;
	ret_info->clean = (state & EXT4_STATE_VALID) && !ret_info->has_errors &&
			  !(incompat & EXT4_INCOMPAT_RECOVER);
	label_copy(superblock + 0x78, 16, ret_info->label);
	return true;
}

/* Where the extended boot record begins, which 0x29 opens; 0 = it is no FAT. */
static size_t fat_record(const uint8_t *sector)
{
	if (get16(sector + 510) != 0xaa55)
		return 0;
	if (sector[0x42] == 0x29 && memcmp(sector + 0x52, "FAT32", 5) == 0)
		return 0x42;
	return sector[0x26] == 0x29 && memcmp(sector + 0x36, "FAT", 3) == 0 ? 0x26 : 0;
}

bool probe_fat(const uint8_t *sector, char ret_label[PROBE_LABEL_MAX])
{
	size_t at = fat_record(sector);

	if (at != 0)
		label_copy(sector + at + 5, 11, ret_label);
	return at != 0;
}

bool probe_fat_serial(const uint8_t *sector, uint32_t *ret_serial)
{
	size_t at = fat_record(sector);

	if (at != 0)
		*ret_serial = get32(sector + at + 1);
	return at != 0;
}

bool probe_blank(const uint8_t *data, size_t len)
{
	if (len == 0 || (data[0] != 0x00 && data[0] != 0xff))
		return len == 0;
	return memcmp(data, data + 1, len - 1) == 0;
}

int probe_selector(struct str text, const char *label, struct probe_selector *ret_selector)
{
	*ret_selector = (struct probe_selector){ PROBE_BY_LABEL, str_from(label) };
	if (text.len == 0)
		return 0;
	if (str_is(text, "none"))
		*ret_selector = (struct probe_selector){ PROBE_BY_NONE, { 0 } };
	else if (str_starts(text, STR("label:")))
		*ret_selector = (struct probe_selector){ PROBE_BY_LABEL, str_skip(text, 6) };
	else if (str_starts(text, STR("serial:")))
		*ret_selector = (struct probe_selector){ PROBE_BY_SERIAL, str_skip(text, 7) };
	else if (str_starts(text, STR("/dev/")) && str_find(str_skip(text, 5), '/') < 0)
		*ret_selector = (struct probe_selector){ PROBE_BY_DEVICE, str_skip(text, 5) };
	else
		return -EINVAL;
	return ret_selector->by != PROBE_BY_NONE && ret_selector->text.len == 0 ? -EINVAL : 0;
}
