/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections of the Docker API: accept, read one request, find its route, write one answer. Runs
 * in the api role, without file system and capability. Must bound everything a client can make
 * grow.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "engine/docker/reply.h"
#include "engine/docker/watch.h"
#include "lib/own.h"

enum { DOCKER_IDLE_MS = 60000, DOCKER_HEAD_MS = 10000, DOCKER_ACCEPTS = 32 };

static void client_ready(struct loop_io *io, uint32_t events);

static void client_bury(struct loop_timer *timer)
{
	struct docker_client *client = timer->owner;

	buf_done(&client->in);
	buf_done(&client->out);
	free(client);
}

/* What belongs to one request, not to the connection. */
void docker_request_done(struct docker_client *client)
{
	void (*work_free)(void *work) = client->work_free;
	void *work = client->work;

	if (client->transfers) {
		client->server->transfers--;
		loop_timer_stop(client->server->loop, &client->stall);
	}
	client->transfers = false;
	client->path_stat = NULL;
	client->not_kept = false;
	client->work = NULL;
	client->work_free = NULL;
	client->on_room = client->on_input = NULL;
	if (work_free)
		work_free(work);
	json_done(&client->json);
	client->json = (struct json_doc){ 0 };
	arena_done(&client->arena);
	arena_init(&client->arena, DOCKER_ARENA_MAX);
	buf_done(&client->joined);
}

void docker_close(struct docker_client *client)
{
	struct docker_server *server = client->server;
	struct docker_client **at = &server->clients;

	if (client->fd < 0)
		return;
	while (*at && *at != client)
		at = &(*at)->next;
	if (*at)
		*at = client->next;
	server->count--;
	docker_call_forget(server, client);
	msg_peer_forget(server->main, client);
	docker_request_done(client);
	arena_done(&client->arena);
	loop_timer_stop(server->loop, &client->idle);
	loop_timer_stop(server->loop, &client->settle);
	docker_upload_done(client);
	loop_remove(server->loop, &client->io);
	own_close(&client->fd);
	/* A handler may be on the stack above us. */
	loop_timer_set(server->loop, &client->burial, 0, client_bury, client);
}

static size_t input_max(const struct docker_client *client)
{
	if (client->upload.state != DOCKER_UPLOAD_NONE)
		return DOCKER_UPLOAD_HIGH;
	return client->hijacked ? DOCKER_STREAM_HIGH : (size_t)DOCKER_REQUEST_MAX;
}

/* A client whose bytes are not taken has to wait; one that has ended sends nothing. */
static void watch_client(struct docker_client *client)
{
	bool reads = !client->input_ended && client->in.len < input_max(client);

	(void)loop_change(client->server->loop, &client->io,
			  (reads ? (uint32_t)EPOLLIN : 0) |
				  (client->out.len && !client->settle_ms ? (uint32_t)EPOLLOUT : 0));
}

static void client_idle(struct loop_timer *timer)
{
	docker_close(timer->owner);
}

void docker_flush(struct docker_client *client)
{
	bool was_full = docker_stream_full(client);

	if (client->fd < 0 || client->settle_ms)
		return;
	while (client->out.len) {
		ssize_t n = send(client->fd, client->out.data, client->out.len, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			docker_close(client);
			return;
		}
		client->moved += (size_t)n;
		buf_consume(&client->out, (size_t)n);
	}
	if (client->closing && !client->out.len) {
		docker_close(client);
		return;
	}
	watch_client(client);
	if (was_full && !docker_stream_full(client) && client->on_room)
		client->on_room(client);
}

/* ---- requests ---- */

/* "/v1.43/containers/json?all=1" into path and query. */
static int split_target(struct docker_client *client)
{
	struct str target = client->head.target, path = target;
	ptrdiff_t mark = str_find(target, '?');

	client->query[0] = 0;
	if (mark >= 0) {
		path = str_head(target, (size_t)mark);
		if (str_copy(str_skip(target, (size_t)mark + 1), client->query,
			     sizeof(client->query)) < 0)
			return -ENAMETOOLONG;
	}
	client->minor = DOCKER_API_MINOR;
	if (str_starts(path, STR("/v1."))) {
		struct str version = str_skip(path, 4);
		ptrdiff_t slash = str_find(version, '/');
		uint64_t minor;

		if (slash > 0 &&
		    str_to_u64(str_head(version, (size_t)slash), 0, 9999, &minor) >= 0) {
			path = str_skip(version, (size_t)slash);
			client->minor = (unsigned)minor;
		}
	}
	return docker_decode(path, client->path, sizeof(client->path));
}

