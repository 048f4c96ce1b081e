/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Build steps that make a layer: RUN in a container, COPY and WORKDIR by the files role, over a
 * fresh upper; afterwards the upper is walked into pack. Runs in engine main.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "engine/build/exec_git.h"
#include "engine/build/exec_job.h"
#include "engine/build/exec_memory.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/own.h"
#include "lib/random.h"

static void step_reset(struct build_step *step)
{
	memset(step, 0, sizeof(*step));
	step->unpack.pidfd = -1;
	step->mounts.root_fd = -1;
	step->root_fd = step->source_fd = step->upper_fd = step->feed_fd = step->log_fd = -1;
	buf_init(&step->body, BUILD_JOB_BODY_MAX);
}

void build_job_init(struct build_job *job)
{
	job->context_fd = -1;
	for (size_t i = 0; i < ARRAY_LEN(job->named_fds); i++)
		job->named_fds[i] = -1;
	arena_init(&job->arena, BUILD_JOB_BODY_MAX);
	for (size_t i = 0; i < ARRAY_LEN(job->lanes); i++) {
		job->lanes[i].job = job;
		job->lanes[i].files.pidfd = -1;
		job->lanes[i].fetch.fd = job->lanes[i].fetch.file_fd = -1;
		job->lanes[i].fetch.role.pidfd = -1;
		step_reset(&job->lanes[i].step);
	}
}

struct build_rest build_job_rest(struct build_lane *lane)
{
	struct build_step *step = &lane->step;
	struct build_rest rest = { .env = lane->job->env->containers,
				   .memory_bytes = step->memory_bytes };

	memcpy(rest.scratch, step->scratch, sizeof(rest.scratch));
	memcpy(rest.source, step->source, sizeof(rest.source));
	*step->scratch = *step->source = '\0';
	step->memory_bytes = 0;
	return rest;
}

void build_job_bury(struct build_rest *rest)
{
	if (*rest->source)
		(void)rootfs_umount(&rest->env->rootfs, rest->source, NULL);
	if (*rest->scratch) {
		(void)rootfs_umount(&rest->env->rootfs, rest->scratch, NULL);
		(void)container_remove(rest->env, rest->scratch, NULL);
	}
	build_memory_clear(rest);
}

void build_job_clear(struct build_lane *lane)
{
	struct build_step *step = &lane->step;
	struct container_env *env = lane->job->env->containers;
	struct build_rest rest;

	if (msg_peer_alive(env->store))
		msg_peer_forget(env->store, lane);
	if (msg_peer_alive(lane->job->env->api))
		msg_peer_forget(lane->job->env->api, lane);
	if (lane->files_of == 0)
		worker_stop(&lane->files);
	worker_stop(&step->unpack);
	image_take_cancel(lane->found.take);
	lane->found.take = NULL;
	build_job_fetch_stop(lane);
	layers_cancel(&step->mounting);
	image_layer_done(&step->packing);
	if (step->container) {
		container_release(step->container);
		container_free(step->container);
	}
	build_job_mounts_clear(lane);
	own_close(&step->root_fd);
	own_close(&step->source_fd);
	own_close(&step->upper_fd);
	own_close(&step->feed_fd);
	loop_timer_stop(env->loop, &step->log_timer);
	own_close(&step->log_fd);
	rest = build_job_rest(lane);
	build_job_bury(&rest);
	buf_done(&step->body);
	buf_done(&step->archives);
	step_reset(step);
}

/* ---- the upper becomes a layer ---- */

static void step_settle(struct build_lane *lane)
{
	struct build_answer answer = lane->step.answer;

	if (!lane->step.diff_done || !lane->step.pack_done)
		return;
	if (lane->step.error.code)
		build_job_fail(lane, &lane->step.error);
	else
		build_job_done(lane, &answer);
}

static void on_packed(void *owner, struct image_layer_job *packing, const struct store_layer *layer,
		      const struct err *err)
{
	struct build_lane *lane = owner;

	(void)packing;
	lane->step.pack_done = true;
	if (err && (!lane->step.error.code || lane->step.error.code == -EPIPE))
		lane->step.error = *err;
	if (layer) {
		lane->step.answer.layer.has_layer = true;
		lane->step.answer.layer.layer = *layer;
	}
	step_settle(lane);
}

