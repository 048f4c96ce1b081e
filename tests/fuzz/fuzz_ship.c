/* SPDX-License-Identifier: Apache-2.0 */
/* The queue file of role syslog as bytes of the fuzzer: heads, records, numbers. */
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "init/ship/queue.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SLOTS_SIZE = 1024, LINES_MAX = 10000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char boot[SHIP_BOOT_ID] = "boot";
	int fd = memfd_create("queue", MFD_CLOEXEC);
	size_t slots = size < SLOTS_SIZE ? size : SLOTS_SIZE;
	char text[SHIP_RECORD_MAX];
	struct ship_line line = { .prio = 6, .text = STR("one more") };
	struct ship_cursor cursor;
	struct ship_queue queue;

	/* What stands behind the heads is the ring's begin. */
	if (fd < 0 || pwrite(fd, data, slots, 0) < 0 ||
	    pwrite(fd, data + slots, size - slots, SHIP_QUEUE_HEAD) < 0)
		return 0;
	if (ship_queue_open(&queue, fd, SHIP_QUEUE_MIN, boot, &(struct err){ 0 }) < 0)
		return 0;
	cursor = queue.head;
	ship_queue_add(&queue, queue.boot_next, &line, &cursor);
	for (int i = 0; i < LINES_MAX && ship_queue_read(&queue, &cursor, text, &line); i++)
		;
	ship_queue_settle(&queue, cursor);
	ship_queue_save(&queue, false);
	ship_queue_done(&queue);
	return 0;
}
