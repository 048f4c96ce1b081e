/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the reading and changing of GUID partition tables in memory. Runs in init's disk role. Pure:
 * must never do I/O; boot_disk.c reads and writes the sectors.
 */
#include <errno.h>
#include <string.h>
#include "init/boot_gpt.h"

/* C12A7328-F81F-11D2-BA4B-00A0C93EC93B; the first three fields are little-endian on disk. */
const struct gpt_guid gpt_type_esp = { { 0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b,
					 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b } };
/* 0FC63DAF-8483-4772-8E79-3D69D8477DE4, Linux file system data: other tools know what it is. */
const struct gpt_guid gpt_type_data = { { 0xaf, 0x3d, 0xc6, 0x0f, 0x83, 0x84, 0x72, 0x47, 0x8e,
					  0x79, 0x3d, 0x69, 0xd8, 0x47, 0x7d, 0xe4 } };

static const uint8_t signature[8] = { 'E', 'F', 'I', ' ', 'P', 'A', 'R', 'T' };

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t get64(const uint8_t *p)
{
	return (uint64_t)get32(p) | (uint64_t)get32(p + 4) << 32;
}

static void put32(uint8_t *p, uint32_t v)
{
	for (unsigned i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

static void put64(uint8_t *p, uint64_t v)
{
	put32(p, (uint32_t)v);
	put32(p + 4, (uint32_t)(v >> 32));
}

uint32_t gpt_crc32(const uint8_t *data, size_t len)
{
	uint32_t crc = 0xffffffff;

	for (size_t i = 0; i < len; i++) {
		crc ^= data[i];
		for (unsigned bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (0xedb88320 & (0 - (crc & 1)));
	}
	return ~crc;
}

static int bad(struct err *err, const char *what)
{
	return err_set(err, -EBADMSG, "partition table: %s", what);
}

/* The checksum is made over the header with its own field zeroed. */
static bool header_sum_good(const uint8_t *header, uint32_t size)
{
	uint8_t copy[512];

	memcpy(copy, header, size);
	put32(copy + 16, 0);
	return gpt_crc32(copy, size) == get32(header + 16);
}

int gpt_parse_header(const uint8_t *header, uint32_t sector_bytes, uint64_t disk_sectors,
		     uint64_t header_lba, uint64_t *ret_table_lba, uint32_t *ret_table_bytes,
		     struct err *err)
{
	uint32_t size = get32(header + 12), count = get32(header + 80);
	uint64_t table_lba = get64(header + 72), sectors;

	if (memcmp(header, signature, sizeof(signature)) != 0)
		return bad(err, "no signature");
	if (get32(header + 8) != 0x00010000 || size < GPT_HEADER_BYTES || size > 512)
		return bad(err, "unknown revision or header size");
	if (!header_sum_good(header, size))
		return bad(err, "header checksum is wrong");
	if (get64(header + 24) != header_lba)
		return bad(err, "the header stands in the wrong place");
	if (get32(header + 84) != GPT_ENTRY_BYTES || count == 0 || count > GPT_ENTRIES_MAX)
		return bad(err, "entries of another size, or too many");
	sectors = ((uint64_t)count * GPT_ENTRY_BYTES + sector_bytes - 1) / sector_bytes;
	if (table_lba < 2 || table_lba >= disk_sectors || sectors > disk_sectors - table_lba)
		return bad(err, "the table lies outside the disk");
	*ret_table_lba = table_lba;
	*ret_table_bytes = count * GPT_ENTRY_BYTES;
	return 0;
}

static bool overlaps(const struct gpt *gpt, uint32_t i, const struct gpt_entry *entry)
{
	struct gpt_entry other;

	for (uint32_t k = 0; k < i; k++)
		if (gpt_entry(gpt, k, &other) && entry->first <= other.last &&
		    other.first <= entry->last)
			return true;
	return false;
}

int gpt_parse(struct gpt *gpt, const uint8_t *header, uint32_t sector_bytes, uint64_t disk_sectors,
	      uint64_t header_lba, const uint8_t *table, struct err *err)
{
	struct gpt_entry entry;
	uint64_t table_lba;
	uint32_t bytes;
	int r;

	r = gpt_parse_header(header, sector_bytes, disk_sectors, header_lba, &table_lba, &bytes,
			     err);
	if (r < 0)
		return r;
	if (gpt_crc32(table, bytes) != get32(header + 88))
		return bad(err, "table checksum is wrong");
	*gpt = (struct gpt){ .sector_bytes = sector_bytes,
			     .disk_sectors = disk_sectors,
			     .first_usable = get64(header + 40),
			     .last_usable = get64(header + 48),
			     .count = bytes / GPT_ENTRY_BYTES };
	memcpy(gpt->disk.bytes, header + 56, sizeof(gpt->disk.bytes));
	memcpy(gpt->table, table, bytes);
	if (gpt->first_usable < 2 || gpt->first_usable > gpt->last_usable ||
	    gpt->last_usable >= disk_sectors)
		return bad(err, "the usable range is not on the disk");
	for (uint32_t i = 0; i < gpt->count; i++) {
		if (!gpt_entry(gpt, i, &entry))
			continue;
		if (entry.first > entry.last || entry.first < gpt->first_usable ||
		    entry.last > gpt->last_usable)
			return bad(err, "a partition lies outside the usable range");
		if (overlaps(gpt, i, &entry))
			return bad(err, "two partitions overlap");
	}
	return 0;
}

static bool is_zero(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] != 0)
			return false;
	return true;
}

bool gpt_entry(const struct gpt *gpt, uint32_t i, struct gpt_entry *ret_entry)
{
	const uint8_t *p = gpt->table + (size_t)i * GPT_ENTRY_BYTES;

	if (i >= gpt->count || is_zero(p, 16))
		return false;
	memcpy(ret_entry->type.bytes, p, 16);
	memcpy(ret_entry->unique.bytes, p + 16, 16);
	ret_entry->first = get64(p + 32);
	ret_entry->last = get64(p + 40);
	for (size_t k = 0; k < GPT_NAME_MAX - 1; k++) {
		unsigned c = (unsigned)(p[56 + 2 * k] | p[57 + 2 * k] << 8);

		ret_entry->name[k] = (char)(c == 0 ? 0 : c < ' ' || c > '~' ? '?' : c);
	}
	ret_entry->name[GPT_NAME_MAX - 1] = '\0';
	return true;
}

int gpt_find(const struct gpt *gpt, const struct gpt_guid *type, const char *name)
{
	struct gpt_entry entry;

	for (uint32_t i = 0; i < gpt->count; i++)
		if (gpt_entry(gpt, i, &entry) &&
		    memcmp(entry.type.bytes, type->bytes, sizeof(type->bytes)) == 0 &&
		    (name == NULL || strcmp(entry.name, name) == 0))
			return (int)i;
	return -1;
}

uint64_t gpt_table_sectors(const struct gpt *gpt)
{
	return ((uint64_t)gpt->count * GPT_ENTRY_BYTES + gpt->sector_bytes - 1) / gpt->sector_bytes;
}

bool gpt_stretch(struct gpt *gpt)
{
	uint64_t last = gpt->disk_sectors - 2 - gpt_table_sectors(gpt);

	if (gpt->disk_sectors < 2 + gpt_table_sectors(gpt) || last <= gpt->last_usable)
		return false;
	gpt->last_usable = last;
	return true;
}

/* The start of the next partition at or behind `from`, or one past the usable range. */
static uint64_t next_used(const struct gpt *gpt, uint64_t from)
{
	uint64_t found = gpt->last_usable + 1;
	struct gpt_entry entry;

	for (uint32_t i = 0; i < gpt->count; i++)
		if (gpt_entry(gpt, i, &entry) && entry.last >= from && entry.first < found)
			found = entry.first;
	return found;
}

/* The first sector behind the partition that covers `at`, `at` itself when none does. */
static uint64_t skip_used(const struct gpt *gpt, uint64_t at)
{
	struct gpt_entry entry;

	for (uint32_t i = 0; i < gpt->count; i++)
		if (gpt_entry(gpt, i, &entry) && entry.first <= at && at <= entry.last)
			return entry.last + 1;
	return at;
}

bool gpt_free_largest(const struct gpt *gpt, uint64_t *ret_first, uint64_t *ret_last)
{
	uint64_t align = GPT_ALIGN_BYTES / gpt->sector_bytes, best = 0, at = gpt->first_usable;

	while (at <= gpt->last_usable) {
		uint64_t end = next_used(gpt, at);
		uint64_t first = (at + align - 1) / align * align;
		uint64_t stop = end / align * align;

		if (end <= at) { /* `at` is covered */
			at = skip_used(gpt, at);
			continue;
		}
		if (first < stop && stop - first > best) {
			best = stop - first;
			*ret_first = first;
			*ret_last = stop - 1;
		}
		at = end;
	}
	return best > 0;
}

uint64_t gpt_free_end(const struct gpt *gpt, uint32_t i)
{
	uint64_t align = GPT_ALIGN_BYTES / gpt->sector_bytes, stop;
	struct gpt_entry entry;

	if (!gpt_entry(gpt, i, &entry))
		return 0;
	stop = next_used(gpt, entry.last + 1) / align * align;
	return stop > entry.last + 1 ? stop - 1 : entry.last;
}

int gpt_add(struct gpt *gpt, const struct gpt_guid *type, const struct gpt_guid *unique,
	    uint64_t first, uint64_t last, const char *name, struct err *err)
{
	for (uint32_t i = 0; i < gpt->count; i++) {
		uint8_t *p = gpt->table + (size_t)i * GPT_ENTRY_BYTES;

		if (!is_zero(p, 16))
			continue;
		memset(p, 0, GPT_ENTRY_BYTES);
		memcpy(p, type->bytes, 16);
		memcpy(p + 16, unique->bytes, 16);
		put64(p + 32, first);
		put64(p + 40, last);
		for (size_t k = 0; name[k] != '\0' && k < GPT_NAME_MAX - 1; k++)
			p[56 + 2 * k] = (uint8_t)name[k];
		return (int)i;
	}
	return err_set(err, -ENOSPC, "partition table: all %u entries are in use", gpt->count);
}

void gpt_set_last(struct gpt *gpt, uint32_t i, uint64_t last)
{
	put64(gpt->table + (size_t)i * GPT_ENTRY_BYTES + 40, last);
}

void gpt_build_header(const struct gpt *gpt, bool backup, uint8_t *header)
{
	uint64_t end = gpt->disk_sectors - 1;

	memset(header, 0, gpt->sector_bytes);
	memcpy(header, signature, sizeof(signature));
	put32(header + 8, 0x00010000);
	put32(header + 12, GPT_HEADER_BYTES);
	put64(header + 24, backup ? end : 1);
	put64(header + 32, backup ? 1 : end);
	put64(header + 40, gpt->first_usable);
	put64(header + 48, gpt->last_usable);
	memcpy(header + 56, gpt->disk.bytes, sizeof(gpt->disk.bytes));
	put64(header + 72, backup ? end - gpt_table_sectors(gpt) : 2);
	put32(header + 80, gpt->count);
	put32(header + 84, GPT_ENTRY_BYTES);
	put32(header + 88, gpt_crc32(gpt->table, (size_t)gpt->count * GPT_ENTRY_BYTES));
	put32(header + 16, gpt_crc32(header, GPT_HEADER_BYTES));
}

bool gpt_fix_mbr(uint8_t *sector, uint64_t disk_sectors)
{
	uint32_t size = disk_sectors - 1 > UINT32_MAX ? UINT32_MAX : (uint32_t)(disk_sectors - 1);

	for (size_t at = 446; at < 510 && sector[510] == 0x55 && sector[511] == 0xaa; at += 16)
		if (sector[at + 4] == 0xee && get32(sector + at + 12) != size) {
			put32(sector + at + 12, size);
			return true;
		}
	return false;
}