static void on_walked(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct build_lane *lane = owner;

	(void)peer;
	lane->step.diff_done = true;
	/* What the walk says is nearer to the cause than pack's "the stream just stopped", unless
	 * it was pack that stopped. */
	if (!reply && (err->code != -EPIPE || !lane->step.error.code))
		lane->step.error = *err;
	step_settle(lane);
}

/* Mount points are no part of the layer, nor are times after SOURCE_DATE_EPOCH. */
static void diff_rules(const struct build_lane *lane, struct buf *out)
{
	const struct build_mounting *mounts = &lane->step.mounts;

	wire_put_i64(out, lane->job->newest_s);
	wire_put_u32(out, mounts->count);
	for (uint32_t i = 0; i < mounts->count; i++)
		wire_put_text(out, mounts->list[i].target + 1);
}

/* Pack waits for its records from now on: it is up once there are any. */
static int begin_pack(struct build_lane *lane, struct err *err)
{
	struct build_step *step = &lane->step;
	struct container_env *env = lane->job->env->containers;
	int r = image_layer_records(&step->packing, env->loop, env->store, on_packed, lane,
				    &step->feed_fd, err);

	step->packing.leases = env->leases;
	step->packing.lease = &lane->job->lease;
	return r;
}

int build_job_pack(struct build_lane *lane, struct err *err)
{
	struct build_step *step = &lane->step;
	struct container_env *env = lane->job->env->containers;
	struct buf rules OWN(buf_done) = { 0 };
	int feed OWN_FD = -1, fds[2];
	int r = 0;

	own_close(&step->root_fd);
	if (step->feed_fd < 0)
		r = begin_pack(lane, err);
	/* What a program did may not be all there while the overlay is mounted; what role files
	 * wrote is, and to unmount takes longer than to walk. */
	if (r >= 0 && !step->files_type)
		r = rootfs_umount(&env->rootfs, step->scratch, err);
	if (r < 0)
		return r;
	feed = take_fd(&step->feed_fd);
	fds[0] = step->upper_fd;
	fds[1] = feed;
	buf_init(&rules, 512 << 10);
	diff_rules(lane, &rules);
	return build_job_files_again(lane, FILES_MSG_DIFF, buf_str(&rules), fds, 2, on_walked, err);
}

/* ---- COPY and WORKDIR ---- */

static void on_copied(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct build_lane *lane = owner;
	struct err bad = { 0 };

	(void)peer;
	if (!reply)
		build_job_fail(lane, err);
	else if ((lane->step.files_type == FILES_MSG_COPY
			  ? build_job_copied(lane, reply->body, &bad)
			  : build_job_pack(lane, &bad)) < 0)
		build_job_fail(lane, &bad);
}

int build_job_scratch(struct build_lane *lane, const char *name, int *ret_upper, int *ret_work,
		      struct err *err)
{
	struct buf path OWN(buf_done) = { 0 };
	int dir OWN_FD = -1;

	buf_init(&path, 128);
	(void)buf_printf(&path, "containers/%s", name);
	dir = fs_open_dir(lane->job->env->containers->data_fd, buf_text(&path), FS_BENEATH, 0700,
			  err);
	if (dir < 0)
		return dir;
	*ret_upper = fs_open_dir(dir, "upper", FS_BENEATH, 0755, err);
	if (*ret_upper < 0)
		return *ret_upper;
	if (ret_work)
		*ret_work = fs_open_dir(dir, "work", FS_BENEATH, 0700, err);
	return ret_work && *ret_work < 0 ? *ret_work : 0;
}

