/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Partition tables of foreign disks. The first byte chooses whether the checksums are made right,
 * so that what stands behind them is reached too.
 */
#include <stdint.h>
#include <string.h>
#include "init/boot_gpt.h"
#include "init/boot_probe.h"

enum { SECTORS = 1 << 20, UNIT = 512 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void mend(uint8_t *header, const uint8_t *table)
{
	uint32_t sum = gpt_crc32(table, GPT_TABLE_MAX);

	memcpy(header, "EFI PART\0\0\1\0\x5c\0\0\0", 16);
	header[80] = 0;
	header[81] = 1;
	header[82] = header[83] = 0;
	memcpy(header + 84, "\x80\0\0\0", 4);
	memcpy(header + 88, &sum, 4);
	memcpy(header + 24, "\1\0\0\0\0\0\0\0", 8);
	memset(header + 16, 0, 4);
	sum = gpt_crc32(header, GPT_HEADER_BYTES);
	memcpy(header + 16, &sum, 4);
}

static void use(struct gpt *gpt)
{
	static const struct gpt_guid unique = { { 1 } };
	struct gpt_entry entry;
	uint64_t first = 0, last = 0;
	uint8_t header[UNIT];

	gpt_stretch(gpt);
	if (gpt_free_largest(gpt, &first, &last)) {
		if (first > last || last > gpt->last_usable || first < gpt->first_usable)
			__builtin_trap();
		(void)gpt_add(gpt, &gpt_type_data, &unique, first, last, "HOY_DATA", NULL);
	}
	for (uint32_t i = 0; i < gpt->count; i++)
		if (gpt_entry(gpt, i, &entry) && gpt_free_end(gpt, i) < entry.last)
			__builtin_trap();
	/* What was read and changed must be written so that it can be read again. */
	gpt_build_header(gpt, false, header);
	if (gpt_parse(gpt, header, UNIT, SECTORS, 1, gpt->table, NULL) < 0)
		__builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t header[4096], table[GPT_TABLE_MAX], sector[PROBE_EXT4_BYTES];
	static struct gpt gpt;
	struct probe_ext4 info;
	char label[PROBE_LABEL_MAX];
	bool mended = size > 0 && (data[0] & 1);

	memset(header, 0, sizeof(header));
	memset(table, 0, sizeof(table));
	memset(sector, 0, sizeof(sector));
	memcpy(sector, data, size < sizeof(sector) ? size : sizeof(sector));
	(void)probe_ext4(sector, &info);
	(void)probe_fat(sector, label);
	(void)gpt_fix_mbr(sector, size);
	if (size < 1 + GPT_HEADER_BYTES)
		return 0;
	memcpy(header, data + 1, GPT_HEADER_BYTES);
	data += 1 + GPT_HEADER_BYTES;
	size -= 1 + GPT_HEADER_BYTES;
	memcpy(table, data, size < sizeof(table) ? size : sizeof(table));
	if (mended)
		mend(header, table);
	if (gpt_parse(&gpt, header, UNIT, SECTORS, 1, table, NULL) == 0)
		use(&gpt);
	return 0;
}
