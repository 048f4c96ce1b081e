/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the bytes between the container and those who watch it: output goes to the log and to each
 * attached client, what clients write goes to stdin. Runs in the shim. A client that takes nothing
 * for CLIENT_PATIENCE_MS loses its connection: must never let one hold up the container for longer.
 */
#include "engine/run/shim.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "lib/own.h"

enum { CLIENT_PATIENCE_MS = 5000, FRAME_HEAD = 8 };

static void on_output(struct loop_io *io, uint32_t events);
static void on_client(struct loop_io *io, uint32_t events);

void shim_streams_init(struct shim_streams *streams, struct loop *loop, struct shim_log *log)
{
	streams->loop = loop;
	streams->log = log;
	streams->out[0] = streams->out[1] = streams->in = streams->slave = -1;
	for (size_t i = 0; i < SHIM_CLIENTS_MAX; i++)
		streams->clients[i] = (struct shim_client){ .streams = streams, .fd = -1 };
}

bool shim_streams_open(const struct shim_streams *streams)
{
	return streams->out[0] >= 0 || streams->out[1] >= 0 || streams->frame_len > 0;
}

static void drop_client(struct shim_streams *streams, struct shim_client *client)
{
	loop_remove(streams->loop, &client->io);
	own_close(&client->fd);
}

/*
 * While a frame is in flight nothing more is read. Taken out of the loop, not only silenced: a
 * hang-up would be reported again and again.
 */
static void watch_output(struct shim_streams *streams)
{
	for (int i = 0; i < 2; i++) {
		struct loop_io *io = &streams->out_io[i];

		if (streams->out[i] < 0)
			continue;
		if (streams->frame_len > 0)
			loop_remove(streams->loop, io);
		else if (!io->fn)
			(void)loop_add(streams->loop, io, streams->out[i], EPOLLIN, on_output,
				       streams, NULL);
	}
}

/* Bytes of another client are on their way to stdin: this one has to wait. */
static bool must_wait(const struct shim_streams *streams, const struct shim_client *client)
{
	return client->wants_stdin && streams->in >= 0 && streams->in_len > 0;
}

static void watch_client(struct shim_streams *streams, struct shim_client *client)
{
	bool reads = !client->half_closed && !must_wait(streams, client);
	bool writes = client->sent < streams->frame_len;
	uint32_t events = (reads ? (uint32_t)EPOLLIN : 0) | (writes ? (uint32_t)EPOLLOUT : 0);

	/* One that hung up with bytes unread would be reported without end. */
	if (events == 0 && !client->half_closed)
		loop_remove(streams->loop, &client->io);
	else if (client->io.fn)
		(void)loop_change(streams->loop, &client->io, events);
	else
		(void)loop_add(streams->loop, &client->io, client->fd, events, on_client, client,
			       NULL);
}

static void watch_clients(struct shim_streams *streams)
{
	for (size_t i = 0; i < SHIM_CLIENTS_MAX; i++)
		if (streams->clients[i].fd >= 0)
			watch_client(streams, &streams->clients[i]);
}

static void maybe_ended(struct shim_streams *streams)
{
	if (!shim_streams_open(streams) && streams->ended)
		streams->ended(streams->owner);
}

