/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A build of a client of the API. Its context is a tar that comes with the call, or what an URL
 * leads to: the unpack and files roles lay it into a directory of its own, then the builder has it.
 * Repositories the builder fetches. Runs in engine main; must never read a name or byte of the
 * context, nor leave it behind.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include "engine/api/context_msg.h"
#include "engine/build/plan.h"
#include "engine/oci/reference.h"
#include "engine/role_main_tree.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/own.h"

struct context_work {
	struct tree_work tree; /* first: work_end() gives back what it holds */
	struct engine_context wanted;
	const char *names[ENGINE_CONTEXT_NAMES_MAX];
	struct build_login logins[ENGINE_CONTEXT_LOGINS_MAX];
	struct build_secret_given secrets[ENGINE_CONTEXT_SECRETS_MAX];
	struct build_cache_at cache_from[BUILD_CACHES_MAX], cache_to[BUILD_CACHES_MAX];
	uint32_t cache_from_count, cache_to_count;
	/* Of a tar with parts: the context's own directory, those of named ones; -1 = none. */
	int part_fd, named_fds[BUILD_CONTEXTS_MAX];
	struct image_pairs agents; /* id, path of a socket that the api role listens at */
	char agent_names[ENGINE_CONTEXT_AGENTS_MAX][CONTAINER_ID_LEN + 1];
	uint32_t agent_count;
	struct build_job *job; /* NULL before the context is there, and after the end */
	struct context_work *next;
};

static struct context_work *contexts;

/* ---- what is said of it ---- */

static void on_note(void *owner, const struct build_note *note)
{
	struct context_work *context = owner;
	struct buf body OWN(buf_done) = { 0 };

	buf_init(&body, BUILD_CALL_VALUE_MAX);
	wire_put_u8(&body, ENGINE_CONTEXT_NOTE);
	wire_put_u8(&body, (uint8_t)note->kind);
	wire_put_u32(&body, note->step);
	wire_put_text(&body, note->text);
	wire_put_u32(&body, note->line);
	wire_put_u32(&body, note->column);
	wire_put_text(&body, note->rule ? note->rule : "");
	wire_put_text(&body, note->description ? note->description : "");
	wire_put_text(&body, note->url ? note->url : "");
	work_more(&context->tree.work, buf_str(&body));
}

/* What is built is known to the api role before it is begun with, and this answered by BUILD_GO. */
static void on_inputs(void *owner, struct str inputs)
{
	struct context_work *context = owner;
	struct buf body OWN(buf_done) = { 0 };

	buf_init(&body, ENGINE_CONTEXT_BODY_MAX);
	wire_put_u8(&body, ENGINE_CONTEXT_INPUTS);
	wire_put_str(&body, inputs);
	work_more(&context->tree.work, buf_str(&body));
}

static void on_run_failed(void *owner, const struct build_op *op, int32_t code)
{
	struct context_work *context = owner;
	struct buf body OWN(buf_done) = { 0 };
	struct buf command OWN(buf_done) = { 0 };

	buf_init(&command, IMAGE_TEXT_MAX);
	for (uint32_t i = 0; i < op->argv.count; i++)
		(void)buf_printf(&command, "%s%s", i ? " " : "", op->argv.items[i]);
	buf_init(&body, IMAGE_TEXT_MAX + 64);
	wire_put_u8(&body, ENGINE_CONTEXT_FAILED);
	wire_put_u32(&body, (uint32_t)code);
	wire_put_str(&body, buf_str(&command));
	work_more(&context->tree.work, buf_str(&body));
}

/* ---- its end ---- */

static void context_drop(struct context_work *context)
{
	struct context_work **at = &contexts;

	while (*at && *at != context)
		at = &(*at)->next;
	if (*at)
		*at = context->next;
	context->job = NULL;
	while (context->agent_count)
		build_agent_remove(&context->tree.work.engine->containers,
				   context->agent_names[--context->agent_count]);
}

static void context_fail(struct context_work *context, const struct err *err)
{
	struct err why = *err;

	context_drop(context);
	work_fail(&context->tree.work, &why);
}

