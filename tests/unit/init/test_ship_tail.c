/* SPDX-License-Identifier: Apache-2.0 */
/* Logs of containers on their way to a server: files that are rotated, and the table of places. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "init/ship/tail.h"
#include "lib/own.h"
#include "tests/unit/tap.h"

static const char boot_one[SHIP_BOOT_ID] = "boot one", boot_two[SHIP_BOOT_ID] = "boot two";
static char got[4096];
static size_t room; /* lines that are taken still */

static bool take(struct ship_tail *tail, struct str line, void *owner)
{
	size_t len = strlen(got);

	(void)tail;
	(void)owner;
	if (room == 0)
		return false;
	room--;
	(void)snprintf(got + len, sizeof(got) - len, "%.*s|", STR_ARG(line));
	return true;
}

static const char *read_all(struct ship_tail *tail)
{
	got[0] = '\0';
	room = 1000;
	while (ship_tail_read(tail, take, NULL))
		;
	return got;
}

static int file_of(const char *text)
{
	int fd = memfd_create("log", MFD_CLOEXEC);

	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		exit(1);
	return fd;
}

/* What the engine sends: these files, as fds of its own. */
static bool renew(struct ship_tail *tail, const int *files, size_t count)
{
	struct msg msg = { .nfds = count };
	bool lost;

	for (size_t i = 0; i < count; i++)
		msg.fds[i] = dup(files[i]);
	lost = ship_tail_renew(tail, &msg);
	msg_done(&msg);
	return lost;
}

