/* SPDX-License-Identifier: Apache-2.0 */
/* The log on its way to a server: the form of a line, and the queue over restarts and torn disks.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "init/api/ship_msg.h"
#include "init/ship/queue.h"
#include "lib/own.h"
#include "tests/unit/tap.h"

enum { SIZE = SHIP_QUEUE_MIN, DAEMON = 3, LINES = 5000 };

static const char boot_one[SHIP_BOOT_ID] = "boot one", boot_two[SHIP_BOOT_ID] = "boot two";
static const struct ship_cursor nothing_sent;

static void frame_is(const struct ship_line *line, const char *want, const char *name)
{
	char memory[SHIP_FRAME_MAX + 16] = "";
	struct buf out = { .data = memory, .cap = sizeof(memory), .max = sizeof(memory) - 1 };

	rfc5424_put(&out, line, DAEMON, "box");
	is_text(buf_text(&out), want, "%s", name);
}

static void test_form(void)
{
	struct ship_line line = { .number = 7,
				  .wall_ms = INT64_C(1763769336042),
				  .uptime_ms = 12345,
				  .prio = 6,
				  .who = STR("dhcp"),
				  .text = STR("lease 10.0.2.15") };

	frame_is(&line,
		 "98 <30>1 2025-11-21T23:55:36.042Z box dhcp - - [meta sequenceId=\"7\" "
		 "sysUpTime=\"1234\"] lease 10.0.2.15",
		 "a line as RFC 5424 has it, its length in front");
	line.wall_ms = 0;
	line.number = 0;
	line.who = (struct str){ 0 };
	line.text = STR("x");
	frame_is(&line, "43 <30>1 - box - - - [meta sysUpTime=\"1234\"] x",
		 "what is not known is a hyphen");
	line.who = STR("a b\n\xc3\xa4");
	line.text = STR("two\nlines\x1b[2J");
	frame_is(&line, "60 <30>1 - box a_b___ - - [meta sysUpTime=\"1234\"] two?lines?[2J",
		 "no byte of a line ends its frame or its header");
	line = (struct ship_line){ .number = 3,
				   .uptime_ms = 10,
				   .prio = 3,
				   .source = SHIP_SOURCE_CONTAINER,
				   .who = STR("web"),
				   .proc = STR("0123456789ab"),
				   .kind = STR("stderr"),
				   .text = STR("x") };
	frame_is(&line,
		 "73 <27>1 - box web 0123456789ab stderr [meta sequenceId=\"3\" sysUpTime=\"1\"] x",
		 "a container's line has its id and its stream");
	line = (struct ship_line){
		.prio = 4, .source = SHIP_SOURCE_KERNEL, .who = STR("kernel"), .text = STR("x")
	};
	frame_is(&line, "44 <4>1 - box kernel - - [meta sysUpTime=\"0\"] x",
		 "the kernel has its own facility");
	line = (struct ship_line){ .uptime_ms = 12345, .prio = 6 };
	line.who = STR("w");
	line.text = STR("x");
	line.number = UINT64_C(2147483648);
	frame_is(&line, "58 <30>1 - box w - - [meta sequenceId=\"1\" sysUpTime=\"1234\"] x",
		 "sequenceId begins anew behind 2147483647");
}

static void test_longest(void)
{
	static char text[2 * SHIP_TEXT_MAX];
	char memory[SHIP_FRAME_MAX + 16];
	struct buf out = { .data = memory, .cap = sizeof(memory), .max = sizeof(memory) - 1 };
	struct ship_line line = { .number = UINT64_MAX,
				  .wall_ms = INT64_C(1763769336042),
				  .uptime_ms = INT64_MAX,
				  .prio = 7,
				  .who = str_make(text, sizeof(text)),
				  .text = str_make(text, sizeof(text)) };

	memset(text, 'x', sizeof(text));
	rfc5424_put(&out, &line, 23, "box");
	is_int(buf_error(&out), 0, "the longest line fits");
	is_int(strtol(memory, NULL, 10), (long)out.len - 5, "its length is the frame's");
}

static void test_wish(void)
{
	struct ship_wish wish = { .host = "log.example",
				  .port = 6514,
				  .tls = true,
				  .ca_file = "/config/ca.pem",
				  .facility = 16,
				  .prio_max = 5,
				  .queue_bytes = 4 << 20,
				  .cert_file = "/config/me.pem",
				  .key_file = "/config/me.key",
				  .send = SHIP_SEND_KERNEL },
			 got = { 0 };
	struct buf body = { 0 };
	struct wire in;
	uint8_t facility = 0;

	buf_init(&body, SHIP_WISH_MAX);
	ship_wish_put(&body, &wish);
	wire_init(&in, body.data, body.len);
	is_int(ship_wish_get(&in, &got), 0, "settings come over the wire");
	ok(!strcmp(got.host, wish.host) && got.port == wish.port && got.tls &&
		   !strcmp(got.ca_file, wish.ca_file) && got.facility == 16 && got.prio_max == 5 &&
		   got.queue_bytes == wish.queue_bytes && !strcmp(got.cert_file, wish.cert_file) &&
		   !strcmp(got.key_file, wish.key_file) && got.send == wish.send,
	   "all of them");
	wire_init(&in, body.data, body.len - 1);
	ok(ship_wish_get(&in, &got) < 0, "settings that end too soon are refused");
	buf_done(&body);
	ok(ship_facility(STR("local7"), &facility) == 0 && facility == 23, "local7 is 23");
	ok(ship_facility(STR("nothing"), &facility) < 0, "an unknown facility");
	ok(ship_send(STR("system kernel  containers"), &facility) == 0 && facility == 7,
	   "all that can be sent");
	ok(ship_send(STR("containers"), &facility) == 0 && facility == SHIP_SEND_CONTAINERS,
	   "one of them");
	ok(ship_send(STR("system boxes"), &facility) < 0 && ship_send(STR(" "), &facility) < 0,
	   "another word, or none");
}

/* ---- the queue ---- */

