/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way of one container: layers, user, network, shim, exit. Runs in engine main as a chain of
 * asynchronous steps; each step either calls the next or container_fail(). Must never block on the
 * container, its shim, netd or the store.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "engine/api/files_msg.h"
#include "engine/api/shim_version.h"
#include "engine/container/log_route.h"
#include "engine/container/launch.h"
#include "engine/container/parts.h"
#include "engine/run/user_namespace.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/own.h"
#include "lib/random.h"
#include "netd/api/netd_msg.h"

enum { CONTAINER_ARENA_MAX = 4 << 20 };

static void container_bury(struct loop_timer *timer)
{
	struct container *container = timer->owner;

	arena_done(&container->joined);
	arena_done(&container->arena);
	free(container);
}

/* Takes back what was made for running: network, mount, cgroup, sockets. The data stays. */
void container_release(struct container *container)
{
	struct container_env *env = container->env;
	struct buf body OWN(buf_done) = { 0 };
	char name[CONTAINER_ID_LEN + 8];
	int shims OWN_FD = -1, files OWN_FD = -1;
	struct err err = { 0 };

	if (env->network->up) {
		buf_init(&body, 128);
		wire_put_text(&body, container->id);
		(void)msg_peer_call(&env->network->peer, NETD_MSG_DETACH, buf_str(&body), NULL, 0,
				    NULL, NULL, NULL);
	}
	network_namespace_done(&container->ns);
	own_close(&container->userns.userns_fd);
	own_close(&container->root_fd);
	if (container->cgroup_fd >= 0)
		(void)cgroup_kill(container->cgroup_fd, NULL);
	own_close(&container->cgroup_fd);

	container_volumes_leave(container);
	container_images_umount(container);
	if (rootfs_umount(&env->rootfs, container->id, &err) < 0)
		log_warn("container %s: %s", container->def.name, err_text(&err));
	if (container_group_remove(container, &err) < 0)
		log_debug("container %s: %s", container->def.name, err_text(&err));
	memcpy(name, container->id, CONTAINER_ID_LEN);
	memcpy(name + CONTAINER_ID_LEN, ".sock", 6);
	shims = fs_open_dir(env->run_fd, "shim", FS_BENEATH, 0700, NULL);
	if (shims >= 0)
		(void)fs_unlink(shims, name, NULL);
	files = fs_open_dir(env->run_fd, "c", FS_BENEATH, 0755, NULL);
	if (files >= 0)
		(void)fs_remove_tree(files, container->id, NULL);
}

void container_fail(struct container *container, const struct err *err)
{
	struct err copy = *err;

	if (container->phase == CONTAINER_PHASE_FAILED || container->phase == CONTAINER_PHASE_ENDED)
		return;
	container_volumes_cancel(container);
	health_monitor_stop(container);
	container->phase = CONTAINER_PHASE_FAILED;
	layers_cancel(&container->layers);
	loop_timer_stop(container->env->loop, &container->stop_timer);
	worker_stop(&container->files);
	msg_peer_done(&container->shim);
	container_release(container);
	container->ops->failed(container->owner, container, &copy);
}

void container_ended(struct container *container, const struct shim_exit *status)
{
	if (container->phase == CONTAINER_PHASE_ENDED || container->phase == CONTAINER_PHASE_FAILED)
		return;
	container->phase = CONTAINER_PHASE_ENDED;
	container->exit = *status;
	health_monitor_stop(container);
	loop_timer_stop(container->env->loop, &container->stop_timer);
	loop_timer_stop(container->env->loop, &container->relink);
	if (msg_peer_alive(&container->shim))
		(void)msg_peer_call(&container->shim, SHIM_MSG_RELEASE, STR(""), NULL, 0, NULL,
				    NULL, NULL);
	container_release(container);
	container->ops->ended(container->owner, container, status);
}

/* ---- the shim ---- */

