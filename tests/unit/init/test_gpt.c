/* SPDX-License-Identifier: Apache-2.0 */
/* Partition tables: reading, free space, changing, writing; signatures and selectors. */
#include <errno.h>
#include <stdlib.h>
#include "init/boot_gpt.h"
#include "init/boot_probe.h"
#include "tests/unit/tap.h"

enum { SECTORS = 1 << 20, UNIT = 512 };

static struct gpt gpt, other;
static const struct gpt_guid unique = { { 1, 2, 3, 4 } };

static void make_table(void)
{
	gpt = (struct gpt){ .sector_bytes = UNIT,
			    .disk_sectors = SECTORS,
			    .first_usable = 34,
			    .last_usable = SECTORS - 34,
			    .count = 128,
			    .disk = { { 9 } } };
}

static void test_crc(void)
{
	is_int(gpt_crc32((const uint8_t *)"123456789", 9), 0xcbf43926, "the check value of CRC-32");
}

static void test_add(void)
{
	struct gpt_entry entry;
	uint64_t first = 0, last = 0;
	int i;

	make_table();
	ok(gpt_free_largest(&gpt, &first, &last), "an empty table has free space");
	is_int((long long)first, 2048, "it begins at 1 MiB");
	is_int((long long)last, SECTORS - 2048 - 1, "and ends before a boundary");
	i = gpt_add(&gpt, &gpt_type_esp, &unique, 2048, 206847, "HOY_ESP", NULL);
	is_int(i, 0, "the first entry");
	ok(gpt_entry(&gpt, 0, &entry), "it can be read");
	is_text(entry.name, "HOY_ESP", "its name");
	is_int(gpt_find(&gpt, &gpt_type_esp, "HOY_ESP"), 0, "found by type and name");
	is_int(gpt_find(&gpt, &gpt_type_esp, "OTHER"), -1, "not by another name");
	is_int(gpt_find(&gpt, &gpt_type_data, NULL), -1, "not by another type");
	is_int((long long)gpt_free_end(&gpt, 0), SECTORS - 2048 - 1, "room to grow");
	gpt_add(&gpt, &gpt_type_data, &unique, 400000, 500000, "x", NULL);
	is_int((long long)gpt_free_end(&gpt, 0), 399359, "room up to the next, aligned");
	ok(gpt_free_largest(&gpt, &first, &last), "free space between and behind");
	is_int((long long)first, 501760, "the larger one is taken");
	gpt_set_last(&gpt, 0, 399999);
	is_int((long long)gpt_free_end(&gpt, 0), 399999, "nothing left: its own end");
	ok(gpt_entry(&gpt, 0, &entry) && entry.last == 399999, "the new end");
	for (i = 2; i < 128; i++)
		gpt_add(&gpt, &gpt_type_data, &unique, 600000 + (uint64_t)i, 600000 + (uint64_t)i,
			"y", NULL);
	is_int(gpt_add(&gpt, &gpt_type_data, &unique, 1, 1, "z", NULL), -ENOSPC, "a full table");
}

static void test_round_trip(void)
{
	uint8_t header[UNIT];
	uint64_t lba;
	uint32_t bytes;
	struct err err;

	make_table();
	gpt_add(&gpt, &gpt_type_esp, &unique, 2048, 206847, "HOY_ESP", NULL);
	for (int backup = 0; backup < 2; backup++) {
		uint64_t at = backup ? SECTORS - 1 : 1;

		gpt_build_header(&gpt, backup, header);
		is_int(gpt_parse_header(header, UNIT, SECTORS, at, &lba, &bytes, &err), 0,
		       "header %d is good", backup);
		is_int((long long)lba, backup ? SECTORS - 33 : 2, "where its table is");
		is_int(gpt_parse(&other, header, UNIT, SECTORS, at, gpt.table, &err), 0,
		       "header and table %d", backup);
		ok(memcmp(other.table, gpt.table, bytes) == 0, "the same table");
		is_int(gpt_parse_header(header, UNIT, SECTORS, at + 1, &lba, &bytes, &err),
		       -EBADMSG, "in another place it is not");
		header[40] ^= 1;
		is_int(gpt_parse_header(header, UNIT, SECTORS, at, &lba, &bytes, &err), -EBADMSG,
		       "a changed header is not");
	}
}

/* Repairs the checksums so that the checks behind them are reached. */
static int parse_with(void (*change)(uint8_t *table))
{
	uint8_t header[UNIT];

	make_table();
	gpt_add(&gpt, &gpt_type_esp, &unique, 2048, 4095, "a", NULL);
	gpt_add(&gpt, &gpt_type_data, &unique, 4096, 8191, "b", NULL);
	change(gpt.table);
	gpt_build_header(&gpt, false, header);
	return gpt_parse(&other, header, UNIT, SECTORS, 1, gpt.table, NULL);
}

static void nothing(uint8_t *table)
{
	(void)table;
}

static void overlap(uint8_t *table)
{
	table[128 + 32] = 0xff;
	table[128 + 33] = 0x0f;
}

static void outside(uint8_t *table)
{
	table[128 + 40 + 7] = 1;
}

static void reversed(uint8_t *table)
{
	table[40] = table[41] = 0;
}

