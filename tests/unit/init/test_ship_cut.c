/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue of the log on a disk that forgets. Linked between the queue and the C library, this
 * sees each pwrite and fdatasync. A power cut is played by what the disk may hold then: everything
 * up to the last fdatasync, and of each sector that was written since its state at any moment.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "init/ship/queue.h"
#include "lib/log.h"
#include "lib/own.h"
#include "tests/unit/tap.h"

enum {
	SIZE = SHIP_QUEUE_MIN,
	FILE_SIZE = SHIP_QUEUE_HEAD + SIZE,
	SECTOR = 512,
	SECTORS = FILE_SIZE / SECTOR,
	WRITES_MAX = 4096,
	LINES = 4000,
	SAME_TEXT = 71, /* a record of 128 bytes: those of each round lie on those of the last */
};

enum disk_fault { FAULT_NONE, FAULT_SYNC_FIRST, FAULT_SYNC_SECOND, FAULT_HEAD, FAULT_ROOM };

struct one_write {
	size_t at, len;
	char bytes[SHIP_RECORD_MAX];
};

static struct {
	int fd; /* of the file that is watched, -1 = none */
	char sure[FILE_SIZE];
	struct one_write writes[WRITES_MAX];
	size_t count;
	uint64_t sure_next; /* every line before it was there at the last fdatasync */
	const struct ship_queue *queue;
	enum disk_fault fault;
	unsigned syncs, cuts, bad;
} disk;

static const char boot[SHIP_BOOT_ID] = "boot", later_boot[SHIP_BOOT_ID] = "later";
static const struct ship_cursor nothing_sent;
static uint32_t chance = 1;
static bool same_length;

static uint32_t draw(uint32_t below)
{
	chance ^= chance << 13;
	chance ^= chance >> 17;
	chance ^= chance << 5;
	return chance % below;
}

/* ---- the lines ---- */

static void line_text(uint64_t n, char text[SHIP_TEXT_MAX])
{
	int len = same_length ? SAME_TEXT : (int)(n * 37 % 200 + 8);

	(void)snprintf(text, SHIP_TEXT_MAX, "%0*llu", len, (unsigned long long)n);
}

static void add(struct ship_queue *queue, uint64_t n)
{
	char text[SHIP_TEXT_MAX];
	struct ship_line line = { .uptime_ms = (int64_t)n, .prio = 6, .who = STR("unit") };

	line_text(n, text);
	line.text = str_from(text);
	ship_queue_add(queue, n, &line, &nothing_sent);
}

/* ---- the cut ---- */

/* What the disk holds when the power goes now. */
static void make_image(char image[FILE_SIZE])
{
	static size_t until[SECTORS]; /* writes that reached it */
	uint32_t mood = draw(4);

	memcpy(image, disk.sure, FILE_SIZE);
	for (size_t i = 0; i < SECTORS; i++)
		until[i] = mood == 0 ? disk.count : draw((uint32_t)disk.count + 1);
	for (size_t i = 0; i < disk.count; i++) {
		const struct one_write *one = &disk.writes[i];

		for (size_t n = 0; n < one->len; n++)
			if (i < until[(one->at + n) / SECTOR])
				image[one->at + n] = one->bytes[n];
	}
}

/* The lines that come back: one after the other, each as it was, with all that were sure. */
static bool comes_back(struct ship_queue *other, uint64_t must_first, uint64_t must_end)
{
	struct ship_cursor cursor = other->head;
	char bytes[SHIP_RECORD_MAX], want[SHIP_TEXT_MAX];
	uint64_t first = 0, next = 0;
	struct ship_line line;

	while (ship_queue_read(other, &cursor, bytes, &line)) {
		if (next == 0)
			first = next = line.number;
		line_text(line.number, want);
		if (line.number != next || !str_is(line.text, want)) {
			note("line %llu came where %llu should", (unsigned long long)line.number,
			     (unsigned long long)next);
			return false;
		}
		next++;
	}
	if (must_first >= must_end || (first != 0 && first <= must_first && next >= must_end))
		return true;
	note("lines %llu to %llu came back, sure were %llu to %llu", (unsigned long long)first,
	     (unsigned long long)next, (unsigned long long)must_first,
	     (unsigned long long)must_end);
	return false;
}

static void cut(void)
{
	static char image[FILE_SIZE];
	struct ship_queue other = { .fd = -1 };
	int fd = memfd_create("image", MFD_CLOEXEC);

	make_image(image);
	disk.cuts++;
	if (fd < 0 || write(fd, image, FILE_SIZE) != FILE_SIZE ||
	    ship_queue_open(&other, fd, SIZE, later_boot, &(struct err){ 0 }) != 0 ||
	    !comes_back(&other, disk.queue->tail.number - disk.queue->lines, disk.sure_next))
		disk.bad++;
	ship_queue_done(&other);
}

/* ---- between the queue and the C library ---- */

ssize_t __real_pwrite(int fd, const void *data, size_t len, off_t at);
int __real_fdatasync(int fd);
int __real_posix_fallocate(int fd, off_t at, off_t len);
ssize_t __wrap_pwrite(int fd, const void *data, size_t len, off_t at);
int __wrap_fdatasync(int fd);
int __wrap_posix_fallocate(int fd, off_t at, off_t len);

ssize_t __wrap_pwrite(int fd, const void *data, size_t len, off_t at)
{
	if (fd == disk.fd && disk.fault == FAULT_HEAD && at < SHIP_QUEUE_HEAD) {
		errno = EIO;
		return -1;
	}
	if (fd == disk.fd && disk.count < WRITES_MAX && len <= SHIP_RECORD_MAX) {
		struct one_write *one = &disk.writes[disk.count++];

		one->at = (size_t)at;
		one->len = len;
		memcpy(one->bytes, data, len);
	}
	return __real_pwrite(fd, data, len, at);
}

