/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Acts on one container that need no more than a message and its answer: start, stop, restart,
 * kill, remove, pause, resize. Runs in the api role.
 */
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include "engine/api/engine_msg.h"
#include "engine/container/def.h"
#include "engine/docker/handlers.h"
#include "engine/docker/view.h"
#include "lib/own.h"

void docker_done_empty(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	(void)peer;
	if (reply)
		docker_reply_empty(owner, 204);
	else
		docker_reply_err(owner, err);
}

bool docker_query_signal(struct docker_client *client, int fallback, int *ret_signal)
{
	char name[64] = "", text[160];
	struct err err = { 0 };

	*ret_signal = fallback;
	if (!docker_query(client, "signal", name, sizeof(name)) || !*name)
		return true;
	*ret_signal = container_signal(name, &err);
	if (*ret_signal > 0)
		return true;
	(void)snprintf(text, sizeof(text), "invalid signal: %s", name);
	docker_reply_error(client, 400, text);
	return false;
}

/* ---- start ---- */

struct port_clash {
	unsigned port;
	uint8_t proto;
	bool by_host; /* a process of the machine has it, not a container */
	const char *words;
};

static void in_arena(void *work)
{
	(void)work;
}

static bool has_port(const struct service_port *row, const struct port_clash *clash)
{
	return row->proto == clash->proto && clash->port >= row->host_port &&
	       clash->port < (uint32_t)row->host_port + row->count;
}

/* The port that netd names, as Docker names it: with the address that it is published on. */
static void on_clash_view(struct msg_peer *peer, void *owner, struct msg *reply,
			  const struct err *err)
{
	struct docker_client *client = owner;
	const struct port_clash *clash = client->work;
	struct docker_boxes boxes = { 0 };
	struct buf text OWN(buf_done) = { 0 };
	char ip[SERVICE_PORT_IP_MAX] = "0.0.0.0";

	(void)peer;
	(void)err;
	buf_init(&text, 1024);
	if (!reply || docker_boxes_read(reply->body, &client->arena, &boxes, NULL) < 0 ||
	    !boxes.count) {
		docker_reply_error(client, 500, clash->words);
		return;
	}
	for (uint32_t i = 0; boxes.rows[0].has_def && i < boxes.rows[0].def.port_count; i++) {
		const struct service_port *port = &boxes.rows[0].def.ports[i];

		if (has_port(port, clash))
			(void)service_port_ip(port, ip);
	}
	(void)buf_printf(&text,
			 "failed to set up container networking: driver failed programming "
			 "external connectivity on endpoint %.*s "
			 "(%.*s): ",
			 STR_ARG(boxes.rows[0].view.name), STR_ARG(boxes.rows[0].view.id));
	if (clash->by_host)
		(void)buf_printf(&text,
				 "failed to bind host port for %s:%u/%s: address already in use",
				 ip, clash->port, clash->proto == IPPROTO_UDP ? "udp" : "tcp");
	else
		(void)buf_printf(&text, "Bind for %s:%u failed: port is already allocated", ip,
				 clash->port);
	docker_reply_error(client, 500, buf_text(&text));
}

/* Whether it is one; then the answer comes later. */
static bool port_clash(struct docker_client *client, const struct err *err)
{
	const char *at = strstr(err->text, "port ");
	struct port_clash *clash = arena_alloc(&client->arena, sizeof(*clash));
	char proto[4] = "";

	if (!clash || !at || sscanf(at, "port %5u/%3s", &clash->port, proto) != 2)
		return false;
	clash->proto = strcmp(proto, "udp") ? IPPROTO_TCP : IPPROTO_UDP;
	clash->by_host = strstr(at, "is used by the host") != NULL;
	if (!clash->by_host && !strstr(at, "is already published"))
		return false;
	clash->words = arena_text(&client->arena, str_from(err->text));
	if (!clash->words)
		return false;
	client->work = clash;
	client->work_free = in_arena;
	docker_ask_argument(client, ENGINE_MSG_VIEWS, on_clash_view);
	return true;
}

/* The shim's words as the OCI runtime under Docker says them: the CLI takes its exit code from it.
 */
