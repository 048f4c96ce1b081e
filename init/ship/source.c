/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns what role syslog sends beside PID 1's lines: records of /dev/kmsg and the log files of
 * containers. Run by role syslog. The files keep what the queue has no room for: as long as more
 * than half of it waits they are not read on. Must never hand on a byte of a container that the
 * queue or a terminal would obey.
 */
#include "init/ship/source.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "init/ship/files_msg.h"
#include "init/ship/tail.h"
#include "init/unit/boxline.h"
#include "init/unit/kmsg.h"
#include "init/unit/logline.h"
#include "lib/log.h"
#include "lib/own.h"
#include "lib/spawn.h"

enum {
	KERNEL_RECORD = 8192,
	KERNEL_BATCH = 64,
	TEXT_MAX = 32768, /* of a line of the shim's, each byte of it as U+FFFD */
	EVERY_MS = 500,
	AGAIN_MS = 20, /* there is more */
	CHUNKS = 4,    /* of each container in a turn */
	STAMP = 19,    /* 2026-11-21T21:55:36 */
	ID_SHOWN = 12,
};

#define KERNEL_HEAD "kernel: "

static struct ship_tail tails[SHIP_PLACES_MAX];
static bool gone[SHIP_PLACES_MAX];

int ship_sources_spawn(const char *program, int *ret_fd, struct err *err)
{
	static const char *const argv[] = { "hoy", "--syslog-files", NULL };
	OWN_FD int pidfd = -1;
	struct spawn spawn;
	int pair[2], r;
	pid_t pid;

	r = msg_pair(pair, err);
	if (r < 0)
		return r;
	spawn_init(&spawn, program, argv);
	spawn.fds[0] = pair[1];
	spawn.nfds = 1;
	spawn.log_fd = STDERR_FILENO;
	spawn.parent_death_signal = SIGKILL;
	r = spawn_start(&spawn, &pid, &pidfd, err);
	own_close(&pair[1]);
	if (r < 0)
		own_close(&pair[0]);
	*ret_fd = pair[0];
	return r;
}

/* ---- the kernel ---- */

static void take_record(struct ship_sources *sources, struct str record)
{
	static struct ring_line ring;
	struct ship_places *places = &sources->places;
	struct ship_line line = { .source = SHIP_SOURCE_KERNEL, .who = STR("kernel") };

	if (!kmsg_parse(record, &ring) || ring.number < places->kernel_next)
		return;
	ship_queue_lost(sources->queue, ring.number - places->kernel_next);
	places->kernel_next = ring.number + 1;
	places->dirty = true;
	line.prio = ring.prio;
	line.uptime_ms = ring.uptime_ms;
	line.text = str_skip(str_make(ring.text, ring.len), sizeof(KERNEL_HEAD) - 1);
	sources->add(&line);
}

static void kernel_ready(struct loop_io *io, uint32_t events)
{
	static char record[KERNEL_RECORD];
	struct ship_sources *sources = io->owner;

	for (int i = 0; i < KERNEL_BATCH; i++) {
		ssize_t n = read(io->fd, record, sizeof(record));

		if (n > 0) /* EPIPE: some were overwritten; the next one's number tells how many */
			take_record(sources, str_make(record, (size_t)n));
		else if (n == 0 || (errno != EPIPE && errno != EINTR))
			break;
	}
	if ((events & ~(uint32_t)EPOLLIN) != 0)
		loop_remove(sources->loop, io);
	sources->done();
}

/* ---- containers ---- */

static int64_t wall_of(struct str when)
{
	int64_t at_s = 0, ms = 0;

	if (when.len < STAMP || logline_time(str_head(when, STAMP), 0, &at_s) < 0)
		return 0;
	for (size_t i = STAMP + 1; i < STAMP + 4; i++)
		ms = ms * 10 + (i < when.len && when.ptr[i] >= '0' && when.ptr[i] <= '9'
					? when.ptr[i] - '0'
					: 0);
	return at_s * 1000 + ms;
}

static struct str clean(char *text, size_t len)
{
	while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
		len--;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			text[i] = text[i] == '\t' ? ' ' : '?';
	return str_make(text, len);
}

/* A line longer than a frame goes in pieces. */
static bool take_line(struct ship_tail *tail, struct str raw, void *owner)
{
	static char text[TEXT_MAX];
	struct ship_sources *sources = owner;
	bool is_stderr = false;
	struct ship_line line = { .source = SHIP_SOURCE_CONTAINER };
	int len = boxline_text(raw, text, sizeof(text), &is_stderr);
	struct str rest;

	if (ship_queue_half_full(sources->queue))
		return false;
	if (len <= 0) /* torn by a power cut */
		return true;
	line.who = str_from(tail->name);
	line.proc = str_head(str_from(tail->id), ID_SHOWN);
	line.kind = is_stderr ? STR("stderr") : STR("stdout");
	line.prio = is_stderr ? LOG_PRIO_ERR : LOG_PRIO_INFO;
	line.wall_ms = wall_of(boxline_time(raw));
	line.uptime_ms = mono_now().ns / 1000000;
	for (rest = clean(text, (size_t)len); rest.len > 0;) {
		line.text = str_head(rest, rest.len < SHIP_TEXT_MAX ? rest.len : SHIP_TEXT_MAX);
		rest = str_skip(rest, line.text.len);
		sources->add(&line);
	}
	return true;
}

