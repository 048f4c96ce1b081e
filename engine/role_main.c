/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Role main of the engine: the one process that mounts, clones and owns cgroups. It starts the
 * other roles, holds the table of services and talks to init, netd and the console in checked
 * messages. Must never parse a byte that came from a network, an image, a client or a container.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "engine/role.h"
#include "engine/role_main_access.h"
#include "engine/role_main_work.h"
#include "init/api/init_msg.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/own.h"
#include "lib/sandbox.h"
#include "netd/api/netd_msg.h"

enum { STORE_RETRY_MS = 500, API_RETRY_MS = 1000, API_LATE_MS = 1000, ENGINE_QUEUE_MAX = 8 << 20 };

static struct engine engine;

struct engine *engine_of(const struct msg_peer *peer)
{
	(void)peer;
	return &engine;
}

/* ---- roles that live as long as main ---- */

static void store_start(struct loop_timer *timer);

static void on_store_ended(struct worker *worker)
{
	log_err("the store ended (%s), it is started again", worker->why);
	engine.store_up = false;
	loop_timer_set(&engine.loop, &engine.store_retry,
		       backoff_ms(engine.store_failures++, STORE_RETRY_MS, 60000, 0), store_start,
		       NULL);
}

static void store_start(struct loop_timer *timer)
{
	struct err err = { 0 };

	(void)timer;
	if (worker_start(&engine.store, &engine.loop, "store", NULL, 0, NULL, 0, on_store_ended,
			 &engine, &err) < 0) {
		log_err("store: %s", err_text(&err));
		loop_timer_set(&engine.loop, &engine.store_retry, STORE_RETRY_MS, store_start,
			       NULL);
		return;
	}
	engine.store_up = true;
	image_leases_renew(&engine.leases);
	if (engine.store_failures)
		manager_kick(&engine.manager, "the store is back");
}

static void api_start(struct loop_timer *timer);

static void on_api_ended(struct worker *worker)
{
	log_err("the api role ended (%s), it is started again", worker->why);
	engine_calls_gone(&engine, &worker->peer);
	loop_timer_set(&engine.loop, &engine.api_retry, API_RETRY_MS, api_start, NULL);
}

static void api_start(struct loop_timer *timer)
{
	const int fds[1] = { ENGINE_FD_DOCKER };
	struct err err = { 0 };

	(void)timer;
	if (worker_running(&engine.api))
		return;
	if (worker_start(&engine.api, &engine.loop, "api", engine_rules, engine_rule_count, fds, 1,
			 on_api_ended, &engine, &err) < 0) {
		log_err("api: %s", err_text(&err));
		loop_timer_set(&engine.loop, &engine.api_retry, API_RETRY_MS, api_start, NULL);
		return;
	}
	engine.api.peer.identity = ENGINE_PEER_API;
}

void engine_api_start(void)
{
	api_start(NULL);
}

/*
 * Containers come first: a client of the Docker API that is there so early waits in the socket's
 * queue. But a build asks this role to read its Dockerfile.
 */
static void api_start_soon(void)
{
	bool builds = false;

	for (const struct service *s = engine.manager.services; s; s = s->next)
		builds |= s->spec && *s->spec->build;
	if (builds)
		api_start(NULL);
	else
		loop_timer_set(&engine.loop, &engine.api_retry, API_LATE_MS, api_start, NULL);
}

/* ---- the data partition ---- */

/* A link or a file in its place keeps no machine from its store. */
static int open_store_dir(int data_fd, struct err *err)
{
	struct stat st;

	if (fs_stat_name(data_fd, "store", &st, NULL) == 0 && !S_ISDIR(st.st_mode)) {
		log_warn("/data/store was no folder: removed");
		if (fs_unlink(data_fd, "store", err) < 0)
			return -EIO;
	}
	return fs_open_dir(data_fd, "store", FS_BENEATH, 0700, err);
}

