/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_ROLE_MAIN_H
#define HOY_ENGINE_ROLE_MAIN_H

#include "engine/api/engine_msg.h"
#include "engine/build/exec.h"
#include "engine/container/container.h"
#include "engine/container/table.h"
#include "engine/network/client.h"
#include "engine/role_main_clean.h"
#include "engine/role_main_event.h"
#include "engine/service/manager.h"
#include "engine/worker/worker.h"
#include "lib/loop.h"
#include "lib/msg.h"

/* Inside of role_main*.c: everything engine main holds. */
enum {
	ENGINE_CLIENTS_MAX = 64,
	ENGINE_EXECS_MAX = 128,
	ENGINE_FD_INIT = 3,   /* message pair with PID 1 */
	ENGINE_FD_LISTEN = 4, /* engine.sock */
	ENGINE_FD_DOCKER = 5, /* docker.sock, handed to the api role */
};

enum engine_peer {
	ENGINE_PEER_INIT = 1,
	ENGINE_PEER_ROOT = 2,	 /* uid 0 on engine.sock */
	ENGINE_PEER_CONSOLE = 4, /* group hoy-console on engine.sock */
	ENGINE_PEER_API = 8,
};

struct engine;

/* One accepted connection on engine.sock, or the api role's pair. */
struct engine_client {
	struct engine *engine;
	struct msg_peer *peer;
	struct msg_peer own; /* of accepted ones */
	bool used;
};

/* A process started by ENGINE_MSG_EXEC whose caller waits for its end. */
struct engine_exec {
	bool used, told; /* EXEC_TOLD: its end is a message of its own */
	uint16_t type;	 /* ENGINE_MSG_EXEC, EXEC_TOLD, EXEC_USER */
	struct msg_peer *peer;
	uint32_t serial, exec_id;
	struct container *container;
	struct arena arena; /* of args; until the shim has been asked */
	struct engine_exec_args *args;
	struct worker files; /* looks the user up, if one was named */
};

/* A pull or push that a person asked for. */
struct engine_pull {
	struct engine *engine;
	struct msg_peer *peer; /* NULL once it went away */
	uint16_t type;	       /* ENGINE_MSG_PULL, PUSH, PULL_AS */
	uint32_t serial;
	struct image_take *take;
	struct image_give *give;
	bool same; /* the name means what it meant before */
	struct digest manifest;
	uint64_t bytes; /* of the manifest that was pushed */
	struct engine_pull *next;
};

/* A build that a person asked for; it goes on without them (role_main_build.c). */
struct engine_build {
	struct engine *engine;
	struct msg_peer *peer; /* NULL once it went away */
	uint32_t serial;
	struct build_job *job;
	bool notes; /* engine/api/build_call_msg.h */
	struct engine_build *next;
};

/* A request of the api role whose answer comes later (role_main_box.c). */
struct engine_box_call {
	struct engine_box_call *next;
	struct engine *engine;
	struct msg_peer *peer; /* NULL once it went away */
	uint16_t type;
	uint32_t serial;
};

/* Somebody who wants to attach to a container, until its shim has answered (role_main_attach.c). */
struct engine_attach {
	struct engine_attach *next;
	struct engine *engine;
	struct msg_peer *peer;
	uint32_t serial;
	struct container *asked; /* its shim has been asked */
	uint8_t flags;		 /* enum shim_attach */
	bool told;		 /* ATTACH_TOLD: the call was answered */
	char id[CONTAINER_ID_LEN + 1];
};

/* Who is told of events (role_main_event.c). */
struct engine_listener {
	struct msg_peer *peer; /* NULL = free */
	uint32_t serial;
};

/* A container by any of its names: exactly one of the two is set. */
struct engine_target {
	struct service *service;
	struct table_entry *entry;
};

