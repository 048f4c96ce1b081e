/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exec: further processes in a container. An exec lives here from its creation until its
 * container's end is long past; engine main knows it only while it runs. Runs in the api role. Must
 * never kill or hold up a process because its client went away.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include "engine/api/stream_msg.h"
#include "engine/docker/exec.h"
#include "engine/docker/handlers.h"
#include "engine/docker/view.h"
#include "lib/own.h"
#include "lib/random.h"

/* ---- the table ---- */

static void exec_drop(struct docker_exec *exec)
{
	struct docker_exec **at = &exec->server->execs;

	while (*at && *at != exec)
		at = &(*at)->next;
	if (*at)
		*at = exec->next;
	exec->server->exec_count--;
	docker_pump_done(&exec->pump);
	arena_done(&exec->arena);
	free(exec);
}

/* The oldest that is over (or was never started) makes room. */
static bool exec_room(struct docker_server *server)
{
	struct docker_exec *oldest = NULL;

	if (server->exec_count < EXECS_MAX)
		return true;
	for (struct docker_exec *e = server->execs; e; e = e->next) {
		if (!e->running && !e->client)
			oldest = e; /* new ones stand in front */
	}
	if (oldest)
		exec_drop(oldest);
	return oldest != NULL;
}

static struct docker_exec *exec_new(struct docker_server *server)
{
	struct docker_exec *exec = exec_room(server) ? calloc(1, sizeof(*exec)) : NULL;

	if (!exec)
		return NULL;
	if (random_hex(exec->id, EXEC_ID_LEN, "the id of an exec", NULL) < 0) {
		free(exec);
		return NULL;
	}
	docker_pump_init(&exec->pump, server);
	exec->server = server;
	arena_init(&exec->arena, EXEC_BODY_MAX);
	exec->next = server->execs;
	server->execs = exec;
	server->exec_count++;
	return exec;
}

/* ---- create ---- */

static const char *const *read_list(struct arena *arena, const struct json *list)
{
	const char **items = arena_array(arena, json_count(list) + 2, sizeof(*items));
	const struct json *value;
	struct json_iter iter;
	struct str key;
	size_t count = 0;

	if (items && json_type(list) == JSON_STRING)
		items[count++] = arena_text(arena, json_str(list));
	json_iter_init(&iter, list);
	while (items && json_iter_next(&iter, &key, &value)) {
		items[count] = arena_text(arena, json_str(value));
		if (!items[count++])
			return NULL;
	}
	return items;
}

static bool read_args(struct docker_exec *exec, const struct json *body)
{
	const struct json *size = json_get(body, "ConsoleSize");
	struct engine_exec_args *args = &exec->args;
	int64_t numbers[2] = { 0, 0 };
	const struct json *value;
	struct json_iter iter;
	struct str key;

	args->argv = read_list(&exec->arena, json_get(body, "Cmd"));
	args->env = read_list(&exec->arena, json_get(body, "Env"));
	args->tty = json_true(json_get(body, "Tty"));
	args->privileged = json_true(json_get(body, "Privileged"));
	exec->attach_stdin = json_true(json_get(body, "AttachStdin"));
	exec->attach_stdout = json_true(json_get(body, "AttachStdout"));
	exec->attach_stderr = json_true(json_get(body, "AttachStderr"));
	json_iter_init(&iter, size);
	for (size_t i = 0; i < 2 && json_iter_next(&iter, &key, &value); i++)
		(void)json_i64(value, 0, UINT16_MAX, &numbers[i]);
	args->rows = (uint16_t)numbers[0];
	args->columns = (uint16_t)numbers[1];
	return docker_detach_parse(json_str(json_get(body, "DetachKeys")), &exec->detach_keys) >=
		       0 &&
	       args->argv && args->env &&
	       str_copy(json_str(json_get(body, "User")), args->user, sizeof(args->user)) >= 0 &&
	       str_copy(json_str(json_get(body, "WorkingDir")), args->cwd, sizeof(args->cwd)) >= 0;
}