/* What was downloaded, as if it were a context. */
static int copy_remotes(struct build_lane *lane, struct err *err)
{
	const struct build_op *op = lane->step.op;
	struct files_copy *copy OWN_FREE = calloc(1, sizeof(*copy));
	struct arena arena OWN(arena_done) = { 0 };
	struct buf body OWN(buf_done) = { 0 };
	const int fds[2] = { lane->fetch.fd, lane->step.root_fd };

	if (!copy)
		return err_set(err, -ENOMEM, "build: out of memory");
	arena_init(&arena, 1 << 20);
	lane->step.remote = true;
	for (uint32_t i = 0; i < op->remote_count && i < FILES_SOURCES_MAX; i++) {
		struct buf path OWN(buf_done) = { 0 };

		buf_init(&path, FILES_PATH_MAX);
		(void)buf_printf(&path, "%u/", i);
		for (const char *c = op->remotes[i].name; *c; c++) {
			if (strchr("*?[]\\", *c)) /* in a name they mean themselves */
				(void)buf_add_byte(&path, '\\');
			(void)buf_add_byte(&path, (uint8_t)*c);
		}
		if (op->remotes[i].git) /* its content, wherever it goes */
			(void)buf_add_byte(&path, '/');
		copy->sources[copy->source_count++] = str_from(arena_text(&arena, buf_str(&path)));
	}
	for (uint32_t i = 0; i < op->excludes.count && i < FILES_EXCLUDES_MAX; i++) {
		struct str pattern = str_from(op->excludes.items[i]);
		bool except = str_starts(pattern, STR("!"));

		copy->excludes[copy->exclude_count++] =
			(struct files_ignore){ str_skip(pattern, except), except };
	}
	copy->dest = str_from(op->dest);
	copy->chown = str_from(op->chown);
	copy->chmod = str_from(op->chmod);
	copy->context = true;
	copy->unpack = op->unpack_remotes;
	buf_init(&body, BUILD_JOB_BODY_MAX);
	files_copy_put(&body, copy);
	return build_job_files(lane, FILES_MSG_COPY, buf_str(&body), fds, 2, on_copied, err);
}

int build_job_copy_more(struct build_lane *lane, struct err *err)
{
	return lane->step.op->remote_count > 0 && !lane->step.remote ? copy_remotes(lane, err)
								     : build_job_pack(lane, err);
}

static bool only_remotes(const struct build_op *op)
{
	return op->remote_count > 0 && op->sources.count == 0 && op->file_count == 0;
}

static int copy_begin(struct build_lane *lane, struct err *err)
{
	struct build_step *step = &lane->step;
	struct container_env *env = lane->job->env->containers;
	int work OWN_FD = -1, fds[2];
	int r = build_memory_scratch(lane, &step->upper_fd, &work, err);

	if (r == 0)
		r = build_job_scratch(lane, step->scratch, &step->upper_fd, &work, err);
	if (r < 0)
		return r;
	/* --link: a layer that knows nothing of those below; links in them are not followed. */
	step->root_fd =
		step->op->link
			? fs_open(step->upper_fd, ".", FS_BENEATH, O_RDONLY | O_DIRECTORY, 0, err)
			: layers_root_scratch(&env->rootfs, step->scratch, step->layers,
					      step->layer_count, step->upper_fd, work, err);
	if (step->root_fd < 0)
		return step->root_fd;
	if (only_remotes(step->op))
		return copy_remotes(lane, err);
	fds[0] = build_job_context(lane, step->op->from);
	fds[1] = step->root_fd;
	if (*step->source) {
		step->source_fd = layers_root(&env->rootfs, step->source, step->from,
					      step->from_count, -1, -1, err);
		if (step->source_fd < 0)
			return step->source_fd;
		fds[0] = step->source_fd;
	}
	r = begin_pack(lane, err);
	if (r < 0)
		return r;
	if (step->files_type == FILES_MSG_MKDIR)
		return build_job_files(lane, step->files_type, buf_str(&step->body), &fds[1], 1,
				       on_copied, err);
	return build_job_files(lane, step->files_type, buf_str(&step->body), fds, 2, on_copied,
			       err);
}

static void on_mounted(void *owner, const struct err *err)
{
	struct build_lane *lane = owner;
	struct err bad = { 0 };

	if (err)
		build_job_fail(lane, err);
	else if (copy_begin(lane, &bad) < 0)
		build_job_fail(lane, &bad);
}

static void on_source_mounted(void *owner, const struct err *err)
{
	struct build_lane *lane = owner;
	struct container_env *env = lane->job->env->containers;

	if (err) {
		build_job_fail(lane, err);
		return;
	}
	layers_mount(&lane->step.mounting, env->store, &env->rootfs, lane->step.layers,
		     lane->step.layer_count, on_mounted, lane);
}

