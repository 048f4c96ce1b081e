/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ENGINE_MSG_EXEC: a further process in a running container. Engine main makes the plan, the shim
 * carries it out, and the caller gets the fds; no byte of the process passes through here.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "engine/api/engine_msg.h"
#include "engine/api/files_msg.h"
#include "engine/api/stream_msg.h"
#include "engine/container/exec.h"
#include "engine/role_main.h"
#include "lib/log.h"
#include "lib/own.h"

enum { EXEC_ARENA_MAX = 8 << 20 };

void engine_exec_drop(struct engine_exec *exec)
{
	if (worker_running(&exec->files))
		msg_peer_forget(&exec->files.peer, exec);
	/* An answer that is still to come must not reach who has this slot next. */
	if (exec->container && msg_peer_alive(&exec->container->shim))
		msg_peer_forget(&exec->container->shim, exec);
	exec->container = NULL;
	worker_stop(&exec->files);
	arena_done(&exec->arena);
	exec->args = NULL;
	exec->used = false;
}

static void exec_refuse(struct engine_exec *exec, const struct err *err)
{
	(void)msg_reply_err(exec->peer, exec->type, exec->serial, err);
	engine_exec_drop(exec);
}

/* What the shim answered becomes the first reply: the fds, and more to come. */
static void on_shim_exec(struct msg_peer *peer, void *owner, struct msg *reply,
			 const struct err *err)
{
	struct engine_exec *exec = owner;
	struct msg out = { .type = exec->type,
			   .flags = MSG_FLAG_REPLY | (exec->told ? 0 : MSG_FLAG_MORE),
			   .serial = exec->serial };
	struct err bad = { 0 };
	struct wire in;

	(void)peer;
	if (!exec->used)
		return;
	if (!reply) {
		exec_refuse(exec, err);
		return;
	}
	wire_init(&in, reply->body.ptr, reply->body.len);
	exec->exec_id = wire_u32(&in);
	out.nfds = reply->nfds;
	memcpy(out.fds, reply->fds, sizeof(out.fds));
	if (msg_send(exec->peer->fd, &out, &bad) < 0) {
		log_warn("exec: %s", err_text(&bad));
		engine_exec_drop(exec);
	}
}

/* The plan of a process of this user (NULL = the container's own), as a sealed memfd. */
static int exec_plan(struct engine_exec *exec, const struct files_user *user, struct err *err)
{
	const struct engine_exec_args *args = exec->args;
	const struct container_exec process = { .argv = args->argv,
						.env = args->env,
						.workdir = args->cwd,
						.user = user,
						.tty = args->tty,
						.privileged = args->privileged,
						.rows = args->rows,
						.columns = args->columns };

	return container_exec_plan(exec->container, &process, &exec->arena, err);
}

static void exec_start(struct engine_exec *exec, const struct files_user *user)
{
	struct err err = { 0 };
	int plan OWN_FD = exec_plan(exec, user, &err);
	int64_t r = plan;

	if (r >= 0)
		r = container_call(exec->container, SHIM_MSG_EXEC, STR(""), &plan, 1, on_shim_exec,
				   exec, &err);
	if (r < 0)
		exec_refuse(exec, &err);
}

/* ---- another user than the container's ---- */

static void exec_user_known(struct engine_exec *exec)
{
	(void)msg_reply(exec->peer, exec->type, exec->serial, STR(""), NULL, 0);
	engine_exec_drop(exec);
}

static void on_user(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	static struct files_user user;
	struct engine_exec *exec = owner;
	struct err bad = { 0 };
	struct wire in;

	(void)peer;
	if (!reply) {
		exec_refuse(exec, err);
		return;
	}
	wire_init(&in, reply->body.ptr, reply->body.len);
	files_user_get(&in, &user);
	if (wire_end(&in) < 0)
		err_set(&bad, -EBADMSG, "role files: malformed answer");
	else if (exec->container->phase != CONTAINER_PHASE_RUNNING)
		err_set(&bad, -ESRCH, "%s does not run any more", exec->args->name);
	if (bad.code) {
		exec_refuse(exec, &bad);
		return;
	}
	worker_stop(&exec->files);
	if (exec->type == ENGINE_MSG_EXEC_USER)
		exec_user_known(exec);
	else
		exec_start(exec, &user);
}

/* The names are the container's root's: only the files role reads in there. */
static int exec_lookup(struct engine_exec *exec, struct err *err)
{
	struct buf body OWN(buf_done) = { 0 };
	int64_t r;

	if (exec->container->root_fd < 0)
		return err_set(err, -ESTALE, "the root of %s cannot be looked into; restart it",
			       exec->args->name);
	buf_init(&body, 1024);
	wire_put_text(&body, exec->args->user);
	r = worker_start(&exec->files, exec->container->env->loop, "files", NULL, 0, NULL, 0, NULL,
			 exec, err);
	if (r >= 0)
		r = msg_peer_call(&exec->files.peer, FILES_MSG_PASSWD, buf_str(&body),
				  &exec->container->root_fd, 1, on_user, exec, err);
	return r < 0 ? (int)r : 0;
}

/* ---- the call ---- */

