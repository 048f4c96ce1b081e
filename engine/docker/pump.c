/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes between hijacked clients and processes. Runs in the api role. Memory is bounded by the
 * client's buffers: an output is not read while they are full, a client not while stdin is.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "engine/docker/pump.h"
#include "lib/own.h"

enum { PUMP_CHUNK = 32 << 10, PUMP_TYPED = 64 << 10, FRAME_HEAD = 8 };

void docker_pump_init(struct docker_pump *pump, struct docker_server *server)
{
	memset(pump, 0, sizeof(*pump));
	pump->server = server;
	pump->in_fd = -1;
	buf_init(&pump->typed, PUMP_TYPED);
	for (size_t i = 0; i < ARRAY_LEN(pump->out); i++) {
		pump->out[i].pump = pump;
		pump->out[i].fd = -1;
	}
}

bool docker_pump_open(const struct docker_pump *pump)
{
	return pump->out[0].fd >= 0 || pump->out[1].fd >= 0;
}

void docker_put_frame(struct buf *out, uint8_t tag, bool tty, struct str data)
{
	const uint8_t head[FRAME_HEAD] = { tag,
					   0,
					   0,
					   0,
					   (uint8_t)(data.len >> 24),
					   (uint8_t)(data.len >> 16),
					   (uint8_t)(data.len >> 8),
					   (uint8_t)data.len };

	if (!tty)
		(void)buf_add(out, head, sizeof(head));
	(void)buf_add_str(out, data);
}

void docker_pump_put(struct docker_pump *pump, struct buf *out, struct str data)
{
	if (!pump->framed)
		(void)buf_add_str(out, data);
	else if (data.len)
		websocket_put(out, pump->op, data);
}

void docker_pump_finish(struct docker_pump *pump)
{
	if (pump->framed)
		websocket_close(&pump->ws, WEBSOCKET_NORMAL, &pump->client->out);
	docker_finish(pump->client);
}

/* ---- output ---- */

static void on_output(struct loop_io *io, uint32_t events);

/* A full client is read for later; a silenced fd would still report its hang-up. */
static void watch_outputs(struct docker_pump *pump)
{
	bool full = pump->client && docker_stream_full(pump->client);

	for (size_t i = 0; i < ARRAY_LEN(pump->out); i++) {
		struct docker_pump_out *out = &pump->out[i];

		if (out->fd < 0)
			continue;
		if (full)
			loop_remove(pump->server->loop, &out->io);
		else if (!out->io.fn)
			(void)loop_add(pump->server->loop, &out->io, out->fd, EPOLLIN, on_output,
				       out, NULL);
	}
}

static void close_output(struct docker_pump_out *out)
{
	loop_remove(out->pump->server->loop, &out->io);
	own_close(&out->fd);
}

/* Frames pass as they are; those of a stream that is not wanted are left out. */
static void add_frames(struct docker_pump *pump, struct str data)
{
	struct buf *to = &pump->client->out;

	while (data.len) {
		size_t n;

		if (pump->head_len < FRAME_HEAD) {
			n = FRAME_HEAD - pump->head_len;
			n = n < data.len ? n : data.len;
			memcpy(pump->head + pump->head_len, data.ptr, n);
			pump->head_len += (uint32_t)n;
			data = str_skip(data, n);
			if (pump->head_len < FRAME_HEAD)
				return;
			pump->frame_left = (uint32_t)pump->head[4] << 24 |
					   (uint32_t)pump->head[5] << 16 |
					   (uint32_t)pump->head[6] << 8 | pump->head[7];
			if (pump->streams & 1U << pump->head[0] && !pump->framed)
				(void)buf_add(to, pump->head, FRAME_HEAD);
		}
		n = pump->frame_left < data.len ? pump->frame_left : data.len;
		if (pump->streams & 1U << pump->head[0])
			docker_pump_put(pump, to, str_head(data, n));
		pump->frame_left -= (uint32_t)n;
		data = str_skip(data, n);
		if (!pump->frame_left)
			pump->head_len = 0;
	}
}

static void on_output(struct loop_io *io, uint32_t events)
{
	struct docker_pump_out *out = io->owner;
	struct docker_pump *pump = out->pump;
	char bytes[PUMP_CHUNK];
	ssize_t n = read(out->fd, bytes, sizeof(bytes));
	struct str data;

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) { /* a pty gives EIO once its last slave is closed */
		close_output(out);
		if (!docker_pump_open(pump) && pump->ended)
			pump->ended(pump);
		return;
	}
	data = str_make(bytes, (size_t)n);
	if (!pump->client)
		return;
	if (pump->streams)
		add_frames(pump, data);
	else if (!out->tag)
		docker_pump_put(pump, &pump->client->out, data);
	else
		docker_put_frame(&pump->client->out, out->tag, false, data);
	watch_outputs(pump);
	docker_flush(
		pump->client); /* the last act: it may close the client, and the pump with it */
}

