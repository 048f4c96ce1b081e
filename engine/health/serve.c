/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One GET over a socket that engine main connected, for a container's health. Runs in the api role:
 * the answer is foreign. Must bound what it reads and never follow what it says.
 */
#include "engine/health/serve.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include "engine/api/health_msg.h"
#include "engine/http/http.h"
#include "lib/own.h"

/* As many as main may have calls under way. */
enum { PROBES_MAX = MSG_CALLS_MAX, PROBE_BYTES_MAX = HTTP_HEAD_MAX + 4096 };

struct probe {
	struct msg_peer *peer; /* NULL = free */
	uint32_t serial;
	int fd;
	struct loop_io io;
	struct loop_timer timer;
	struct buf out, in;
};

static struct probe probes[PROBES_MAX];

static void probe_end(struct probe *probe, int32_t code, const char *text)
{
	struct buf body OWN(buf_done) = { 0 };
	struct loop *loop = probe->peer->loop;

	buf_init(&body, HEALTH_TEXT_MAX + 16);
	wire_put_u32(&body, (uint32_t)code);
	wire_put_str(&body, str_head(str_from(text), HEALTH_TEXT_MAX - 1));
	(void)msg_reply(probe->peer, HEALTH_MSG_HTTP, probe->serial, buf_str(&body), NULL, 0);
	loop_remove(loop, &probe->io);
	loop_timer_stop(loop, &probe->timer);
	own_close(&probe->fd);
	buf_done(&probe->out);
	buf_done(&probe->in);
	probe->peer = NULL;
}

static void probe_late(struct loop_timer *timer)
{
	probe_end(timer->owner, -1, "no answer within the time");
}

/* True once the probe has ended. */
static bool probe_read(struct probe *probe, bool end)
{
	struct http_head head;
	char text[HEALTH_TEXT_MAX];
	struct buf line OWN(buf_done) = { 0 };
	struct err err = { 0 };
	int64_t n = http_parse_response(buf_str(&probe->in), false, &head, &err);

	if (n == 0 && !end)
		return false;
	if (n <= 0) {
		probe_end(probe, 1, n < 0 ? err_text(&err) : "the connection ended without answer");
		return true;
	}
	buf_init(&line, sizeof(text) - 1);
	(void)buf_printf(&line, "HTTP %u %.*s", head.status,
			 (int)(head.reason.len < 200 ? head.reason.len : 200), head.reason.ptr);
	(void)str_copy(buf_str(&line), text, sizeof(text));
	probe_end(probe, head.status >= 200 && head.status < 400 ? 0 : 1, text);
	return true;
}

static void probe_ready(struct loop_io *io, uint32_t events)
{
	struct probe *probe = io->owner;
	char bytes[4096];
	ssize_t n;

	if (probe->out.len && events & EPOLLOUT) {
		n = send(probe->fd, probe->out.data, probe->out.len, MSG_NOSIGNAL);
		if (n > 0)
			buf_consume(&probe->out, (size_t)n);
		if (!probe->out.len)
			(void)loop_change(probe->peer->loop, &probe->io, EPOLLIN);
	}
	if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	n = recv(probe->fd, bytes, sizeof(bytes), 0);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n < 0) {
		probe_end(probe, 1, "the connection was reset");
		return;
	}
	(void)buf_add(&probe->in, bytes, (size_t)n);
	if (!probe_read(probe, n == 0) && buf_error(&probe->in))
		probe_end(probe, 1, "the answer's head is too long");
}

static int probe_begin(struct probe *probe, struct msg_peer *peer, struct msg *msg, struct err *err)
{
	struct wire in;
	struct str host, path;
	uint32_t timeout_ms;

	wire_init(&in, msg->body.ptr, msg->body.len);
	host = wire_str(&in, HEALTH_HOST_MAX);
	path = wire_str(&in, HEALTH_PATH_MAX);
	timeout_ms = wire_u32(&in);
	if (wire_end(&in) < 0)
		return err_set(err, -EBADMSG, "malformed health probe");
	*probe = (struct probe){ .serial = msg->serial, .fd = -1 };
	buf_init(&probe->out, HEALTH_HOST_MAX + HEALTH_PATH_MAX + 256);
	buf_init(&probe->in, PROBE_BYTES_MAX);
	http_put_request(&probe->out, "GET", path);
	(void)http_put_field(&probe->out, "Host", host);
	(void)http_put_field(&probe->out, "User-Agent", STR("Hoy-Health/1"));
	(void)http_put_field(&probe->out, "Connection", STR("close"));
	http_put_end(&probe->out);
	probe->fd = msg_take_fd(msg, 0);
	if (buf_error(&probe->out))
		return err_set(err, -EINVAL, "the health probe's request is too long");
	if (loop_add(peer->loop, &probe->io, probe->fd, EPOLLIN | EPOLLOUT, probe_ready, probe,
		     err) < 0)
		return -EIO;
	probe->peer = peer;
	loop_timer_set(peer->loop, &probe->timer, timeout_ms, probe_late, probe);
	return 0;
}

void health_serve_http(struct msg_peer *peer, struct msg *msg)
{
	struct probe *probe = NULL;
	struct err err = { 0 };
	int r;

	for (size_t i = 0; i < PROBES_MAX && !probe; i++)
		probe = probes[i].peer ? NULL : &probes[i];
	r = probe ? probe_begin(probe, peer, msg, &err)
		  : err_set(&err, -EAGAIN, "too many health probes at once");
	if (r >= 0)
		return;
	if (probe) {
		own_close(&probe->fd);
		buf_done(&probe->out);
		buf_done(&probe->in);
	}
	(void)msg_reply_err(peer, msg->type, msg->serial, &err);
}