static void refuse_keys(struct docker_client *client)
{
	struct str keys = json_str(json_get(client->json.root, "DetachKeys"));
	struct buf text OWN(buf_done) = { 0 };

	buf_init(&text, 256);
	(void)buf_printf(&text, "Invalid escape keys (%.*s) provided",
			 keys.len > 80 ? 80 : (int)keys.len, keys.ptr);
	docker_reply_error(client, 400, buf_text(&text));
}

static void exec_announce(struct docker_exec *exec, struct docker_client *client)
{
	exec_event(exec, "exec_create", true);
	docker_reply_id(client, str_from(exec->id), DOCKER_REPLY_BARE);
}

static void create_left(void *work)
{
	struct docker_exec *exec = work;

	exec->client = NULL; /* the oldest of those that nobody knows makes room */
}

static void on_user_known(struct msg_peer *peer, void *owner, struct msg *reply,
			  const struct err *err)
{
	struct docker_client *client = owner;
	struct docker_exec *exec = client->work;

	(void)peer;
	exec->client = NULL;
	client->work = NULL;
	client->work_free = NULL;
	if (reply) {
		exec_announce(exec, client);
		return;
	}
	exec_drop(exec);
	if (strstr(err_text(err), "unable to find "))
		docker_reply_error(client, 400, err_text(err));
	else
		docker_reply_err(client, err);
}

/* A user of its own has to be known in the container now, as in Docker. */
static void ask_user(struct docker_client *client, struct docker_exec *exec)
{
	struct buf body OWN(buf_done) = { 0 };

	exec->client = client;
	client->work = exec;
	client->work_free = create_left;
	buf_init(&body, EXEC_BODY_MAX);
	engine_exec_put(&body, &exec->args);
	docker_ask(client, ENGINE_MSG_EXEC_USER, buf_str(&body), on_user_known);
}

static void exec_created(struct docker_client *client, const struct docker_box *box)
{
	struct docker_exec *exec = exec_new(client->server);
	struct docker_detach keys;

	if (!exec || !read_args(exec, client->json.root)) {
		if (exec && docker_detach_parse(json_str(json_get(client->json.root, "DetachKeys")),
						&keys) < 0) {
			exec_drop(exec);
			refuse_keys(client);
			return;
		}
		if (exec)
			exec_drop(exec);
		docker_reply_error(client, exec ? 400 : 503,
				   exec ? "the exec's configuration is too large, or its "
					  "DetachKeys are invalid"
					: "too many execs at once");
		return;
	}
	(void)str_copy(box->view.id, exec->container, sizeof(exec->container));
	(void)str_copy(box->view.name, exec->args.name, sizeof(exec->args.name));
	exec->image = "";
	for (uint32_t i = 0; box->has_def && i < box->def.labels.count; i++)
		(void)image_texts_add(&exec->arena, &exec->labels,
				      arena_text(&exec->arena, str_from(box->def.labels.items[i])),
				      NULL);
	if (box->has_def && arena_text(&exec->arena, str_from(box->def.reference)))
		exec->image = arena_text(&exec->arena, str_from(box->def.reference));
	if (*exec->args.user)
		ask_user(client, exec);
	else
		exec_announce(exec, client);
}

static void on_view(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct docker_client *client = owner;
	struct buf text OWN(buf_done) = { 0 };
	struct docker_boxes boxes = { 0 };
	struct err bad = { 0 };
	bool paused;

	(void)peer;
	if (!reply || docker_boxes_read(reply->body, &client->arena, &boxes, &bad) < 0 ||
	    !boxes.count) {
		docker_reply_err(client, reply ? &bad : err);
		return;
	}
	paused = boxes.rows[0].view.state == ENGINE_STATE_PAUSED;
	if (boxes.rows[0].view.state == ENGINE_STATE_RUNNING) {
		exec_created(client, &boxes.rows[0]);
		return;
	}
	buf_init(&text, 512);
	if (paused)
		(void)buf_printf(&text, "Container %s is paused, unpause the container before exec",
				 client->argument);
	else
		(void)buf_printf(&text, "container %.*s is not running",
				 STR_ARG(boxes.rows[0].view.id));
	docker_reply_error(client, 409, buf_text(&text));
}