/* True when there is more to read. */
static bool read_tail(struct ship_sources *sources, struct ship_tail *tail)
{
	uint64_t offset = tail->offset, inode = tail->inode;
	bool more = true, is_new;

	for (int i = 0; i < CHUNKS && more; i++)
		more = ship_tail_read(tail, take_line, sources);
	if (tail->offset != offset || tail->inode != inode) {
		struct ship_place *place = ship_places_of(&sources->places, tail->id, &is_new);

		place->inode = tail->inode;
		place->offset = tail->offset;
	}
	return more;
}

static bool read_tails(struct ship_sources *sources)
{
	bool any = false;

	for (size_t i = 0; i < SHIP_PLACES_MAX; i++) {
		if (tails[i].id[0] == '\0')
			continue;
		if (read_tail(sources, &tails[i])) {
			any = true;
		} else if (gone[i] && !ship_queue_half_full(sources->queue)) {
			ship_tail_done(&tails[i]);
			tails[i] = (struct ship_tail){ 0 };
		}
	}
	return any;
}

static void read_due(struct loop_timer *timer)
{
	struct ship_sources *sources = timer->owner;
	bool more = read_tails(sources);

	sources->done();
	loop_timer_set(sources->loop, timer, more ? AGAIN_MS : EVERY_MS, read_due, sources);
}

void ship_sources_read(struct ship_sources *sources)
{
	if (sources->kernel.fd >= 0)
		kernel_ready(&sources->kernel, EPOLLIN);
	while (read_tails(sources))
		;
	sources->done();
}

/* ---- from role syslog-files ---- */

static struct ship_sources *sources_of(const struct msg_peer *peer)
{
	return peer->owner;
}

/* That of this container, or with "" a free one; NULL. */
static struct ship_tail *find_tail(const char *id)
{
	for (size_t i = 0; i < SHIP_PLACES_MAX; i++)
		if (strncmp(tails[i].id, id, SHIP_PLACE_ID) == 0)
			return &tails[i];
	return NULL;
}

static struct ship_tail *new_tail(struct ship_sources *sources, const char *id, bool *ret_first)
{
	struct ship_tail *tail = find_tail("");
	struct ship_place *place;
	bool is_new;

	if (tail == NULL)
		return NULL;
	place = ship_places_of(&sources->places, id, &is_new);
	*tail = (struct ship_tail){ .inode = place->inode, .offset = place->offset };
	(void)str_copy(str_head(str_from(id), SHIP_PLACE_ID), tail->id, sizeof(tail->id));
	*ret_first = is_new && sources->places.first;
	return tail;
}

static void on_log(struct msg_peer *peer, struct msg *msg)
{
	struct ship_sources *sources = sources_of(peer);
	char id[SHIP_FILES_ID_MAX], name[SHIP_FILES_NAME_MAX];
	struct ship_tail *tail;
	bool first = false;
	struct wire in;

	wire_init(&in, msg->body.ptr, msg->body.len);
	wire_text(&in, id, sizeof(id));
	wire_text(&in, name, sizeof(name));
	if (wire_end(&in) < 0 || id[0] == '\0')
		fatal("malformed message from syslog-files");
	tail = find_tail(id);
	if (tail == NULL)
		tail = new_tail(sources, id, &first);
	if (tail == NULL) {
		log_warn("%s: too many containers: its lines are not sent", name);
		return;
	}
	gone[tail - tails] = false;
	(void)str_copy(str_head(str_from(name), SHIP_WHO_MAX), tail->name, sizeof(tail->name));
	if (ship_tail_renew(tail, msg))
		log_warn("%s: its log was rotated before it was sent: lines may be missing", name);
	if (first)
		ship_tail_skip(tail, SHIP_SOURCE_FIRST);
}

static void on_gone(struct msg_peer *peer, struct msg *msg)
{
	char id[SHIP_FILES_ID_MAX];
	struct ship_tail *tail;
	struct wire in;

	(void)peer;
	wire_init(&in, msg->body.ptr, msg->body.len);
	wire_text(&in, id, sizeof(id));
	tail = id[0] != '\0' ? find_tail(id) : NULL;
	if (tail != NULL)
		gone[tail - tails] = true;
}

/* From now on a container that was not heard of is a new one. */
static void on_round(struct msg_peer *peer, struct msg *msg)
{
	(void)msg;
	sources_of(peer)->places.first = false;
}

static void files_gone(struct msg_peer *peer)
{
	sources_of(peer)->gone();
}

static const struct msg_rule rules[] = {
	{ SHIP_FILES_MSG_LOG, "LOG", 8, 256, 0, MSG_FDS_MAX, 1, on_log },
	{ SHIP_FILES_MSG_GONE, "GONE", 4, 80, 0, 0, 1, on_gone },
	{ SHIP_FILES_MSG_ROUND, "ROUND", 0, 0, 0, 0, 1, on_round },
};

int ship_sources_begin(struct ship_sources *sources, int kernel_fd, int files_fd, struct err *err)
{
	int r = 0;

	sources->kernel.fd = sources->files.fd = -1;
	if (kernel_fd >= 0)
		r = loop_add(sources->loop, &sources->kernel, kernel_fd, EPOLLIN, kernel_ready,
			     sources, err);
	if (r < 0 || files_fd < 0)
		return r;
	loop_timer_set(sources->loop, &sources->timer, EVERY_MS, read_due, sources);
	return msg_peer_init(&sources->files, sources->loop, files_fd, 1, rules, ARRAY_LEN(rules),
			     0, files_gone, sources, err);
}