int build_job_name(char dst[CONTAINER_ID_LEN + 1], struct err *err)
{
	return random_hex(dst, CONTAINER_ID_LEN, "a build step", err);
}

static int step_begin(struct build_lane *lane, const struct store_layer *layers, uint32_t count,
		      struct err *err)
{
	if (count > BUILD_JOB_LAYERS_MAX)
		return err_set(err, -E2BIG, "more than %d layers", BUILD_JOB_LAYERS_MAX);
	for (uint32_t i = 0; i < count; i++)
		lane->step.layers[i] = layers[i].digest;
	lane->step.layer_count = count;
	return build_job_name(lane->step.scratch, err);
}

static void on_ready(struct build_lane *lane)
{
	struct container_env *env = lane->job->env->containers;

	layers_mount(&lane->step.mounting, env->store, &env->rootfs, lane->step.from,
		     lane->step.from_count, on_source_mounted, lane);
}

int build_job_copy(void *owner, unsigned number, const struct build_op *op, struct str body,
		   const struct store_layer *from, uint32_t from_count,
		   const struct store_layer *layers, uint32_t count, struct err *err)
{
	struct build_lane *lane = &((struct build_job *)owner)->lanes[number];
	int r = step_begin(lane, layers, count, err);

	if (r >= 0 && from)
		r = build_job_name(lane->step.source, err);
	if (r < 0)
		return r;
	lane->step.op = op;
	lane->step.files_type = FILES_MSG_COPY;
	(void)buf_add_str(&lane->step.body, body);
	for (uint32_t i = 0; from && i < from_count && i < BUILD_JOB_LAYERS_MAX; i++)
		lane->step.from[lane->step.from_count++] = from[i].digest;
	if (op->remote_count > 0 && !(lane->fetch.whole && lane->fetch.op == op))
		return build_job_fetch_then(lane, op, on_ready, err);
	on_ready(lane);
	return 0;
}

int build_job_dir(void *owner, unsigned number, const struct build_op *op,
		  const struct store_layer *layers, uint32_t count, struct err *err)
{
	struct build_lane *lane = &((struct build_job *)owner)->lanes[number];
	int r = step_begin(lane, layers, count, err);

	if (r < 0)
		return r;
	lane->step.op = op;
	lane->step.files_type = FILES_MSG_MKDIR;
	wire_put_text(&lane->step.body, op->workdir);
	wire_put_text(&lane->step.body, op->user);
	on_source_mounted(lane, NULL);
	return 0;
}

/* ---- RUN ---- */

static void on_run_started(void *owner, struct container *container)
{
	(void)container;
	build_job_log_start(owner);
}

static void on_run_failed(void *owner, struct container *container, const struct err *err)
{
	struct build_lane *lane = owner;

	container_free(container);
	lane->step.container = NULL;
	build_job_fail(lane, err);
}

static void on_run_ended(void *owner, struct container *container, const struct shim_exit *status)
{
	struct build_lane *lane = owner;
	struct err bad = { 0 };
	char tail[360];

	build_job_log_end(lane);
	container_free(container);
	lane->step.container = NULL;
	if (status->code) {
		if (lane->job->ops.run_failed)
			lane->job->ops.run_failed(lane->job->owner, lane->step.op, status->code);
		build_job_log_tail(lane, tail, sizeof(tail));
		err_set(&bad, -ENOEXEC, "exit code %d%s%s%s", status->code,
			status->oom ? " (killed for memory)" : "", *tail ? "; it printed: " : "",
			tail);
		build_job_fail(lane, &bad);
		return;
	}
	if (build_job_measure(lane, &bad) < 0)
		build_job_fail(lane, &bad);
}

int build_job_ran(struct build_lane *lane, struct err *err)
{
	int r = build_job_scratch(lane, lane->step.scratch, &lane->step.upper_fd, NULL, err);

	return r < 0 ? r : build_job_pack(lane, err);
}