static void on_exited(struct msg_peer *peer, struct msg *msg)
{
	struct container *container = peer->owner;
	struct shim_exit status;
	struct wire in;

	wire_init(&in, msg->body.ptr, msg->body.len);
	shim_exit_get(&in, &status);
	if (in.error || (container->shim_version == shim_version() && wire_end(&in) < 0)) {
		log_err("container %s: its shim sent a malformed exit", container->def.name);
		return;
	}
	container_ended(container, &status);
}

static void on_exec_exited(struct msg_peer *peer, struct msg *msg)
{
	struct container *container = peer->owner;
	struct wire in;
	uint32_t id;
	int32_t code;

	wire_init(&in, msg->body.ptr, msg->body.len);
	id = wire_u32(&in);
	code = (int32_t)wire_u32(&in);
	if (!health_monitor_exec_ended(container, id, code) && container->ops->exec_ended)
		container->ops->exec_ended(container->owner, container, id, code);
}

static void on_oom(struct msg_peer *peer, struct msg *msg)
{
	struct container *container = peer->owner;

	(void)msg;
	log_notice("container %s: the kernel killed a process of it for memory",
		   container->def.name);
	if (container->ops->oom)
		container->ops->oom(container->owner, container);
}

static const struct msg_rule shim_rules[] = {
	{ SHIM_MSG_EXITED, "exited", 8, 64, 0, 0, 1, on_exited },
	{ SHIM_MSG_EXEC_EXITED, "exec-exited", 8, 64, 0, 0, 1, on_exec_exited },
	{ SHIM_MSG_OOM, "oom", 8, 8, 0, 0, 1, on_oom },
};

static void on_shim_gone(struct msg_peer *peer)
{
	struct container *container = peer->owner;
	struct err err = { 0 };

	if (container->phase == CONTAINER_PHASE_LAUNCH) {
		err_set(&err, -ECHILD, "the shim of %s ended while it started the container",
			container->def.name);
		container_fail(container, &err);
	} else if (container->phase == CONTAINER_PHASE_RUNNING) {
		container->relinks = 0;
		container_relink(container);
	}
}

int container_shim(struct container *container, int fd, struct err *err)
{
	msg_peer_done(&container->shim);
	return msg_peer_init(&container->shim, container->env->loop, fd, 1, shim_rules,
			     ARRAY_LEN(shim_rules), 1 << 20, on_shim_gone, container, err);
}

/* ---- starting, step by step ---- */

static void on_started(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct container *container = owner;
	struct wire in;

	(void)peer;
	if (container->phase != CONTAINER_PHASE_LAUNCH)
		return;
	if (!reply) {
		container_fail(container, err);
		return;
	}
	wire_init(&in, reply->body.ptr, reply->body.len);
	container->pid = (pid_t)wire_u32(&in);
	container->shim_version = shim_version(); /* else it had refused */
	container->phase = CONTAINER_PHASE_RUNNING;
	container->started_ns = wall_now_s() * 1000000000LL;
	/* netd has its own copies; the shim keeps the namespace alive. */
	own_close(&container->ns.netlink_fd);
	own_close(&container->ns.udp_fd);
	own_close(&container->ns.tcp_fd);
	own_close(&container->ns.netfilter_fd);
	health_monitor_start(container);
	container->ops->started(container->owner, container);
}

static void step_launch(struct container *container)
{
	const struct container_def *def = &container->def;
	struct cgroup_limits limits = { .memory_bytes = (uint64_t)def->mem_limit,
					.cpu_milli = (uint32_t)def->cpus,
					.pids = (uint32_t)def->pids_limit };
	struct buf body OWN(buf_done) = { 0 };
	char host[65] = "";
	struct err err = { 0 };
	int64_t r;

	container->phase = CONTAINER_PHASE_LAUNCH;
	container->cgroup_fd = container_group_make(container, &limits, &err);
	r = container->cgroup_fd;
	if (r >= 0)
		r = container_files_write(container, &err);
	if (r >= 0)
		r = container_launch(container, &err);
	if (r >= 0)
		r = launch_resources(container, &err);
	if (r >= 0 && container->ops->launched)
		container->ops->launched(container->owner, container);
	buf_init(&body, 1024);
	wire_put_u16(&body, shim_version());
	wire_put_u64(&body, (uint64_t)def->log_max_size);
	wire_put_u32(&body, def->log_max_file);
	wire_put_u8(&body, def->log_off);
	if (gethostname(host, sizeof(host) - 1) < 0)
		host[0] = '\0';
	if (r >= 0)
		r = log_route_put(def, container->id, host, &body, &err);
	if (r >= 0)
		r = msg_peer_call(&container->shim, SHIM_MSG_START, buf_str(&body), NULL, 0,
				  on_started, container, &err);
	if (r < 0)
		container_fail(container, &err);
}

