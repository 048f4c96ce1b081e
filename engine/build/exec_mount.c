/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What RUN --mount shows a step: trees of stages and of the context, caches, scripts. Runs in
 * engine main. Must never hand the container a path that was resolved outside of the tree it
 * belongs to: each source is opened inside of its root and bound to a place of our own, which is
 * what the container gets.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include "engine/build/cache.h"
#include "engine/build/exec_job.h"
#include "engine/build/exec_memory.h"
#include "lib/defence.h"
#include "lib/fs.h"
#include "lib/own.h"

/* Below the run directory: binds that steps see, and secrets. */
#define POINTS "points"

enum { MOUNT_RETRY_MS = 300, MOUNT_ARENA_MAX = 2 << 20 };

static int next_mount(struct build_lane *lane, struct err *err);
static int fill_cache(struct build_lane *lane, struct err *err);

static int no_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "no memory for the mounts of a build step");
}

static int add(struct build_lane *lane, enum def_mount_kind kind, const char *source,
	       const char *target, bool read_only, struct err *err)
{
	struct build_mounting *m = &lane->step.mounts;

	if (!source || !target)
		return no_memory(err);
	if (m->count == ARRAY_LEN(m->list))
		return err_set(err, -E2BIG, "too many mounts");
	m->list[m->count++] = (struct def_mount){ kind, source, target, read_only };
	return 0;
}

static const struct build_mount *current(const struct build_lane *lane)
{
	return &lane->step.op->mounts[lane->step.mounts.next];
}

/* One mount is ready: on with the next. */
static void proceed(struct build_lane *lane)
{
	struct err bad = { 0 };

	own_close(&lane->step.mounts.root_fd);
	lane->step.mounts.next++;
	if (next_mount(lane, &bad) < 0)
		build_job_fail(lane, &bad);
}

/* ---- bind ---- */

static int make_point(struct build_lane *lane, bool is_file, struct err *err)
{
	struct build_mounting *m = &lane->step.mounts;
	char *name = m->points[m->point_count];
	int dir OWN_FD =
		fs_open_dir(lane->job->env->containers->run_fd, POINTS, FS_BENEATH, 0700, err);
	int fd, r = dir < 0 ? dir : build_job_name(name, err);

	if (r < 0)
		return r;
	fd = is_file ? fs_open(dir, name, FS_BENEATH, O_RDONLY | O_CREAT | O_EXCL, 0600, err)
		     : fs_open_dir(dir, name, FS_BENEATH, 0700, err);
	if (fd < 0)
		return fd;
	m->point_count++;
	return fd;
}

/* m->root_fd is the tree: the source in it becomes a mount of our own. */
static int bind_source(struct build_lane *lane, struct err *err)
{
	struct build_mounting *m = &lane->step.mounts;
	const struct build_mount *mount = current(lane);
	const char *source = mount->source;
	int from OWN_FD = -1, point OWN_FD = -1;
	struct stat st;
	int r;

	while (*source == '/')
		source++;
	from = fs_open(m->root_fd, *source ? source : ".",
		       defence_on(DEFENCE_C4_SOURCE) ? FS_IN_ROOT : FS_HOST, O_PATH, 0, err);
	if (from < 0)
		return err_prefix(err, "RUN --mount source");
	if (fstat(from, &st) < 0)
		return err_sys(err, -errno, "RUN --mount source %s", mount->source);
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		return err_set(err, -EINVAL,
			       "RUN --mount source %s is neither a file nor a directory",
			       mount->source);
	point = make_point(lane, S_ISREG(st.st_mode), err);
	r = point < 0 ? point : fs_mount_bind(from, point, false, err);
	if (r < 0)
		return err_prefix(err, "RUN --mount source %s", mount->source);
	return add(lane, DEF_MOUNT_BIND,
		   arena_printf(&m->arena, "%s/" POINTS "/%s", lane->job->env->containers->run_path,
				m->points[m->point_count - 1]),
		   mount->target, mount->read_only, err);
}

static char *add_scratch(struct build_lane *lane, struct err *err)
{
	struct build_mounting *m = &lane->step.mounts;

	if (build_job_name(m->scratch[m->scratch_count], err) < 0)
		return NULL;
	return m->scratch[m->scratch_count++];
}