static void test_refused(void)
{
	is_int(parse_with(nothing), 0, "a good table");
	is_int(parse_with(overlap), -EBADMSG, "two that overlap");
	is_int(parse_with(outside), -EBADMSG, "one outside of the disk");
	is_int(parse_with(reversed), -EBADMSG, "one that ends before it begins");
}

static void test_stretch(void)
{
	make_table();
	ok(!gpt_stretch(&gpt), "the table fits the disk");
	gpt.disk_sectors *= 2;
	ok(gpt_stretch(&gpt), "the disk grew");
	is_int((long long)gpt.last_usable, 2LL * SECTORS - 34, "the usable range with it");
}

static void test_mbr(void)
{
	uint8_t sector[512] = { 0 };

	ok(!gpt_fix_mbr(sector, 1000), "no MBR, no change");
	sector[510] = 0x55;
	sector[511] = 0xaa;
	ok(!gpt_fix_mbr(sector, 1000), "no protective entry, no change");
	sector[446 + 4] = 0xee;
	ok(gpt_fix_mbr(sector, 1000), "a wrong size is corrected");
	is_int(sector[458] | sector[459] << 8, 999, "to the disk without its first sector");
	ok(!gpt_fix_mbr(sector, 1000), "once");
	ok(gpt_fix_mbr(sector, 1ULL << 40) && sector[461] == 0xff, "a huge disk");
}

static void test_signatures(void)
{
	uint8_t ext4[1024] = { 0 }, fat[512] = { 0 };
	char label[PROBE_LABEL_MAX];
	struct probe_ext4 info;
	uint32_t serial = 0;

	ok(!probe_ext4(ext4, &info), "no ext4");
	ext4[0x38] = 0x53;
	ext4[0x39] = 0xef;
	ext4[0x3a] = 1;
	ext4[0x18] = 2;
	ext4[4] = 100;
	memcpy(ext4 + 0x78, "HOY_DATA", 8);
	ok(probe_ext4(ext4, &info), "ext4");
	is_text(info.label, "HOY_DATA", "its label");
	is_int(info.block_bytes, 4096, "its block size");
	is_int((long long)info.blocks, 100, "its size");
	ok(info.clean, "it is clean");
	ext4[0x60] = 4;
	ok(probe_ext4(ext4, &info) && !info.clean && !info.has_errors, "a journal to replay");
	ext4[0x3a] = 3;
	ok(probe_ext4(ext4, &info) && info.has_errors, "errors noted");
	ext4[0x18] = 200;
	ok(!probe_ext4(ext4, &info), "no such block size");
	ok(!probe_fat(fat, label) && !probe_fat_serial(fat, &serial), "no FAT");
	fat[510] = 0x55;
	fat[511] = 0xaa;
	fat[0x26] = 0x29;
	memcpy(fat + 0x36, "FAT12   ", 8);
	memcpy(fat + 0x2b, "HOY_CONF   ", 11);
	memcpy(fat + 0x27, "\x0d\xf0\xad\x8b", 4);
	ok(probe_fat(fat, label), "FAT");
	ok(probe_fat_serial(fat, &serial) && serial == 0x8badf00d, "its serial number");
	is_text(label, "HOY_CONF", "its label without blanks");
	fat[0x2b] = 0x1b;
	ok(probe_fat(fat, label) && label[0] == '?', "no control bytes in a label");
}

static void test_blank(void)
{
	uint8_t data[64] = { 0 };

	ok(probe_blank(data, 64), "zeros are blank");
	data[63] = 1;
	ok(!probe_blank(data, 64), "one bit is not");
	memset(data, 0xff, sizeof(data));
	ok(probe_blank(data, 64), "erased flash is blank");
	memset(data, 0xaa, sizeof(data));
	ok(!probe_blank(data, 64), "other fillings are not");
	ok(probe_blank(data, 0), "nothing is blank");
}

static void test_selectors(void)
{
	struct probe_selector sel;

	is_int(probe_selector(STR(""), "HOY_DATA", &sel), 0, "none given");
	ok(sel.by == PROBE_BY_LABEL && str_is(sel.text, "HOY_DATA"), "is the default label");
	is_int(probe_selector(STR("serial:HOYDATA"), "L", &sel), 0, "serial");
	ok(sel.by == PROBE_BY_SERIAL && str_is(sel.text, "HOYDATA"), "its text");
	is_int(probe_selector(STR("/dev/vdb"), "L", &sel), 0, "device");
	ok(sel.by == PROBE_BY_DEVICE && str_is(sel.text, "vdb"), "its name");
	is_int(probe_selector(STR("none"), "L", &sel), 0, "none");
	is_int(sel.by, PROBE_BY_NONE, "switches off");
	is_int(probe_selector(STR("/dev/mapper/x"), "L", &sel), -EINVAL, "no path below /dev");
	is_int(probe_selector(STR("/dev/"), "L", &sel), -EINVAL, "no empty name");
	is_int(probe_selector(STR("vdb"), "L", &sel), -EINVAL, "no bare word");
	is_int(probe_selector(STR("serial:"), "L", &sel), -EINVAL, "no empty serial");
}

int main(void)
{
	test_crc();
	test_add();
	test_round_trip();
	test_refused();
	test_stretch();
	test_mbr();
	test_signatures();
	test_blank();
	test_selectors();
	return tap_done();
}