static int new_file(void)
{
	return memfd_create("queue", MFD_CLOEXEC);
}

static void open_queue(struct ship_queue *queue, int fd, const char *boot, int want)
{
	struct err err = { 0 };

	is_int(ship_queue_open(queue, fd, SIZE, boot, &err), want, "the queue opens");
}

/* PID 1's line n; its text and length follow from n. */
static void add(struct ship_queue *queue, uint64_t n, const struct ship_cursor *sent)
{
	char text[SHIP_TEXT_MAX];
	size_t len = (size_t)(n * 37 % 200 + 8);
	struct ship_line line = { .uptime_ms = (int64_t)n, .prio = 6, .who = STR("unit") };

	(void)snprintf(text, sizeof(text), "%0*llu", (int)len, (unsigned long long)n);
	line.text = str_from(text);
	ship_queue_add(queue, n, &line, sent);
}

/* Reads all of it: true when the texts are first, first + 1 ... and as many as `count`. */
static bool holds(struct ship_queue *queue, uint64_t first, uint64_t count)
{
	struct ship_cursor cursor = queue->head;
	char text[SHIP_RECORD_MAX];
	struct ship_line line;
	uint64_t n = 0;

	while (ship_queue_read(queue, &cursor, text, &line)) {
		char want[SHIP_TEXT_MAX];

		(void)snprintf(want, sizeof(want), "%0*llu", (int)line.text.len,
			       (unsigned long long)(first + n));
		if (!str_is(line.text, want))
			return false;
		n++;
	}
	if (n != count)
		note("%llu lines instead of %llu", (unsigned long long)n,
		     (unsigned long long)count);
	return n == count;
}

