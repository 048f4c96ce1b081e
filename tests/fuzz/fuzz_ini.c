/* SPDX-License-Identifier: Apache-2.0 */
/*
 * INI text as it may come from config media. Whatever is read: the normal form has no control
 * bytes, reads without issues, and reads as itself.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "lib/ini.h"
#include "lib/own.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define KEY(key_, type_, ...)                                                 \
	{                                                                     \
		.section = "service", .key = key_, .type = type_, __VA_ARGS__ \
	}

static const struct ini_key keys[] = {
	KEY("image", INI_TYPE_TEXT, .min = 1, .max = 255),
	KEY("ports", INI_TYPE_TEXT, .list = true, .min = 1, .max = 64),
	KEY("mem_limit", INI_TYPE_SIZE, .min = 4 << 20, .max = (int64_t)1 << 40),
	KEY("cpus", INI_TYPE_DECIMAL, .min = 10, .max = 512000, .def = "1.5"),
	KEY("restart", INI_TYPE_ENUM, .choices = "no|always|on-failure", .def = "no"),
	KEY("pids_limit", INI_TYPE_UINT, .min = 1, .max = 4096, .unit = "processes"),
	KEY("stop_grace_period", INI_TYPE_DURATION, .min = 1000, .max = 3600000, .def = "10s"),
	KEY("read_only", INI_TYPE_BOOL, .def = "no"),
	KEY("hostname", INI_TYPE_NAME, .min = 1, .max = 63),
	KEY("working_dir", INI_TYPE_PATH, .min = 1, .max = 4000),
	KEY("command", INI_TYPE_COMMAND),
	KEY("labels.*", INI_TYPE_TEXT),
	{ .section = "hoy", .key = "hostname", .type = INI_TYPE_NAME, .max = 63 },
};

static const struct ini_schema schema = { "services", keys, ARRAY_LEN(keys), NULL };

static void require(bool good)
{
	if (!good)
		abort();
}

/* Every value that was kept must be one that its type accepts. */
static void walk(const struct ini_config *config)
{
	const struct ini_section *section;
	const struct ini_entry *entry;

	for (section = config->sections; section; section = section->next) {
		require(section->kind && section->name && section->line > 0);
		for (entry = section->entries; entry; entry = entry->next) {
			require(entry->values != NULL);
			require(ini_get(&schema, section, entry->name) == entry->values);
			require(strlen(ini_text(&schema, section, entry->name)) ==
				entry->values->text.len);
			require(entry->values->line > 0 && entry->values->column > 0);
			if (entry->key->type == INI_TYPE_SIZE)
				require(ini_number(&schema, section, entry->name, -1) >= 4 << 20);
		}
	}
}

static void print(const struct ini_config *config, struct buf *out)
{
	require(ini_print(&schema, config, out) == 0);
	for (size_t i = 0; i < out->len; i++) {
		unsigned char c = (unsigned char)out->data[i];

		require(c == '\n' || c == '\t' || (c >= 0x20 && c != 0x7f));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	OWN(ini_done) struct ini_config first;
	OWN(ini_done) struct ini_config second;
	OWN(buf_done) struct buf once;
	OWN(buf_done) struct buf twice;
	OWN(ini_done) struct ini_config third;
	size_t half = size / 2;

	ini_init(&first);
	ini_init(&second);
	ini_init(&third);
	buf_init(&once, 1 << 22);
	buf_init(&twice, 1 << 22);
	if (size > 1 << 16)
		return 0;
	/* Two layers out of one input. */
	require(ini_add_text(&first, &schema, 0, "a", str_make(data, half), NULL) == 0);
	require(ini_add_text(&first, &schema, 1, "b", str_make(data + half, size - half), NULL) ==
		0);
	walk(&first);
	print(&first, &once);
	require(ini_add_text(&second, &schema, 0, "c", buf_str(&once), NULL) == 0);
	require(second.issue_count == 0);
	walk(&second);
	print(&second, &twice);
	require(ini_add_text(&third, &schema, 0, "d", buf_str(&twice), NULL) == 0);
	buf_clear(&once);
	print(&third, &once);
	require(str_eq(buf_str(&once), buf_str(&twice)));
	return 0;
}
