/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers of the Docker API: whole ones, chunked streams, and connections that become raw streams.
 * Runs in the api role. Must never let one client's answer grow beyond its bound.
 */
#include <errno.h>
#include <linux/sock_diag.h>
#include <string.h>
#include <sys/socket.h>
#include "engine/api/engine_msg.h"
#include "engine/docker/reply.h"
#include "lib/log.h"
#include "lib/own.h"

enum {
	REPLY_IDLE_MS = 60000,
	REPLY_LINGER_MS = 10000,
	SETTLE_MAX_MS = 1024, /* the last wait for a head that nobody takes: two seconds in all */
};

static void reply_idle(struct loop_timer *timer)
{
	docker_close(timer->owner);
}

/* A line for each call that may change something; once, when its answer is known. */
static void audit(struct docker_client *client, unsigned status)
{
	bool reads = !strcmp(client->method, "GET") || !strcmp(client->method, "HEAD");
	char path[200];

	if (*client->method && (!reads || status == 403 || status == 101)) {
		(void)str_escape(str_from(client->path), path, sizeof(path));
		log_notice("audit: %s (%s) from %s: %s %s: %u", client->who,
			   gate_role_name((enum gate_role)client->role), client->from,
			   client->method, path, status);
	}
	client->method[0] = 0;
}

static void put_head(struct docker_client *client, unsigned status, const char *type)
{
	audit(client, status);
	http_put_response(&client->out, status);
	(void)http_put_field(&client->out, "Api-Version", STR("1.51"));
	(void)http_put_field(&client->out, "Docker-Experimental", STR("false"));
	(void)http_put_field(&client->out, "Ostype", STR("linux"));
	(void)http_put_field(&client->out, "Server", STR("Hoy/" HOY_VERSION " (linux)"));
	if (*type)
		(void)http_put_field(&client->out, "Content-Type", str_from(type));
	if (client->not_kept) {
		(void)http_put_field(&client->out, "Cache-Control",
				     STR("no-cache, no-store, must-revalidate"));
		(void)http_put_field(&client->out, "Pragma", STR("no-cache"));
		(void)http_put_field(&client->out, "Swarm", STR("inactive"));
	}
	if (client->path_stat)
		(void)http_put_field(&client->out, "X-Docker-Container-Path-Stat",
				     str_from(client->path_stat));
}

/* The request is over: its bytes and what was made for it go. */
static void request_over(struct docker_client *client)
{
	client->waiting = client->streaming = false;
	client->closing = client->closing || !client->head.keep_alive || buf_error(&client->out);
	buf_consume(&client->in, client->request_size);
	client->request_size = 0;
	client->upload.behind_head = false;
	docker_request_done(client);
	/* A client that still sends would not read an answer from a connection that is gone. */
	if (docker_upload_drop(client)) {
		client->upload.close_after = client->closing;
		client->closing = false;
		loop_timer_set(client->server->loop, &client->idle, REPLY_LINGER_MS, reply_idle,
			       client);
		docker_flush(client);
		if (client->fd >= 0)
			docker_upload_feed(client);
		return;
	}
	loop_timer_set(client->server->loop, &client->idle, REPLY_IDLE_MS, reply_idle, client);
	docker_flush(client);
	if (client->fd >= 0 && client->in.len)
		docker_parse(client);
}

static void reply(struct docker_client *client, unsigned status, const char *type, struct str body)
{
	if (client->streaming || client->hijacked) { /* too late for a status */
		client->closing = true;
		docker_flush(client);
		return;
	}
	put_head(client, status, type);
	if (status != 204 && status != 304)
		http_put_length(&client->out, body.len);
	http_put_end(&client->out);
	if (!client->head_only)
		(void)buf_add_str(&client->out, body);
	request_over(client);
}

void docker_reply_json(struct docker_client *client, unsigned status, struct str json)
{
	reply(client, status, "application/json", json);
}

void docker_reply_parts(struct docker_client *client, unsigned status, const struct str *parts,
			size_t count)
{
	size_t len = 0;

	for (size_t i = 0; i < count; i++)
		len += parts[i].len;
	put_head(client, status, "application/json");
	http_put_length(&client->out, len);
	http_put_end(&client->out);
	(void)buf_reserve(&client->out, client->head_only ? 0 : len);
	for (size_t i = 0; i < count && !client->head_only; i++)
		(void)buf_add_str(&client->out, parts[i]);
	request_over(client);
}