static struct engine_exec *exec_slot(struct engine *engine)
{
	for (size_t i = 0; i < ENGINE_EXECS_MAX; i++) {
		if (!engine->execs[i].used)
			return &engine->execs[i];
	}
	return NULL;
}

static int exec_check(struct engine *engine, const struct engine_exec_args *args,
		      struct container **ret_container, struct err *err)
{
	struct engine_target target;
	struct container *container;

	if (engine_target(engine, args->name, &target, err) < 0)
		return manager_unknown(&engine->manager, args->name, err);
	container = engine_target_container(&target);
	if (!container || container->phase != CONTAINER_PHASE_RUNNING)
		return err_set(err, -ESRCH, "%s does not run (%s)", args->name,
			       target.service ? service_state_name(target.service->state)
					      : "made over the API");
	if (!args->argv[0])
		return err_set(err, -EINVAL, "no command is given");
	if (!*args->user && !container->user_known)
		return err_set(err, -EAGAIN, "its user is being looked up, try again");
	*ret_container = container;
	return 0;
}

void engine_exec_call(struct msg_peer *peer, struct msg *msg)
{
	struct engine *engine = engine_of(peer);
	struct engine_exec *exec = exec_slot(engine);
	struct err err = { 0 };
	int r;

	if (!exec) {
		err_set(&err, -EBUSY, "%d processes are being run already", ENGINE_EXECS_MAX);
		(void)msg_reply_err(peer, msg->type, msg->serial, &err);
		return;
	}
	*exec = (struct engine_exec){ .used = true,
				      .peer = peer,
				      .serial = msg->serial,
				      .type = msg->type,
				      .told = msg->type == ENGINE_MSG_EXEC_TOLD };
	arena_init(&exec->arena, EXEC_ARENA_MAX);
	exec->args = arena_alloc(&exec->arena, sizeof(*exec->args));
	r = exec->args ? engine_exec_get(msg->body, &exec->arena, exec->args, &err)
		       : err_set(&err, -ENOMEM, "no memory for an exec request");
	if (r >= 0)
		r = exec_check(engine, exec->args, &exec->container, &err);
	if (r >= 0 && *exec->args->user)
		r = exec_lookup(exec, &err);
	else if (r >= 0 && msg->type == ENGINE_MSG_EXEC_USER)
		exec_user_known(exec);
	else if (r >= 0)
		exec_start(exec, NULL);
	if (r < 0)
		exec_refuse(exec, &err);
}

static void exec_finish(struct engine_exec *exec, int32_t code)
{
	struct buf body OWN(buf_done) = { 0 };

	buf_init(&body, 16);
	if (exec->told)
		wire_put_u32(&body, exec->serial);
	wire_put_u32(&body, (uint32_t)code);
	if (exec->told)
		(void)msg_peer_send(exec->peer, ENGINE_MSG_EXEC_ENDED, buf_str(&body), NULL, 0,
				    NULL);
	else
		(void)msg_reply(exec->peer, ENGINE_MSG_EXEC, exec->serial, buf_str(&body), NULL, 0);
	engine_exec_drop(exec);
}

void engine_exec_ended(void *owner, struct container *container, uint32_t exec_id, int32_t code)
{
	struct engine *engine = owner;

	for (size_t i = 0; i < ENGINE_EXECS_MAX; i++) {
		struct engine_exec *exec = &engine->execs[i];

		if (exec->used && exec->container == container && exec->exec_id == exec_id)
			exec_finish(exec, code);
	}
}

void engine_container_gone(void *owner, struct container *container)
{
	struct engine *engine = owner;

	engine_attach_ended(engine, container);
	for (size_t i = 0; i < ENGINE_EXECS_MAX; i++) {
		if (engine->execs[i].used && engine->execs[i].container == container)
			exec_finish(&engine->execs[i], 137);
	}
}

void engine_resize_call(struct msg_peer *peer, struct msg *msg)
{
	struct engine *engine = engine_of(peer);
	struct buf body OWN(buf_done) = { 0 };
	struct err err = { 0 };
	uint16_t rows, columns;
	uint32_t serial;
	struct wire in;

	wire_init(&in, msg->body.ptr, msg->body.len);
	serial = wire_u32(&in);
	rows = wire_u16(&in);
	columns = wire_u16(&in);
	for (size_t i = 0; wire_end(&in) >= 0 && i < ENGINE_EXECS_MAX; i++) {
		struct engine_exec *exec = &engine->execs[i];

		if (!exec->used || exec->peer != peer || exec->serial != serial || !exec->exec_id)
			continue;
		buf_init(&body, 16);
		wire_put_u32(&body, exec->exec_id);
		wire_put_u16(&body, rows);
		wire_put_u16(&body, columns);
		(void)container_call(exec->container, SHIM_MSG_RESIZE, buf_str(&body), NULL, 0,
				     NULL, NULL, NULL);
		(void)msg_reply(peer, msg->type, msg->serial, STR(""), NULL, 0);
		return;
	}
	err_set(&err, -ENOENT, "no such process");
	(void)msg_reply_err(peer, msg->type, msg->serial, &err);
}
