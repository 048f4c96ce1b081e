/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the log: the units' pipes, the ring, who reads it. Run by PID 1. Must never wait for a
 * terminal, a disk or a reader: each of them loses lines instead.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>
#include "init/sup_calls.h"
#include "init/unit/logline.h"
#include "lib/log.h"
#include "lib/mono.h"
#include "lib/own.h"

enum {
	FLUSH_MS = 1000,
	FOLLOW_MS = 50,
	FOLLOW_RETRY_MS = 300,
	BATCH_MAX = 16384,
	CHUNK = 4096,
	HEADS_MAX = 256, /* of two lines */
};

int64_t sup_uptime_ms(void)
{
	return mono_now().ns / 1000000;
}

struct buf sup_body(void)
{
	static char memory[SUP_REPLY_MAX + 1];

	memory[0] = '\0';
	return (struct buf){ .data = memory, .cap = sizeof(memory), .max = sizeof(memory) - 1 };
}

/* ---- adding lines ---- */

static void flush_due(struct loop_timer *timer);
static void follow_due(struct loop_timer *timer);

void sup_log_init(struct sup *sup)
{
	ring_init(&sup->ring);
	sup->disk_cursor = ring_begin(&sup->ring);
	sup->disk_logged = sup->disk_cursor.number;
	sup->console_prio = LOG_PRIO_INFO;
}

static void add_line(struct sup *sup, uint8_t unit, uint8_t prio, struct str text)
{
	static struct ring_line line;

	line.uptime_ms = sup_uptime_ms();
	line.prio = prio;
	line.unit = unit;
	line.len = text.len > RING_TEXT_MAX ? RING_TEXT_MAX : text.len;
	memcpy(line.text, text.ptr, line.len);
	line.text[line.len] = '\0';
	line.number = ring_add(&sup->ring, line.uptime_ms, prio, unit, text);
	sup_tty_line(sup, &line);
	if (!sup->disk_timer.armed)
		loop_timer_set(&sup->loop, &sup->disk_timer, FLUSH_MS, flush_due, sup);
	if (!sup->follow_timer.armed)
		loop_timer_set(&sup->loop, &sup->follow_timer, FOLLOW_MS, follow_due, sup);
}

static void say(struct sup *sup, uint8_t prio, const char *who, const char *fmt, va_list ap)
	__attribute__((format(printf, 4, 0)));

static void say(struct sup *sup, uint8_t prio, const char *who, const char *fmt, va_list ap)
{
	char text[INIT_LINE_MAX];
	int head = snprintf(text, sizeof(text), "%s: ", who);
	int n = vsnprintf(text + head, sizeof(text) - (size_t)head, fmt, ap);

	if (n < 0)
		return;
	add_line(sup, SUP_LOG_INIT, prio, str_from(text));
}

void sup_say(struct sup *sup, uint8_t prio, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(sup, prio, "init", fmt, ap);
	va_end(ap);
}

int64_t sup_monotonic_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void sup_mark(struct sup *sup, const char *mark, int64_t at_ms, const char *fmt, ...)
{
	char text[64];
	va_list ap;

	va_start(ap, fmt);
	say(sup, LOG_PRIO_NOTICE, "hoy", fmt, ap);
	va_end(ap);
	snprintf(text, sizeof(text), "hoy: mark %s %lld", mark, (long long)at_ms);
	add_line(sup, SUP_LOG_INIT, LOG_PRIO_NOTICE, str_from(text));
}

/* ---- the pipes ---- */

/* Control bytes, C1 in UTF-8 too, must not reach a terminal. */
static void neutralise(char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '\t')
			text[i] = ' ';
		else if (c < ' ' || c == 0x7f)
			text[i] = '?';
		else if (c == 0xc2 && i + 1 < len && (unsigned char)text[i + 1] < 0xa0)
			text[i] = text[i + 1] = '?';
	}
}

static void take_line(struct sup_unit *unit)
{
	uint8_t prio = LOG_PRIO_INFO;
	char raw[INIT_LINE_MAX + 40];
	struct str text = str_make(unit->line, unit->line_len);

	unit->line_len = 0;
	while (text.len > 0 && (text.ptr[text.len - 1] == '\r' || text.ptr[text.len - 1] == ' '))
		text.len--;
	if (text.len == 0)
		return;
	if (text.len > 3 && text.ptr[0] == '<' && text.ptr[2] == '>' && text.ptr[1] >= '0' &&
	    text.ptr[1] <= '7') { /* one of ours: "<prio>role: text" */
		prio = (uint8_t)(text.ptr[1] - '0');
		text = str_skip(text, 3);
		snprintf(raw, sizeof(raw), "%.*s", STR_ARG(text));
	} else { /* a tool that it runs */
		snprintf(raw, sizeof(raw), "%s: %.*s", unit->name, STR_ARG(text));
	}
	neutralise(raw, strlen(raw));
	add_line(unit->sup, (uint8_t)unit->index, prio, str_from(raw));
}