static void start_error(struct docker_client *client, const struct err *err)
{
	static const char front[] =
		"failed to create task for container: failed to create shim task: "
		"OCI runtime create failed: runc create failed: unable to start "
		"container process: ";
	struct buf text OWN(buf_done) = { 0 };
	struct str words = str_from(err_text(err)), name;
	bool lookup = strstr(err->text, "not found in PATH") != NULL;
	bool missing = strstr(err->text, "No such file") != NULL;
	bool denied = strstr(err->text, "ermission denied") != NULL;

	if (err->code == -EADDRINUSE && port_clash(client, err))
		return;
	if (!str_starts(words, STR("exec")) || (!lookup && !missing && !denied)) {
		docker_reply_err(client, err);
		return;
	}
	words = str_trim(str_skip(words, 4));
	while (words.len && (words.ptr[0] == ':' || words.ptr[0] == ' '))
		words = str_skip(words, 1);
	(void)str_cut(&words, ':', &name);
	if (name.len > 1 && name.ptr[0] == '"')
		name = str_head(str_skip(name, 1), name.len - 2);
	buf_init(&text, 2048);
	(void)buf_printf(&text, "%serror during container init: exec: \"%.*s\": %s: unknown", front,
			 STR_ARG(name),
			 lookup	   ? "executable file not found in $PATH"
			 : missing ? "stat: no such file or directory"
				   : "permission denied");
	docker_reply_error(client, 400, buf_text(&text));
}

static void on_started(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	(void)peer;
	if (reply)
		docker_reply_empty(owner, 204);
	else
		start_error(owner, err);
}

void docker_start(struct docker_client *client)
{
	/* What some clients send as "no body": {} and null and white space around them. */
	if (client->body.len > 7) {
		docker_reply_error(client, 400,
				   "starting container with non-empty request body was deprecated "
				   "since API v1.22 and removed in v1.24");
		return;
	}
	docker_ask_argument(client, ENGINE_MSG_START, on_started);
}

/* ---- stop, restart, kill ---- */

static void ask_stop(struct docker_client *client, uint16_t type, msg_reply_fn *fn)
{
	struct buf body OWN(buf_done) = { 0 };
	int64_t seconds;
	int signal;

	if (docker_query_number(client, "t", INT32_MIN, &seconds) < 0 ||
	    !docker_query_signal(client, 0, &signal))
		return;
	buf_init(&body, 2048);
	wire_put_text(&body, client->argument);
	/* Not said: its own. Below zero: without end. */
	wire_put_i64(&body, seconds == INT32_MIN ? -1 : seconds < 0 ? INT32_MAX : seconds * 1000);
	wire_put_u32(&body, (uint32_t)signal);
	docker_ask(client, type, buf_str(&body), fn);
}

void docker_stop(struct docker_client *client)
{
	ask_stop(client, ENGINE_MSG_STOP, docker_done_empty);
}

void docker_restart(struct docker_client *client)
{
	ask_stop(client, ENGINE_MSG_RESTART, on_started);
}

void docker_kill(struct docker_client *client)
{
	struct buf body OWN(buf_done) = { 0 };
	int signal;

	if (!docker_query_signal(client, SIGKILL, &signal))
		return;
	buf_init(&body, 2048);
	wire_put_text(&body, client->argument);
	wire_put_u32(&body, (uint32_t)signal);
	docker_ask(client, ENGINE_MSG_KILL, buf_str(&body), docker_done_empty);
}

/* ---- remove, pause, resize ---- */

void docker_remove(struct docker_client *client)
{
	struct buf body OWN(buf_done) = { 0 };

	if (docker_query_flag(client, "link", false)) {
		docker_link_remove(client);
		return;
	}
	buf_init(&body, 2048);
	wire_put_text(&body, client->argument);
	wire_put_u8(&body, docker_query_flag(client, "force", false));
	wire_put_u8(&body, docker_query_flag(client, "v", false));
	docker_ask(client, ENGINE_MSG_REMOVE, buf_str(&body), docker_done_empty);
}

static void ask_pause(struct docker_client *client, bool pause)
{
	struct buf body OWN(buf_done) = { 0 };

	buf_init(&body, 2048);
	wire_put_text(&body, client->argument);
	wire_put_u8(&body, pause);
	docker_ask(client, ENGINE_MSG_PAUSE, buf_str(&body), docker_done_empty);
}

void docker_pause(struct docker_client *client)
{
	ask_pause(client, true);
}

void docker_unpause(struct docker_client *client)
{
	ask_pause(client, false);
}

static void on_resized(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	(void)peer;
	if (reply)
		docker_reply_empty(owner, 200);
	else
		docker_reply_err(owner, err);
}

void docker_resize(struct docker_client *client)
{
	struct buf body OWN(buf_done) = { 0 };
	uint16_t rows, columns;

	if (docker_query_size(client, "h", &rows) < 0 ||
	    docker_query_size(client, "w", &columns) < 0)
		return;
	buf_init(&body, 2048);
	wire_put_text(&body, client->argument);
	wire_put_u16(&body, rows);
	wire_put_u16(&body, columns);
	docker_ask(client, ENGINE_MSG_TTY, buf_str(&body), on_resized);
}
