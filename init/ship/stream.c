/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the connection to a syslog server. Run by role syslog. Must never wait for the server, and
 * never keep what it says: a syslog server answers nothing.
 */
#include "init/ship/stream.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <linux/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "lib/own.h"

enum { SILENT_MS = 30000, KEEP_IDLE_S = 60, PORT_TEXT = 8, DRAIN = 4096, ROUNDS = 8 };

static int begin(struct ship_stream *stream, struct err *err);

static void leave_address(struct ship_stream *stream)
{
	loop_timer_stop(stream->loop, &stream->limit);
	loop_remove(stream->loop, &stream->io);
	ship_tls_free(stream->tls);
	stream->tls = NULL;
	own_close(&stream->fd);
	buf_clear(&stream->out);
}

/* On its way there the next address gets its chance. */
static void fail(struct ship_stream *stream, const struct err *why)
{
	struct err err = *why;
	bool going =
		stream->state == SHIP_STREAM_CONNECTING || stream->state == SHIP_STREAM_HANDSHAKE;

	leave_address(stream);
	if (going && begin(stream, &err) == 0)
		return;
	ship_stream_close(stream);
	stream->down(stream, &err);
}

static void too_slow(struct loop_timer *timer)
{
	struct ship_stream *stream = timer->owner;
	struct err err = { 0 };

	(void)err_set(&err, -ETIMEDOUT, "no %s within %d s",
		      stream->state == SHIP_STREAM_CONNECTING ? "connection" : "TLS handshake",
		      (stream->next ? SHIP_STREAM_SHORT_MS : SHIP_STREAM_LIMIT_MS) / 1000);
	fail(stream, &err);
}

void ship_stream_init(struct ship_stream *stream, struct loop *loop, const struct ship_wish *wish,
		      struct ship_trust *trust)
{
	*stream = (struct ship_stream){ .loop = loop, .wish = wish, .trust = trust, .fd = -1 };
	buf_init(&stream->out, SHIP_STREAM_BUFFER);
}

void ship_stream_close(struct ship_stream *stream)
{
	leave_address(stream);
	if (stream->found != NULL)
		freeaddrinfo(stream->found);
	stream->found = stream->next = NULL;
	stream->state = SHIP_STREAM_CLOSED;
}

/* The kernel's own count; the opening of the connection is in it. */
static uint64_t acknowledged(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 ? info.tcpi_bytes_acked : 0;
}

uint64_t ship_stream_arrived(const struct ship_stream *stream)
{
	uint64_t now = acknowledged(stream->fd);

	return now > stream->base ? now - stream->base : 0;
}

/* ---- up ---- */

static void watch(struct ship_stream *stream, bool writing)
{
	(void)loop_change(stream->loop, &stream->io, EPOLLIN | (writing ? (uint32_t)EPOLLOUT : 0));
}

static ssize_t write_some(struct ship_stream *stream, struct err *err)
{
	ssize_t n;

	if (stream->tls)
		return ship_tls_write(stream->tls, stream->out.data, stream->out.len, err);
	n = send(stream->fd, stream->out.data, stream->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n >= 0)
		return n;
	return errno == EAGAIN || errno == EINTR ? 0 : err_sys(err, -errno, "send");
}

void ship_stream_flush(struct ship_stream *stream)
{
	struct err err = { 0 };

	for (int i = 0; i < ROUNDS && stream->state == SHIP_STREAM_UP; i++) {
		ssize_t n;

		if (stream->out.len == 0) {
			stream->room(stream);
			if (stream->out.len == 0) {
				watch(stream, false);
				return;
			}
		}
		n = write_some(stream, &err);
		if (n < 0) {
			fail(stream, &err);
			return;
		}
		if (n == 0)
			break;
		if (stream->tls == NULL) /* TLS counts what it makes of them itself */
			stream->written += (uint64_t)n;
		buf_consume(&stream->out, (size_t)n);
	}
	if (stream->state == SHIP_STREAM_UP)
		watch(stream, true);
}