static void pipe_ready(struct loop_io *io, uint32_t events)
{
	struct sup_unit *unit = io->owner;
	char chunk[CHUNK];
	ssize_t n = read(unit->log_read_fd, chunk, sizeof(chunk));

	(void)events;
	for (ssize_t i = 0; i < n; i++) {
		if (chunk[i] == '\n')
			take_line(unit);
		else if (unit->line_len < INIT_LINE_MAX)
			unit->line[unit->line_len++] = chunk[i];
	}
}

int sup_log_open(struct sup_unit *unit, struct err *err)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(err, -errno, "log pipe of %s", unit->name);
	/* Only our end: a daemon's write may wait until we read, which is soon. */
	if (fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0)
		return err_sys(err, -errno, "log pipe of %s", unit->name);
	unit->log_read_fd = fds[0];
	unit->log_write_fd = fds[1];
	return loop_add(&unit->sup->loop, &unit->log_io, fds[0], EPOLLIN, pipe_ready, unit, err);
}

/* ---- to the disk ---- */

static const char *unit_name(const struct sup *sup, uint8_t unit)
{
	return unit < SUP_COUNT ? sup->units[unit].name : "init";
}

static void put_head(const struct sup *sup, struct buf *body, const struct ring_line *line)
{
	int64_t age_s = (sup_uptime_ms() - line->uptime_ms) / 1000;

	logline_put_head(body, &(struct logline){ .wall_s = wall_now_s() - age_s,
						  .uptime_ms = line->uptime_ms,
						  .prio = line->prio,
						  .unit = str_from(unit_name(sup, line->unit)) });
}

/* One batch; false when nothing more can go now. */
static bool flush_batch(struct sup *sup)
{
	static struct ring_line line;
	struct ring_cursor cursor = sup->disk_cursor, before = cursor;
	struct buf body = sup_body();
	uint64_t lost = 0;

	body.max = DISK_LOG_BATCH_MAX;
	wire_put_u64(&body, 0);
	while (body.len + RING_TEXT_MAX + HEADS_MAX < DISK_LOG_BATCH_MAX &&
	       ring_read(&sup->ring, &cursor, &line, &lost)) {
		if (lost > 0) {
			put_head(sup, &body, &line);
			buf_printf(&body, "init: %llu lines lost before this one\n",
				   (unsigned long long)lost);
		}
		lost = 0;
		put_head(sup, &body, &line);
		buf_printf(&body, "%s\n", line.text);
	}
	if (cursor.number == before.number)
		return false;
	for (size_t i = 0; i < 8; i++)
		body.data[i] = (char)(cursor.number >> 8 * i);
	if (msg_peer_send(&sup->units[SUP_DISK].peer, DISK_MSG_LOG, buf_str(&body), NULL, 0, NULL) <
	    0)
		return false;
	sup->disk_cursor = cursor;
	return true;
}

void sup_log_flush_disk(struct sup *sup)
{
	if (sup->data != INIT_DATA_READY || !sup->disk_logs)
		return;
	for (int i = 0; i < 16 && flush_batch(sup); i++)
		;
}

/* The cursor in front of the line with this number, or of the oldest one that is left. */
static struct ring_cursor line_cursor(const struct sup *sup, uint64_t number)
{
	static struct ring_line line;
	struct ring_cursor cursor = ring_begin(&sup->ring);

	while (cursor.number < number && ring_read(&sup->ring, &cursor, &line, NULL))
		;
	return cursor;
}

void sup_log_disk_ready(struct sup *sup)
{
	if (sup->disk_logs)
		return;
	sup->disk_logs = true;
	sup->disk_cursor = line_cursor(sup, sup->disk_logged);
	if (sup->disk_logged < sup->disk_cursor.number)
		sup->disk_cursor.number = sup->disk_logged; /* reading tells how many are lost */
	sup_log_flush_disk(sup);
}

void sup_log_disk_wrote(struct sup *sup, uint64_t number)
{
	if (number > sup->disk_logged && number <= sup->disk_cursor.number)
		sup->disk_logged = number;
}

static void flush_due(struct loop_timer *timer)
{
	struct sup *sup = timer->owner;

	sup_log_flush_disk(sup);
	if (sup->data == INIT_DATA_READY && sup->disk_cursor.number < sup->ring.next)
		loop_timer_set(&sup->loop, timer, FLUSH_MS, flush_due, sup);
}

/* ---- to readers ---- */

static bool wanted(const struct sup_follower *follower, const struct ring_line *line)
{
	return follower->unit < 0 || follower->unit == line->unit;
}

/* "dhcp: lease ..." of unit netd -> "dhcp" and "lease ...". */
void sup_log_put(struct buf *body, const struct ring_line *line)
{
	struct str who = str_make(line->text, line->len), text = { 0 };
	ptrdiff_t colon = str_find(who, ':');

	if (colon >= 0) {
		text = str_trim(str_skip(who, (size_t)colon + 1));
		who = str_head(who, (size_t)colon);
	}
	wire_put_i64(body, line->uptime_ms);
	wire_put_u8(body, line->prio);
	wire_put_str(body, who);
	wire_put_str(body, text);
}

