/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Block devices out of /proc/partitions and the uevents of /sys. Runs in the console program. Pure:
 * a name in a partition table is the word of whoever wrote the disk, and stays bytes here.
 */
#include "init/console/disks.h"
#include <string.h>

enum { DISKS_KIB = 1024 };

static bool next_word(struct str *rest, struct str *ret_word)
{
	*rest = str_trim(*rest);
	if (!rest->len)
		return false;
	return str_cut(rest, ' ', ret_word) && ret_word->len > 0;
}

bool disks_next(struct str *rest, struct disks_row *ret_row)
{
	struct str line, word = { 0 };

	while (rest->len && str_cut(rest, '\n', &line)) {
		struct disks_row row = { 0 };
		uint64_t number = 0;

		if (!next_word(&line, &word) || str_to_u64(word, 0, UINT32_MAX, &number) < 0 ||
		    !next_word(&line, &word) || str_to_u64(word, 0, UINT32_MAX, &number) < 0 ||
		    !next_word(&line, &word) ||
		    str_to_u64(word, 0, UINT64_MAX / DISKS_KIB, &number) < 0 ||
		    !next_word(&line, &row.name))
			continue;
		row.bytes = number * DISKS_KIB;
		*ret_row = row;
		return true;
	}
	return false;
}

struct str disks_field(struct str uevent, const char *name)
{
	size_t len = strlen(name);
	struct str line;

	while (uevent.len && str_cut(&uevent, '\n', &line))
		if (line.len > len && line.ptr[len] == '=' && !memcmp(line.ptr, name, len))
			return str_skip(line, len + 1);
	return (struct str){ 0 };
}
