/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /containers/NAME/attach, and GET .../attach/ws, the same in a websocket's frames. The
 * connection is taken over at once, also for a container that has not been started: the stream is
 * joined to it when engine main sends it. Runs in the api role. Must never frame both ways: over a
 * websocket Docker's own frames are taken off.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "engine/api/shim_msg.h"
#include "engine/api/stream_msg.h"
#include "engine/docker/handlers.h"
#include "engine/docker/log_lines.h"
#include "engine/docker/pump.h"
#include "engine/docker/view.h"
#include "lib/own.h"

enum {
	ATTACH_FILES_MAX = 8,
	ATTACH_BLOCK = 64 << 10,
	ATTACH_OWN = 192, /* of one client that wait; engine main keeps 256 */
};

/*
 *   replay of the log -- its end is reached --> asked -- ATTACHED says where the stream begins -->
 *   joined: the log up to there -- with the client --> the stream itself
 * without logs=1 it begins with asked, without stream=1 it ends with the replay.
 */
struct docker_attach {
	struct docker_pump pump; /* the first member: client->work is both */
	struct docker_client *client;
	struct docker_attach *next; /* of those that wait for engine main */
	uint32_t serial;	    /* of the call to it; 0 = not waiting */
	struct docker_detach keys;
	bool wants_stdin, stdin_once, tty, logs, stream;
	uint8_t streams;
	char accept[WEBSOCKET_ACCEPT_MAX]; /* over a websocket: the answer to its key */
	/* logs=1: what was written before, from its files. */
	struct docker_log_lines lines;
	int fds[ATTACH_FILES_MAX];
	unsigned count, at;
	off_t offset;
	struct loop_timer timer; /* of the next round of them */
	bool joined;
	int stream_fd;	   /* joined, and not read yet; -1 = it has ended */
	uint64_t place[2]; /* inode and size of the log where the stream begins */
};

static void wait_no_more(struct docker_attach *attach)
{
	struct docker_attach **at = &attach->pump.server->attaches;

	while (*at && *at != attach)
		at = &(*at)->next;
	if (*at)
		*at = attach->next;
	attach->serial = 0;
}

static void close_files(struct docker_attach *attach)
{
	while (attach->count)
		own_close(&attach->fds[--attach->count]);
	attach->at = 0;
	attach->offset = 0;
}

static void attach_free(void *work)
{
	struct docker_attach *attach = work;
	struct docker_server *server = attach->client->server;
	struct buf body OWN(buf_done) = { 0 };

	if (attach->serial && msg_peer_alive(server->main)) {
		buf_init(&body, 16);
		wire_put_u32(&body, attach->serial);
		(void)msg_peer_call(server->main, ENGINE_MSG_CANCEL, buf_str(&body), NULL, 0, NULL,
				    NULL, NULL);
	}
	wait_no_more(attach);
	loop_timer_stop(server->loop, &attach->timer);
	docker_pump_done(&attach->pump);
	close_files(attach);
	own_close(&attach->stream_fd);
	docker_log_lines_done(&attach->lines);
	free(attach);
}

static void on_ended(struct docker_pump *pump)
{
	if (pump->client)
		docker_pump_finish(pump);
}

/* Also before the pump knows its client. */
static void finish(struct docker_client *client)
{
	struct docker_attach *attach = client->work;

	attach->pump.client = client;
	docker_pump_finish(&attach->pump);
}

static void wait_for_stream(struct docker_client *client)
{
	(void)client; /* what comes before the stream is there stays in `in`, which is bounded */
}

/* All that was before is with the client. */
static void pump_stream(struct docker_client *client)
{
	struct docker_attach *attach = client->work;
	struct err bad = { 0 };
	int fd OWN_FD = take_fd(&attach->stream_fd), copy OWN_FD = -1;

	client->on_room = NULL;
	if (fd < 0) { /* it has ended or was removed: there is nothing more to come */
		finish(client);
		return;
	}
	if (attach->wants_stdin)
		copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	attach->pump.streams = attach->tty ? 0 : attach->streams;
	attach->pump.keep_stdin = !attach->stdin_once;
	if (attach->tty)
		attach->pump.detach = attach->keys;
	if (docker_pump_output(&attach->pump, 0, take_fd(&fd), 0, &bad) < 0 ||
	    (copy >= 0 && docker_pump_input(&attach->pump, take_fd(&copy), true, &bad) < 0)) {
		docker_close(client);
		return;
	}
	docker_pump_client(&attach->pump, client);
}