static void on_stage_mounted(void *owner, const struct err *err)
{
	struct build_lane *lane = owner;
	struct build_mounting *m = &lane->step.mounts;
	struct build_step *step = &lane->step;
	int upper OWN_FD = -1, work OWN_FD = -1;
	struct err bad = { 0 };
	const char *name;
	int r = 0;

	if (err) {
		build_job_fail(lane, err);
		return;
	}
	name = add_scratch(lane, &bad);
	if (!name)
		r = bad.code;
	/* What the step writes into it goes with the step. */
	if (r >= 0 && (!current(lane)->read_only || step->from_count == 0))
		r = build_job_scratch(lane, name, &upper, &work, &bad);
	if (r >= 0 && step->from_count == 0)
		m->root_fd = take_fd(&upper);
	else if (r >= 0)
		r = m->root_fd =
			layers_root_scratch(&lane->job->env->containers->rootfs, name, step->from,
					    step->from_count, upper, work, &bad);
	if (r >= 0 && current(lane)->type == DOCKERFILE_MOUNT_CACHE) {
		if (fill_cache(lane, &bad) < 0)
			build_job_fail(lane, &bad);
		return;
	}
	if (r >= 0)
		r = bind_source(lane, &bad);
	if (r < 0)
		build_job_fail(lane, &bad);
	else
		proceed(lane);
}

static int bind_stage(struct build_lane *lane, struct err *err)
{
	static struct store_layer layers[IMAGE_LAYERS_MAX];
	struct build_step *step = &lane->step;
	struct container_env *env = lane->job->env->containers;

	(void)err;
	step->from_count = build_stage_layers(lane->job->build, current(lane)->from, layers);
	for (uint32_t i = 0; i < step->from_count; i++)
		step->from[i] = layers[i].digest;
	layers_mount(&step->mounts.layers, env->store, &env->rootfs, step->from, step->from_count,
		     on_stage_mounted, lane);
	return 0;
}

static void on_context_copied(struct msg_peer *peer, void *owner, struct msg *reply,
			      const struct err *err)
{
	struct build_lane *lane = owner;
	struct err bad = { 0 };

	(void)peer;
	if (!reply)
		build_job_fail(lane, err);
	else if (current(lane)->type == DOCKERFILE_MOUNT_CACHE) {
		if (fill_cache(lane, &bad) < 0)
			build_job_fail(lane, &bad);
	} else if (bind_source(lane, &bad) < 0)
		build_job_fail(lane, &bad);
	else
		proceed(lane);
}

/* A copy: the context may hold what .dockerignore keeps out, and lie on media that nothing may be
 * run from. */
static int bind_context(struct build_lane *lane, struct err *err)
{
	struct build_mounting *m = &lane->step.mounts;
	struct buf body OWN(buf_done) = { 0 };
	const char *name = add_scratch(lane, err);
	int fds[2];
	int r = name ? build_job_scratch(lane, name, &m->root_fd, NULL, err) : err->code;

	if (r < 0)
		return r;
	buf_init(&body, 8 << 20);
	r = build_context_copy(lane->job->build, current(lane)->from, current(lane)->source, &body,
			       err);
	if (r < 0)
		return r;
	fds[0] = build_job_context(lane, current(lane)->from);
	fds[1] = m->root_fd;
	return build_job_files(lane, FILES_MSG_COPY, buf_str(&body), fds, 2, on_context_copied,
			       err);
}

/* ---- cache ---- */

static void on_retry(struct loop_timer *timer)
{
	struct build_lane *lane = timer->owner;
	struct build_mounting *m = &lane->step.mounts;
	struct err bad = { 0 };

	build_job_mounts_clear(lane);
	memset(m, 0, sizeof(*m));
	m->root_fd = -1;
	if (build_job_mounts(lane, &bad) < 0)
		build_job_fail(lane, &bad);
}

static int add_cache(struct build_lane *lane, const char *name, struct err *err)
{
	struct build_mounting *m = &lane->step.mounts;
	const struct build_mount *mount = current(lane);

	return add(lane, DEF_MOUNT_BIND,
		   arena_printf(&m->arena, "%s/%s/%s/tree", lane->job->env->containers->data_path,
				BUILD_CACHE_DIR, name),
		   mount->target, mount->read_only, err);
}

