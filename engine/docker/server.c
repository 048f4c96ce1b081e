/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections of the Docker API: accept, read one request, find its route, write one answer. Runs
 * in the api role, without file system and capability. Must bound everything a client can make
 * grow.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "engine/docker/server.h"
#include "lib/own.h"

enum { DOCKER_IDLE_MS = 60000, DOCKER_HEAD_MS = 10000 };

static void client_ready(struct loop_io *io, uint32_t events);

static void client_bury(struct loop_timer *timer)
{
	struct docker_client *client = timer->owner;

	buf_done(&client->in);
	buf_done(&client->out);
	free(client);
}

static void client_close(struct docker_client *client)
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
	msg_peer_forget(server->main, client);
	loop_timer_stop(server->loop, &client->idle);
	loop_remove(server->loop, &client->io);
	own_close(&client->fd);
	/* A handler may be on the stack above us. */
	loop_timer_set(server->loop, &client->burial, 0, client_bury, client);
}

static void client_idle(struct loop_timer *timer)
{
	client_close(timer->owner);
}

static void client_flush(struct docker_client *client)
{
	while (client->out.len) {
		ssize_t n = send(client->fd, client->out.data, client->out.len, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN) {
			(void)loop_change(client->server->loop, &client->io, EPOLLIN | EPOLLOUT);
			return;
		}
		if (n < 0) {
			client_close(client);
			return;
		}
		buf_consume(&client->out, (size_t)n);
	}
	if (client->closing)
		client_close(client);
	else
		(void)loop_change(client->server->loop, &client->io, EPOLLIN);
}

/* ---- answers ---- */

static void reply(struct docker_client *client, unsigned status, const char *type, struct str body)
{
	bool head_only = str_is(client->head.method, "HEAD");

	http_put_response(&client->out, status);
	(void)http_put_field(&client->out, "Api-Version", STR("1.51"));
	(void)http_put_field(&client->out, "Docker-Experimental", STR("false"));
	(void)http_put_field(&client->out, "Ostype", STR("linux"));
	(void)http_put_field(&client->out, "Server", STR("Hoy/" HOY_VERSION " (linux)"));
	if (*type)
		(void)http_put_field(&client->out, "Content-Type", str_from(type));
	if (status != 204 && status != 304)
		http_put_length(&client->out, body.len);
	http_put_end(&client->out);
	if (!head_only)
		(void)buf_add_str(&client->out, body);
	client->waiting = false;
	client->closing = client->closing || !client->head.keep_alive || buf_error(&client->out);
	buf_consume(&client->in, client->request_size);
	client->request_size = 0;
	loop_timer_set(client->server->loop, &client->idle, DOCKER_IDLE_MS, client_idle, client);
	client_flush(client);
}

void docker_reply_json(struct docker_client *client, unsigned status, struct str json)
{
	reply(client, status, "application/json", json);
}

void docker_reply_text(struct docker_client *client, unsigned status, const char *text)
{
	reply(client, status, "text/plain; charset=utf-8", str_from(text));
}

void docker_reply_empty(struct docker_client *client, unsigned status)
{
	reply(client, status, "", STR(""));
}

void docker_reply_error(struct docker_client *client, unsigned status, const char *text)
{
	struct buf body OWN(buf_done) = { 0 };
	struct json_writer w;

	buf_init(&body, 8192);
	json_writer_init(&w, &body);
	json_begin_object(&w);
	json_member_text(&w, "message", text);
	json_end_object(&w);
	(void)buf_add_text(&body, "\n");
	reply(client, status, "application/json", buf_str(&body));
}

unsigned docker_status(int code)
{
	switch (code) {
	case -ENOENT:
		return 404;
	case -EINVAL:
	case -EBADMSG:
		return 400;
	case -EBUSY:
	case -EEXIST:
	case -ESRCH:
		return 409;
	case -EAGAIN:
		return 503;
	default:
		return 500;
	}
}

void docker_ask(struct docker_client *client, uint16_t type, struct str body, msg_reply_fn *fn)
{
	struct err err = { 0 };

	client->waiting = true;
	loop_timer_stop(client->server->loop, &client->idle);
	if (msg_peer_call(client->server->main, type, body, NULL, 0, fn, client, &err) < 0)
		docker_reply_error(client, 503, err_text(&err));
}