/* "/containers/{}/json" against a path; the part at {} goes into the client. It may hold '/'. */
static bool route_matches(const char *pattern, struct docker_client *client)
{
	const char *hole = strstr(pattern, "{}");
	size_t path_len = strlen(client->path), head, tail;

	if (!hole)
		return !strcmp(pattern, client->path);
	head = (size_t)(hole - pattern);
	tail = strlen(hole + 2);
	if (path_len <= head + tail || strncmp(pattern, client->path, head) != 0 ||
	    strcmp(client->path + path_len - tail, hole + 2) != 0)
		return false;
	return str_copy(str_make(client->path + head, path_len - head - tail), client->argument,
			sizeof(client->argument)) >= 0;
}

static bool version_fits(struct docker_client *client)
{
	char text[160];
	bool old = client->minor < DOCKER_API_MINOR_MIN;

	if (!old && client->minor <= DOCKER_API_MINOR)
		return true;
	(void)snprintf(text, sizeof(text),
		       old ? "client version 1.%u is too old. Minimum supported API version is "
			     "1.%u, please upgrade your client to a newer version"
			   : "client version 1.%u is too new. Maximum supported API version is "
			     "1.%u",
		       client->minor, old ? DOCKER_API_MINOR_MIN : DOCKER_API_MINOR);
	docker_reply_error(client, 400, text);
	return false;
}

/* NULL where there is none, with another method too, as Docker. */
static const struct docker_route *find_route(struct docker_client *client)
{
	for (size_t i = 0; i < docker_route_count; i++) {
		const struct docker_route *route = &docker_routes[i];

		if (route_matches(route->pattern, client) &&
		    (str_is(client->head.method, route->method) ||
		     (str_is(client->head.method, "HEAD") && !strcmp(route->method, "GET"))))
			return route;
	}
	return NULL;
}

static void refuse_role(struct docker_client *client, const struct docker_route *route)
{
	char text[160];

	(void)snprintf(text, sizeof(text),
		       "access denied: this needs the role %s, the certificate of %s has %s",
		       gate_role_name((enum gate_role)route->role), client->who,
		       gate_role_name((enum gate_role)client->role));
	docker_reply_error(client, 403, text);
}

static void dispatch(struct docker_client *client, const struct docker_route *route)
{
	/* The bytes of the head may move as soon as more come. */
	client->head_only = str_is(client->head.method, "HEAD");
	if (str_copy(client->head.method, client->method, sizeof(client->method)) < 0)
		(void)str_copy(STR("?"), client->method, sizeof(client->method));
	client->upgrade = client->head.upgrade.len > 0;
	if (!version_fits(client))
		return;
	if (!route)
		docker_reply_error(client, 404, "page not found");
	else if (client->role < route->role)
		refuse_role(client, route);
	else
		route->handler(client);
}

/* The handler runs with the head alone; where the body goes is for it to say. */
static void dispatch_streamed(struct docker_client *client, const struct docker_route *route,
			      size_t head_size)
{
	http_body_init(&client->upload.body, &client->head);
	client->upload.ready = 0;
	client->upload.close_after = false;
	client->upload.behind_head = true;
	client->upload.state = DOCKER_UPLOAD_HELD;
	client->body = STR("");
	client->request_size = head_size;
	if (client->head.expect_continue)
		(void)buf_add_text(&client->out, "HTTP/1.1 100 Continue\r\n\r\n");
	dispatch(client, route);
	if (client->fd < 0 || !client->upload.behind_head)
		return; /* answered */
	client->upload.behind_head = false;
	buf_consume(&client->in, client->request_size);
	client->request_size = 0;
	docker_upload_feed(client);
}

/* The body of the request, once it is there: its bytes stay in client->in. */
static int take_body(struct docker_client *client, size_t head_size, struct err *err)
{
	struct http_body body;
	struct str rest = str_skip(buf_str(&client->in), head_size);
	size_t used = head_size, part;
	struct str data;
	int r = 1;

	http_body_init(&body, &client->head);
	buf_clear(&client->joined);
	buf_init(&client->joined, DOCKER_REQUEST_MAX);
	client->body = STR("");
	while (r > 0) {
		r = http_body_next(&body, rest, &part, &data, err);
		if (r < 0)
			return r;
		if (r > 0 && !part)
			return 0; /* more bytes are needed */
		if (data.len && body.framing == HTTP_FRAMING_CHUNKED)
			(void)buf_add_str(&client->joined, data);
		else if (data.len)
			client->body = data;
		used += part;
		rest = str_skip(rest, part);
	}
	client->request_size = used;
	if (client->joined.len)
		client->body = buf_str(&client->joined);
	return 1;
}

static bool busy(const struct docker_client *client)
{
	return client->waiting || client->closing || client->streaming || client->hijacked ||
	       client->upload.state != DOCKER_UPLOAD_NONE || client->fd < 0;
}