void container_attached(struct msg_peer *peer, void *owner, struct msg *reply,
			const struct err *err)
{
	struct container *container = owner;
	struct arena arena OWN(arena_done) = { 0 };
	struct netd_attached attached;
	struct err bad = { 0 };

	(void)peer;
	if (container->phase != CONTAINER_PHASE_ATTACH &&
	    container->phase != CONTAINER_PHASE_RUNNING)
		return;
	arena_init(&arena, 65536);
	if (reply && netd_attached_decode(reply->body, &arena, &attached, &bad) < 0)
		err = &bad;
	else if (reply)
		err = NULL;
	if (!err)
		container_take_addresses(container, &attached);
	if (!err && container_set_sysctls(container, &attached, &bad) < 0)
		err = &bad;
	if (container->phase == CONTAINER_PHASE_RUNNING) { /* after a restart of netd or us */
		if (err)
			log_warn("container %s: network: %s", container->def.name, err_text(err));
		container_close_sockets(container);
		return;
	}
	if (err)
		container_fail(container, err);
	else
		step_launch(container);
}

static void step_attach(struct container *container)
{
	const struct rootfs_mapping *mapping = container_mapping(container);
	struct err err = { 0 };
	int netns OWN_FD = -1;
	int r = 0;

	container->phase = CONTAINER_PHASE_ATTACH;
	if (container->def.network_mode == DEF_NETWORK_HOST) {
		step_launch(container);
		return;
	}
	if (container_shares_network(container)) {
		container->ns.netns_fd =
			container_join(container, container->def.host.network_from, "net", &err);
		if (container->ns.netns_fd < 0)
			container_fail(container, &err);
		else
			step_launch(container);
		return;
	}
	/* Who owns it may configure it: its sysctls, its low ports. */
	if (mapping)
		r = netns = user_namespace_net(mapping->userns_fd, &err);
	if (r >= 0)
		r = network_namespace_open(netns, &container->ns, &err);
	if (r == -ENOTRECOVERABLE)
		fatal("%s", err_text(&err));
	if (r >= 0)
		r = container_attach(container, container_attached, &err);
	if (r < 0)
		container_fail(container, &err);
}

static void step_user(struct container *container)
{
	struct err err = { 0 };
	int r;

	container->phase = CONTAINER_PHASE_USER;
	r = container_user(container, &err);
	if (r < 0)
		container_fail(container, &err);
	else if (!r)
		step_attach(container);
}

void container_user_done(struct container *container)
{
	if (container->phase == CONTAINER_PHASE_USER)
		step_attach(container);
}

void container_volumes_done(struct container *container)
{
	if (container->phase == CONTAINER_PHASE_VOLUMES)
		step_user(container);
}

static void step_volumes(struct container *container)
{
	struct err err = { 0 };
	int r;

	container->phase = CONTAINER_PHASE_VOLUMES;
	r = container_volumes(container, &err);
	if (r < 0)
		container_fail(container, &err);
	else if (!r)
		step_user(container);
	else if (container->ops->filling)
		container->ops->filling(container->owner, container);
}