/* True once the client has the whole frame (or is no more). */
static bool send_frame(struct shim_streams *streams, struct shim_client *client)
{
	size_t skip = streams->tty ? FRAME_HEAD : 0;

	if (client->fd < 0)
		return true;
	if (client->sent < skip)
		client->sent = skip;
	while (client->sent < streams->frame_len) {
		ssize_t n = send(client->fd, streams->room->frame + client->sent,
				 streams->frame_len - client->sent, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return false;
		if (n <= 0) {
			drop_client(streams, client);
			return true;
		}
		client->sent += (size_t)n;
		/* Progress: the patience starts again. */
		loop_timer_stop(streams->loop, &streams->stalled);
	}
	return true;
}

static void on_stalled(struct loop_timer *timer);

static void push_frame(struct shim_streams *streams)
{
	bool all = true;

	for (size_t i = 0; i < SHIM_CLIENTS_MAX; i++)
		all &= send_frame(streams, &streams->clients[i]);
	if (all) {
		streams->frame_len = 0;
		loop_timer_stop(streams->loop, &streams->stalled);
		for (size_t i = 0; i < SHIM_CLIENTS_MAX; i++)
			streams->clients[i].sent = 0;
	} else if (!streams->stalled.armed) {
		loop_timer_set(streams->loop, &streams->stalled, CLIENT_PATIENCE_MS, on_stalled,
			       streams);
	}
	watch_output(streams);
	watch_clients(streams);
}

static void on_stalled(struct loop_timer *timer)
{
	struct shim_streams *streams = timer->owner;

	for (size_t i = 0; i < SHIM_CLIENTS_MAX; i++) {
		struct shim_client *client = &streams->clients[i];

		if (client->fd >= 0 && client->sent < streams->frame_len)
			drop_client(streams, client);
	}
	push_frame(streams);
	maybe_ended(streams);
}

static void put_head(char *frame, int stream, size_t len)
{
	memset(frame, 0, FRAME_HEAD);
	frame[0] = (char)(stream + 1);
	for (int i = 0; i < 4; i++)
		frame[4 + i] = (char)(len >> (24 - 8 * i) & 0xff);
}

static void end_output(struct shim_streams *streams, int stream)
{
	loop_remove(streams->loop, &streams->out_io[stream]);
	own_close(&streams->out[stream]);
	maybe_ended(streams);
}

static void on_output(struct loop_io *io, uint32_t events)
{
	struct shim_streams *streams = io->owner;
	int stream = io == &streams->out_io[1];
	ssize_t n;

	(void)events;
	streams->carried = true;
	n = read(streams->out[stream], streams->room->frame + FRAME_HEAD, SHIM_CHUNK);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) { /* a pty gives EIO once its last slave is closed */
		end_output(streams, stream);
		return;
	}
	shim_log_add(streams->log, stream, streams->room->frame + FRAME_HEAD, (size_t)n);
	shim_log_flush(streams->log, false);
	put_head(streams->room->frame, stream, (size_t)n);
	streams->frame_len = FRAME_HEAD + (size_t)n;
	push_frame(streams);
}

/* ---- stdin ---- */

static void close_stdin(struct shim_streams *streams)
{
	streams->in_at = streams->in_len = 0;
	loop_remove(streams->loop, &streams->in_io);
	own_close(&streams->in);
}

/* What shutdown(SHUT_WR) of a client means to the container. */
static void end_stdin(struct shim_streams *streams)
{
	static const char end_of_file = 4; /* the line discipline's VEOF */

	streams->in_ends = false;
	if (streams->in < 0)
		return;
	if (!streams->tty)
		close_stdin(streams);
	else if (write(streams->in, &end_of_file, 1) < 0)
		return; /* the terminal is full: nobody reads it */
}

static void push_stdin(struct shim_streams *streams)
{
	while (streams->in >= 0 && streams->in_at < streams->in_len) {
		ssize_t n = write(streams->in, streams->room->in_buf + streams->in_at,
				  streams->in_len - streams->in_at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0) { /* nobody reads it any more */
			close_stdin(streams);
			break;
		}
		streams->in_at += (size_t)n;
	}
	if (streams->in_at == streams->in_len) {
		streams->in_at = streams->in_len = 0;
		if (streams->in_ends)
			end_stdin(streams);
	}
	if (streams->in >= 0)
		(void)loop_change(streams->loop, &streams->in_io,
				  streams->in_len > 0 ? EPOLLOUT : 0);
	watch_clients(streams);
}

static void on_stdin(struct loop_io *io, uint32_t events)
{
	struct shim_streams *streams = io->owner;

	if (events & (EPOLLERR | EPOLLHUP)) {
		close_stdin(streams);
		watch_clients(streams);
		return;
	}
	push_stdin(streams);
}

static void read_client(struct shim_streams *streams, struct shim_client *client, bool hung_up)
{
	char nowhere[256];
	bool takes = client->wants_stdin && streams->in >= 0;
	ssize_t n;

	if (must_wait(streams, client)) {
		watch_client(streams, client);
		return;
	}
	n = recv(client->fd, takes ? streams->room->in_buf : nowhere,
		 takes ? sizeof(streams->room->in_buf) : sizeof(nowhere), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0 || (n == 0 && hung_up)) {
		drop_client(streams, client);
	} else if (n == 0) {
		client->half_closed = true;
		streams->in_ends = streams->in_ends || client->wants_stdin;
		push_stdin(streams);
	} else if (takes) {
		streams->in_at = 0;
		streams->in_len = (size_t)n;
		push_stdin(streams);
	}
}