/* Of the line that is read next: the oldest one when that of the cursor has gone. */
static uint64_t first_number(const struct ring *ring, const struct ring_cursor *cursor)
{
	return cursor->number < ring->oldest ? ring->oldest : cursor->number;
}

/* Sends one batch. True = try again at once, false = done, or the peer's socket is full. */
static bool follow_batch(struct sup *sup, struct sup_follower *follower, bool *ret_full)
{
	static struct ring_line line;
	struct ring_cursor cursor = follower->cursor;
	struct buf body = sup_body();
	uint16_t type = follower->numbered ? INIT_MSG_LOG_FROM : INIT_MSG_LOG;
	uint32_t count = 0;
	size_t head;
	bool last;
	int r;

	if (follower->numbered)
		wire_put_u64(&body, first_number(&sup->ring, &cursor));
	head = body.len;
	wire_put_u32(&body, 0);
	while (body.len + RING_TEXT_MAX + 64 < BATCH_MAX &&
	       (follower->until == 0 || cursor.number < follower->until) &&
	       ring_read(&sup->ring, &cursor, &line, NULL))
		if (wanted(follower, &line)) {
			sup_log_put(&body, &line);
			count++;
		}
	for (size_t i = 0; i < 4; i++)
		body.data[head + i] = (char)(count >> 8 * i);
	last = follower->until != 0 &&
	       (cursor.number >= follower->until || cursor.number >= sup->ring.next);
	if (!last && count == 0) {
		follower->cursor = cursor;
		return false;
	}
	r = last ? msg_reply(follower->peer, type, follower->serial, buf_str(&body), NULL, 0)
		 : msg_reply_more(follower->peer, type, follower->serial, buf_str(&body));
	if (r < 0) {
		*ret_full = r == -EAGAIN;
		if (!*ret_full)
			follower->peer = NULL;
		return false;
	}
	follower->cursor = cursor;
	if (last)
		follower->peer = NULL;
	return !last;
}

static void follow_due(struct loop_timer *timer)
{
	struct sup *sup = timer->owner;
	bool full = false;

	for (size_t i = 0; i < SUP_FOLLOWERS_MAX; i++) {
		bool one_full = false;

		for (int n = 0; n < 16 && sup->followers[i].peer != NULL &&
				follow_batch(sup, &sup->followers[i], &one_full);
		     n++)
			;
		full = full || one_full;
	}
	if (full)
		loop_timer_set(&sup->loop, timer, FOLLOW_RETRY_MS, follow_due, sup);
}

/* The cursor in front of the newest `lines` lines of the unit. */
static struct ring_cursor last_lines(const struct sup *sup, int unit, uint32_t lines)
{
	static struct ring_line line;
	struct ring_cursor cursor = ring_begin(&sup->ring), start = cursor;
	struct sup_follower filter = { .unit = unit };
	uint64_t total = 0;

	if (lines == 0)
		return start;
	while (ring_read(&sup->ring, &cursor, &line, NULL))
		total += wanted(&filter, &line);
	cursor = start;
	for (uint64_t skip = total > lines ? total - lines : 0; skip > 0;) {
		if (!ring_read(&sup->ring, &cursor, &line, NULL))
			break;
		skip -= wanted(&filter, &line);
	}
	return cursor;
}

int sup_follow(struct sup *sup, struct msg_peer *peer, uint32_t serial, int unit, uint32_t lines,
	       bool follow)
{
	for (size_t i = 0; i < SUP_READERS_MAX; i++) {
		struct sup_follower *follower = &sup->followers[i];

		if (follower->peer != NULL)
			continue;
		*follower = (struct sup_follower){ .peer = peer,
						   .serial = serial,
						   .cursor = last_lines(sup, unit, lines),
						   .until = follow ? 0 : sup->ring.next,
						   .unit = unit };
		loop_timer_set(&sup->loop, &sup->follow_timer, 0, follow_due, sup);
		return 0;
	}
	return -EBUSY;
}

void sup_follow_from(struct sup *sup, struct msg_peer *peer, uint32_t serial, uint64_t number)
{
	struct sup_follower *follower = &sup->followers[SUP_READERS_MAX];

	*follower = (struct sup_follower){ .peer = peer,
					   .serial = serial,
					   .cursor = line_cursor(sup, number),
					   .unit = -1,
					   .numbered = true };
	loop_timer_set(&sup->loop, &sup->follow_timer, 0, follow_due, sup);
}

void sup_follow_forget(struct sup *sup, const struct msg_peer *peer)
{
	for (size_t i = 0; i < SUP_FOLLOWERS_MAX; i++)
		if (sup->followers[i].peer == peer)
			sup->followers[i].peer = NULL;
}