/* It is whole: only now does it become the cache. */
static void on_cache_filled(struct msg_peer *peer, void *owner, struct msg *reply,
			    const struct err *err)
{
	struct build_lane *lane = owner;
	struct build_mounting *m = &lane->step.mounts;
	struct err bad = { 0 };
	struct wire in;
	int r = 0;

	(void)peer;
	if (!reply) {
		build_job_fail(lane, err);
		return;
	}
	wire_init(&in, reply->body.ptr, reply->body.len);
	if (!wire_bool(&in))
		r = err_set(&bad, -ENOENT, "RUN --mount=type=cache: no directory %s to begin with",
			    *current(lane)->source ? current(lane)->source : "/");
	if (r >= 0)
		r = build_cache_filled(lane->job->env->containers->data_fd, m->cache, &bad);
	if (r >= 0)
		r = add_cache(lane, m->cache, &bad);
	if (r < 0)
		build_job_fail(lane, &bad);
	else
		proceed(lane);
}

static int fill_cache(struct build_lane *lane, struct err *err)
{
	struct build_mounting *m = &lane->step.mounts;
	struct buf body OWN(buf_done) = { 0 };
	int fill OWN_FD = build_cache_fill(lane->job->env->containers->data_fd, m->cache, err);
	const int fds[2] = { m->root_fd, fill };

	if (fill < 0)
		return fill;
	buf_init(&body, 8192);
	wire_put_text(&body, *current(lane)->source ? current(lane)->source : "/");
	return build_job_files(lane, FILES_MSG_FILL, buf_str(&body), fds, 2, on_cache_filled, err);
}

/* By its id, and by what it begins with: files, or an owner and a mode. What a registry's layer
 * makes a step write reaches none that does not stand upon one. */
static const char *cache_id(struct build_lane *lane)
{
	const struct build_mount *mount = current(lane);
	const unsigned number = (unsigned)(lane - lane->job->lanes);
	const char *foreign = build_is_foreign(lane->job->build, number) ? "\x01" : "";
	struct arena *arena = &lane->step.mounts.arena;
	char text[DIGEST_TEXT_MAX];
	struct digest seed;

	if (!build_cache_seed(lane->job->build, number, mount, &seed))
		return mount->uid || mount->gid || mount->mode != 0755
			       ? arena_printf(arena, "%s%s\x03%u:%u:%o", foreign, mount->id,
					      mount->uid, mount->gid, mount->mode)
			       : arena_printf(arena, "%s%s", foreign, mount->id);
	return arena_printf(arena, "%s%s\x02%s\x02%s", foreign, mount->id, digest_text(&seed, text),
			    mount->source);
}

/* 1 = ready, 0 = not yet. Where somebody else holds it all is given back and begun again later, so
 * that no two steps ever wait for each other. */
static int mount_cache(struct build_lane *lane, struct err *err)
{
	struct build_mounting *m = &lane->step.mounts;
	struct container_env *env = lane->job->env->containers;
	struct build_mount mount = *current(lane);
	bool fresh = false;
	int r;

	mount.id = cache_id(lane);
	if (!mount.id)
		return no_memory(err);
	r = build_cache_take(env->data_fd, &mount, lane, &m->caches, m->cache, &fresh, err);
	if (r == -EBUSY) {
		build_cache_drop(&m->caches);
		loop_timer_set(env->loop, &m->retry, MOUNT_RETRY_MS, on_retry, lane);
		return 0;
	}
	if (r >= 0 && fresh) /* what it begins with, then fill_cache() */
		return mount.from < 0 ? bind_context(lane, err) : bind_stage(lane, err);
	if (r >= 0)
		r = add_cache(lane, m->cache, err);
	return r < 0 ? r : 1;
}

/* ---- the others ---- */

static int mount_tmpfs(struct build_lane *lane, struct err *err)
{
	const struct build_mount *mount = current(lane);
	const char *options = arena_printf(&lane->step.mounts.arena, "exec,%llu",
					   (unsigned long long)mount->size_bytes);

	return add(lane, DEF_MOUNT_TMPFS, options, mount->target, mount->read_only, err);
}

static const struct build_secret *find_secret(const struct build_lane *lane, const char *id)
{
	for (uint32_t i = 0; i < lane->job->secret_count; i++)
		if (strcmp(lane->job->secrets[i].id, id) == 0)
			return &lane->job->secrets[i];
	return NULL;
}

