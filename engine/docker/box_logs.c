/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /containers/NAME/logs. The files come as fds from engine main; here their lines are read,
 * chosen and framed, as fast as the client takes them. Following looks for more every LOGS_POLL_MS
 * and asks for the files again when the last one was rotated. Runs in the api role; what a log says
 * is foreign, memory is one block and one line.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "engine/docker/handlers.h"
#include "engine/docker/log_lines.h"
#include "engine/docker/text.h"
#include "engine/docker/view.h"
#include "engine/docker/watch.h"
#include "lib/own.h"

enum {
	LOGS_FILES_MAX = 8,
	LOGS_BLOCK = 64 << 10,
	LOGS_POLL_MS = 100,
	LOGS_AGAIN = 10, /* polls without news before the files are asked for again */
};

struct logs {
	struct docker_client *client;
	struct docker_watch watch;
	struct loop_timer timer;
	int fds[LOGS_FILES_MAX];
	unsigned count, at; /* files, the one that is read */
	off_t offset;
	ino_t inode; /* of the file that was read last */
	struct docker_log_lines lines;
	int64_t tail; /* -1 = all */
	bool follow, ended;
	unsigned idle;
	char id[68];
};

static void logs_step(struct logs *logs);

static void close_files(struct logs *logs)
{
	while (logs->count)
		own_close(&logs->fds[--logs->count]);
	logs->at = 0;
}

static void logs_free(void *work)
{
	struct logs *logs = work;

	docker_watch_remove(logs->client->server, &logs->watch);
	/* The files may have been asked for again: the answer is none of the client's next request.
	 */
	msg_peer_forget(logs->client->server->main, logs->client);
	loop_timer_stop(logs->client->server->loop, &logs->timer);
	close_files(logs);
	docker_log_lines_done(&logs->lines);
	free(logs);
}

/* ---- tail ---- */

/* How far back from `end` of a file the wanted lines begin; *left counts down. */
static off_t tail_file(int fd, off_t end, int64_t *left)
{
	char block[LOGS_BLOCK];
	off_t at = end;

	while (at > 0) {
		size_t want = at > LOGS_BLOCK ? LOGS_BLOCK : (size_t)at;
		ssize_t n = pread(fd, block, want, at - (off_t)want);

		if (n != (ssize_t)want)
			return 0;
		for (size_t i = want; i > 0; i--) {
			off_t place = at - (off_t)want + (off_t)i;

			/* A newline at the very end belongs to the last line. */
			if (block[i - 1] != '\n' || place == end)
				continue;
			if (--*left <= 0)
				return place;
		}
		at -= (off_t)want;
	}
	--*left;
	return 0;
}

static void seek_tail(struct logs *logs)
{
	int64_t left = logs->tail;
	struct stat st;

	logs->at = 0;
	logs->offset = 0;
	if (logs->tail < 0)
		return;
	logs->at = logs->count - 1;
	for (unsigned i = logs->count; i > 0; i--) {
		off_t size = fstat(logs->fds[i - 1], &st) == 0 ? st.st_size : 0;

		logs->at = i - 1;
		logs->offset = left > 0 ? tail_file(logs->fds[i - 1], size, &left) : size;
		if (left <= 0)
			return;
	}
}

/* ---- following ---- */

static void on_files(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err);

static void ask_files(struct logs *logs)
{
	struct buf body OWN(buf_done) = { 0 };

	buf_init(&body, 256);
	wire_put_text(&body, logs->id);
	if (msg_peer_call(logs->client->server->main, ENGINE_MSG_LOGS, buf_str(&body), NULL, 0,
			  on_files, logs->client, NULL) < 0)
		logs->idle = 0; /* too many calls wait: again later */
}

static void on_timer(struct loop_timer *timer)
{
	logs_step(timer->owner);
}

static void on_event(struct docker_watch *watch, const struct engine_event *event)
{
	struct logs *logs = watch->owner;

	if (!str_is(event->type, "container") || !str_is(event->id, logs->id) ||
	    (!str_is(event->action, "die") && !str_is(event->action, "destroy")))
		return;
	logs->ended = true;
	logs->idle = 0;
	loop_timer_set(logs->client->server->loop, &logs->timer, 0, on_timer, logs);
}

/* Nothing more is in the files. */
static void at_end(struct logs *logs)
{
	struct docker_client *client = logs->client;

	if (!logs->follow || logs->lines.over || (logs->ended && logs->idle > 0)) {
		docker_stream_end(client);
		return;
	}
	logs->idle++;
	if (logs->idle % LOGS_AGAIN == 0 || !logs->count)
		ask_files(logs);
	loop_timer_set(client->server->loop, &logs->timer, LOGS_POLL_MS, on_timer, logs);
}