void docker_exec_create(struct docker_client *client)
{
	const struct json *cmd;

	if (!docker_body_json(client))
		return;
	cmd = json_get(client->json.root, "Cmd");
	if (!json_count(cmd) && json_type(cmd) != JSON_STRING)
		docker_reply_error(client, 400, "No exec command specified");
	else
		docker_ask_argument(client, ENGINE_MSG_VIEWS, on_view);
}

/* ---- start ---- */

/* The stream ends when the output has ended and the exit status is known: clients ask for it next.
 */
static void exec_settle(struct docker_exec *exec)
{
	struct docker_client *client = exec->client;

	if (!exec->exited || docker_pump_open(&exec->pump))
		return;
	exec->running = false;
	if (!client)
		return;
	exec->client = NULL;
	exec->pump.client = NULL;
	client->work = NULL;
	client->work_free = NULL;
	client->on_input = NULL;
	client->on_room = NULL;
	docker_finish(client);
}

static void on_pump_ended(struct docker_pump *pump)
{
	exec_settle(pump->owner);
}

/* The client has gone; the process goes on. */
static void exec_left(void *work)
{
	struct docker_exec *exec = work;

	exec->client = NULL;
	docker_pump_client(&exec->pump, NULL);
}

static void no_input(struct docker_client *client)
{
	(void)client;
}

static void exec_hijack(struct docker_exec *exec)
{
	struct docker_client *client = exec->client;

	client->work = exec;
	client->work_free = exec_left;
	if (client->hijacked)
		return;
	client->on_input = no_input;
	docker_hijack(client, exec->raw || client->minor < 42
				      ? "application/vnd.docker.raw-stream"
				      : "application/vnd.docker.multiplexed-stream");
}

static void exec_failed(struct docker_exec *exec, const struct err *err)
{
	static const char front[] =
		"OCI runtime exec failed: exec failed: unable to start container "
		"process: ";
	struct buf text OWN(buf_done) = { 0 };
	struct str words = str_from(err_text(err)), name;
	bool missing = strstr(err->text, "not found in PATH") || strstr(err->text, "No such file");
	bool denied = strstr(err->text, "ermission denied") != NULL;

	exec->exited = true;
	exec->exit_code = missing ? 127 : 126;
	if (exec->detach && exec->client) {
		docker_reply_err(exec->client, err);
		exec->client = NULL;
		exec->running = false;
		return;
	}
	words = str_starts(words, STR("exec: "))  ? str_skip(words, 6)
		: str_starts(words, STR("exec ")) ? str_skip(words, 5)
						  : words;
	name = words;
	(void)str_cut(&words, ':', &name);
	if (name.len > 1 && name.ptr[0] == '"')
		name = str_head(str_skip(name, 1), name.len - 2);
	buf_init(&text, 2048);
	if (str_starts(name, STR("working directory")))
		(void)buf_printf(
			&text, "%schdir to cwd (\"%s\") set in config.json failed: %s: unknown\r\n",
			front, exec->args.cwd,
			missing ? "no such file or directory" : "not a directory");
	else if (str_starts(name, STR("unable to find ")))
		(void)buf_printf(&text, "%s\r\n", err_text(err));
	else if (missing || denied)
		(void)buf_printf(&text, "%sexec: \"%.*s\": %s: unknown\r\n", front, STR_ARG(name),
				 missing ? "executable file not found in $PATH"
					 : "permission denied");
	else
		(void)buf_printf(&text, "%s%s\r\n", front, err_text(err));
	if (exec->client) {
		exec_hijack(exec);
		if (exec->client)
			docker_put_frame(&exec->client->out, 1, exec->raw, buf_str(&text));
	}
	exec_settle(exec);
}

static int exec_fds(struct docker_exec *exec, struct msg *reply, struct err *err)
{
	int fds[3];
	int r;

	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		fds[i] = msg_take_fd(reply, i);
	if (exec->args.tty) {
		int copy = exec->attach_stdin ? fcntl(fds[0], F_DUPFD_CLOEXEC, 3) : -1;

		exec->pump.detach = exec->detach_keys;

		r = docker_pump_output(&exec->pump, 0, fds[0], exec->raw ? 0 : 1, err);
		if (r >= 0 && copy >= 0)
			r = docker_pump_input(&exec->pump, copy, false, err);
		return r;
	}
	r = docker_pump_output(&exec->pump, 0, fds[1], exec->raw ? 0 : 1, err);
	if (r >= 0)
		r = docker_pump_output(&exec->pump, 1, fds[2], exec->raw ? 0 : 2, err);
	if (r >= 0 && exec->attach_stdin && exec->client)
		r = docker_pump_input(&exec->pump, take_fd(&fds[0]), false, err);
	own_close(&fds[0]);
	return r;
}

