/* SPDX-License-Identifier: Apache-2.0 */
/* Records of /dev/kmsg. */
#include <string.h>
#include "init/unit/kmsg.h"
#include "tests/unit/tap.h"

static struct ring_line line;

int main(void)
{
	static const char *const wrong[] = { "",	   "6,1,2",
					     "6,1;text\n", "x,1,2,-;text\n",
					     "6,1,-2,-;t", "6,,2,-;t",
					     ";text",	   "99999999,1,2,-;t" };
	static char record[4 * RING_TEXT_MAX];

	ok(kmsg_parse(STR("30,339,5140900,-;usb 1-1: new device\n SUBSYSTEM=usb\n"), &line),
	   "a record");
	is_text(line.text, "kernel: usb 1-1: new device", "its text, without the properties");
	is_int(line.uptime_ms, 5140, "its time in ms");
	is_int(line.prio, 6, "its level, without the facility");
	is_int((long)line.number, 339, "its number");
	ok(kmsg_parse(STR("3,1,0,c,caller=T1;\x1b[2J\xc2\x9b"), &line),
	   "one with bytes for a terminal");
	is_text(line.text, "kernel: ?[2J??", "which are gone");
	memset(record, 'x', sizeof(record));
	memcpy(record, "6,1,2,-;", 8);
	ok(kmsg_parse(str_make(record, sizeof(record)), &line) && line.len == RING_TEXT_MAX,
	   "a long one is cut");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		ok(!kmsg_parse(str_from(wrong[i]), &line), "no record: '%s'", wrong[i]);
	return tap_done();
}
