/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding containers again: after engine main was killed, and when the connection to a shim
 * dropped. Runs in engine main. What is found decides, in this order: a shim that answers, an exit
 * file, and else nothing runs any more.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include "engine/api/shim_version.h"
#include "engine/container/parts.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/own.h"

enum { RELINK_TRIES = 5, RELINK_MS = 100 };

static int shim_connect(struct container *container, struct err *err)
{
	int dir OWN_FD = fs_open_dir(container->env->run_fd, "shim", FS_BENEATH, 0700, err);
	char name[CONTAINER_ID_LEN + 8];

	if (dir < 0)
		return dir;
	memcpy(name, container->id, CONTAINER_ID_LEN);
	memcpy(name + CONTAINER_ID_LEN, ".sock", 6);
	return msg_connect(dir, name, err);
}

static int read_exit(struct container *container, struct shim_exit *ret_exit)
{
	struct buf text OWN(buf_done) = { 0 };
	int r;

	buf_init(&text, 1024);
	r = fs_read(container->dir_fd, SHIM_EXIT_FILE, FS_BENEATH, 1024, &text, NULL);
	return r < 0 ? r : shim_exit_parse(buf_str(&text), ret_exit, NULL);
}

/* The last of those that were found has told what became of it: operators see how long it took. */
static void adopt_done(struct container *container)
{
	struct container_env *env = container->env;

	if (!container->adopting)
		return;
	container->adopting = false;
	env->adopted++;
	if (--env->adopting == 0)
		log_notice("%u containers found again, %lld ms after the engine's start",
			   env->adopted, (long long)mono_diff_ms(mono_now(), env->began));
}

/* A shim that an engine of another version started: what every version has is enough to keep it. */
static void check_version(struct container *container, uint16_t theirs)
{
	if (theirs != container->shim_version && theirs != shim_version())
		log_warn("container %s: its shim speaks version %u, this engine version %u: it is "
			 "kept, and can be stopped; exec, attach and health checks need it "
			 "restarted",
			 container->def.name, theirs, shim_version());
	container->shim_version = theirs;
}

/* Nobody answers: what does the disk say, and is anything left in its cgroup? */
static void settle_without_shim(struct container *container)
{
	struct shim_exit status = { .code = 128 + SIGKILL, .signal = SIGKILL };

	adopt_done(container);
	if (read_exit(container, &status) < 0) {
		status.finished_ns = wall_now_s() * 1000000000LL;
		log_warn("container %s: its shim is gone without an exit status",
			 container->def.name);
	}
	if (container->cgroup_fd < 0)
		container->cgroup_fd = container_group_open(container);
	container_ended(container, &status);
}

static void open_what_runs(struct container *container)
{
	struct buf path OWN(buf_done) = { 0 };

	if (container->cgroup_fd < 0)
		container->cgroup_fd = container_group_open(container);
	if (container->root_fd < 0)
		container->root_fd = rootfs_open(&container->env->rootfs, container->id, NULL);
	container_userns_adopt(container);
	if (container->ns.netns_fd >= 0 || container->def.network_mode == DEF_NETWORK_HOST)
		return;
	/* The shim vouched for the pid a moment ago and reaps it only after it told us so. */
	buf_init(&path, 64);
	(void)buf_printf(&path, "/proc/%d/ns/net", (int)container->pid);
	container->ns.netns_fd = fs_open(-1, buf_text(&path), FS_HOST, O_RDONLY, 0, NULL);
}

static void on_state(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct container *container = owner;
	struct shim_report report;
	struct err bad = { 0 };
	bool first = container->phase != CONTAINER_PHASE_RUNNING;

	(void)peer;
	if (!reply || shim_report_decode(reply->body, &report, &bad) < 0) {
		log_warn("container %s: shim: %s", container->def.name,
			 err_text(reply ? &bad : err));
		settle_without_shim(container);
		return;
	}
	adopt_done(container);
	check_version(container, report.version);
	if (report.state != SHIM_STATE_RUNNING) {
		container_ended(container, &report.exit);
		return;
	}
	container->pid = (pid_t)report.pid;
	container->started_ns = report.exit.started_ns;
	container->phase = CONTAINER_PHASE_RUNNING;
	open_what_runs(container);
	if (!container->user_known && container_user(container, &bad) < 0)
		log_warn("container %s: user: %s", container->def.name, err_text(&bad));
	health_monitor_start(container);
	if (first)
		container->ops->started(container->owner, container);
	container_reattach(container);
}

static void relink_again(struct loop_timer *timer)
{
	container_relink(timer->owner);
}

void container_relink(struct container *container)
{
	struct err err = { 0 };
	int fd = shim_connect(container, &err);

	if (fd >= 0 && container_shim(container, fd, &err) >= 0 &&
	    msg_peer_call(&container->shim, SHIM_MSG_STATE, STR(""), NULL, 0, on_state, container,
			  &err) >= 0)
		return;
	msg_peer_done(&container->shim);
	/* A shim that is about to end has closed its socket before its exit file can be seen. */
	if (container->phase == CONTAINER_PHASE_RUNNING && ++container->relinks < RELINK_TRIES) {
		loop_timer_set(container->env->loop, &container->relink, RELINK_MS, relink_again,
			       container);
		return;
	}
	settle_without_shim(container);
}

struct container *container_adopt(struct container_env *env, const char *id,
				  const struct container_ops *ops, void *owner, struct err *err)
{
	struct container *container = calloc(1, sizeof(*container));
	struct buf path OWN(buf_done) = { 0 };
	int r;

	if (!container) {
		err_set(err, -ENOMEM, "no memory for container %s", id);
		return NULL;
	}
	container->env = env;
	container->ops = ops;
	container->owner = owner;
	container->root_fd = container->cgroup_fd = container->files.pidfd = -1;
	container->userns.userns_fd = -1;
	container->shim.fd = -1;
	network_namespace_init(&container->ns);
	arena_init(&container->arena, DEF_BYTES_MAX * 4);
	buf_init(&path, 128);
	(void)buf_printf(&path, "containers/%s", id);
	r = str_copy(str_from(id), container->id, sizeof(container->id));
	container->dir_fd =
		fs_open(env->data_fd, buf_text(&path), FS_BENEATH, O_RDONLY | O_DIRECTORY, 0, err);
	if (r >= 0)
		r = container->dir_fd;
	if (r >= 0)
		r = container_state_read(container, err);
	if (r >= 0)
		r = container_lease(env->leases, &container->lease, &container->def, err);
	if (r < 0) {
		container_free(container);
		return NULL;
	}
	container->adopting = true;
	env->adopting++;
	loop_timer_set(env->loop, &container->relink, 0, relink_again, container);
	return container;
}