static void on_exec(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct docker_exec *exec = owner;
	struct err bad = { 0 };

	(void)peer;
	if (!reply) {
		exec_failed(exec, err);
		return;
	}
	exec->running = true;
	if (exec->detach && exec->client) {
		docker_reply_empty(exec->client, 200);
		exec->client = NULL;
	} else if (exec->client) {
		exec_hijack(exec);
	}
	if (exec_fds(exec, reply, &bad) < 0)
		docker_pump_done(&exec->pump);
	else if (exec->client)
		docker_pump_client(&exec->pump, exec->client);
}

void docker_exec_ended(struct docker_server *server, struct msg *msg)
{
	struct wire in;
	uint32_t serial;

	wire_init(&in, msg->body.ptr, msg->body.len);
	serial = wire_u32(&in);
	for (struct docker_exec *e = server->execs; e; e = e->next) {
		if (!e->started || e->exited || e->serial != serial)
			continue;
		e->exit_code = (int32_t)wire_u32(&in);
		e->exited = true;
		exec_event(e, "exec_die", false);
		exec_settle(e);
		return;
	}
}

/* Whether this client has as many running as one may have. */
static bool has_many(const struct docker_client *client)
{
	unsigned count = 0;

	for (const struct docker_exec *e = client->server->execs; e; e = e->next)
		count += e->started && !e->exited && !strcmp(e->who, client->who) &&
			 !strcmp(e->from, client->from);
	return count >= EXECS_OWN;
}

static void start_left(void *work)
{
	struct docker_exec *exec = work;

	exec->client = NULL;
}

void docker_exec_start(struct docker_client *client)
{
	struct docker_exec *exec = exec_find(client->server, client->argument);
	struct buf body OWN(buf_done) = { 0 }, text OWN(buf_done) = { 0 };
	struct err err = { 0 };
	int64_t serial;

	buf_init(&text, 512);
	if (client->body.len && !docker_body_json(client))
		return;
	if (!exec || exec->started) {
		(void)buf_printf(&text,
				 exec ? "Error: Exec command %.70s has already run"
				      : "No such exec instance: %.70s",
				 client->argument);
		docker_reply_error(client, exec ? 409 : 404, buf_text(&text));
		return;
	}
	if (has_many(client)) {
		(void)buf_printf(&text, "%d processes of %s are being run already", EXECS_OWN,
				 client->who);
		docker_reply_error(client, 503, buf_text(&text));
		return;
	}
	memcpy(exec->who, client->who, sizeof(exec->who));
	memcpy(exec->from, client->from, sizeof(exec->from));
	exec->detach = json_true(json_get(client->json.root, "Detach"));
	exec->raw = json_true(json_get(client->json.root, "Tty"));
	exec->started = true;
	exec_event(exec, "exec_start", true);
	exec->client = client;
	exec->pump.ended = on_pump_ended;
	exec->pump.owner = exec;
	client->work = exec;
	client->work_free = start_left;
	client->waiting = true;
	loop_timer_stop(client->server->loop, &client->idle);
	/* As Docker: the head is out before there is output, which some clients read past it. */
	if (!exec->detach) {
		exec_hijack(exec);
		if (exec->client)
			client->work_free = start_left; /* the pump is not open yet */
	}
	buf_init(&body, EXEC_BODY_MAX);
	engine_exec_put(&body, &exec->args);
	serial = msg_peer_call(client->server->main, ENGINE_MSG_EXEC_TOLD, buf_str(&body), NULL, 0,
			       on_exec, exec, &err);
	if (serial < 0)
		exec_failed(exec, &err);
	else
		exec->serial = (uint32_t)serial;
}