void docker_reply_id(struct docker_client *client, struct str id, enum docker_reply_more more)
{
	struct buf body OWN(buf_done) = { 0 };
	struct json_writer w;

	buf_init(&body, 512);
	json_writer_init(&w, &body);
	json_begin_object(&w);
	json_member_str(&w, "Id", id);
	if (more == DOCKER_REPLY_WARNING)
		json_member_text(&w, "Warning", "");
	json_end_object(&w);
	(void)buf_add_byte(&body, '\n');
	docker_reply_json(client, 201, buf_str(&body));
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

void docker_reply_err(struct docker_client *client, const struct err *err)
{
	if (err->code == -EALREADY)
		docker_reply_empty(client, 304);
	else
		docker_reply_error(client, docker_status(err->code), err_text(err));
}

unsigned docker_status(int code)
{
	switch (code) {
	case -ENOENT:
		return 404;
	case -EINVAL:
	case -EBADMSG:
	case -ENOTSUP:
	case -ENAMETOOLONG:
	case -ENOTDIR:
	case -ELOOP:
	case -E2BIG:
	case -ERANGE:
		return 400;
	case -ECANCELED: /* somebody stopped it while it was starting */
	case -EBUSY:
	case -EEXIST:
	case -ESRCH:
		return 409;
	case -EACCES:
		return 403;
	case -EAGAIN:
		return 503;
	default:
		return 500;
	}
}

void docker_ask(struct docker_client *client, uint16_t type, struct str body, msg_reply_fn *fn)
{
	docker_ask_fd(client, type, body, -1, fn);
}

void docker_ask_fd(struct docker_client *client, uint16_t type, struct str body, int fd,
		   msg_reply_fn *fn)
{
	int own OWN_FD = fd;
	const struct docker_call_wish wish = {
		.who = client->who,
		.from = client->from,
		.type = type,
		.body = body,
		.fd = own,
		.fn = fn,
		.owner = client,
	};
	struct err err = { 0 };

	client->waiting = true;
	loop_timer_stop(client->server->loop, &client->idle);
	if (docker_call(client->server, &wish, &err) < 0)
		docker_reply_error(client, 503, err_text(&err));
}

void docker_ask_argument(struct docker_client *client, uint16_t type, msg_reply_fn *fn)
{
	struct buf body OWN(buf_done) = { 0 };

	buf_init(&body, sizeof(client->argument) + 16);
	wire_put_text(&body, client->argument);
	docker_ask(client, type, buf_str(&body), fn);
}

/* ---- streams ---- */

void docker_stream_begin(struct docker_client *client, const char *type)
{
	put_head(client, 200, type);
	(void)http_put_field(&client->out, "Transfer-Encoding", STR("chunked"));
	http_put_end(&client->out);
	client->waiting = false;
	client->streaming = true;
	loop_timer_stop(client->server->loop, &client->idle);
	docker_flush(client);
}

void docker_stream_add(struct docker_client *client, struct str data)
{
	if (client->fd < 0 || !client->streaming)
		return;
	http_put_chunk(&client->out, data);
	if (buf_error(&client->out)) /* it does not read: nothing more can be kept for it */
		docker_close(client);
	else
		docker_flush(client);
}

bool docker_stream_full(const struct docker_client *client)
{
	return client->out.len >= DOCKER_STREAM_HIGH;
}

void docker_stream_end(struct docker_client *client)
{
	if (client->fd < 0 || !client->streaming)
		return;
	http_put_last_chunk(&client->out);
	request_over(client);
}

static void hijacked(struct docker_client *client)
{
	http_put_end(&client->out);
	buf_consume(&client->in, client->request_size);
	client->request_size = 0;
	client->waiting = false;
	client->hijacked = true;
	loop_timer_stop(client->server->loop, &client->idle);
	docker_flush(client);
}

void docker_hijack_as(struct docker_client *client, const char *protocol)
{
	struct buf *out = &client->out;

	audit(client, 101);
	http_put_response(out, 101);
	(void)http_put_field(out, "Connection", STR("Upgrade"));
	(void)http_put_field(out, "Upgrade", str_from(protocol));
	hijacked(client);
}

void docker_hijack_websocket(struct docker_client *client, const char *accept)
{
	struct buf *out = &client->out;

	audit(client, 101);
	http_put_response(out, 101);
	(void)http_put_field(out, "Connection", STR("Upgrade"));
	(void)http_put_field(out, "Upgrade", STR("websocket"));
	(void)http_put_field(out, "Sec-WebSocket-Accept", str_from(accept));
	hijacked(client);
}

/*
 * Clients in Python read the head into a buffer that they let go of with it: what came along is
 * lost to them. Docker takes so long to start a process that none has noticed; here the stream
 * begins once the client has taken the head out of its socket.
 */
static bool head_unread(const struct docker_client *client)
{
	uint32_t memory[SK_MEMINFO_VARS] = { 0 };
	socklen_t size = sizeof(memory);

	return getsockopt(client->fd, SOL_SOCKET, SO_MEMINFO, memory, &size) == 0 &&
	       memory[SK_MEMINFO_WMEM_ALLOC] > 0;
}

static void settle(struct loop_timer *timer)
{
	struct docker_client *client = timer->owner;

	if (client->settle_ms < SETTLE_MAX_MS && head_unread(client)) {
		loop_timer_set(client->server->loop, timer, client->settle_ms, settle, client);
		client->settle_ms *= 2;
		return;
	}
	client->settle_ms = 0;
	docker_flush(client);
}

void docker_hijack(struct docker_client *client, const char *type)
{
	struct buf *out = &client->out;

	audit(client, client->upgrade ? 101 : 200);
	if (client->upgrade) {
		(void)buf_add_text(out, "HTTP/1.1 101 UPGRADED\r\n");
		(void)http_put_field(out, "Content-Type", str_from(type));
		(void)http_put_field(out, "Connection", STR("Upgrade"));
		(void)http_put_field(out, "Upgrade", STR("tcp"));
	} else {
		http_put_response(out, 200);
		(void)http_put_field(out, "Content-Type", str_from(type));
	}
	hijacked(client);
	if (client->fd < 0 || client->out.len)
		return;
	client->settle_ms = 1;
	loop_timer_set(client->server->loop, &client->settle, 0, settle, client);
}

void docker_finish(struct docker_client *client)
{
	client->closing = true;
	docker_flush(client);
}