/* The environment of the step, with what is no part of its key. */
static int run_env(struct build_lane *lane, struct image_texts *ret_env, struct err *err)
{
	const struct build_op *op = lane->step.op;
	int r = 0;

	*ret_env = op->env;
	for (uint32_t i = 0; r >= 0 && i < op->proxy.count; i++)
		r = image_texts_add(&lane->step.mounts.arena, ret_env, op->proxy.items[i], err);
	return r;
}

/* As of a container of the API, where any is asked for. */
static int run_limits(struct build_lane *lane, struct container_def *def, struct err *err)
{
	const struct build_limits *limits = &lane->job->limits;
	struct def_mount_more *more;

	if (!limits->memory && !limits->shm_bytes && !limits->cpu_shares && !limits->cpu_quota_us &&
	    !limits->cpu_period_us && !*limits->cpuset_cpus && !*limits->cpuset_mems &&
	    !lane->job->ulimits.count)
		return 0;
	more = arena_array(&lane->step.mounts.arena, def->mount_count + 1, sizeof(*more));
	if (!more)
		return err_set(err, -ENOMEM, "no memory for a build");
	for (uint32_t i = 0; i < def->mount_count; i++)
		more[i].subpath = "";
	def_host_init(&def->host);
	def->host_set = true;
	def->mounts_more = more;
	def->mem_limit = limits->memory;
	def->host.memory_and_swap = limits->memory_and_swap;
	def->host.shm_bytes = limits->shm_bytes;
	def->host.cpu_shares = limits->cpu_shares;
	def->host.cpu_quota_us = limits->cpu_quota_us;
	def->host.cpu_period_us = limits->cpu_period_us;
	def->host.cpuset_cpus = limits->cpuset_cpus;
	def->host.cpuset_mems = limits->cpuset_mems;
	def->host.ulimits = lane->job->ulimits;
	return 0;
}

int build_job_start_run(struct build_lane *lane, struct err *err)
{
	static const struct container_ops ops = { .started = on_run_started,
						  .failed = on_run_failed,
						  .ended = on_run_ended };
	const char *networks[] = { "bridge" };
	const struct build_op *op = lane->step.op;
	struct build_mounting *mounts = &lane->step.mounts;
	static const enum def_network_mode modes[] = { [BUILD_NETWORK_DEFAULT] = DEF_NETWORK_BRIDGE,
						       [BUILD_NETWORK_NONE] = DEF_NETWORK_NONE,
						       [BUILD_NETWORK_HOST] = DEF_NETWORK_HOST };
	bool network = op->network == BUILD_NETWORK_DEFAULT;
	char name[24] = "build-";
	struct container_def def = {
		.name = name,
		.reference = lane->job->name,
		.layers = lane->step.layers,
		.layer_count = lane->step.layer_count,
		.argv = op->argv,
		.workdir = *op->workdir ? op->workdir : "/",
		.user = op->user,
		.hostname = *op->hostname ? op->hostname : "build",
		.stop_signal = "",
		.networks = { networks, network ? 1 : 0 },
		.network_mode = modes[op->network],
		.mounts = mounts->list,
		.mount_count = mounts->count,
		.pids_limit = 4096,
		.userns = DEF_USERNS_HOST, /* an image may hold any id */
		.extra_hosts = lane->job->hosts,
		.log_max_size = BUILD_JOB_LOG_MAX,
		.log_max_file = 2,
	};
	int r = run_env(lane, &def.env, err);

	if (*lane->job->limits.network)
		networks[0] = lane->job->limits.network;
	if (r >= 0)
		r = run_limits(lane, &def, err);
	if (r < 0)
		return r;
	lane->step.container = container_start(lane->job->env->containers, &def, lane->step.scratch,
					       &ops, lane, err);
	if (!lane->step.container)
		return err ? err->code : -EIO;
	lane->step.container->background = true;
	return container_more_env(lane->step.container, &mounts->env, err);
}

int build_job_run(void *owner, unsigned number, const struct build_op *op,
		  const struct store_layer *layers, uint32_t count, struct err *err)
{
	struct build_lane *lane = &((struct build_job *)owner)->lanes[number];
	int r = step_begin(lane, layers, count, err);

	if (r < 0)
		return r;
	lane->step.op = op;
	return build_job_mounts(lane, err);
}