/* A file of the run directory, which is memory: a secret is never on the data partition. */
static int write_secret(struct build_lane *lane, const struct build_secret *secret,
			const struct build_mount *mount, struct err *err)
{
	struct build_mounting *m = &lane->step.mounts;
	struct container_env *env = lane->job->env->containers;
	char *name = m->secrets[m->secret_count];
	int dir OWN_FD = fs_open_dir(env->run_fd, BUILD_SECRETS, FS_BENEATH, 0700, err);
	int fd OWN_FD = -1;
	int r = dir < 0 ? dir : build_job_name(name, err);

	if (r < 0)
		return r;
	fd = fs_open(dir, name, FS_BENEATH, O_WRONLY | O_CREAT | O_EXCL, 0600, err);
	if (fd < 0)
		return fd;
	m->secret_count++;
	r = fs_write_fd(fd, secret->data.data, secret->data.len, err);
	if (r >= 0 && (fchown(fd, mount->uid, mount->gid) < 0 || fchmod(fd, mount->mode) < 0))
		r = err_sys(err, -errno, "secret %s", mount->id);
	return r < 0 ? r
		     : add(lane, DEF_MOUNT_BIND,
			   arena_printf(&m->arena, "%s/" BUILD_SECRETS "/%s", env->run_path, name),
			   mount->target, mount->read_only, err);
}

/* Of this step's first process; in no key, no history and no state file. */
static int add_env(struct build_lane *lane, const char *name, struct str value, struct err *err)
{
	struct build_mounting *m = &lane->step.mounts;
	const char *text = arena_printf(&m->arena, "%s=%.*s", name, STR_ARG(value));

	if (value.len && memchr(value.ptr, 0, value.len))
		return err_set(err, -EINVAL, "secret %s holds a zero byte: it cannot be a variable",
			       name);
	return text ? image_texts_add(&m->arena, &m->env, text, err) : no_memory(err);
}

/* One that was not given matters only where it is required, as with Docker. */
static int mount_secret(struct build_lane *lane, struct err *err)
{
	const struct build_mount *mount = current(lane);
	const struct build_secret *secret = find_secret(lane, mount->id);

	if (!secret && mount->required)
		return err_set(err, -ENOENT,
			       "secret %.100s: not found: RUN --mount=type=secret requires it and "
			       "it was not given",
			       mount->id);
	if (!secret)
		return 0;
	if (*mount->env && add_env(lane, mount->env, buf_str(&secret->data), err) < 0)
		return -EINVAL;
	return *mount->env && !*mount->target ? 0 : write_secret(lane, secret, mount, err);
}

/* ---- ssh ---- */

/* The agent's socket itself, on a place of our own. */
static int mount_ssh(struct build_lane *lane, struct err *err)
{
	struct build_mounting *m = &lane->step.mounts;
	const struct build_mount *mount = current(lane);
	const struct image_pairs *given = &lane->job->ssh;
	int from OWN_FD = -1, point OWN_FD = -1;
	const char *path = NULL;
	struct stat st;
	int r;

	for (uint32_t i = 0; i < given->count; i++)
		if (!strcmp(given->items[i].key, mount->id))
			path = given->items[i].value;
	if (!path && mount->required)
		return err_set(err, -ENOENT,
			       "unset ssh forward key %.100s: give --ssh %.100s=SOCKET", mount->id,
			       mount->id);
	if (!path)
		return 0;
	from = fs_open(-1, path, FS_HOST, O_PATH, 0, err);
	if (from < 0)
		return err_prefix(err, "--ssh %.100s", mount->id);
	if (fstat(from, &st) < 0 || !S_ISSOCK(st.st_mode))
		return err_set(err, -EINVAL,
			       "--ssh %.100s: %.200s is no socket of an agent; keys are not read, "
			       "ssh-add them to one",
			       mount->id, path);
	r = build_agent_own(lane->job->env->containers, path, mount, err);
	point = r < 0 ? r : make_point(lane, true, err);
	r = point < 0 ? point : fs_mount_bind(from, point, false, err);
	if (r >= 0)
		r = add_env(lane, "SSH_AUTH_SOCK", str_from(mount->target), err);
	if (r < 0)
		return err_prefix(err, "--ssh %.100s", mount->id);
	return add(lane, DEF_MOUNT_BIND,
		   arena_printf(&m->arena, "%s/" POINTS "/%s", lane->job->env->containers->run_path,
				m->points[m->point_count - 1]),
		   mount->target, false, err);
}

