/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns what the sandboxed parser does with the bytes: config.json to a plan and an answer. Pure. It
 * must never write an answer that is half of one.
 */
#include <errno.h>
#include <string.h>
#include "engine/bundle/convert.h"
#include "engine/bundle/parser.h"
#include "engine/json/json.h"
#include "lib/own.h"
#include "lib/str.h"

enum { PLAN_BYTES_MAX = 6 << 20, HEAD_MAX = 4 << 20, USUAL_BYTES = 8000 };

#define STATE_VERSION "1.2.0"

/* The JSON of the state up to the pid, and behind it. */
static int make_state(struct convert *c, const char *id, const char *status, const char **ret_head,
		      const char **ret_tail)
{
	struct buf head OWN(buf_done) = { 0 };
	struct buf tail OWN(buf_done) = { 0 };
	const struct runtime_pairs *pairs = &c->config->annotations;
	struct json_writer w;

	buf_init(&head, HEAD_MAX);
	buf_init(&tail, HEAD_MAX);
	json_writer_init(&w, &head);
	json_begin_object(&w);
	json_member_text(&w, "ociVersion", STATE_VERSION);
	json_member_text(&w, "id", id);
	json_member_text(&w, "status", status);
	json_key(&w, "pid");
	w.out = &tail;
	json_put_raw(&w, STR(""));
	json_member_text(&w, "bundle", c->bundle);
	json_key(&w, "annotations");
	json_begin_object(&w);
	for (size_t i = 0; i < pairs->count; i++)
		json_member_text(&w, pairs->items[i].key, pairs->items[i].value);
	json_end_object(&w);
	json_end_object(&w);
	if (buf_error(&head) || buf_error(&tail))
		return convert_no_memory(c);
	*ret_head = arena_text(c->arena, buf_str(&head));
	*ret_tail = arena_text(c->arena, buf_str(&tail));
	return *ret_head && *ret_tail ? 0 : convert_no_memory(c);
}

static int add_states(struct convert *c, const char *id, struct run_spec *spec)
{
	for (int point = 0; point < RUN_HOOK_POINTS; point++) {
		struct run_hooks *hooks = &spec->hooks[point];
		const char *status = point == RUN_HOOK_POSTSTART  ? "running"
				     : point == RUN_HOOK_POSTSTOP ? "stopped"
								  : "created";
		int r;

		if (hooks->count == 0)
			continue;
		r = make_state(c, id, status, &hooks->state_head, &hooks->state_tail);
		if (r < 0)
			return r;
	}
	return 0;
}

static int append_texts(struct convert *c, struct runtime_texts *texts,
			const struct args_list *more)
{
	const char **items;

	if (!more || more->count == 0)
		return 0;
	items = arena_array(c->arena, texts->count + more->count + 1, sizeof(*items));
	if (!items)
		return convert_no_memory(c);
	for (size_t i = 0; i < texts->count; i++)
		items[i] = texts->items[i];
	for (size_t i = 0; i < more->count; i++)
		items[texts->count + i] = more->items[i];
	*texts = (struct runtime_texts){ items, texts->count + more->count };
	return 0;
}

/* The container's first process has number 1 there, if it has a PID namespace of its own. */
static int add_listening(const struct parser_job *job, struct convert *c, struct run_spec *spec)
{
	struct runtime_texts env = c->config->process.env;
	struct args_list more = { .count = 2 };

	if (job->listen_fds == 0)
		return 0;
	more.items[0] = arena_printf(c->arena, "LISTEN_FDS=%u", job->listen_fds);
	more.items[1] = "LISTEN_PID=1";
	if (job->listen_names)
		more.items[more.count++] =
			arena_printf(c->arena, "LISTEN_FDNAMES=%s", job->listen_names);
	if (!more.items[0] || !more.items[more.count - 1])
		return convert_no_memory(c);
	if (append_texts(c, &env, &more) < 0)
		return -ENOMEM;
	spec->process.env = env.items;
	return 0;
}