static void on_client(struct loop_io *io, uint32_t events)
{
	struct shim_client *client = io->owner;
	struct shim_streams *streams = client->streams;
	bool hung_up = events & (EPOLLHUP | EPOLLERR);

	if (hung_up && client->half_closed)
		drop_client(streams, client);
	else if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		read_client(streams, client, hung_up);
	/* A dropped client may have been the one that all waited for. */
	if (streams->frame_len > 0) {
		push_frame(streams);
		maybe_ended(streams);
	} else {
		watch_clients(streams);
	}
}

/* ---- life ---- */

/* One that waits would hold the shim for as long as its container is silent. */
static int not_waiting(int fd, struct err *err)
{
	return fcntl(fd, F_SETFL, O_NONBLOCK) < 0
		       ? err_sys(err, -errno, "stdio: never wait for fd %d", fd)
		       : 0;
}

int shim_streams_start(struct shim_streams *streams, bool tty, const int out[2], int in, int slave,
		       struct err *err)
{
	int r = 0;

	streams->tty = tty;
	streams->slave = slave;
	streams->out[0] = out[0];
	streams->out[1] = out[1];
	streams->in = in;
	for (int i = 0; i < 2 && r == 0; i++) {
		if (out[i] < 0)
			continue;
		r = not_waiting(out[i], err);
		if (r == 0)
			r = loop_add(streams->loop, &streams->out_io[i], out[i], EPOLLIN, on_output,
				     streams, err);
	}
	if (r < 0 || in < 0)
		return r;
	r = not_waiting(in, err);
	if (r < 0)
		return r;
	return loop_add(streams->loop, &streams->in_io, in, 0, on_stdin, streams, err);
}

/* What came since the log's last line; fits into a new socket. */
static void send_partial(struct shim_streams *streams, int fd)
{
	char head[FRAME_HEAD];

	for (int i = 0; i < 2; i++) {
		size_t len = streams->log->partial[i];

		if (!len)
			continue;
		put_head(head, i, len);
		if (!streams->tty)
			(void)send(fd, head, sizeof(head), MSG_DONTWAIT | MSG_NOSIGNAL);
		(void)send(fd, streams->log->room->line[i], len, MSG_DONTWAIT | MSG_NOSIGNAL);
	}
}

int shim_streams_attach(struct shim_streams *streams, unsigned flags, struct err *err)
{
	struct shim_client *client = NULL;
	int pair[2], r;

	for (size_t i = 0; i < SHIM_CLIENTS_MAX && !client; i++)
		if (streams->clients[i].fd < 0)
			client = &streams->clients[i];
	if (!client)
		return err_set(err, -EBUSY, "attach: %d clients are attached already",
			       SHIM_CLIENTS_MAX);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(err, -errno, "attach: make a socket");
	client->fd = pair[0];
	client->wants_stdin = flags & SHIM_ATTACH_STDIN;
	client->half_closed = false;
	client->sent = streams->frame_len; /* it sees what comes from now on */
	r = loop_add(streams->loop, &client->io, client->fd, 0, on_client, client, err);
	if (r < 0) {
		own_close(&client->fd);
		own_close(&pair[1]);
		return r;
	}
	if (flags & SHIM_ATTACH_PLACE)
		send_partial(streams, client->fd);
	watch_clients(streams);
	return pair[1];
}

void shim_streams_finish(struct shim_streams *streams)
{
	own_close(&streams->slave);
	close_stdin(streams);
	watch_clients(streams);
	maybe_ended(streams);
}

void shim_streams_close(struct shim_streams *streams)
{
	loop_timer_stop(streams->loop, &streams->stalled);
	for (int i = 0; i < 2; i++) {
		loop_remove(streams->loop, &streams->out_io[i]);
		own_close(&streams->out[i]);
	}
	close_stdin(streams);
	own_close(&streams->slave);
	for (size_t i = 0; i < SHIM_CLIENTS_MAX; i++)
		drop_client(streams, &streams->clients[i]);
	streams->frame_len = 0;
}
