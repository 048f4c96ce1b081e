/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the queue of lines for a syslog server and its file. Run by role syslog. Must never believe
 * a byte of the file without its checksum, and never hold a line up because the disk is full.
 */
#include "init/ship/queue.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "lib/log.h"
#include "lib/own.h"
#include "lib/wire.h"

enum {
	SLOTS = 2,
	SLOT_SIZE = 512,
	RECORD_HEAD = 12,
	MEMORY_SIZE = 256 << 10,
	PIECES = 16,
	FREE_SHARE = 4, /* one of these parts of the free space is the most that it takes */
};

static const char magic[8] = { 'H', 'O', 'Y', 'L', 'O', 'G', 'Q', '3' };

uint64_t ship_checksum(const void *data, size_t len)
{
	const unsigned char *at = data;
	uint64_t sum = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < len; i++)
		sum = (sum ^ at[i]) * UINT64_C(0x100000001b3);
	return sum;
}

/* ---- bytes of the ring ---- */

static bool move_part(const struct ship_queue *queue, uint64_t at, char *bytes, size_t len,
		      bool write)
{
	ssize_t n;

	if (queue->fd < 0) {
		memcpy(write ? queue->memory + at : bytes, write ? bytes : queue->memory + at, len);
		return true;
	}
	n = write ? pwrite(queue->fd, bytes, len, (off_t)(SHIP_QUEUE_HEAD + at))
		  : pread(queue->fd, bytes, len, (off_t)(SHIP_QUEUE_HEAD + at));
	if (n >= 0 && (size_t)n != len)
		errno = write ? ENOSPC : EIO;
	return n == (ssize_t)len;
}

/* Both sides of the ring's seam. */
static bool move(const struct ship_queue *queue, uint64_t position, char *bytes, size_t len,
		 bool write)
{
	uint64_t at = position % queue->size;
	size_t first = len < queue->size - at ? len : (size_t)(queue->size - at);

	return move_part(queue, at, bytes, first, write) &&
	       (first == len || move_part(queue, 0, bytes + first, len - first, write));
}

/* ---- the head ---- */

static void put_head(const struct ship_queue *queue, struct buf *out)
{
	wire_put_bytes(out, magic, sizeof(magic));
	wire_put_u64(out, queue->generation);
	wire_put_u64(out, queue->size);
	wire_put_u64(out, queue->head.position);
	wire_put_u64(out, queue->tail.position);
	wire_put_u64(out, queue->tail.number);
	wire_put_u64(out, queue->head.number);
	wire_put_u64(out, queue->lines);
	wire_put_u64(out, queue->dropped);
	wire_put_u64(out, queue->boot_first);
	wire_put_u64(out, queue->boot_next);
	wire_put_bytes(out, queue->boot, sizeof(queue->boot));
	wire_put_u64(out, ship_checksum(out->data, out->len));
}

static bool get_head(const char *slot, struct ship_queue *ret_queue)
{
	struct ship_queue queue = { .fd = -1 };
	char name[sizeof(magic)];
	struct wire in;
	size_t len;

	wire_init(&in, slot, SLOT_SIZE);
	wire_bytes(&in, name, sizeof(name));
	queue.generation = wire_u64(&in);
	queue.size = wire_u64(&in);
	queue.head.position = wire_u64(&in);
	queue.tail.position = wire_u64(&in);
	queue.tail.number = wire_u64(&in);
	queue.head.number = wire_u64(&in);
	queue.lines = wire_u64(&in);
	queue.dropped = wire_u64(&in);
	queue.boot_first = wire_u64(&in);
	queue.boot_next = wire_u64(&in);
	wire_bytes(&in, queue.boot, sizeof(queue.boot));
	len = SLOT_SIZE - in.left;
	if (memcmp(name, magic, sizeof(magic)) != 0 || wire_u64(&in) != ship_checksum(slot, len) ||
	    queue.size < SHIP_QUEUE_MIN || queue.tail.position < queue.head.position ||
	    queue.tail.position - queue.head.position > queue.size)
		return false;
	*ret_queue = queue;
	return true;
}

/* The newer of the two heads; false when neither is whole. */
static bool read_head(struct ship_queue *queue, int fd)
{
	bool found = false;

	for (int i = 0; i < SLOTS; i++) {
		struct ship_queue one;
		char slot[SLOT_SIZE];

		if (pread(fd, slot, sizeof(slot), i * SLOT_SIZE) != SLOT_SIZE ||
		    !get_head(slot, &one) || (found && one.generation < queue->generation))
			continue;
		*queue = one;
		found = true;
	}
	queue->fd = fd;
	return found;
}