/* A here-document with "#!" is a file of its own that the step runs. */
static int mount_script(struct build_lane *lane, struct err *err)
{
	const struct build_op *op = lane->step.op;
	struct build_mounting *m = &lane->step.mounts;
	int upper OWN_FD = -1;
	const char *name;
	int r;

	if (op->file_count == 0)
		return 0;
	name = add_scratch(lane, err);
	r = name ? build_job_scratch(lane, name, &upper, NULL, err) : err->code;
	if (r >= 0)
		r = fs_replace(upper, "script", op->files[0].data, strlen(op->files[0].data), 0755,
			       err);
	if (r < 0)
		return r;
	return add(lane, DEF_MOUNT_BIND,
		   arena_printf(&m->arena, "%s/containers/%s/upper/script",
				lane->job->env->containers->data_path, name),
		   arena_printf(&m->arena, "/dev/pipes/%s", op->files[0].name), true, err);
}

static int next_mount(struct build_lane *lane, struct err *err)
{
	struct build_mounting *m = &lane->step.mounts;
	int r = 1;

	for (; m->next < lane->step.op->mount_count; m->next++) {
		const struct build_mount *mount = current(lane);

		switch (mount->type) {
		case DOCKERFILE_MOUNT_BIND:
			return mount->from <= BUILD_CONTEXT ? bind_context(lane, err)
							    : bind_stage(lane, err);
		case DOCKERFILE_MOUNT_CACHE:
			r = mount_cache(lane, err);
			if (r <= 0)
				return r;
			break;
		case DOCKERFILE_MOUNT_TMPFS:
			r = mount_tmpfs(lane, err);
			break;
		case DOCKERFILE_MOUNT_SECRET:
			r = mount_secret(lane, err);
			break;
		case DOCKERFILE_MOUNT_SSH:
			r = mount_ssh(lane, err);
			break;
		}
		if (r < 0)
			return r;
	}
	return build_job_start_run(lane, err);
}

int build_job_mounts(struct build_lane *lane, struct err *err)
{
	struct build_mounting *m = &lane->step.mounts;
	int r;

	arena_init(&m->arena, MOUNT_ARENA_MAX);
	m->root_fd = -1;
	if (lane->step.op->mount_count >= DOCKERFILE_MOUNTS_MAX)
		return err_set(err, -E2BIG, "a step has more than %d mounts",
			       DOCKERFILE_MOUNTS_MAX - 1);
	r = mount_script(lane, err);
	return r < 0 ? r : next_mount(lane, err);
}

/* The bind goes, then the directory or file that it was on. */
static void remove_point(struct container_env *env, const char *name)
{
	int dir OWN_FD = fs_open_dir(env->run_fd, POINTS, FS_BENEATH, 0700, NULL);

	if (dir < 0)
		return;
	(void)fs_umount(dir, name, MNT_DETACH, NULL);
	if (fs_rmdir(dir, name, NULL) == -ENOTDIR)
		(void)fs_unlink(dir, name, NULL);
}

static int sweep_point(int dirfd, const char *name, unsigned char type, void *owner,
		       struct err *err)
{
	(void)dirfd;
	(void)type;
	(void)err;
	remove_point(owner, name);
	return 0;
}

void build_sweep(struct container_env *env)
{
	int points OWN_FD =
		fs_open(env->run_fd, POINTS, FS_BENEATH, O_RDONLY | O_DIRECTORY, 0, NULL);

	if (points >= 0)
		(void)fs_each(points, sweep_point, env, NULL);
	(void)fs_remove_tree(env->run_fd, BUILD_SECRETS, NULL);
	build_memory_sweep(env);
}

void build_job_mounts_clear(struct build_lane *lane)
{
	struct build_mounting *m = &lane->step.mounts;
	struct container_env *env = lane->job->env->containers;
	struct rootfs *rootfs = &env->rootfs;

	loop_timer_stop(env->loop, &m->retry);
	layers_cancel(&m->layers);
	own_close(&m->root_fd);
	build_cache_drop(&m->caches);
	for (uint32_t i = 0; i < m->point_count; i++)
		remove_point(env, m->points[i]);
	for (uint32_t i = 0; i < m->secret_count; i++) {
		int dir OWN_FD = fs_open_dir(env->run_fd, BUILD_SECRETS, FS_BENEATH, 0700, NULL);

		(void)(dir >= 0 && fs_unlink(dir, m->secrets[i], NULL));
	}
	for (uint32_t i = 0; i < m->scratch_count; i++) {
		(void)rootfs_umount(rootfs, m->scratch[i], NULL);
		(void)container_remove(env, m->scratch[i], NULL);
	}
	arena_done(&m->arena);
}