static int mount_root(struct container *container, struct err *err)
{
	const struct container_def *def = &container->def;
	int upper OWN_FD = -1, work OWN_FD = -1;
	int r;

	upper = layers_upper(container->dir_fd, def->disk_limit, err);
	if (upper < 0)
		return upper;
	work = layers_work(container->dir_fd, def->disk_limit, err);
	if (work < 0)
		return work;
	r = container_userns_start(container, err);
	if (r < 0)
		return r;
	if (container_mapping(container))
		r = layers_root_mapped(&container->env->rootfs, container->id, def->layers,
				       def->layer_count, container->dir_fd,
				       container_mapping(container), err);
	else
		r = (container->background ? layers_root_scratch : layers_root)(
			&container->env->rootfs, container->id, def->layers, def->layer_count,
			upper, work, err);
	container->root_fd = r;
	return container->root_fd < 0 ? container->root_fd : container_images_mount(container, err);
}

static void on_layers(void *owner, const struct err *err)
{
	struct container *container = owner;
	struct err bad = { 0 };

	if (err)
		container_fail(container, err);
	else if (mount_root(container, &bad) < 0)
		container_fail(container, &bad);
	else
		step_volumes(container);
}

static void first_step(struct loop_timer *timer)
{
	struct container *container = timer->owner;
	struct err err = { 0 };
	uint32_t count;
	const struct digest *layers =
		container_def_layers(&container->def, &container->arena, &count);

	if (layers) {
		layers_mount(&container->layers, container->env->store, &container->env->rootfs,
			     layers, count, on_layers, container);
		return;
	}
	err_set(&err, -ENOMEM, "no memory for the layers of %s", container->def.name);
	container_fail(container, &err);
}

/* ---- making and ending ---- */

static struct container *container_new(struct container_env *env, const char *id,
				       const struct container_ops *ops, void *owner,
				       struct err *err)
{
	struct container *container = calloc(1, sizeof(*container));

	if (!container) {
		err_set(err, -ENOMEM, "no memory for a container");
		return NULL;
	}
	container->env = env;
	container->ops = ops;
	container->owner = owner;
	container->dir_fd = container->root_fd = container->cgroup_fd = -1;
	container->userns.userns_fd = -1;
	container->files.pidfd = -1;
	container->shim.fd = -1;
	network_namespace_init(&container->ns);
	arena_init(&container->arena, CONTAINER_ARENA_MAX);
	if (*id) {
		(void)str_copy(str_from(id), container->id, sizeof(container->id));
		return container;
	}
	if (random_hex(container->id, CONTAINER_ID_LEN, "a container id", err) < 0) {
		free(container);
		return NULL;
	}
	return container;
}

static int container_open_dir(struct container *container, struct err *err)
{
	char path[sizeof("containers/") + CONTAINER_ID_LEN];

	memcpy(path, "containers/", 11);
	memcpy(path + 11, container->id, sizeof(container->id));
	container->dir_fd = fs_open_dir(container->env->data_fd, path, FS_BENEATH, 0700, err);
	return container->dir_fd < 0 ? container->dir_fd : 0;
}

struct container *container_start(struct container_env *env, const struct container_def *def,
				  const char *id, const struct container_ops *ops, void *owner,
				  struct err *err)
{
	struct container *container = container_new(env, id, ops, owner, err);
	struct buf copy OWN(buf_done) = { 0 };
	struct wire in;
	int r;

	if (!container)
		return NULL;
	/* Through the wire form: a deep copy, and what is stored is what runs. */
	buf_init(&copy, DEF_BYTES_MAX);
	container_def_encode(def, &copy);
	wire_init(&in, copy.data, copy.len);
	r = buf_error(&copy);
	if (r >= 0)
		r = container_def_decode(&in, &container->arena, &container->def, err);
	if (r >= 0)
		r = container_open_dir(container, err);
	if (r >= 0)
		r = container_lease(env->leases, &container->lease, &container->def, err);
	container->created_s = wall_now_s();
	(void)(container->dir_fd >= 0 && fs_unlink(container->dir_fd, SHIM_EXIT_FILE, NULL));
	if (r >= 0)
		r = container_state_write(container, err);
	if (r < 0) {
		err_prefix(err, "container %s", def->name);
		container_free(container);
		return NULL;
	}
	loop_timer_set(env->loop, &container->stop_timer, 0, first_step, container);
	return container;
}