void docker_parse(struct docker_client *client)
{
	while (!busy(client) && client->in.len) {
		struct err err = { 0 };
		int64_t head = http_parse_request(buf_str(&client->in), &client->head, &err);
		const struct docker_route *route = NULL;
		int r;

		if (!head && client->in.len < HTTP_HEAD_MAX)
			return;
		r = head > 0 ? split_target(client) : -1;
		if (r >= 0)
			route = find_route(client);
		if (route && docker_route_streams(route)) {
			dispatch_streamed(client, route, (size_t)head);
			continue;
		}
		if (r >= 0)
			r = take_body(client, (size_t)head, &err);
		if (r == 0 && client->in.len < DOCKER_REQUEST_MAX)
			return;
		if (r <= 0) {
			client->closing = true;
			client->request_size = client->in.len;
			docker_reply_error(client, head == -E2BIG ? 431 : 400, err_text(&err));
			return;
		}
		dispatch(client, route);
	}
}

/* Nobody listens any more where a stream is over that its client has yet to read. */
static void tell_input(struct docker_client *client)
{
	if (client->on_input)
		client->on_input(client);
}

static void client_ready(struct loop_io *io, uint32_t events)
{
	struct docker_client *client = io->owner;
	char bytes[16384];
	ssize_t n;

	if (events & EPOLLOUT)
		docker_flush(client);
	if (client->fd < 0 || !(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	n = client->input_ended ? 0 : recv(client->fd, bytes, sizeof(bytes), 0);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n == 0 && client->hijacked && !client->input_ended && !(events & EPOLLHUP)) {
		client->input_ended = true;
		watch_client(client);
		tell_input(client);
		return;
	}
	if (n <= 0 || buf_add(&client->in, bytes, (size_t)n) < 0) {
		docker_close(client);
		return;
	}
	client->moved += (size_t)n;
	if (client->hijacked)
		tell_input(client);
	else if (client->upload.state != DOCKER_UPLOAD_NONE)
		docker_upload_feed(client);
	else
		docker_parse(client);
	if (client->fd >= 0)
		watch_client(client);
}

static bool accept_one(struct docker_server *server)
{
	int fd OWN_FD = accept4(server->listen.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct gate_client who = { .role = GATE_ROLE_ADMIN, .address = "unix" };
	struct ucred peer = { .uid = (uid_t)-1 };
	socklen_t len = sizeof(peer);

	if (fd < 0)
		return false;
	/* The socket's file mode says who may connect; the log says who it was. */
	(void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len);
	(void)snprintf(who.name, sizeof(who.name), "uid-%u", peer.uid);
	docker_server_take(server, take_fd(&fd), &who);
	return true;
}

/* Several at a time: a queue that is full turns the next client away at once. */
static void on_accept(struct loop_io *io, uint32_t events)
{
	struct docker_server *server = io->owner;
	struct pollfd more = { .fd = io->fd, .events = POLLIN };

	(void)events;
	for (int i = 0; i < DOCKER_ACCEPTS; i++) {
		if (!accept_one(server) || poll(&more, 1, 0) <= 0)
			return;
	}
}

/* Slow and idle ones must not keep others out: whoever has waited longest without a whole request
 * gives way. False: all are being served. */
static bool make_room(struct docker_server *server)
{
	struct docker_client *oldest = NULL;

	for (struct docker_client *c = server->clients; c; c = c->next) {
		if (!busy(c)) /* new ones stand in front */
			oldest = c;
	}
	if (oldest)
		docker_close(oldest);
	return oldest != NULL;
}

void docker_server_take(struct docker_server *server, int fd, const struct gate_client *who)
{
	int own OWN_FD = fd;
	struct docker_client *client;

	if (server->count >= DOCKER_CLIENTS_MAX && !make_room(server))
		return;
	docker_watch_init(server);
	client = calloc(1, sizeof(*client));
	if (!client)
		return;
	client->server = server;
	client->upload.fd = -1;
	client->role = (enum docker_role)who->role;
	(void)str_copy(str_from(who->name), client->who, sizeof(client->who));
	(void)str_copy(str_from(who->address), client->from, sizeof(client->from));
	buf_init(&client->in, DOCKER_REQUEST_MAX);
	buf_init(&client->out, DOCKER_REPLY_MAX + 4096);
	arena_init(&client->arena, DOCKER_ARENA_MAX);
	if (loop_add(server->loop, &client->io, own, EPOLLIN, client_ready, client, NULL) < 0) {
		free(client);
		return;
	}
	client->fd = take_fd(&own);
	client->next = server->clients;
	server->clients = client;
	server->count++;
	loop_timer_set(server->loop, &client->idle, DOCKER_HEAD_MS, client_idle, client);
}

int docker_server_start(struct docker_server *server, struct loop *loop, int listen_fd,
			struct msg_peer *main_peer, struct err *err)
{
	server->loop = loop;
	server->main = main_peer;
	return loop_add(loop, &server->listen, listen_fd, EPOLLIN, on_accept, server, err);
}