static void ask_files(struct docker_client *client);

void docker_attached(struct docker_server *server, struct msg *msg)
{
	struct docker_attach *attach = server->attaches;
	struct wire in;
	uint32_t serial;

	wire_init(&in, msg->body.ptr, msg->body.len);
	serial = wire_u32(&in);
	while (attach && attach->serial != serial)
		attach = attach->next;
	if (!attach)
		return;
	wait_no_more(attach);
	attach->joined = true;
	attach->stream_fd = msg_take_fd(msg, 0);
	if (!attach->logs) {
		pump_stream(attach->client);
		return;
	}
	(void)wire_u8(&in); /* tty */
	attach->place[0] = wire_u64(&in);
	attach->place[1] = wire_u64(&in);
	ask_files(attach->client);
}

static bool has_many(const struct docker_client *client)
{
	unsigned count = 0;

	for (const struct docker_attach *a = client->server->attaches; a; a = a->next)
		count += !strcmp(a->client->who, client->who) &&
			 !strcmp(a->client->from, client->from);
	return count >= ATTACH_OWN;
}

static void on_asked(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct docker_client *client = owner;

	(void)peer;
	(void)err;
	if (reply)
		return; /* ENGINE_MSG_ATTACHED follows */
	wait_no_more(client->work);
	finish(client);
}

static void ask_stream(struct docker_client *client)
{
	struct docker_attach *attach = client->work;
	struct buf body OWN(buf_done) = { 0 };
	struct err err = { 0 };
	int64_t serial = -EBUSY;

	client->on_room = NULL;
	buf_init(&body, 2048);
	wire_put_text(&body, client->argument);
	wire_put_u8(&body, (uint8_t)((attach->wants_stdin ? SHIM_ATTACH_STDIN : 0) |
				     (attach->logs ? SHIM_ATTACH_PLACE : 0)));
	if (!has_many(client))
		serial = msg_peer_call(client->server->main, ENGINE_MSG_ATTACH_TOLD, buf_str(&body),
				       NULL, 0, on_asked, client, &err);
	if (serial < 0) {
		finish(client);
		return;
	}
	attach->serial = (uint32_t)serial;
	attach->next = client->server->attaches;
	client->server->attaches = attach;
}

/* ---- what was before ---- */

static void put_lines(struct docker_attach *attach, struct str data)
{
	struct buf text OWN(buf_done) = { 0 };

	if (!attach->pump.framed) {
		docker_log_lines_put(&attach->lines, data, &attach->client->out);
		return;
	}
	buf_init(&text, DOCKER_REPLY_MAX);
	docker_log_lines_put(&attach->lines, data, &text);
	docker_pump_put(&attach->pump, &attach->client->out, buf_str(&text));
}

static uint64_t inode_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? st.st_ino : 0;
}

/* How much of a block is before the stream; the file that it begins in is the last one then. */
static size_t readable(struct docker_attach *attach)
{
	uint64_t left;

	if (!attach->joined || attach->stream_fd < 0 ||
	    inode_of(attach->fds[attach->at]) != attach->place[0])
		return ATTACH_BLOCK;
	left = attach->place[1] > (uint64_t)attach->offset
		       ? attach->place[1] - (uint64_t)attach->offset
		       : 0;
	attach->count = attach->at + 1;
	return left < ATTACH_BLOCK ? (size_t)left : ATTACH_BLOCK;
}