static void on_done(void *owner, const struct image *image, const struct err *err)
{
	struct context_work *context = owner;
	struct engine *engine = context->tree.work.engine;
	struct buf body OWN(buf_done) = { 0 };
	char id[DIGEST_TEXT_MAX];

	if (err) {
		context_fail(context, err);
		return;
	}
	buf_init(&body, 256);
	wire_put_text(&body, image ? digest_text(&image->config, id) : "");
	if (image) {
		engine_event(engine, "image", "create", id, id, NULL, 0);
		manager_kick(&engine->manager, "an image was built");
	}
	context_drop(context);
	work_reply(&context->tree.work, buf_str(&body));
}

/* ---- from the tar to the builder ---- */

static void close_parts(struct context_work *context)
{
	own_close(&context->part_fd);
	for (uint32_t i = 0; i < BUILD_CONTEXTS_MAX; i++)
		own_close(&context->named_fds[i]);
}

/* Whatever the tar made of its top: only a directory that stands there itself is one. */
static int open_part(const struct tree_work *tree, const char *name, struct err *err)
{
	return fs_open(tree->upper_fd, name, FS_BENEATH, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0,
		       err);
}

static int open_parts(struct context_work *context, struct err *err)
{
	const struct image_pairs *named = &context->wanted.contexts;

	if (!context->wanted.parted)
		return 0;
	if (!*context->wanted.remote)
		context->part_fd = open_part(&context->tree, "0", err);
	if (context->part_fd < 0 && !*context->wanted.remote)
		return context->part_fd;
	for (uint32_t i = 0; i < named->count && i < BUILD_CONTEXTS_MAX; i++) {
		const char *where = named->items[i].value;

		if (!str_starts(str_from(where), STR("tar:")))
			continue;
		context->named_fds[i] = open_part(&context->tree, where + 4, err);
		if (context->named_fds[i] < 0)
			return context->named_fds[i];
	}
	return 0;
}

static void take_given(struct context_work *context, const struct engine_context *given)
{
	for (uint32_t i = 0; i < given->login_count; i++)
		context->logins[i] =
			(struct build_login){ given->logins[i].host, given->logins[i].user,
					      given->logins[i].password, given->logins[i].token };
	for (uint32_t i = 0; i < given->secret_count; i++)
		context->secrets[i] =
			(struct build_secret_given){ .id = given->secrets[i].id,
						     .value = given->secrets[i].value };
}

/* A socket for each agent of the client's; the api role serves it. */
static int take_agents(struct context_work *context, const struct engine_context *given,
		       struct err *err)
{
	struct engine_work *work = &context->tree.work;
	struct container_env *env = &work->engine->containers;
	int r = 0;

	for (uint32_t i = 0; r >= 0 && i < given->agent_count; i++) {
		struct buf body OWN(buf_done) = { 0 };
		const char *path = NULL, *id = arena_text(&work->arena, str_from(given->agents[i]));
		char *name = context->agent_names[context->agent_count];
		int fd OWN_FD = -1;

		if (context->agent_count == ENGINE_CONTEXT_AGENTS_MAX)
			return err_set(err, -E2BIG, "more than %d agents",
				       ENGINE_CONTEXT_AGENTS_MAX);
		fd = build_agent_listen(env, name, err);
		context->agent_count++;
		if (fd < 0)
			return fd;
		buf_init(&body, 2048);
		wire_put_u64(&body, context->wanted.token);
		wire_put_text(&body, given->agents[i]);
		path = arena_printf(&work->arena, "%s/" BUILD_SECRETS "/%s", env->run_path, name);
		r = id && path ? image_pairs_set(&work->arena, &context->agents, id, path, err)
			       : err_set(err, -ENOMEM, "no memory for a build");
		if (r >= 0 && work->peer)
			r = msg_peer_send(work->peer, ENGINE_MSG_BUILD_AGENT, buf_str(&body), &fd,
					  1, err);
	}
	return r;
}

static bool is_repository(const struct context_work *context)
{
	return build_context_is_remote(context->wanted.remote);
}