/* What comes is thrown away; its end is the end of the connection. */
static bool drain(struct ship_stream *stream, struct err *err)
{
	char bytes[DRAIN];
	ssize_t n;

	if (stream->tls) {
		n = ship_tls_read(stream->tls, bytes, sizeof(bytes), err);
	} else {
		n = recv(stream->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
		if (n == 0)
			n = err_set(err, -EPIPE, "the server closed the connection");
		else if (n < 0)
			n = errno == EAGAIN || errno == EINTR ? 0 : err_sys(err, -errno, "receive");
	}
	return n >= 0;
}

static void is_up(struct ship_stream *stream)
{
	loop_timer_stop(stream->loop, &stream->limit);
	stream->state = SHIP_STREAM_UP;
	stream->up(stream);
	ship_stream_flush(stream);
}

/* ---- getting there ---- */

static void shake(struct ship_stream *stream)
{
	struct err err = { 0 };
	int r = ship_tls_handshake(stream->tls, &err);

	if (r < 0)
		fail(stream, &err);
	else if (r == SHIP_TLS_DONE)
		is_up(stream);
	else
		watch(stream, r == SHIP_TLS_WRITES);
}

static void connected(struct ship_stream *stream)
{
	socklen_t len = sizeof(int);
	struct err err = { 0 };
	int why = 0;

	if (getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &why, &len) < 0)
		why = errno;
	if (why != 0) {
		(void)err_sys(&err, -why, "connect");
		fail(stream, &err);
		return;
	}
	stream->written = 0;
	stream->base = acknowledged(stream->fd);
	if (stream->trust == NULL) {
		is_up(stream);
		return;
	}
	stream->tls =
		ship_tls_new(stream->trust, stream->fd, stream->wish->host, &stream->written, &err);
	if (stream->tls == NULL) {
		fail(stream, &err);
		return;
	}
	stream->state = SHIP_STREAM_HANDSHAKE;
	shake(stream);
}

static void happened(struct loop_io *io, uint32_t events)
{
	struct ship_stream *stream = io->owner;
	struct err err = { 0 };

	if (stream->state == SHIP_STREAM_CONNECTING) {
		connected(stream);
	} else if (stream->state == SHIP_STREAM_HANDSHAKE) {
		shake(stream);
	} else if (stream->state == SHIP_STREAM_UP) {
		if ((events & ~(uint32_t)EPOLLOUT) != 0 && !drain(stream, &err))
			fail(stream, &err);
		else
			ship_stream_flush(stream);
	}
}

static void set_options(int fd)
{
	const int yes = 1, silent_ms = SILENT_MS, idle_s = KEEP_IDLE_S;

	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof(yes));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &silent_ms, sizeof(silent_ms));
}

static int connect_to(struct ship_stream *stream, const struct addrinfo *to, struct err *err)
{
	stream->fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (stream->fd < 0)
		return err_sys(err, -errno, "connect");
	set_options(stream->fd);
	if (connect(stream->fd, to->ai_addr, to->ai_addrlen) < 0 && errno != EINPROGRESS)
		return err_sys(err, -errno, "connect");
	return loop_add(stream->loop, &stream->io, stream->fd, EPOLLOUT, happened, stream, err);
}

/* Begins with the next address that takes it; err stays as it is when there is none left. */
static int begin(struct ship_stream *stream, struct err *err)
{
	stream->state = SHIP_STREAM_CONNECTING;
	while (stream->next != NULL) {
		const struct addrinfo *to = stream->next;

		stream->next = to->ai_next;
		if (connect_to(stream, to, err) == 0) {
			loop_timer_set(stream->loop, &stream->limit,
				       stream->next ? SHIP_STREAM_SHORT_MS : SHIP_STREAM_LIMIT_MS,
				       too_slow, stream);
			return 0;
		}
		own_close(&stream->fd);
	}
	return -ENETUNREACH;
}

void ship_stream_open(struct ship_stream *stream)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct err err = { 0 };
	char port[PORT_TEXT];
	int r;

	(void)snprintf(port, sizeof(port), "%u", stream->wish->port);
	r = getaddrinfo(stream->wish->host, port, &hints, &stream->found);
	if (r != 0) {
		stream->found = NULL;
		(void)err_set(&err, -ENONET, "%s: %s", stream->wish->host, gai_strerror(r));
	}
	stream->next = stream->found;
	if (begin(stream, &err) == 0)
		return;
	ship_stream_close(stream);
	stream->down(stream, &err);
}