/* The next block to the client; false: there is none. */
static bool replay_block(struct docker_attach *attach)
{
	static char block[ATTACH_BLOCK]; /* of one round, of whichever client */

	while (attach->at < attach->count) {
		size_t want = readable(attach);
		ssize_t n = want ? pread(attach->fds[attach->at], block, want, attach->offset) : 0;

		if (n > 0) {
			attach->offset += n;
			put_lines(attach, str_make(block, (size_t)n));
			return true;
		}
		if (attach->at + 1 == attach->count)
			return false;
		attach->at++;
		attach->offset = 0;
	}
	return false;
}

/* As many blocks as the client has room for; then what comes behind them. */
static void replay(struct loop_timer *timer)
{
	struct docker_attach *attach = timer->owner;
	struct docker_client *client = attach->client;
	bool more = true;

	while (more && !docker_stream_full(client))
		more = replay_block(attach);
	if (!more && attach->joined)
		pump_stream(client);
	else if (!more && attach->stream)
		ask_stream(client);
	else if (!more)
		finish(client);
	docker_flush(client); /* the last act: it may close the client */
}

/* The loop goes on with it: docker_flush() calls this, and a round ends in docker_flush(). */
static void on_room(struct docker_client *client)
{
	struct docker_attach *attach = client->work;

	loop_timer_set(client->server->loop, &attach->timer, 0, replay, attach);
}

/* The second time the place is known: on from where it was, also in a file that was rotated. */
static void take_files(struct docker_attach *attach, struct msg *reply)
{
	uint64_t inode = attach->count ? inode_of(attach->fds[attach->at]) : 0;
	off_t offset = attach->offset;
	bool there = attach->stream_fd < 0;

	if (!reply && attach->joined) /* it was removed: the files that are open have it all */
		return;
	close_files(attach);
	for (size_t i = 0; reply && i < reply->nfds && i < ATTACH_FILES_MAX; i++)
		attach->fds[attach->count++] = msg_take_fd(reply, i);
	for (unsigned i = 0; attach->joined && i < attach->count; i++) {
		if (inode && inode_of(attach->fds[i]) == inode) {
			attach->at = i;
			attach->offset = offset;
		}
		there |= attach->place[0] && inode_of(attach->fds[i]) == attach->place[0];
	}
	if (attach->joined && !there) /* nothing was, or it is rotated away already */
		close_files(attach);
}

static void on_files(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct docker_client *client = owner;

	(void)peer;
	(void)err; /* without a log nothing was before */
	take_files(client->work, reply);
	client->on_room = on_room;
	on_room(client);
}

static void ask_files(struct docker_client *client)
{
	struct buf body OWN(buf_done) = { 0 };

	buf_init(&body, 2048);
	wire_put_text(&body, client->argument);
	if (msg_peer_call(client->server->main, ENGINE_MSG_LOGS, buf_str(&body), NULL, 0, on_files,
			  client, NULL) < 0)
		docker_finish(client);
}

static void attach_begin(struct docker_client *client)
{
	struct docker_attach *attach = client->work;

	client->on_input = wait_for_stream;
	if (attach->pump.framed)
		docker_hijack_websocket(client, attach->accept);
	else
		docker_hijack(client, attach->tty || client->minor < 42
					      ? "application/vnd.docker.raw-stream"
					      : "application/vnd.docker.multiplexed-stream");
	if (client->fd < 0)
		return;
	if (!attach->logs && attach->stream) {
		ask_stream(client);
		return;
	}
	if (!attach->logs) {
		finish(client);
		return;
	}
	docker_log_lines_init(&attach->lines);
	attach->lines.tty = attach->tty || attach->pump.framed;
	attach->lines.out = attach->streams & 1U << 1;
	attach->lines.err = attach->streams & 1U << 2;
	ask_files(client);
}

static void on_view(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct docker_client *client = owner;
	struct docker_attach *attach = client->work;
	struct docker_boxes boxes = { 0 };
	const struct container_def *def;
	struct err bad = { 0 };

	(void)peer;
	if (!reply || docker_boxes_read(reply->body, &client->arena, &boxes, &bad) < 0 ||
	    !boxes.count) {
		docker_reply_err(client, reply ? &bad : err);
		return;
	}
	if (boxes.rows[0].view.state == ENGINE_STATE_PAUSED) {
		docker_reply_error(client, 409,
				   "container is paused, unpause the container before attach");
		return;
	}
	def = &boxes.rows[0].def;
	attach->tty = boxes.rows[0].has_def && def->tty;
	attach->stdin_once = boxes.rows[0].has_def && def->host_set && def->host.stdin_once;
	attach->wants_stdin = attach->wants_stdin && boxes.rows[0].has_def && def->host_set &&
			      def->host.stdin_open;
	attach_begin(client);
}