int docker_pump_output(struct docker_pump *pump, unsigned index, int fd, uint8_t tag,
		       struct err *err)
{
	pump->out[index].fd = fd;
	pump->out[index].tag = tag;
	(void)fcntl(fd, F_SETFL, O_NONBLOCK);
	return loop_add(pump->server->loop, &pump->out[index].io, fd, EPOLLIN, on_output,
			&pump->out[index], err);
}

/* ---- stdin ---- */

static void close_input(struct docker_pump *pump)
{
	if (pump->in_fd < 0)
		return;
	loop_remove(pump->server->loop, &pump->in_io);
	if (pump->in_socket)
		(void)shutdown(pump->in_fd, SHUT_WR);
	own_close(&pump->in_fd);
}

/* As much of it as stdin takes; true when the keys were typed that part the two. */
static bool write_input(struct docker_pump *pump, struct buf *in, uint32_t *ret_wanted)
{
	bool left = false;
	size_t fit = docker_detach_scan(&pump->detach, buf_str(in), pump->scanned, &left);

	pump->scanned = in->len;
	*ret_wanted = 0;
	while (pump->in_fd >= 0 && fit) {
		ssize_t n = write(pump->in_fd, in->data, fit);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			*ret_wanted = EPOLLOUT;
			break;
		}
		if (n <= 0) { /* nobody reads it any more */
			close_input(pump);
			break;
		}
		buf_consume(in, (size_t)n);
		pump->scanned -= (size_t)n;
		fit -= (size_t)n;
	}
	if (pump->in_fd < 0) {
		buf_clear(in);
		pump->scanned = 0;
	}
	pump->drained = !fit || pump->in_fd < 0;
	return left;
}

/* From frames to what was typed; false when nothing moves, for now or for good. */
static bool take_frames(struct docker_pump *pump)
{
	struct docker_client *client = pump->client;
	struct err err = { 0 };
	int64_t n;

	/* A client that does not read its pongs is not read either. */
	if (!pump->framed || pump->ws.closed || docker_stream_full(client))
		return false;
	n = websocket_take(&pump->ws, buf_str(&client->in), PUMP_TYPED, &pump->typed, &client->out,
			   &err);
	if (n < 0)
		buf_clear(&client->in);
	else
		buf_consume(&client->in, (size_t)n);
	return n > 0;
}

static void push_input(struct docker_pump *pump)
{
	struct docker_client *client = pump->client;
	uint32_t wanted = 0;
	bool left, over;
	struct buf *in;

	if (!client)
		return;
	in = pump->framed ? &pump->typed : &client->in;
	do
		left = write_input(pump, in, &wanted);
	while (!left && !in->len && take_frames(pump));
	over = client->input_ended || pump->ws.closed;
	if (left) { /* the process goes on, without this client */
		docker_pump_finish(pump);
		return;
	}
	if (over && pump->drained && !pump->keep_stdin)
		close_input(pump);
	if (pump->in_fd >= 0)
		(void)loop_change(pump->server->loop, &pump->in_io, wanted);
	if (over && pump->drained && pump->framed) /* a websocket is closed as a whole */
		docker_pump_finish(pump);
	else
		docker_flush(client); /* reads on if there is room */
}

static void on_stdin(struct loop_io *io, uint32_t events)
{
	struct docker_pump *pump = io->owner;

	if (events & (EPOLLERR | EPOLLHUP))
		close_input(pump);
	push_input(pump);
}

int docker_pump_input(struct docker_pump *pump, int fd, bool socket, struct err *err)
{
	pump->in_fd = fd;
	pump->in_socket = socket;
	(void)fcntl(fd, F_SETFL, O_NONBLOCK);
	return loop_add(pump->server->loop, &pump->in_io, fd, 0, on_stdin, pump, err);
}

/* ---- the client ---- */

static void on_client_input(struct docker_client *client)
{
	push_input(client->work);
}

static void on_client_room(struct docker_client *client)
{
	struct docker_pump *pump = client->work;

	watch_outputs(pump);
	if (pump->framed)
		push_input(pump);
}

void docker_pump_client(struct docker_pump *pump, struct docker_client *client)
{
	pump->client = client;
	if (!client) {
		close_input(pump);
		watch_outputs(pump);
		return;
	}
	client->on_input = on_client_input;
	client->on_room = on_client_room;
	push_input(pump);
}

void docker_pump_done(struct docker_pump *pump)
{
	for (size_t i = 0; i < ARRAY_LEN(pump->out); i++) {
		if (pump->out[i].fd >= 0)
			close_output(&pump->out[i]);
	}
	pump->in_socket = false;
	close_input(pump);
	buf_done(&pump->typed);
	pump->client = NULL;
}