static void more(int fd, const char *text)
{
	if (lseek(fd, 0, SEEK_END) < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		exit(1);
}

static void test_rotation(void)
{
	struct ship_tail tail = { 0 }, again;
	int files[4] = { file_of("a1\na2\n"), file_of("b1\nb"), file_of(""), file_of("d1\n") };

	ok(!renew(&tail, files, 2), "files of a log that was never seen");
	is_text(read_all(&tail), "a1|a2|b1|", "are read oldest first, half a line is left");
	more(files[1], "2\nb3\n");
	is_text(read_all(&tail), "b2|b3|", "until its end has come");
	ok(!renew(&tail, files, 2), "the same files again");
	is_text(read_all(&tail), "", "bring nothing twice");
	more(files[1], "b4\n");
	more(files[2], "c1\n");
	ok(!renew(&tail, files + 1, 2), "rotated");
	is_text(read_all(&tail), "b4|c1|", "the old one is read to its end, then the new one");
	again = (struct ship_tail){ .inode = tail.inode, .offset = tail.offset };
	more(files[2], "c2\n");
	ok(!renew(&again, files, 3), "a role that was started anew knows the place");
	is_text(read_all(&again), "c2|", "and goes on there");
	ok(renew(&tail, files + 3, 1), "files that the one which is read is not among: said");
	is_text(read_all(&tail), "c2|d1|", "what is held is read to its end all the same");
	ok(ftruncate(files[3], 0) == 0, "a log of one file is cut");
	more(files[3], "");
	is_text(read_all(&tail), "", "nothing yet");
	ok(pwrite(files[3], "e\n", 2, 0) == 2, "and written anew");
	is_text(read_all(&tail), "e|", "from its begin");
	ship_tail_done(&tail);
	ship_tail_done(&again);
	for (int i = 0; i < 4; i++)
		own_close(&files[i]);
}

static void test_full(void)
{
	struct ship_tail tail = { 0 };
	int file = file_of("1\n2\n3\n4\n5\n");

	(void)renew(&tail, &file, 1);
	got[0] = '\0';
	room = 2;
	ok(!ship_tail_read(&tail, take, NULL), "no room for the third line");
	is_text(got, "1|2|", "two were taken");
	is_text(read_all(&tail), "3|4|5|", "the third comes again");
	ship_tail_done(&tail);
	own_close(&file);
}

static void test_skip(void)
{
	struct ship_tail tail = { 0 };
	int files[2] = { file_of("old\n"), file_of("first\nsecond\nthird\n") };

	(void)renew(&tail, files, 2);
	ship_tail_skip(&tail, 9);
	is_text(read_all(&tail), "third|", "the newest bytes, from a whole line on");
	ship_tail_done(&tail);
	tail = (struct ship_tail){ 0 };
	(void)renew(&tail, files, 2);
	ship_tail_skip(&tail, 100);
	is_text(read_all(&tail), "old|first|second|third|", "all, where there are no more");
	ship_tail_done(&tail);
	tail = (struct ship_tail){ 0 };
	(void)renew(&tail, files, 2);
	ship_tail_skip(&tail, 20);
	is_text(read_all(&tail), "first|second|third|", "from a place in an older file on");
	ship_tail_done(&tail);
	own_close(&files[0]);
	own_close(&files[1]);
}

static void test_long(void)
{
	struct ship_tail tail = { 0 };
	char *text = malloc(SHIP_TAIL_CHUNK + 100);
	int file;

	memset(text, 'x', SHIP_TAIL_CHUNK + 90);
	memcpy(text + SHIP_TAIL_CHUNK + 90, "\nnext\n", 7);
	file = file_of(text);
	(void)renew(&tail, &file, 1);
	(void)read_all(&tail);
	ok(strstr(got, "|next|") != NULL, "a line longer than any of the shim's is passed over");
	ship_tail_done(&tail);
	own_close(&file);
	free(text);
}

static void test_places(void)
{
	static struct ship_places places;
	struct ship_place *place;
	int fd = memfd_create("places", MFD_CLOEXEC), again = dup(fd);
	char id[80];
	bool is_new;

	ship_places_open(&places, fd, boot_one);
	ok(places.first && places.kernel_next == 0, "a new table");
	place = ship_places_of(&places, "abc", &is_new);
	ok(is_new, "a new row");
	place->inode = 7;
	place->offset = 99;
	places.kernel_next = 5;
	ship_places_save(&places);
	ship_places_done(&places);
	ship_places_open(&places, dup(again), boot_one);
	place = ship_places_of(&places, "abc", &is_new);
	ok(!is_new && !places.first && place->inode == 7 && place->offset == 99 &&
		   places.kernel_next == 5,
	   "stands after a restart");
	place->offset = 100;
	ship_places_save(&places);
	ok(pwrite(again, "torn", 4, (off_t)(places.generation % 2 * SHIP_PLACES_SLOT + 20)) == 4,
	   "a torn table");
	ship_places_done(&places);
	ship_places_open(&places, dup(again), boot_two);
	place = ship_places_of(&places, "abc", &is_new);
	ok(!is_new && place->offset == 99, "the one before it counts");
	is_int((long long)places.kernel_next, 0, "the kernel counts anew in another boot");
	for (int i = 0; i < SHIP_PLACES_MAX; i++) {
		(void)snprintf(id, sizeof(id), "%d-%.60s", i, "container");
		(void)ship_places_of(&places, id, &is_new);
	}
	is_int((long long)places.count, SHIP_PLACES_MAX, "a full table");
	(void)ship_places_of(&places, "abc", &is_new);
	ok(is_new, "the row used longest ago made room");
	ship_places_save(&places);
	ship_places_done(&places);
	ship_places_open(&places, dup(again), boot_two);
	is_int((long long)places.count, SHIP_PLACES_MAX, "a full table fits its slot");
	ship_places_done(&places);
	ship_places_open(&places, -1, boot_one);
	(void)ship_places_of(&places, "abc", &is_new);
	ship_places_save(&places);
	ok(places.first && is_new, "without a disk it is in memory");
	own_close(&again);
}

int main(void)
{
	test_rotation();
	test_full();
	test_skip();
	test_long();
	test_places();
	return tap_done();
}