static void data_up(void)
{
	struct err err = { 0 };
	int store OWN_FD = -1;

	if (engine.data_ready)
		return;
	engine.containers.data_fd =
		fs_open(-1, engine.containers.data_path, FS_HOST, O_RDONLY | O_DIRECTORY, 0, &err);
	if (engine.containers.data_fd >= 0)
		store = open_store_dir(engine.containers.data_fd, &err);
	if (store < 0) {
		log_err("data partition: %s", err_text(&err));
		return;
	}
	if (container_volumes_clean(&engine.containers, &err) < 0)
		log_warn("volumes: %s", err_text(&err));
	engine.data_ready = true;
	engine_access_load(&engine);
	engine_gate_load(&engine);
	engine_check_started(&engine);
	engine_clean_started(&engine);
	store_start(NULL);
	engine_trashed(&engine);
	engine_networks_up(&engine);
	manager_data_ready(&engine.manager);
	table_boot(&engine.table);
}

/* ---- init ---- */

static void on_table_stopped(void *owner)
{
	(void)owner;
	log_notice("all services have stopped");
	engine_check_stopped(&engine);
	engine.loop.quit = true;
}

static int64_t stop_grace_ms;

/* Services may be needed by what was started beside them: those go first, then the rest. */
static void on_stopped(void *owner)
{
	(void)owner;
	table_stop_all(&engine.table, stop_grace_ms, on_table_stopped, NULL);
}

static void on_init_stop(struct msg_peer *peer, struct msg *msg)
{
	struct wire in;
	int64_t grace_ms;

	(void)peer;
	wire_init(&in, msg->body.ptr, msg->body.len);
	grace_ms = wire_i64(&in);
	log_notice("stopping all services");
	stop_grace_ms = grace_ms > 1000 ? grace_ms - 500 : grace_ms;
	manager_stop(&engine.manager, stop_grace_ms, on_stopped, NULL);
}

static void on_init_reload(struct msg_peer *peer, struct msg *msg)
{
	struct err err = { 0 };

	(void)peer;
	(void)msg;
	if (manager_load(&engine.manager, &err) < 0)
		log_err("configuration: %s", err_text(&err));
	engine_gate_load(&engine);
	engine_scrape_load(&engine);
	if (!worker_running(&engine.api))
		api_start_soon();
	if (engine.data_ready)
		manager_preload(&engine.manager);
}

static void on_init_clock(struct msg_peer *peer, struct msg *msg)
{
	(void)peer;
	manager_clock(&engine.manager, msg->body.ptr[0] != INIT_CLOCK_FLOOR);
}

static void on_init_data(struct msg_peer *peer, struct msg *msg)
{
	(void)peer;
	if (msg->body.len && msg->body.ptr[0])
		data_up();
}

static const struct msg_rule init_rules[] = {
	{ INIT_MSG_STOP, "stop", 8, 8, 0, 0, ENGINE_PEER_INIT, on_init_stop },
	{ INIT_MSG_RELOAD, "reload", 0, 0, 0, 0, ENGINE_PEER_INIT, on_init_reload },
	{ INIT_MSG_CLOCK, "clock", 1, 1, 0, 0, ENGINE_PEER_INIT, on_init_clock },
	{ INIT_MSG_DATA, "data", 5, 1024, 0, 0, ENGINE_PEER_INIT, on_init_data },
};

static void on_init_gone(struct msg_peer *peer)
{
	(void)peer;
	/* Without PID 1 there is nobody to start us again; what runs goes on under its shims. */
	log_err("the connection to init is gone");
	engine.loop.quit = true;
}

static struct mono alive_said;

static void say_alive(struct loop_timer *timer)
{
	alive_said = mono_now();
	(void)msg_peer_send(&engine.init, INIT_MSG_ALIVE, STR(""), NULL, 0, NULL);
	loop_timer_set(&engine.loop, timer, INIT_ALIVE_EVERY_MS, say_alive, NULL);
}

static void say_ready(void)
{
	struct buf body OWN(buf_done) = { 0 };

	buf_init(&body, 64);
	wire_put_text(&body, "listening");
	(void)msg_peer_send(&engine.init, INIT_MSG_READY, buf_str(&body), NULL, 0, NULL);
	say_alive(&engine.alive);
}

/* ---- netd ---- */