int __wrap_fdatasync(int fd)
{
	if (fd != disk.fd)
		return __real_fdatasync(fd);
	disk.syncs++;
	if ((disk.fault == FAULT_SYNC_FIRST && disk.syncs == 1) ||
	    (disk.fault == FAULT_SYNC_SECOND && disk.syncs == 2)) {
		errno = EIO;
		return -1;
	}
	if (disk.queue)
		cut();
	for (size_t i = 0; i < disk.count; i++)
		memcpy(disk.sure + disk.writes[i].at, disk.writes[i].bytes, disk.writes[i].len);
	disk.count = 0;
	if (disk.queue)
		disk.sure_next = disk.queue->tail.number;
	return __real_fdatasync(fd);
}

/* As ext4 fails: what it had taken until then stays taken. */
int __wrap_posix_fallocate(int fd, off_t at, off_t len)
{
	if (disk.fault != FAULT_ROOM)
		return __real_posix_fallocate(fd, at, len);
	(void)__real_posix_fallocate(fd, at, len / 2);
	return ENOSPC;
}

static int watch_new(void)
{
	int fd = memfd_create("queue", MFD_CLOEXEC);

	disk.fd = fd;
	disk.queue = NULL;
	disk.fault = FAULT_NONE;
	disk.count = disk.syncs = disk.cuts = disk.bad = 0;
	disk.sure_next = 1;
	memset(disk.sure, 0, sizeof(disk.sure));
	return fd;
}

/* ---- the tests ---- */

/* What the role does, in any order: lines come, some arrive, the head is saved now and then. */
static void live(struct ship_queue *queue, bool arriving)
{
	char text[SHIP_RECORD_MAX];
	struct ship_line line;

	for (uint64_t n = 1; n <= LINES; n++) {
		struct ship_cursor done;

		add(queue, n);
		if (draw(20) == 0)
			ship_queue_save(queue, false);
		if (draw(60) == 0)
			ship_queue_save(queue, true);
		done = queue->head;
		if (arriving && draw(20) == 0) {
			for (uint32_t i = draw(40); i > 0; i--)
				(void)ship_queue_read(queue, &done, text, &line);
			ship_queue_settle(queue, done);
		}
		if (draw(4) == 0)
			cut();
	}
}

static void test_cuts(bool same, bool arriving, const char *name)
{
	struct ship_queue queue;

	same_length = same;
	is_int(ship_queue_open(&queue, watch_new(), SIZE, boot, &(struct err){ 0 }), 0, "opens");
	ship_queue_save(&queue, true);
	queue.dirty = true;
	ship_queue_save(&queue, true); /* the file itself stands */
	disk.queue = &queue;
	live(&queue, arriving);
	is_int(disk.bad, 0, "%s", name);
	ok(disk.cuts > LINES / 5 && disk.syncs > 50 && queue.tail.position > 4 * SIZE,
	   "%u cuts, %u times the disk was waited for", disk.cuts, disk.syncs);
	disk.queue = NULL;
	ship_queue_done(&queue);
}

static void test_fault(enum disk_fault fault, const char *name)
{
	struct ship_queue queue;

	is_int(ship_queue_open(&queue, watch_new(), SIZE, boot, &(struct err){ 0 }), 0, "opens");
	add(&queue, 1);
	disk.syncs = 0;
	disk.fault = fault;
	ship_queue_save(&queue, true);
	ok(queue.fd < 0 && queue.lines == 0 && queue.dropped == 1, "%s", name);
	disk.fault = FAULT_NONE;
	add(&queue, 2);
	ok(queue.lines == 1, "and the next line waits there");
	ship_queue_done(&queue);
}

static void test_room(void)
{
	struct ship_queue queue;
	int fd = watch_new(), again = dup(fd), third = dup(fd), fourth = dup(fd);
	struct err err = { 0 };
	struct stat st;

	disk.fault = FAULT_ROOM;
	is_int(ship_queue_open(&queue, fd, SIZE, boot, &err), 1, "a full disk: it is in memory");
	ok(fstat(again, &st) == 0 && st.st_size == 0 && st.st_blocks == 0,
	   "what was taken of a full disk is given back");
	ship_queue_done(&queue);
	disk.fault = FAULT_NONE;
	is_int(ship_queue_open(&queue, again, SIZE, boot, &err), 0, "there is room");
	add(&queue, 1);
	ship_queue_settle(&queue, queue.tail);
	ship_queue_save(&queue, true);
	ship_queue_done(&queue);
	disk.fault = FAULT_ROOM;
	is_int(ship_queue_open(&queue, third, 4 * SIZE, boot, &err), 0, "a larger one");
	ok(queue.size == SIZE && queue.tail.number == 2 && fstat(fourth, &st) == 0 &&
		   st.st_size == FILE_SIZE,
	   "that finds no room leaves the queue as it was");
	disk.fault = FAULT_NONE;
	add(&queue, 2);
	is_int((long long)queue.lines, 1, "and it works");
	ship_queue_done(&queue);
	own_close(&fourth);
}

int main(void)
{
	log_init("test", 0); /* what is lost is said each time */
	test_cuts(false, false, "a queue that overflows survives a power cut at each moment");
	test_cuts(true, false, "so does one whose records of each round lie on those of the last");
	test_cuts(false, true, "and one whose lines arrive");
	test_cuts(true, true, "and both");
	test_fault(FAULT_SYNC_FIRST, "records that the disk did not take: the queue is in memory");
	test_fault(FAULT_HEAD, "a head that it did not take");
	test_fault(FAULT_SYNC_SECOND, "a head that it did not keep");
	test_room();
	return tap_done();
}
