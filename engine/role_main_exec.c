/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ENGINE_MSG_EXEC: a further process in a running container. Engine main makes the plan, the shim
 * carries it out, and the caller gets the fds; no byte of the process passes through here.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "engine/api/engine_msg.h"
#include "engine/role_main.h"
#include "engine/run/spec.h"
#include "lib/log.h"
#include "lib/own.h"

enum { EXEC_TEXTS_MAX = 1024, EXEC_TEXT_MAX = 131072 };

/* The request as it was checked. */
struct exec_request {
	char name[ENGINE_NAME_MAX], user[256], cwd[4096];
	bool tty;
	uint16_t rows, columns;
	struct image_texts argv, env;
};

static int read_texts(struct wire *in, struct arena *arena, struct image_texts *texts)
{
	uint32_t count = wire_count(in, EXEC_TEXTS_MAX);

	texts->items = arena_array(arena, count + 1U, sizeof(*texts->items));
	for (uint32_t i = 0; texts->items && i < count; i++) {
		texts->items[i] = arena_text(arena, wire_str(in, EXEC_TEXT_MAX));
		if (!texts->items[i])
			return -ENOMEM;
		texts->count++;
	}
	return texts->items ? 0 : -ENOMEM;
}

static int read_request(const struct msg *msg, struct arena *arena, struct exec_request *ret)
{
	struct wire in;

	wire_init(&in, msg->body.ptr, msg->body.len);
	wire_text(&in, ret->name, sizeof(ret->name));
	ret->tty = wire_bool(&in);
	ret->rows = wire_u16(&in);
	ret->columns = wire_u16(&in);
	wire_text(&in, ret->user, sizeof(ret->user));
	wire_text(&in, ret->cwd, sizeof(ret->cwd));
	if (read_texts(&in, arena, &ret->argv) < 0 || read_texts(&in, arena, &ret->env) < 0)
		return -ENOMEM;
	return wire_end(&in);
}

/* What the shim answered becomes the first reply: the fds, and more to come. */
static void on_shim_exec(struct msg_peer *peer, void *owner, struct msg *reply,
			 const struct err *err)
{
	struct engine_exec *exec = owner;
	struct msg out = { .type = ENGINE_MSG_EXEC,
			   .flags = MSG_FLAG_REPLY | MSG_FLAG_MORE,
			   .serial = exec->serial };
	struct err bad = { 0 };
	struct wire in;

	(void)peer;
	if (!exec->used)
		return;
	if (!reply) {
		(void)msg_reply_err(exec->peer, ENGINE_MSG_EXEC, exec->serial, err);
		exec->used = false;
		return;
	}
	wire_init(&in, reply->body.ptr, reply->body.len);
	exec->exec_id = wire_u32(&in);
	out.nfds = reply->nfds;
	memcpy(out.fds, reply->fds, sizeof(out.fds));
	if (msg_send(exec->peer->fd, &out, &bad) < 0) {
		log_warn("exec: %s", err_text(&bad));
		exec->used = false;
	}
}

static int exec_plan(const struct container *container, const struct exec_request *request,
		     struct arena *arena, struct err *err)
{
	struct run_spec defaults;
	struct run_process process;
	struct buf plan OWN(buf_done) = { 0 };
	struct image_texts env = { 0 };
	int r = 0;