/* One block for the client, if it has room. */
static void logs_step(struct logs *logs)
{
	struct docker_client *client = logs->client;
	struct buf out OWN(buf_done) = { 0 };
	char block[LOGS_BLOCK];
	ssize_t n = 0;

	if (docker_stream_full(client))
		return; /* on_room goes on */
	while (logs->at < logs->count) {
		n = pread(logs->fds[logs->at], block, sizeof(block), logs->offset);
		if (n > 0 || logs->at + 1 == logs->count)
			break;
		logs->at++;
		logs->offset = 0;
	}
	if (n <= 0 || logs->lines.over) {
		at_end(logs);
		return;
	}
	logs->offset += n;
	logs->idle = 0;
	buf_init(&out, DOCKER_REPLY_MAX);
	docker_log_lines_put(&logs->lines, str_make(block, (size_t)n), &out);
	loop_timer_set(client->server->loop, &logs->timer, 0, on_timer, logs);
	docker_stream_add(client, buf_str(&out)); /* the last act: it may end us */
}

static void on_room(struct docker_client *client)
{
	struct logs *logs = client->work;

	loop_timer_set(client->server->loop, &logs->timer, 0, on_timer, logs);
}

/* ---- the files ---- */

static ino_t inode_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? st.st_ino : 0;
}

/* After a rotation: goes on where it was, in the file that now has another name. */
static void take_files(struct logs *logs, struct msg *reply)
{
	ino_t inode = logs->count ? inode_of(logs->fds[logs->at]) : 0;
	off_t offset = logs->offset;
	bool first = !logs->count;

	close_files(logs);
	for (size_t i = 0; i < reply->nfds && i < LOGS_FILES_MAX; i++)
		logs->fds[logs->count++] = msg_take_fd(reply, i);
	logs->offset = 0;
	for (unsigned i = 0; !first && i < logs->count; i++) {
		if (inode_of(logs->fds[i]) != inode)
			continue;
		logs->at = i;
		logs->offset = offset;
	}
}

static void on_files(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct docker_client *client = owner;
	struct logs *logs = client->work;
	bool first = !client->streaming;

	(void)peer;
	if (!reply && first && err->code != -ENOENT) {
		docker_reply_err(client, err);
		return;
	}
	if (reply)
		take_files(logs, reply);
	if (!first)
		return;
	if (logs->count)
		seek_tail(logs);
	client->on_room = on_room;
	docker_stream_begin(client, logs->lines.tty || client->minor < 42
					    ? "application/vnd.docker.raw-stream"
					    : "application/vnd.docker.multiplexed-stream");
	if (client->fd >= 0)
		logs_step(logs);
}

static void on_view(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct docker_client *client = owner;
	struct logs *logs = client->work;
	struct docker_boxes boxes = { 0 };
	struct err bad = { 0 };
	const struct docker_box *box;

	(void)peer;
	if (!reply || docker_boxes_read(reply->body, &client->arena, &boxes, &bad) < 0 ||
	    !boxes.count) {
		docker_reply_err(client, reply ? &bad : err);
		return;
	}
	box = &boxes.rows[0];
	if (box->has_def && box->def.log_off) {
		docker_reply_error(client, 501,
				   "configured logging driver does not support reading");
		return;
	}
	logs->lines.tty = box->has_def && box->def.tty;
	logs->ended = box->view.state != ENGINE_STATE_RUNNING &&
		      box->view.state != ENGINE_STATE_PAUSED &&
		      box->view.state != ENGINE_STATE_RESTARTING;
	(void)str_copy(box->view.id, logs->id, sizeof(logs->id));
	docker_watch_add(client->server, &logs->watch, on_event, logs);
	docker_ask_argument(client, ENGINE_MSG_LOGS, on_files);
}

/* False: 400 has been answered. */
static bool read_times(struct docker_client *client, struct logs *logs)
{
	const struct {
		const char *name;
		int64_t *ns;
	} times[] = { { "since", &logs->lines.since_ns }, { "until", &logs->lines.until_ns } };
	char text[64], shown[160];

	for (size_t i = 0; i < ARRAY_LEN(times); i++) {
		if (!docker_query(client, times[i].name, text, sizeof(text)) || !*text ||
		    docker_time_parse(str_from(text), times[i].ns) >= 0)
			continue;
		(void)snprintf(shown, sizeof(shown), "invalid value for \"%s\": %s", times[i].name,
			       text);
		docker_reply_error(client, 400, shown);
		return false;
	}
	logs->tail = -1;
	if (docker_query(client, "tail", text, sizeof(text)) && *text && strcmp(text, "all") != 0 &&
	    str_to_i64(str_from(text), 0, INT64_MAX, &logs->tail) < 0)
		logs->tail = -1; /* as Docker: what is no number means all */
	return true;
}

void docker_logs(struct docker_client *client)
{
	struct logs *logs = calloc(1, sizeof(*logs));

	if (!logs) {
		docker_reply_error(client, 500, "no memory for a request");
		return;
	}
	logs->client = client;
	client->work = logs;
	client->work_free = logs_free;
	docker_log_lines_init(&logs->lines);
	logs->lines.out = docker_query_flag(client, "stdout", false);
	logs->lines.err = docker_query_flag(client, "stderr", false);
	logs->follow = docker_query_flag(client, "follow", false);
	logs->lines.times = docker_query_flag(client, "timestamps", false);
	if (!read_times(client, logs))
		return;
	if (!logs->lines.out && !logs->lines.err)
		docker_reply_error(client, 400,
				   "Bad parameters: you must choose at least one stream");
	else
		docker_ask_argument(client, ENGINE_MSG_VIEWS, on_view);
}
