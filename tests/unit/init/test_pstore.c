/* SPDX-License-Identifier: Apache-2.0 */
/* The last session's records: what the kernel or PID 1 died of is kept, the records go. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "init/boot_pstore.h"
#include "lib/fs.h"
#include "tests/unit/tap.h"

static unsigned lines;
static char first[200], last[200];

static void say(struct str line)
{
	if (lines++ == 0)
		(void)str_copy(line, first, sizeof(first));
	(void)str_copy(line, last, sizeof(last));
}

static void put(int fd, const char *name, const char *text)
{
	(void)fs_replace(fd, name, text, strlen(text), 0600, NULL);
}

static void read_all(int fd, char *dst, size_t cap)
{
	lines = 0;
	first[0] = last[0] = '\0';
	boot_pstore_read(fd, dst, cap, say);
}

static void test_panic(int fd)
{
	char why[120];

	put(fd, "dmesg-efi_pstore-1",
	    "Panic#1 Part1\n<6>[    1.0] eth0: up\n<0>[    9.5] Kernel panic - not syncing: sysrq "
	    "\x1b[2J\n<4>[    9.6] Call Trace:\n<4>[    9.7]  panic+0x1/0x2\n");
	read_all(fd, why, sizeof(why));
	is_text(why, "Kernel panic - not syncing: sysrq \\x1b[2J", "the panic's text, escaped");
	is_int(lines, 3, "its lines from the panic on");
	is_text(first, "<0>[    9.5] Kernel panic - not syncing: sysrq \x1b[2J", "the first");
	is_text(last, "<4>[    9.7]  panic+0x1/0x2", "the last");
	read_all(fd, why, sizeof(why));
	is_text(why, "", "the record went with its reading");
}

static void test_worth(int fd)
{
	char why[120], flood[4096] = "Oops: 1\n";

	put(fd, "console-ramoops-0", "init fault: SIGSEGV at 0x10\n");
	put(fd, "dmesg-ramoops-0", "<0>[    9.5] Kernel panic - not syncing: init died\n");
	read_all(fd, why, sizeof(why));
	is_text(why, "init fault: SIGSEGV at 0x10", "what PID 1 said counts more");
	put(fd, "dmesg-ramoops-0", "<6>nothing that is known\n");
	read_all(fd, why, sizeof(why));
	is_text(why, "the kernel stopped: pstore record dmesg-ramoops-0", "a record is a reason");
	is_int(lines, 0, "but no last words");
	for (size_t i = strlen(flood); i + 3 < sizeof(flood); i += 2)
		memcpy(flood + i, "x\n", 3);
	put(fd, "dmesg-ramoops-1", flood);
	read_all(fd, why, sizeof(why));
	is_int(lines, PSTORE_LINES_MAX, "no more lines than that");
}

int main(void)
{
	char folder[] = "build/test-pstore-XXXXXX";
	int fd = -1;

	if (mkdtemp(folder))
		fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (!ok(fd >= 0, "a directory to work in"))
		return tap_done();
	test_panic(fd);
	test_worth(fd);
	(void)close(fd);
	(void)rmdir(folder);
	return tap_done();
}