/* NOTIFY_SOCKET: the directory with our own socket, mounted behind all others. */
static int add_notify(const struct parser_job *job, struct convert *c, struct run_spec *spec)
{
	size_t count = spec->mount_count, vars = 0, kept = 0;
	struct run_mount *mounts;
	const char **env;

	if (!job->notify_target)
		return 0;
	while (spec->process.env && spec->process.env[vars])
		vars++;
	mounts = arena_array(c->arena, count + 1, sizeof(*mounts));
	env = arena_array(c->arena, vars + 2, sizeof(*env));
	if (!mounts || !env)
		return convert_no_memory(c);
	for (size_t i = 0; i < count; i++)
		mounts[i] = spec->mounts[i];
	for (size_t i = 0; i < vars; i++) {
		if (!str_starts(str_from(spec->process.env[i]), STR("NOTIFY_SOCKET=")))
			env[kept++] = spec->process.env[i];
	}
	mounts[count] = (struct run_mount){
		.kind = RUN_MOUNT_KIND_BIND,
		.flags = RUN_MOUNT_FLAG_READONLY | RUN_MOUNT_FLAG_NOSUID | RUN_MOUNT_FLAG_NODEV |
			 RUN_MOUNT_FLAG_NOEXEC,
		.source = job->notify_source,
		.source_fd = -1,
		.target = job->notify_target,
	};
	env[kept] = arena_printf(c->arena, "NOTIFY_SOCKET=%s/notify", job->notify_target);
	spec->mounts = mounts;
	spec->mount_count = count + 1;
	spec->process.env = env;
	return env[kept] ? 0 : convert_no_memory(c);
}

static int work_container(const struct parser_job *job, struct convert *c, struct buf *plan)
{
	struct run_spec spec;
	int r = convert_config(c, &spec);

	if (r == 0)
		r = add_states(c, job->id, &spec);
	if (r == 0)
		r = add_listening(job, c, &spec);
	if (r == 0)
		r = add_notify(job, c, &spec);
	if (r < 0)
		return r;
	spec.no_pivot = job->no_pivot;
	spec.nested = job->nested;
	spec.no_new_keyring = job->no_new_keyring;
	spec.process.preserve_fds = job->preserve_fds;
	return run_plan_encode(&spec, plan, c->err);
}

/* ---- exec ---- */

/* "uid[:gid]", digits only: a name would have to be looked up in files of the container. */
static int take_user(struct convert *c, const char *text, struct runtime_process *process)
{
	struct str rest = str_from(text), uid, gid;
	uint64_t value;

	if (!str_cut(&rest, ':', &uid) || str_to_u64(uid, 0, UINT32_MAX - 1, &value) < 0)
		return err_set(c->err, -EINVAL, "--user: expected UID[:GID] in digits");
	process->uid = (uint32_t)value;
	if (!strchr(text, ':'))
		return 0;
	if (!str_cut(&rest, ':', &gid) || rest.len > 0 ||
	    str_to_u64(gid, 0, UINT32_MAX - 1, &value) < 0)
		return err_set(c->err, -EINVAL, "--user: expected UID[:GID] in digits");
	process->gid = (uint32_t)value;
	return 0;
}

static int take_caps(struct convert *c, const struct args_list *more, struct runtime_caps *caps)
{
	uint64_t bits;
	int r = 0;

	/* What a person types is not passed over as config.json's names are. */
	for (size_t i = 0; i < more->count; i++)
		if (run_caps_parse(more->items[i], &bits, c->err) < 0)
			return err_prefix(c->err, "--cap");
	r = append_texts(c, &caps->bounding, more);
	if (r == 0)
		r = append_texts(c, &caps->permitted, more);
	if (r == 0)
		r = append_texts(c, &caps->effective, more);
	/* As runc does: with inheritable ones the container's programs get the rest as ambient. */
	if (r == 0 && caps->inheritable.count > 0)
		r = append_texts(c, &caps->ambient, more);
	return r;
}

static int take_groups(struct convert *c, const struct args_list *more,
		       struct runtime_process *process)
{
	uint32_t *items;

	if (!more || more->count == 0)
		return 0;
	items = arena_array(c->arena, more->count, sizeof(*items));
	if (!items)
		return convert_no_memory(c);
	for (size_t i = 0; i < more->count; i++) {
		uint64_t value;

		if (str_to_u64(str_from(more->items[i]), 0, UINT32_MAX - 1, &value) < 0)
			return err_set(c->err, -EINVAL, "--additional-gids: expected a number");
		items[i] = (uint32_t)value;
	}
	process->groups = (struct runtime_u32s){ items, more->count };
	return 0;
}

