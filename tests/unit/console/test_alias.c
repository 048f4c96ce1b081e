/* SPDX-License-Identifier: Apache-2.0 */
/* Other names of commands, and block devices as the kernel lists them. */
#include "init/console/alias.h"
#include <string.h>
#include "init/console/disks.h"
#include "tests/unit/tap.h"

static struct words words;

static void split(const char *line)
{
	ok(words_split(str_from(line), &words, NULL) >= 0, "a line");
	alias_expand(&words);
}

static void test_alias(void)
{
	char line[2 * WORDS_MAX + 8] = "keys";

	split("containers -a");
	ok(words.count == 2 && !strcmp(words.items[0], "ps") && !strcmp(words.items[1], "-a"),
	   "one word for another, the rest stays");
	split("keys x");
	ok(words.count == 3 && !strcmp(words.items[0], "access") &&
		   !strcmp(words.items[1], "list") && !strcmp(words.items[2], "x") &&
		   !words.items[3],
	   "two words for one");
	split("exec keys");
	ok(words.count == 2 && !strcmp(words.items[1], "keys"), "the first word alone");
	for (int i = 1; i < WORDS_MAX; i++)
		strncat(line, " x", sizeof(line) - strlen(line) - 1);
	split(line);
	ok(words.count == WORDS_MAX && !strcmp(words.items[0], "keys"),
	   "no room: it stays as it was");
}

static void test_disks(void)
{
	struct str rest = STR("major minor  #blocks  name\n\n 254        0    4194304 vda\n"
			      " 254        1     131072 vda1\n 7 x 3 loop0\n 8 0 12\n"
			      " 8 0 99999999999999999999 big\n 8 0 1 sda");
	struct disks_row row;

	ok(disks_next(&rest, &row) && str_is(row.name, "vda") && row.bytes == 4294967296,
	   "a disk, behind the head of the table");
	ok(disks_next(&rest, &row) && str_is(row.name, "vda1") && row.bytes == 134217728,
	   "a partition");
	ok(disks_next(&rest, &row) && str_is(row.name, "sda"), "what is no row is passed over");
	ok(!disks_next(&rest, &row), "the end");
	ok(str_is(disks_field(STR("DEVTYPE=partition\nPARTN=2\nPARTNAME=hoy data\n"), "PARTNAME"),
		  "hoy data"),
	   "a field of a uevent");
	ok(disks_field(STR("XPARTN=2\nPARTN"), "PARTN").len == 0, "the whole name, and a value");
}

int main(void)
{
	test_alias();
	test_disks();
	return tap_done();
}