	run_spec_init(&defaults);
	process = defaults.process;
	for (uint32_t i = 0; r >= 0 && i < container->def.env.count; i++)
		r = image_texts_add(arena, &env, container->def.env.items[i], err);
	for (uint32_t i = 0; r >= 0 && i < request->env.count; i++)
		r = image_texts_add(arena, &env, request->env.items[i], err);
	if (r >= 0 && !image_env_get(&env, "HOME"))
		r = image_env_set(arena, &env, "HOME", container->home, err);
	if (r >= 0 && request->tty && !image_env_get(&env, "TERM"))
		r = image_env_set(arena, &env, "TERM", "xterm", err);
	/* argv and env end with NULL: lists are allocated with one entry more, zeroed. */
	if (r >= 0)
		r = image_texts_add(arena, &env, "", err);
	if (r < 0)
		return r;
	env.items[env.count - 1] = NULL;
	process.argv = request->argv.items;
	process.env = env.items;
	process.cwd = *request->cwd ? request->cwd : container->def.workdir;
	process.uid = container->uid;
	process.gid = container->gid;
	process.groups = container->groups;
	process.group_count = container->group_count;
	process.tty = request->tty;
	process.stdin_open = true;
	process.rows = request->rows;
	process.columns = request->columns;
	buf_init(&plan, 8 << 20);
	r = run_plan_encode_exec(&process, container->def.privileged, &plan, err);
	return r < 0 ? r : run_plan_memfd(&plan, err);
}

static struct engine_exec *exec_slot(struct engine *engine)
{
	for (size_t i = 0; i < ENGINE_EXECS_MAX; i++) {
		if (!engine->execs[i].used)
			return &engine->execs[i];
	}
	return NULL;
}

static int exec_check(struct engine *engine, const struct exec_request *request,
		      struct container **ret_container, struct err *err)
{
	struct service *service = manager_find(&engine->manager, request->name);

	if (!service)
		return manager_unknown(&engine->manager, request->name, err);
	if (!service->container || service->container->phase != CONTAINER_PHASE_RUNNING)
		return err_set(err, -ESRCH, "%s does not run (%s)", request->name,
			       service_state_name(service->state));
	if (!request->argv.count)
		return err_set(err, -EINVAL, "no command is given");
	if (*request->user)
		return err_set(err, -ENOTSUP, "exec runs as the container's own user");
	if (!service->container->user_known)
		return err_set(err, -EAGAIN, "its user is being looked up, try again");
	*ret_container = service->container;
	return 0;
}

void engine_exec_call(struct msg_peer *peer, struct msg *msg)
{
	struct engine *engine = engine_of(peer);
	struct arena arena OWN(arena_done) = { 0 };
	struct engine_exec *exec = exec_slot(engine);
	struct exec_request request = { 0 };
	struct container *container = NULL;
	struct err err = { 0 };
	int plan OWN_FD = -1;
	int64_t r;

	arena_init(&arena, 8 << 20);
	r = read_request(msg, &arena, &request);
	if (r < 0)
		err_set(&err, (int)r, "malformed exec request");
	if (r >= 0)
		r = exec_check(engine, &request, &container, &err);
	if (r >= 0 && !exec)
		r = err_set(&err, -EBUSY, "%d processes are being run already", ENGINE_EXECS_MAX);
	if (r >= 0)
		r = plan = exec_plan(container, &request, &arena, &err);
	if (r >= 0) {
		*exec = (struct engine_exec){ true, peer, msg->serial, container, 0 };
		r = msg_peer_call(&container->shim, SHIM_MSG_EXEC, STR(""), &plan, 1, on_shim_exec,
				  exec, &err);
	}
	if (r < 0) {
		if (exec)
			exec->used = false;
		(void)msg_reply_err(peer, msg->type, msg->serial, &err);
	}
}

static void exec_finish(struct engine_exec *exec, int32_t code)
{
	struct buf body OWN(buf_done) = { 0 };

	exec->used = false;
	buf_init(&body, 16);
	wire_put_u32(&body, (uint32_t)code);
	(void)msg_reply(exec->peer, ENGINE_MSG_EXEC, exec->serial, buf_str(&body), NULL, 0);
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
		(void)msg_peer_call(&exec->container->shim, SHIM_MSG_RESIZE, buf_str(&body), NULL,
				    0, NULL, NULL, NULL);
		(void)msg_reply(peer, msg->type, msg->serial, STR(""), NULL, 0);
		return;
	}
	err_set(&err, -ENOENT, "no such process");
	(void)msg_reply_err(peer, msg->type, msg->serial, &err);
}