struct engine {
	struct loop loop;
	struct msg_peer init;
	struct loop_io listen, scrape_io;
	struct loop_timer alive, store_retry, api_retry, gate_retry;
	struct loop_timer sweep_timer, collect_timer, check_timer;
	struct worker store, api, sweep, gate;
	char gate_listen[32]; /* where the gate listens, "" = nowhere */
	int scrape_fd;
	char scrape_listen[32]; /* where /metrics is served, "" = nowhere */
	bool sweep_again;	/* something came into the trash since the sweep began */
	bool collect_soon;	/* somebody removed an image: the timer runs without a delay */
	struct image_leases leases;
	struct engine_clean clean;
	int run_hoy_fd;
	struct network_client network;
	struct container_env containers;
	struct build_env builds;
	struct manager manager;
	struct engine_client clients[ENGINE_CLIENTS_MAX];
	struct engine_exec execs[ENGINE_EXECS_MAX];
	struct engine_pull *pulls;
	struct engine_build *asked_builds;
	struct engine_work *works; /* role_main_work.h */
	bool data_ready, store_up;
	unsigned store_failures;
	struct table table; /* containers made over the API */
	struct engine_box_call *box_calls;
	struct engine_attach *attaches;
	struct engine_listener listeners[4];
};

/* The messages that console, CLI and api role may send (role_main_calls.c). */
extern const struct msg_rule engine_rules[];
extern const size_t engine_rule_count;

void engine_calls_gone(struct engine *engine, struct msg_peer *peer);
void engine_image_calls_gone(struct engine *engine, const struct msg_peer *peer);
/* Frees the slot; nobody is told. */
void engine_exec_drop(struct engine_exec *exec);
/* Whoever asked for builds is gone: they go on. */
void engine_builds_gone(struct engine *engine, const struct msg_peer *peer);
void engine_exec_ended(void *owner, struct container *container, uint32_t exec_id, int32_t code);
void engine_container_gone(void *owner, struct container *container);
/* Something is let go of: drops, a little later, what nothing needs any more. owner: the engine. */
void engine_collect(void *owner);
/* An image was removed: the same, as soon as who asked has its answer. */
void engine_collect_soon(struct engine *engine);
/* Something lies in the trash: it is removed, soon. owner: the engine. */
void engine_trashed(void *owner);
/* Takes away the mounts of layers that nobody works with. */
void engine_unmount_unused(struct engine *engine);
struct engine *engine_of(const struct msg_peer *peer);
/* The api role now, if it does not run: after a start it comes later than the containers. */
void engine_api_start(void);

/* ---- the Docker API's side ---- */
/* By name, id, or the beginning of an id. -ENOENT, -EINVAL (several fit) with Docker's text. */
int engine_target(struct engine *engine, const char *name, struct engine_target *ret_target,
		  struct err *err);
/* The container that runs (or starts) behind a target, NULL; and its id, "" = none yet. */
struct container *engine_target_container(const struct engine_target *target);
const char *engine_target_id(const struct engine_target *target);
/* Sets up the table; hooks it to environment and manager. */
void engine_table_init(struct engine *engine);
void engine_answer(struct msg_peer *peer, const struct msg *msg, int result, const struct err *err);
/* Starts one made over the API; the answer follows when it runs or failed. */
void engine_start_entry(struct msg_peer *peer, const struct msg *msg, struct table_entry *entry);
void engine_box_gone(struct engine *engine, const struct msg_peer *peer);
void engine_attach_gone(struct engine *engine, const struct msg_peer *peer);
void engine_attach_launched(struct engine *engine, const char *id, struct container *container);
void engine_attach_ended(struct engine *engine, const struct container *container);
void engine_attach_removed(struct engine *engine, const char *id);
int engine_volumes_make(struct engine *engine, const struct container_def *def, struct err *err);
void engine_volumes_drop(struct engine *engine, const struct container_def *def);
/* NETWORK_SET for what was made over the API, after each connect to netd. */
void engine_networks_up(struct engine *engine);
msg_handler_fn engine_views_call, engine_create_call, engine_start_call, engine_stop_call,
	engine_kill_call, engine_remove_call, engine_pause_call, engine_change_call,
	engine_attach_call, engine_cancel_call, engine_tty_call, engine_events_call, engine_id_call,
	engine_processes_call, engine_counters_call, engine_volumes_call, engine_volume_make_call,
	engine_volume_remove_call, engine_networks_call, engine_network_make_call,
	engine_networks_of_call, engine_network_remove_call, engine_images_call,
	engine_records_call, engine_pull_call, engine_image_remove_call, engine_prune_call,
	engine_clean_call, engine_exec_call, engine_build_call, engine_metrics_call,
	engine_resize_call, engine_ps_call, engine_act_call, engine_inspect_call, engine_ends_call;

#endif