/* ---- the disk fails ---- */

static int into_memory(struct ship_queue *queue)
{
	own_close(&queue->fd);
	queue->memory = malloc(MEMORY_SIZE);
	queue->size = MEMORY_SIZE;
	queue->dropped += queue->lines;
	queue->lines = 0;
	queue->head.position = queue->freed = queue->tail.position;
	return queue->memory == NULL ? -ENOMEM : 0;
}

static void disk_fails(struct ship_queue *queue)
{
	log_err("the queue on the disk fails (%s): lines that wait are lost, further ones wait in "
		"memory",
		err_name(errno));
	if (into_memory(queue) < 0)
		fatal("no memory for the queue");
}

static bool write_head(struct ship_queue *queue)
{
	char memory[SLOT_SIZE + 1] = { 0 };
	struct buf body = { .data = memory, .cap = sizeof(memory), .max = SLOT_SIZE };
	ssize_t n;

	queue->generation++;
	put_head(queue, &body);
	n = pwrite(queue->fd, memory, SLOT_SIZE, (off_t)(queue->generation % SLOTS * SLOT_SIZE));
	if (n >= 0 && n != SLOT_SIZE)
		errno = ENOSPC;
	return n == SLOT_SIZE;
}

void ship_queue_save(struct ship_queue *queue, bool sync)
{
	if (queue->fd < 0) {
		queue->freed = queue->head.position;
		return;
	}
	if (!queue->dirty && (!sync || queue->freed == queue->head.position))
		return;
	/* The records first; and no room is free before the head is known to stand. */
	if ((sync && fdatasync(queue->fd) < 0) || !write_head(queue) ||
	    (sync && fdatasync(queue->fd) < 0)) {
		disk_fails(queue);
		return;
	}
	queue->dirty = false;
	if (sync)
		queue->freed = queue->head.position;
}

/* ---- records ---- */

/* The record at a position, its bytes into text; its length, or 0. */
static size_t read_record(const struct ship_queue *queue, uint64_t position,
			  char text[SHIP_RECORD_MAX], struct ship_line *ret_line)
{
	char head[RECORD_HEAD];
	uint64_t sum;
	uint32_t len;
	struct wire in;

	if (!move(queue, position, head, sizeof(head), false))
		return 0;
	wire_init(&in, head, sizeof(head));
	len = wire_u32(&in);
	sum = wire_u64(&in);
	if (len == 0 || len > SHIP_RECORD_MAX - RECORD_HEAD ||
	    !move(queue, position + RECORD_HEAD, text, len, false) ||
	    ship_checksum(text, len) != sum)
		return 0;
	wire_init(&in, text, len);
	ret_line->number = wire_u64(&in);
	ret_line->boot_number = wire_u64(&in);
	ret_line->wall_ms = wire_i64(&in);
	ret_line->uptime_ms = wire_i64(&in);
	ret_line->prio = wire_u8(&in);
	ret_line->source = wire_u8(&in);
	ret_line->who = wire_str(&in, SHIP_WHO_MAX);
	ret_line->proc = wire_str(&in, SHIP_WORD_MAX);
	ret_line->kind = wire_str(&in, SHIP_WORD_MAX);
	ret_line->text = wire_str(&in, SHIP_TEXT_MAX);
	return wire_end(&in) < 0 ? 0 : RECORD_HEAD + len;
}

/* Everything behind a record that cannot be read is lost: where it would end is not known. */
static void give_up(struct ship_queue *queue, uint64_t position)
{
	log_err("%llu bytes of the queue cannot be read and are lost",
		(unsigned long long)(queue->tail.position - position));
	queue->dropped += queue->lines;
	queue->lines = 0;
	queue->head.position = queue->tail.position;
	queue->dirty = true;
}

static void drop_oldest(struct ship_queue *queue, const struct ship_cursor *sent)
{
	char text[SHIP_RECORD_MAX];
	struct ship_line line;
	size_t len = read_record(queue, queue->head.position, text, &line);

	if (len == 0) {
		give_up(queue, queue->head.position);
		return;
	}
	if (queue->head.position >= sent->position)
		queue->dropped++;
	queue->head.position += len;
	queue->lines--;
}