static void on_network_up(void *owner)
{
	(void)owner;
	engine_networks_up(&engine);
	table_reattach(&engine.table);
	manager_reattach(&engine.manager);
	manager_kick(&engine.manager, "the network helper is there");
}

static void on_network_event(void *owner, int kind, const char *text)
{
	char shown[200];

	(void)owner;
	(void)str_escape(str_from(text), shown, sizeof(shown));
	if (kind == NETD_EVENT_UPLINK_DOWN)
		manager_network(&engine.manager, false, shown);
	else if (*shown && kind == NETD_EVENT_UPLINK_UP)
		manager_network(&engine.manager, true, shown);
	else if (*shown && kind == NETD_EVENT_DNS)
		manager_kick(&engine.manager, shown);
}

/* ---- engine.sock ---- */

static void on_client_gone(struct msg_peer *peer)
{
	struct engine_client *client = peer->owner;

	engine_calls_gone(&engine, peer);
	client->used = false;
}

static void on_accept(struct loop_io *io, uint32_t events)
{
	int fd = accept4(io->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct engine_client *client = NULL;
	uint32_t uid, gid, identity;
	struct err err = { 0 };
	int pid;

	(void)events;
	if (fd < 0)
		return;
	for (size_t i = 0; i < ENGINE_CLIENTS_MAX && !client; i++) {
		if (!engine.clients[i].used)
			client = &engine.clients[i];
	}
	if (!client || msg_credentials(fd, &uid, &gid, &pid, &err) < 0) {
		close(fd);
		return;
	}
	identity = uid == 0 ? ENGINE_PEER_ROOT : gid == INIT_CONSOLE_GID ? ENGINE_PEER_CONSOLE : 0;
	if (!identity) {
		log_warn("connection of uid %u refused", uid);
		close(fd);
		return;
	}
	memset(client, 0, sizeof(*client));
	client->engine = &engine;
	client->peer = &client->own;
	if (msg_peer_init(&client->own, &engine.loop, fd, identity, engine_rules, engine_rule_count,
			  ENGINE_QUEUE_MAX, on_client_gone, client, &err) < 0)
		log_warn("connection: %s", err_text(&err));
	else
		client->used = true;
}

/* ---- start ---- */

static void open_places(void)
{
	struct container_env *env = &engine.containers;
	struct err err = { 0 };

	engine.run_hoy_fd = fs_open(-1, "/run/hoy", FS_HOST, O_RDONLY | O_DIRECTORY, 0, &err);
	if (engine.run_hoy_fd < 0)
		fatal("%s", err_text(&err));
	env->run_fd = fs_open_dir(engine.run_hoy_fd, "engine", FS_BENEATH, 0711, &err);
	if (env->run_fd < 0 || rootfs_init(&env->rootfs, env->run_fd, &err) < 0 ||
	    cgroup_root_open(&env->cgroups, "containers", &err) < 0)
		fatal("%s", err_text(&err));
	env->shims_cgroup =
		fs_open(-1, "/sys/fs/cgroup/hoy/shims", FS_HOST, O_RDONLY | O_DIRECTORY, 0, &err);
	if (env->shims_cgroup < 0)
		log_warn("shims stay in the engine's cgroup: %s", err_text(&err));
}

/* ---- containers that are not declared ---- */

static bool adopt_other(void *owner, const char *id)
{
	(void)owner;
	/* Hundreds are taken over in one go, and PID 1 ends who is silent for long. */
	if (mono_diff_ms(mono_now(), alive_said) >= INIT_ALIVE_EVERY_MS)
		say_alive(&engine.alive);
	return table_adopt(&engine.table, id);
}

static uint32_t put_attached(void *owner, struct buf *body)
{
	uint32_t count = 0;

	(void)owner;
	for (const struct table_entry *e = engine.table.first; e; e = e->next) {
		if (e->container && body)
			wire_put_text(body, e->id);
		count += e->container != NULL;
	}
	return count;
}

static void declared_event(void *owner, const struct service *service, const char *action,
			   int32_t number)
{
	const struct container *container = service->container;

	(void)owner;
	engine_event_of_box(&engine, action, service->container_id, service->name,
			    container ? &container->def : NULL, number,
			    container ? container_ran_s(container, service->running_since) : 0);
}

static bool userns_auto(void *owner)
{
	const struct ini_section *section = ini_find(&engine.manager.engine_config, "engine", "");

	(void)owner;
	return section && !strcmp(ini_text(&engine_schema, section, "userns_mode"), "auto");
}

static void setup(void)
{
	struct container_env *env = &engine.containers;
	struct manager_env manager = { .loop = &engine.loop,
				       .containers = env,
				       .store = &engine.store.peer,
				       .builds = &engine.builds,
				       .exec_ended = engine_exec_ended,
				       .container_gone = engine_container_gone,
				       .adopt_other = adopt_other,
				       .put_attached = put_attached,
				       .event = declared_event,
				       .networks = &engine_networks,
				       .owner = &engine };
	struct err err = { 0 };

	if (loop_init(&engine.loop, &err) < 0)
		fatal("%s", err_text(&err));
	engine.store.pidfd = engine.api.pidfd = engine.sweep.pidfd = engine.gate.pidfd = -1;
	engine.store.peer.fd = engine.api.peer.fd = engine.gate.peer.fd = -1;
	env->loop = &engine.loop;
	env->began = mono_now();
	env->store = &engine.store.peer;
	env->api = &engine.api.peer;
	env->network = &engine.network;
	env->data_fd = -1;
	engine.leases = (struct image_leases){ .store = &engine.store.peer,
					       .collect = engine_collect,
					       .make_room = engine_clean_room,
					       .forget_room = engine_clean_forget,
					       .owner = &engine };
	env->leases = &engine.leases;
	env->trashed = engine_trashed;
	env->userns.automatic = userns_auto;
	env->owner = &engine;
	env->shim = "/usr/lib/hoy/shim";
	env->data_path = "/data";
	env->run_path = "/run/hoy/engine";
	engine_table_init(&engine);
	open_places();
	manager.run_fd = engine.run_hoy_fd;
	engine.builds = (struct build_env){ .containers = env,
					    .api = &engine.api.peer,
					    .hosts = manager_hosts,
					    .owner = &engine.manager };
	build_sweep(env);
	if (manager_init(&engine.manager, &manager, &err) < 0 ||
	    msg_peer_init(&engine.init, &engine.loop, ENGINE_FD_INIT, ENGINE_PEER_INIT, init_rules,
			  ARRAY_LEN(init_rules), 1 << 20, on_init_gone, &engine, &err) < 0 ||
	    loop_add(&engine.loop, &engine.listen, ENGINE_FD_LISTEN, EPOLLIN, on_accept, &engine,
		     &err) < 0)
		fatal("%s", err_text(&err));
}

/*
 * What this process carries every shim and container inherits: so it keeps setid, capabilities and
 * bounding set and only gives up what no container may ever do. Its defence is to parse nothing.
 */
static void give_up(void)
{
	const struct sandbox sandbox = { .keep_setid = true, .capabilities = UINT64_MAX };
	struct err err = { 0 };

	if (sandbox_enter(&sandbox, &err) < 0)
		fatal("%s", err_text(&err));
}

int role_main(void)
{
	static const struct network_client_ops network_ops = { on_network_up, on_network_event };
	static const char *const places[] = { "c", "shim", "stopped" };
	struct err err = { 0 };

	give_up();
	setup();
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		int fd OWN_FD = fs_open_dir(engine.containers.run_fd, places[i], FS_BENEATH,
					    i ? 0700 : 0755, &err);

		if (fd < 0)
			fatal("%s", err_text(&err));
	}
	if (manager_load(&engine.manager, &err) < 0)
		log_err("configuration: %s", err_text(&err));
	engine_gate_load(&engine);
	engine_scrape_load(&engine);
	api_start_soon();
	network_client_start(&engine.network, &engine.loop, engine.run_hoy_fd, &network_ops,
			     &engine);
	say_ready();
	if (loop_run(&engine.loop, &err) < 0)
		fatal("%s", err_text(&err));
	return 0;
}