static int begin_build(struct tree_work *tree, struct err *err)
{
	struct context_work *context = (struct context_work *)tree;
	const struct engine_context *wanted = &context->wanted;
	const struct build_job_ops ops = { .done = on_done,
					   .note = on_note,
					   .inputs = wanted->held ? on_inputs : NULL,
					   .run_failed = on_run_failed };
	struct build_request request = { .context = wanted->remote,
					 .context_fd = tree->upper_fd,
					 .context_open = !is_repository(context),
					 .references = context->names,
					 .reference_count = wanted->name_count,
					 .dockerfile = wanted->dockerfile,
					 .target = wanted->target,
					 .args = &wanted->args,
					 .labels = &wanted->labels,
					 .hosts = &wanted->hosts,
					 .contexts = &wanted->contexts,
					 .context_fds = context->named_fds,
					 .text = wanted->text,
					 .secrets = context->secrets,
					 .secret_count = wanted->secret_count,
					 .network_none = wanted->network_none,
					 .network_host = wanted->network_host,
					 .host_allowed = wanted->host_allowed,
					 .limits = wanted->limits,
					 .no_cache = wanted->no_cache,
					 .keep_unnamed = true,
					 .pull = wanted->pull,
					 .check = wanted->check,
					 .cache_from = context->cache_from,
					 .cache_from_count = context->cache_from_count,
					 .cache_to = context->cache_to,
					 .cache_to_count = context->cache_to_count,
					 .logins = context->logins,
					 .login_count = wanted->login_count,
					 .ssh = &context->agents };

	if (tree->error.code) {
		*err = tree->error;
		(void)err_prefix(err, "build context");
	} else if (open_parts(context, err) >= 0 && take_agents(context, wanted, err) >= 0) {
		if (context->part_fd >= 0)
			request.context_fd = context->part_fd;
		take_given(context, wanted);
		context->job =
			build_job_start(&tree->work.engine->builds, &request, &ops, context, err);
	}
	close_parts(context);
	if (!context->job)
		context_drop(context); /* the caller ends the work */
	return context->job ? 0 : err->code;
}

static int take_names(struct context_work *context, struct err *err)
{
	char name[OCI_REFERENCE_MAX];
	int r = 0;

	for (uint32_t i = 0; r >= 0 && i < context->wanted.name_count; i++) {
		r = oci_reference_normalise(str_from(context->wanted.names[i]), name, err);
		if (r >= 0) {
			context->names[i] = arena_text(&context->tree.work.arena, str_from(name));
			r = context->names[i] ? 0 : err_set(err, -ENOMEM, "no memory for a build");
		}
	}
	return r;
}

/* An image, a repository, or a part of the tar by its number: never a directory of the machine. */
static bool context_is_sound(const struct engine_context *wanted, const char *where)
{
	uint64_t number;

	if (str_starts(str_from(where), STR("docker-image://")) || build_context_is_remote(where))
		return true;
	return wanted->parted && str_starts(str_from(where), STR("tar:")) &&
	       str_to_u64(str_from(where + 4), 1, BUILD_CONTEXTS_MAX, &number) >= 0;
}

/* The request, in memory of the work: Dockerfile and secrets are wanted after the message. */
static int take_request(struct context_work *context, struct str body, struct err *err)
{
	struct arena *arena = &context->tree.work.arena;
	char *copy = arena_alloc(arena, body.len);
	struct wire in;
	int r;

	if (!copy)
		return err_set(err, -ENOMEM, "no memory for a build");
	memcpy(copy, body.ptr, body.len);
	wire_init(&in, copy, body.len);
	r = engine_context_get(&in, arena, &context->wanted, err);
	for (uint32_t i = 0; r >= 0 && i < context->wanted.contexts.count; i++) {
		const struct image_pair *named = &context->wanted.contexts.items[i];

		if (!context_is_sound(&context->wanted, named->value))
			r = err_set(err, -EINVAL,
				    "build context %.80s is no image and no directory", named->key);
	}
	for (uint32_t i = 0; r >= 0 && i < context->wanted.cache_from.count; i++)
		r = build_cache_add(arena, context->wanted.cache_from.items[i].key, STR(""),
				    context->cache_from, &context->cache_from_count, err);
	for (uint32_t i = 0; r >= 0 && i < context->wanted.cache_to.count; i++) {
		const struct image_pair *to = &context->wanted.cache_to.items[i];

		r = build_cache_add(arena, to->key, str_from(to->value), context->cache_to,
				    &context->cache_to_count, err);
	}
	return r < 0 ? r : take_names(context, err);
}