/* ---- requests ---- */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int docker_decode(struct str s, char *dst, size_t cap)
{
	size_t at = 0;

	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];

		if (c == '%') {
			int high = i + 2 < s.len ? hex_digit(s.ptr[i + 1]) : -1;
			int low = i + 2 < s.len ? hex_digit(s.ptr[i + 2]) : -1;

			if (high < 0 || low < 0)
				return -EINVAL;
			c = (char)(high * 16 + low);
			i += 2;
		}
		if (!c || at + 1 >= cap)
			return -EINVAL;
		dst[at++] = c;
	}
	dst[at] = 0;
	return 0;
}

bool docker_query(const struct docker_client *client, const char *name, char *dst, size_t cap)
{
	struct str rest = str_from(client->query), pair;

	while (str_cut(&rest, '&', &pair)) {
		ptrdiff_t eq = str_find(pair, '=');
		struct str key = eq < 0 ? pair : str_head(pair, (size_t)eq);

		if (str_is(key, name))
			return docker_decode(eq < 0 ? STR("") : str_skip(pair, (size_t)eq + 1), dst,
					     cap) >= 0;
	}
	return false;
}

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
	if (str_starts(path, STR("/v"))) {
		struct str version = str_skip(path, 2);
		ptrdiff_t slash = str_find(version, '/');
		bool digits = slash > 0;

		for (ptrdiff_t i = 0; i < slash; i++)
			digits = digits && strchr("0123456789.", version.ptr[i]);
		if (digits)
			path = str_skip(version, (size_t)slash);
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

static void dispatch(struct docker_client *client)
{
	bool known = false;

	for (size_t i = 0; i < docker_route_count; i++) {
		const struct docker_route *route = &docker_routes[i];

		if (!route_matches(route->pattern, client))
			continue;
		known = true;
		if (!str_is(client->head.method, route->method) &&
		    !(str_is(client->head.method, "HEAD") && !strcmp(route->method, "GET")))
			continue;
		if (client->role < route->role)
			docker_reply_error(client, 403, "your role may not do this");
		else
			route->handler(client);
		return;
	}
	docker_reply_error(client, known ? 405 : 404,
			   known ? "method not allowed" : "page not found");
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
	client->body = STR("");
	while (r > 0) {
		r = http_body_next(&body, rest, &part, &data, err);
		if (r < 0)
			return r;
		if (r > 0 && !part)
			return 0; /* more bytes are needed */
		if (data.len && client->body.len)
			return err_set(err, -E2BIG, "a body in several chunks is not taken here");
		if (data.len)
			client->body = data;
		used += part;
		rest = str_skip(rest, part);
	}
	client->request_size = used;
	return 1;
}

static void client_parse(struct docker_client *client)
{
	while (!client->waiting && !client->closing && client->fd >= 0 && client->in.len) {
		struct err err = { 0 };
		int64_t head = http_parse_request(buf_str(&client->in), &client->head, &err);
		int r;

		if (!head && client->in.len < DOCKER_REQUEST_MAX)
			return;
		r = head > 0 ? take_body(client, (size_t)head, &err) : -1;
		if (r == 0 && client->in.len < DOCKER_REQUEST_MAX)
			return;
		if (r <= 0 || split_target(client) < 0) {
			client->closing = true;
			client->request_size = client->in.len;
			docker_reply_error(client, head == -E2BIG ? 431 : 400, err_text(&err));
			return;
		}
		dispatch(client);
	}
}

static void client_ready(struct loop_io *io, uint32_t events)
{
	struct docker_client *client = io->owner;
	char bytes[16384];
	ssize_t n;

	if (events & EPOLLOUT)
		client_flush(client);
	if (client->fd < 0 || !(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	n = recv(client->fd, bytes, sizeof(bytes), 0);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0 || buf_add(&client->in, bytes, (size_t)n) < 0) {
		client_close(client);
		return;
	}
	client_parse(client);
}

static void on_accept(struct loop_io *io, uint32_t events)
{
	struct docker_server *server = io->owner;
	int fd OWN_FD = accept4(io->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct docker_client *client;

	(void)events;
	if (fd < 0 || server->count >= DOCKER_CLIENTS_MAX)
		return;
	client = calloc(1, sizeof(*client));
	if (!client)
		return;
	client->server = server;
	client->role = DOCKER_ROLE_ADMIN; /* the socket's file mode says who may connect */
	buf_init(&client->in, DOCKER_REQUEST_MAX);
	buf_init(&client->out, DOCKER_REPLY_MAX + 4096);
	if (loop_add(server->loop, &client->io, fd, EPOLLIN, client_ready, client, NULL) < 0) {
		free(client);
		return;
	}
	client->fd = take_fd(&fd);
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