static void test_keeps(void)
{
	struct ship_queue queue;
	int fd = new_file(), again = dup(fd);
	struct ship_cursor half;
	char text[SHIP_RECORD_MAX];
	struct ship_line line;

	open_queue(&queue, fd, boot_one, 0);
	ok(holds(&queue, 1, 0), "a new queue is empty");
	for (uint64_t n = 1; n <= 100; n++)
		add(&queue, n, &nothing_sent);
	ok(holds(&queue, 1, 100), "lines come out in their order");
	half = queue.head;
	for (int i = 0; i < 50; i++)
		ok(ship_queue_read(&queue, &half, text, &line), "line %d", i + 1);
	ship_queue_settle(&queue, half);
	ok(holds(&queue, 51, 50), "what arrived is gone, the rest stands");
	ship_queue_save(&queue, true);
	ship_queue_done(&queue);
	open_queue(&queue, dup(again), boot_one, 0);
	ok(holds(&queue, 51, 50) && queue.boot_next == 101, "so it is after a restart");
	ship_queue_done(&queue);
	open_queue(&queue, again, boot_two, 0);
	ok(holds(&queue, 51, 50) && queue.boot_next == 1 && queue.boot_first == 101,
	   "and after a reboot, which counts its lines anew");
	add(&queue, 1, &nothing_sent);
	is_int((long long)queue.lines, 51, "one more");
	is_int((long long)queue.dropped, 0, "nothing was dropped");
	ship_queue_done(&queue);
}

static void test_power_cut(void)
{
	struct ship_queue queue;
	int fd = new_file(), again = dup(fd);
	char rubbish[16] = "rubbish";

	open_queue(&queue, fd, boot_one, 0);
	for (uint64_t n = 1; n <= 10; n++)
		add(&queue, n, &nothing_sent);
	ship_queue_save(&queue, true);
	for (uint64_t n = 11; n <= 20; n++)
		add(&queue, n, &nothing_sent);
	/* No head knows the last ten: the power is cut here. */
	ship_queue_done(&queue);
	open_queue(&queue, dup(again), boot_two, 0);
	ok(holds(&queue, 1, 20), "whole lines behind the last head are found again");
	is_int((long long)queue.tail.number, 21, "and counted");
	ship_queue_save(&queue, true);
	/* The newer of the two heads is torn: the one before counts. */
	ok(pwrite(again, rubbish, sizeof(rubbish), (off_t)(queue.generation % 2 * 512 + 40)) ==
		   sizeof(rubbish),
	   "a torn head");
	ship_queue_done(&queue);
	open_queue(&queue, dup(again), boot_two, 0);
	ok(holds(&queue, 1, 20), "a torn head costs nothing");
	/* A byte of line 15 is not what it was. */
	ok(pwrite(again, "\xff", 1, (off_t)(SHIP_QUEUE_HEAD + queue.tail.position - 400)) == 1,
	   "a bad byte");
	ok(!holds(&queue, 1, 20) && queue.dropped > 0, "a bad line is never given out");
	add(&queue, 1, &nothing_sent);
	ok(queue.lines == 1, "and the queue goes on");
	ship_queue_done(&queue);
	own_close(&again);
}

/* More than fits: the oldest lines make room. test_ship_cut has the power cuts. */
static void test_overflow(void)
{
	struct ship_queue queue, other;
	int fd = new_file(), again = dup(fd);

	open_queue(&queue, fd, boot_one, 0);
	for (uint64_t n = 1; n <= LINES; n++)
		add(&queue, n, &nothing_sent);
	ok(queue.dropped > LINES / 2 && queue.dropped + queue.lines == LINES,
	   "what was dropped is counted: %llu of %d", (unsigned long long)queue.dropped, LINES);
	ok(holds(&queue, LINES + 1 - queue.lines, queue.lines), "the newest lines are kept");
	ok(queue.head.number == 1, "the next number to be sent tells how many are missing");
	open_queue(&other, again, boot_one, 0);
	ok(other.tail.number == LINES + 1 && holds(&other, LINES + 1 - other.lines, other.lines),
	   "and found again by a role that was killed without a last head");
	ship_queue_done(&other);
	ship_queue_done(&queue);
}