bool ship_queue_read(struct ship_queue *queue, struct ship_cursor *cursor,
		     char text[SHIP_RECORD_MAX], struct ship_line *ret_line)
{
	size_t len;

	if (cursor->position < queue->head.position)
		cursor->position = queue->head.position;
	if (cursor->position >= queue->tail.position)
		return false;
	len = read_record(queue, cursor->position, text, ret_line);
	/* A number from before: the record is of the ring's last round, its own never came here. */
	if (len == 0 || ret_line->number < cursor->number) {
		give_up(queue, cursor->position);
		return false;
	}
	cursor->position += len;
	cursor->number = ret_line->number + 1;
	return true;
}

void ship_queue_settle(struct ship_queue *queue, struct ship_cursor done)
{
	char text[SHIP_RECORD_MAX];
	struct ship_line line;

	while (queue->head.position < done.position && queue->lines > 0) {
		size_t len = read_record(queue, queue->head.position, text, &line);

		if (len == 0) {
			give_up(queue, queue->head.position);
			return;
		}
		queue->head.position += len;
		queue->lines--;
		queue->dirty = true;
	}
	if (done.number > queue->head.number)
		queue->head.number = done.number;
}

/* ---- adding ---- */

/*
 * Room of a record. What the head on the disk still counts as waiting must not be written over: a
 * power cut would leave a head that points into rubbish. So room is made in pieces, each of them
 * known to the disk before it is used.
 */
static void clear_way(struct ship_queue *queue, size_t len, const struct ship_cursor *sent)
{
	uint64_t end = queue->tail.position + len;

	if (end - queue->freed <= queue->size)
		return;
	if (end - queue->head.position > queue->size)
		while (queue->lines > 0 &&
		       end - queue->head.position > queue->size - queue->size / PIECES)
			drop_oldest(queue, sent);
	queue->dirty = true;
	ship_queue_save(queue, true);
}

static bool write_record(struct ship_queue *queue, struct str record,
			 const struct ship_cursor *sent)
{
	char head[RECORD_HEAD + 1];
	struct buf front = { .data = head, .cap = sizeof(head), .max = RECORD_HEAD };
	char *bytes = (char *)(uintptr_t)record.ptr;

	clear_way(queue, RECORD_HEAD + record.len, sent);
	wire_put_u32(&front, (uint32_t)record.len);
	wire_put_u64(&front, ship_checksum(record.ptr, record.len));
	return move(queue, queue->tail.position, head, RECORD_HEAD, true) &&
	       move(queue, queue->tail.position + RECORD_HEAD, bytes, record.len, true);
}

void ship_queue_lost(struct ship_queue *queue, uint64_t lines)
{
	queue->tail.number += lines;
	queue->dropped += lines;
	queue->dirty = true;
}

bool ship_queue_half_full(const struct ship_queue *queue)
{
	return queue->tail.position - queue->head.position > queue->size / 2;
}

void ship_queue_skip(struct ship_queue *queue, uint64_t boot_number)
{
	if (boot_number > queue->boot_next)
		ship_queue_lost(queue, boot_number - queue->boot_next);
	queue->boot_next = boot_number + 1;
	queue->dirty = true;
}

void ship_queue_add(struct ship_queue *queue, uint64_t boot_number, const struct ship_line *line,
		    const struct ship_cursor *sent)
{
	char memory[SHIP_RECORD_MAX];
	struct buf body = { .data = memory, .cap = sizeof(memory), .max = sizeof(memory) - 1 };

	if (boot_number > 0)
		ship_queue_skip(queue, boot_number);
	wire_put_u64(&body, queue->tail.number);
	wire_put_u64(&body, boot_number);
	wire_put_i64(&body, line->wall_ms);
	wire_put_i64(&body, line->uptime_ms);
	wire_put_u8(&body, line->prio);
	wire_put_u8(&body, line->source);
	wire_put_str(&body, str_head(line->who, SHIP_WHO_MAX));
	wire_put_str(&body, str_head(line->proc, SHIP_WORD_MAX));
	wire_put_str(&body, str_head(line->kind, SHIP_WORD_MAX));
	wire_put_str(&body, str_head(line->text, SHIP_TEXT_MAX));
	if (!write_record(queue, buf_str(&body), sent)) {
		disk_fails(queue);
		(void)write_record(queue, buf_str(&body), sent); /* memory takes it */
	}
	queue->tail.position += RECORD_HEAD + body.len;
	queue->tail.number++;
	queue->lines++;
	queue->dirty = true;
}