static void stop_late(struct loop_timer *timer)
{
	struct container *container = timer->owner;

	log_notice("container %s did not end in its grace period: killed", container->def.name);
	if (container->ops->killed)
		container->ops->killed(container->owner, container);
	if (msg_peer_alive(&container->shim))
		(void)msg_peer_call(&container->shim, SHIM_MSG_STOP, STR(""), NULL, 0, NULL, NULL,
				    NULL);
	else if (container->cgroup_fd >= 0)
		(void)cgroup_kill(container->cgroup_fd, NULL);
}

int container_kill(struct container *container, int signal, struct err *err)
{
	struct buf body OWN(buf_done) = { 0 };
	int64_t r;

	if (container->phase != CONTAINER_PHASE_RUNNING)
		return err_set(err, -ESRCH, "container %s does not run", container->def.name);
	buf_init(&body, 16);
	wire_put_u32(&body, 0);
	wire_put_u32(&body, (uint32_t)signal);
	r = msg_peer_call(&container->shim, SHIM_MSG_SIGNAL, buf_str(&body), NULL, 0, NULL, NULL,
			  err);
	if (r == -EPIPE || r == -ECONNRESET) /* it has ended, and nobody has been told yet */
		return err_set(err, -ESRCH, "container %s is not running", container->def.name);
	return r < 0 ? (int)r : 0;
}

/* One that was adopted began before we knew: then the clock tells. */
int64_t container_ran_s(const struct container *container, struct mono known_since)
{
	struct mono now = mono_now(); /* the machine is no older */
	int64_t ran_s = mono_diff_ms(now, known_since) / 1000;
	int64_t told_s = wall_now_s() - container->started_ns / 1000000000;

	/* Whole seconds of both: one more is none. */
	return told_s > ran_s + 1 && told_s <= now.ns / 1000000000 ? told_s : ran_s;
}

int container_stop(struct container *container, int64_t grace_ms, struct err *err)
{
	int signal = container_signal(container->def.stop_signal, err);

	if (container->phase < CONTAINER_PHASE_RUNNING) {
		struct err why = { 0 };

		err_set(&why, -ECANCELED, "stopped before it was up");
		container_fail(container, &why);
		return 0;
	}
	if (signal < 0)
		signal = SIGTERM;
	container->stopping = true;
	health_monitor_stop(container);
	loop_timer_set(container->env->loop, &container->stop_timer,
		       grace_ms < 0 ? container->def.stop_grace_ms : grace_ms, stop_late,
		       container);
	return container_kill(container, signal, err);
}

int container_reopen(struct container *container, struct err *err)
{
	int netns OWN_FD = take_fd(&container->ns.netns_fd);
	int r;

	network_namespace_done(&container->ns);
	r = network_namespace_open(netns, &container->ns, err);
	if (r == -ENOTRECOVERABLE)
		fatal("%s", err_text(err));
	if (container->ns.netns_fd < 0)
		container->ns.netns_fd = take_fd(&netns);
	return r;
}

void container_free(struct container *container)
{
	if (!container)
		return;
	loop_timer_stop(container->env->loop, &container->stop_timer);
	loop_timer_stop(container->env->loop, &container->relink);
	container_reattach_cancel(container);
	container_volumes_cancel(container);
	container_join_cancel(container);
	container->env->adopting -= container->adopting;
	health_monitor_stop(container);
	image_lease_drop(container->env->leases, &container->lease);
	layers_cancel(&container->layers);
	if (container->env->network->up)
		msg_peer_forget(&container->env->network->peer, container);
	worker_stop(&container->files);
	msg_peer_done(&container->shim);
	network_namespace_done(&container->ns);
	own_close(&container->userns.userns_fd);
	own_close(&container->root_fd);
	own_close(&container->cgroup_fd);
	own_close(&container->dir_fd);
	while (container->extra_count)
		own_close(&container->extra_fds[--container->extra_count]);
	/* We may be inside a callback of one of its peers. */
	loop_timer_set(container->env->loop, &container->burial, 0, container_bury, container);
}