static void attach_query(struct docker_client *client, struct docker_attach *attach, bool fallback)
{
	attach->wants_stdin = docker_query_flag(client, "stdin", fallback);
	if (docker_query_flag(client, "stdout", fallback))
		attach->streams |= 1U << 1;
	if (docker_query_flag(client, "stderr", fallback))
		attach->streams |= 1U << 2;
	if (!attach->streams)
		attach->streams = 1U << 7; /* stdin alone: no frame has this number */
	attach->stream = docker_query_flag(client, "stream", false);
	attach->logs = docker_query_flag(client, "logs", false);
}

static struct docker_attach *attach_new(struct docker_client *client)
{
	struct docker_attach *attach = calloc(1, sizeof(*attach));

	if (!attach) {
		docker_reply_error(client, 500, "no memory for a request");
		return NULL;
	}
	docker_pump_init(&attach->pump, client->server);
	attach->pump.ended = on_ended;
	attach->client = client;
	attach->stream_fd = -1;
	client->work = attach;
	client->work_free = attach_free;
	return attach;
}

static void attach_ask(struct docker_client *client, struct docker_attach *attach)
{
	char text[64], shown[128];

	if (!docker_query(client, "detachKeys", text, sizeof(text)))
		*text = 0;
	if (docker_detach_parse(str_from(text), &attach->keys) < 0) {
		(void)snprintf(shown, sizeof(shown), "Invalid detach keys (%s) provided", text);
		docker_reply_error(client, 400, shown);
		return;
	}
	docker_ask_argument(client, ENGINE_MSG_VIEWS, on_view);
}

void docker_attach(struct docker_client *client)
{
	struct docker_attach *attach = attach_new(client);

	if (!attach)
		return;
	attach_query(client, attach, false);
	attach_ask(client, attach);
}

/*
 * A browser would send a page's request with the client certificate of whoever looks at the page,
 * and says the page's Origin: only the one that the request itself goes to is let in. No browser
 * reaches the unix socket.
 */
static bool from_elsewhere(struct docker_client *client)
{
	struct str origin = http_field(&client->head, "Origin");
	struct str host = http_field(&client->head, "Host");

	if (!origin.len || !strcmp(client->from, "unix"))
		return false;
	return !str_starts(origin, STR("https://")) || !str_eq(str_skip(origin, 8), host);
}

/* Since 1.42 the query says which streams, as without a
 * websocket; before it was all of them. */
void docker_attach_websocket(struct docker_client *client)
{
	struct str key = http_field(&client->head, "Sec-WebSocket-Key");
	struct str version = http_field(&client->head, "Sec-WebSocket-Version");
	bool asked = str_is_nocase(client->head.upgrade, "websocket");
	struct docker_attach *attach = attach_new(client);
	struct err err = { 0 };
	int r = 0;

	if (!attach)
		return;
	if (from_elsewhere(client))
		r = err_set(&err, -EACCES,
			    "attach by websocket is not for pages that come from elsewhere");
	else if (!asked)
		r = err_set(&err, -EINVAL, "not websocket protocol");
	else if (!str_is(version, "13"))
		r = err_set(&err, -EINVAL, "missing or bad WebSocket Version");
	else
		r = websocket_accept(key, attach->accept, &err);
	if (r < 0) {
		docker_reply_err(client, &err);
		return;
	}
	attach->pump.framed = true;
	attach->pump.op = client->minor < 28 ? WEBSOCKET_TEXT : WEBSOCKET_BINARY;
	attach_query(client, attach, client->minor < 42);
	attach_ask(client, attach);
}
