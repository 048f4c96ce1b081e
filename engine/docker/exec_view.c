/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is asked and told of an exec object besides its run: its terminal's size, inspect, events.
 * Runs in the api role.
 */
#include <stdlib.h>
#include <string.h>
#include "engine/docker/exec.h"
#include "engine/docker/handlers.h"
#include "engine/docker/text.h"
#include "engine/docker/view.h"
#include "engine/docker/watch.h"
#include "lib/own.h"

struct docker_exec *exec_find(struct docker_server *server, const char *id)
{
	for (struct docker_exec *e = server->execs; e; e = e->next) {
		if (!strcmp(e->id, id))
			return e;
	}
	return NULL;
}

/* "exec_create: sh -c true" and the like, with the id: the first of the labels (events.c). */
void exec_event(struct docker_exec *exec, const char *action, bool with_words)
{
	struct engine_event event = { .time_ns = docker_now_ns(),
				      .type = STR("container"),
				      .id = str_from(exec->container),
				      .name = str_from(exec->args.name),
				      .image = str_from(exec->image),
				      .number = exec->exit_code };
	struct buf text OWN(buf_done) = { 0 }, id OWN(buf_done) = { 0 };

	buf_init(&text, EXEC_BODY_MAX);
	buf_init(&id, 128);
	(void)buf_printf(&id, "execID=%s", exec->id);
	(void)buf_printf(&text, "%s%s", action, with_words ? ":" : "");
	for (size_t i = 0; with_words && exec->args.argv[i]; i++)
		(void)buf_printf(&text, " %s", exec->args.argv[i]);
	event.action = buf_str(&text);
	event.labels[event.label_count++] = buf_str(&id);
	for (uint32_t i = 0; i < exec->labels.count && event.label_count < ARRAY_LEN(event.labels);
	     i++)
		event.labels[event.label_count++] = str_from(exec->labels.items[i]);
	docker_watch_tell(exec->server, &event);
}

/* ---- resize, inspect ---- */

static void exec_unknown(struct docker_client *client)
{
	struct buf text OWN(buf_done) = { 0 };

	buf_init(&text, 512);
	(void)buf_printf(&text, "No such exec instance: %.70s", client->argument);
	docker_reply_error(client, 404, buf_text(&text));
}

void docker_put_exec_ids(struct json_writer *w, const struct docker_server *server, struct str id)
{
	bool any = false;

	json_key(w, "ExecIDs");
	for (const struct docker_exec *e = server->execs; e; e = e->next) {
		if (!e->running || e->exited || !str_is(id, e->container))
			continue;
		if (!any)
			json_begin_array(w);
		any = true;
		json_put_text(w, e->id);
	}
	if (any)
		json_end_array(w);
	else
		json_put_null(w);
}

void docker_exec_resize(struct docker_client *client)
{
	struct docker_exec *exec = exec_find(client->server, client->argument);
	struct buf body OWN(buf_done) = { 0 };
	uint16_t rows, columns;

	if (docker_query_size(client, "h", &rows) < 0 ||
	    docker_query_size(client, "w", &columns) < 0)
		return;
	if (!exec) {
		exec_unknown(client);
		return;
	}
	if (exec->exited) {
		docker_reply_error(client, 409, "the process of the exec is not running");
		return;
	}
	buf_init(&body, 16);
	wire_put_u32(&body, exec->serial);
	wire_put_u16(&body, rows);
	wire_put_u16(&body, columns);
	if (exec->running)
		(void)msg_peer_call(client->server->main, ENGINE_MSG_RESIZE, buf_str(&body), NULL,
				    0, NULL, NULL, NULL);
	docker_reply_empty(client, 200);
}

void docker_exec_inspect(struct docker_client *client)
{
	const struct docker_exec *exec = exec_find(client->server, client->argument);
	struct buf body OWN(buf_done) = { 0 };
	struct json_writer w;

	if (!exec) {
		exec_unknown(client);
		return;
	}
	buf_init(&body, EXEC_BODY_MAX);
	json_writer_init(&w, &body);
	json_begin_object(&w);
	json_member_text(&w, "ID", exec->id);
	json_member_bool(&w, "Running", exec->running && !exec->exited);
	json_key(&w, "ExitCode");
	if (exec->exited)
		json_put_i64(&w, exec->exit_code);
	else
		json_put_null(&w);
	json_key(&w, "ProcessConfig");
	json_begin_object(&w);
	json_member_bool(&w, "tty", exec->args.tty);
	json_member_text(&w, "entrypoint", exec->args.argv[0] ? exec->args.argv[0] : "");
	json_key(&w, "arguments");
	json_begin_array(&w);
	for (size_t i = 1; exec->args.argv[0] && exec->args.argv[i]; i++)
		json_put_text(&w, exec->args.argv[i]);
	json_end_array(&w);
	json_member_bool(&w, "privileged", exec->args.privileged);
	if (*exec->args.user)
		json_member_text(&w, "user", exec->args.user);
	json_end_object(&w);
	json_member_bool(&w, "OpenStdin", exec->attach_stdin);
	json_member_bool(&w, "OpenStderr", exec->attach_stderr);
	json_member_bool(&w, "OpenStdout", exec->attach_stdout);
	json_member_bool(&w, "CanRemove", false);
	json_member_text(&w, "ContainerID", exec->container);
	json_member_text(&w, "DetachKeys", "");
	json_member_u64(&w, "Pid", 0);
	json_end_object(&w);
	docker_reply_json(client, 200, buf_str(&body));
}