/* Killed behind lines that nobody wants sent: these leave no record, the others know their place.
 */
static void test_unwanted(void)
{
	struct ship_queue queue;
	int fd = new_file(), again = dup(fd);

	open_queue(&queue, fd, boot_one, 0);
	add(&queue, 1, &nothing_sent);
	for (uint64_t n = 2; n <= 8; n++)
		ship_queue_skip(&queue, n);
	add(&queue, 9, &nothing_sent);
	ship_queue_done(&queue);
	open_queue(&queue, again, boot_one, 0);
	ok(queue.lines == 2 && queue.tail.number == 3 && queue.boot_next == 10,
	   "no line is asked for again behind unwanted ones");
	ship_queue_done(&queue);
}

static void test_lost(void)
{
	struct ship_queue queue;
	struct ship_cursor cursor;
	char text[SHIP_RECORD_MAX];
	struct ship_line line;

	open_queue(&queue, -1, boot_one, 1);
	add(&queue, 1, &nothing_sent);
	ship_queue_skip(&queue, 2);
	add(&queue, 3, &nothing_sent);
	add(&queue, 10, &nothing_sent);
	is_int((long long)queue.dropped, 6, "lines that PID 1 lost are counted, unwanted ones not");
	cursor = queue.head;
	for (int i = 0; i < 3; i++)
		ok(ship_queue_read(&queue, &cursor, text, &line), "a line");
	is_int((long long)line.number, 9, "their numbers are missing");
	ok(!ship_queue_read(&queue, &cursor, text, &line), "no more");
	ship_queue_done(&queue);
}

/* A disk that takes nothing: the lines wait in memory. */
static void test_full_disk(void)
{
	struct ship_queue queue;
	int fd = new_file();

	open_queue(&queue, fd, boot_one, 0);
	add(&queue, 1, &nothing_sent);
	own_close(&queue.fd);
	queue.fd = open("/dev/full", O_RDWR | O_CLOEXEC);
	add(&queue, 2, &nothing_sent);
	ok(queue.fd < 0 && queue.lines == 1 && queue.dropped == 1,
	   "a disk that fails costs what stood on it, and it is counted");
	add(&queue, 3, &nothing_sent);
	ok(holds(&queue, 2, 2), "further lines wait in memory");
	ship_queue_done(&queue);
}

static void test_size(void)
{
	struct ship_queue queue;
	int fd = new_file(), again = dup(fd), third = dup(fd);
	struct err err = { 0 };
	struct stat st;

	open_queue(&queue, fd, boot_one, 0);
	ok(fstat(again, &st) == 0 && st.st_size == SHIP_QUEUE_HEAD + SIZE,
	   "the file is as large as it may get at once");
	add(&queue, 1, &nothing_sent);
	ship_queue_save(&queue, false);
	ship_queue_done(&queue);
	is_int(ship_queue_open(&queue, again, 2 * SIZE, boot_one, &err), 0, "another size");
	ok(queue.size == SIZE && holds(&queue, 1, 1), "waits while lines stand in it");
	ship_queue_settle(&queue, queue.tail);
	ship_queue_save(&queue, false);
	ship_queue_done(&queue);
	is_int(ship_queue_open(&queue, third, 2 * SIZE, boot_one, &err), 0, "once it is empty");
	ok(queue.size == 2 * SIZE, "it counts");
	add(&queue, 2, &nothing_sent);
	ok(holds(&queue, 2, 1), "and it works");
	ship_queue_done(&queue);
}

int main(void)
{
	test_form();
	test_longest();
	test_wish();
	test_keeps();
	test_power_cut();
	test_overflow();
	test_unwanted();
	test_lost();
	test_full_disk();
	test_size();
	return tap_done();
}
