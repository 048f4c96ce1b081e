/* SPDX-License-Identifier: Apache-2.0 */
/* The list of starts: what is kept, in which order, whatever was in the file before. */
#include "init/boot_history.h"
#include <stdio.h>
#include "lib/own.h"
#include "tests/unit/tap.h"

static struct buf file, next, shown;

static void append(int64_t at, const char *reason)
{
	buf_clear(&next);
	(void)boot_history_append(buf_str(&file), at, reason, &next);
	buf_clear(&file);
	(void)buf_add_str(&file, buf_str(&next));
}

int main(void)
{
	char reason[32];
	unsigned lines = 0;

	buf_init(&file, 65536);
	buf_init(&next, 65536);
	buf_init(&shown, 65536);
	(void)buf_add_text(&file, "nonsense\n12\n x\n-5 y\n\n");
	append(0, "first start");
	append(86400, "line\nbreak");
	(void)boot_history_text(buf_str(&file), &shown);
	is_text(buf_text(&shown),
		"1970-01-02 00:00:00  line\\nbreak\n1970-01-01 00:00:00  first start\n",
		"the newest start comes first, damage is left out, a reason is one line");
	for (int i = 0; i < 40; i++) {
		(void)snprintf(reason, sizeof(reason), "start %d", i);
		append(i, reason);
	}
	for (size_t i = 0; i < file.len; i++)
		lines += file.data[i] == '\n';
	is_int(lines, BOOT_HISTORY_MAX, "only so many are kept");
	ok(str_starts(buf_str(&file), STR("8 start 8\n")), "the oldest go first");
	buf_done(&file);
	buf_done(&next);
	buf_done(&shown);
	return tap_done();
}