static size_t count_texts(const char *const *list)
{
	size_t n = 0;

	while (list[n])
		n++;
	return n;
}

static int override_process(struct convert *c, const struct parser_exec *given,
			    struct runtime_process *process)
{
	int r = 0;

	if (given->argv) {
		size_t count = count_texts(given->argv);
		const char **items = arena_array(c->arena, count + 1, sizeof(*items));

		if (!items)
			return convert_no_memory(c);
		memcpy(items, given->argv, count * sizeof(*items));
		process->args = (struct runtime_texts){ items, count };
		process->terminal = given->tty;
	}
	process->terminal = process->terminal || given->tty;
	process->no_new_privs = process->no_new_privs || given->no_new_privs;
	process->cwd = given->cwd ? given->cwd : process->cwd;
	process->apparmor = given->apparmor ? given->apparmor : process->apparmor;
	process->selinux = given->label ? given->label : process->selinux;
	if (given->user && *given->user) /* an empty one is none, as with runc */
		r = take_user(c, given->user, process);
	if (r == 0)
		r = append_texts(c, &process->env, given->env);
	if (r == 0 && given->caps)
		r = take_caps(c, given->caps, &process->caps);
	if (r == 0)
		r = take_groups(c, given->groups, process);
	return r < 0 ? r : runtime_process_check(process, c->err);
}

static int work_exec(const struct parser_job *job, struct convert *c, struct buf *plan)
{
	struct runtime_config given = { 0 };
	struct runtime_process process = c->config->process;
	struct run_spec spec;
	int r = convert_config(c, &spec);

	if (r == 0 && job->process.len > 0) {
		/* Lives until the answer is written: the process ends behind it. */
		r = runtime_process_parse(job->process, &given, c->err);
		process = given.process;
	}
	if (r == 0)
		r = override_process(c, job->exec, &process);
	if (r == 0) {
		spec.process = (struct run_process){ 0 };
		r = convert_process(c, &process, &spec.process);
	}
	if (r == 0) {
		spec.process.preserve_fds = job->preserve_fds;
		c->answer->terminal = process.terminal;
		r = run_plan_encode_exec_spec(&spec, plan, c->err);
	}
	runtime_config_done(&given);
	return r;
}

/* ---- all ---- */

static int work(const struct parser_job *job, struct convert *c, struct runtime_config *config,
		struct buf *plan)
{
	int r;

	if (job->kind == PARSER_KIND_RESOURCES) {
		r = runtime_resources_parse(job->process, config, c->err);
		return r < 0 ? r
			     : convert_resources(c, &config->linux_.resources,
						 &c->answer->resources);
	}
	r = runtime_config_parse(job->config, config, c->err);
	if (r < 0)
		return r;
	return job->kind == PARSER_KIND_EXEC ? work_exec(job, c, plan)
					     : work_container(job, c, plan);
}

void parser_work(const struct parser_job *job, struct buf *out)
{
	struct arena arena = { 0 };
	struct runtime_config config = { 0 };
	struct buf plan = { 0 };
	struct answer answer = { 0 };
	struct err err = { 0 };
	struct convert c = { .arena = &arena,
			     .config = &config,
			     .bundle = job->bundle,
			     .may_miss_process = job->may_miss_process,
			     .answer = &answer,
			     .err = &err };

	arena_init(&arena, RUNTIME_ARENA_MAX);
	buf_init(&plan, PLAN_BYTES_MAX);
	/* Most fit at once: each growth is a mapping made and one taken away. */
	(void)buf_reserve(&plan, USUAL_BYTES);
	(void)buf_reserve(out, USUAL_BYTES);
	if (work(job, &c, &config, &plan) < 0) {
		answer_encode_error(&err, out);
		return;
	}
	answer.plan = buf_str(&plan);
	answer_encode(&answer, out);
	if (buf_error(out)) {
		buf_clear(out);
		(void)err_set(&err, -EFBIG, "config.json: its plan is too large");
		answer_encode_error(&err, out);
	}
}