/* ---- opening ---- */

/* Lines that were written behind the last head, before the power was cut. */
static void find_more(struct ship_queue *queue)
{
	char text[SHIP_RECORD_MAX];
	struct ship_line line;
	size_t len;

	while ((len = read_record(queue, queue->tail.position, text, &line)) > 0 &&
	       line.number >= queue->tail.number &&
	       queue->tail.position + len - queue->head.position <= queue->size) {
		uint64_t lost = line.number - queue->tail.number;

		if (line.boot_number > 0)
			queue->boot_next = line.boot_number + 1;
		queue->dropped += lost;
		queue->tail.position += len;
		queue->tail.number = line.number + 1;
		queue->lines++;
		queue->dirty = true;
	}
}

static void begin_boot(struct ship_queue *queue, const char boot[SHIP_BOOT_ID])
{
	if (memcmp(queue->boot, boot, SHIP_BOOT_ID) == 0)
		return;
	memcpy(queue->boot, boot, SHIP_BOOT_ID);
	queue->boot_first = queue->tail.number;
	queue->boot_next = 1;
	queue->dirty = true;
}

/*
 * The whole file at once, so that a full disk is found now and not when the server is away. What
 * was taken before a failure is given back: ext4 keeps it.
 */
static int make_room(struct ship_queue *queue, uint64_t size, off_t before, struct err *err)
{
	off_t bytes = (off_t)(SHIP_QUEUE_HEAD + size);
	uint64_t more = 0;
	struct statvfs fs;
	struct stat st;
	int r;

	if (fstat(queue->fd, &st) < 0 || fstatvfs(queue->fd, &fs) < 0)
		return err_sys(err, -errno, "the queue");
	if (bytes > st.st_blocks * 512)
		more = (uint64_t)(bytes - st.st_blocks * 512);
	/* 0 blocks: a file system without a size. */
	if (fs.f_blocks > 0 && more > (uint64_t)fs.f_bavail * fs.f_frsize / FREE_SHARE)
		r = ENOSPC;
	else
		r = posix_fallocate(queue->fd, 0, bytes);
	if (r != 0) {
		(void)!ftruncate(queue->fd, before);
		return err_set(err, -r,
			       "no room for the queue of %llu bytes: %s; it may take a quarter of "
			       "the free space: free some, or set a smaller queue_size",
			       (unsigned long long)size, err_name(r));
	}
	queue->size = size;
	return ftruncate(queue->fd, bytes) < 0 ? err_sys(err, -errno, "the queue") : 0;
}

/* Of an empty queue; where it gets no room it stays as large as it is. */
static void change_size(struct ship_queue *queue, uint64_t size)
{
	struct err err = { 0 };

	if (make_room(queue, size, (off_t)(SHIP_QUEUE_HEAD + queue->size), &err) < 0)
		log_warn("the queue keeps its %llu bytes: %s", (unsigned long long)queue->size,
			 err_text(&err));
	else
		queue->head.position = queue->tail.position = queue->freed = 0;
}

int ship_queue_open(struct ship_queue *queue, int fd, uint64_t size, const char boot[SHIP_BOOT_ID],
		    struct err *err)
{
	int r = 0;

	*queue = (struct ship_queue){ .fd = fd, .head.number = 1, .tail.number = 1 };
	if (fd < 0) {
		r = 1;
	} else if (!read_head(queue, fd)) {
		*queue = (struct ship_queue){ .fd = fd, .head.number = 1, .tail.number = 1 };
		r = make_room(queue, size, 0, err);
	} else {
		queue->freed = queue->head.position;
		find_more(queue);
		if (queue->lines == 0 && queue->size != size)
			change_size(queue, size);
	}
	if (r != 0) {
		r = into_memory(queue);
		if (r < 0)
			return err_set(err, r, "no memory for the queue");
		r = 1;
	}
	begin_boot(queue, boot);
	queue->dirty = true;
	ship_queue_save(queue, false);
	if (r == 0 && queue->fd < 0) {
		(void)err_set(err, -EIO, "its file cannot be written");
		r = 1;
	}
	return r;
}

void ship_queue_done(struct ship_queue *queue)
{
	own_close(&queue->fd);
	free(queue->memory);
	queue->memory = NULL;
}