static int unpack_download(struct tree_work *tree, struct err *err)
{
	int r;

	if (tree->error.code)
		return begin_build(tree, err);
	tree->text_ok = true;
	r = tree_extract(tree, tree->upper_fd, "/", "", begin_build, err);
	if (r < 0)
		context_drop((struct context_work *)tree);
	return r;
}

/* From what the call gives to begin_build(). */
static int fetch(struct context_work *context, struct msg *msg, struct err *err)
{
	struct tree_work *tree = &context->tree;
	bool url = *context->wanted.remote && !is_repository(context);
	int r = tree_scratch(tree, err);

	if (r < 0)
		return r;
	if (url && msg->nfds)
		return err_set(err, -ENOTSUP,
			       "a context from an URL goes with no directory of "
			       "--build-context");
	if (url)
		return tree_download(tree, context->wanted.remote, unpack_download, err);
	if (!msg->nfds && !*context->wanted.remote)
		return err_set(err, -EINVAL, "a build without a context");
	if (!msg->nfds)
		return begin_build(tree, err);
	r = work_open_file(&tree->work, msg, STR(""), false, err);
	return r < 0 ? r : tree_extract(tree, tree->upper_fd, "/", "", begin_build, err);
}

void engine_build_context_call(struct msg_peer *peer, struct msg *msg)
{
	struct context_work *context = tree_new(peer, msg, sizeof(*context));
	struct err err = { 0 };
	int r;

	if (!context)
		return;
	context->part_fd = -1;
	for (uint32_t i = 0; i < BUILD_CONTEXTS_MAX; i++)
		context->named_fds[i] = -1;
	context->next = contexts;
	contexts = context;
	r = take_request(context, msg->body, &err);
	if (r >= 0)
		r = fetch(context, msg, &err);
	if (r < 0)
		context_fail(context, &err);
}

/* ---- nobody wants it ---- */

static void context_cancel(struct context_work *context, const struct err *why)
{
	build_job_cancel(context->job);
	/* While the tar is unpacked: the two roles are ended, and nobody hears of it. */
	msg_peer_forget(&context->tree.files.peer, context);
	msg_peer_forget(&context->tree.unpack.peer, context);
	context_fail(context, why);
}

void engine_build_go_call(struct msg_peer *peer, struct msg *msg)
{
	struct arena arena OWN(arena_done) = { 0 };
	struct context_work *context = contexts;
	struct build_request more = { 0 };
	static struct engine_context given;
	struct err err = { 0 };
	struct wire in;

	arena_init(&arena, 16 << 20);
	wire_init(&in, msg->body.ptr, msg->body.len);
	if (engine_context_get(&in, &arena, &given, &err) < 0) {
		log_warn("malformed message from role api");
		return;
	}
	while (context && (context->tree.work.peer != peer || context->wanted.token != given.token))
		context = context->next;
	if (!context) /* it has ended meanwhile */
		return;
	take_given(context, &given);
	more.secrets = context->secrets;
	more.secret_count = given.secret_count;
	more.logins = context->logins;
	more.login_count = given.login_count;
	more.ssh = &context->agents;
	if (take_agents(context, &given, &err) < 0)
		context_cancel(context, &err);
	else if (build_job_go(context->job, &more, &err) < 0)
		log_warn("build: %s", err_text(&err));
}

void engine_build_cancel_call(struct msg_peer *peer, struct msg *msg)
{
	struct context_work *next;
	struct err gone = { 0 };
	uint64_t token;
	struct wire in;

	err_set(&gone, -ECANCELED, "build canceled");
	wire_init(&in, msg->body.ptr, msg->body.len);
	token = wire_u64(&in);
	if (wire_end(&in) < 0) {
		log_warn("malformed message from role api");
		return;
	}
	for (struct context_work *c = contexts; c; c = next) {
		next = c->next;
		if (c->tree.work.peer == peer && c->wanted.token == token)
			context_cancel(c, &gone);
	}
	if (msg->flags & MSG_FLAG_CALL)
		(void)msg_reply(peer, msg->type, msg->serial, STR(""), NULL, 0);
}

void engine_contexts_gone(const struct msg_peer *peer)
{
	struct context_work *next;
	struct err gone = { 0 };

	err_set(&gone, -ECANCELED, "build canceled");
	for (struct context_work *c = contexts; c; c = next) {
		next = c->next;
		if (c->tree.work.peer == peer)
			context_cancel(c, &gone);
	}
}
