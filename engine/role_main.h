/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_ROLE_MAIN_H
#define HOY_ENGINE_ROLE_MAIN_H

#include "engine/api/engine_msg.h"
#include "engine/build/exec.h"
#include "engine/container/container.h"
#include "engine/network/client.h"
#include "engine/service/manager.h"
#include "engine/worker/worker.h"
#include "lib/loop.h"
#include "lib/msg.h"

/* Inside of role_main*.c: everything engine main holds. */
enum {
	ENGINE_CLIENTS_MAX = 64,
	ENGINE_EXECS_MAX = 32,
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
	bool used;
	struct msg_peer *peer;
	uint32_t serial;
	struct container *container;
	uint32_t exec_id;
	struct arena arena; /* of args; until the shim has been asked */
	struct engine_exec_args *args;
	struct worker files; /* looks the user up, if one was named */
};

/* A pull or push that a person asked for. */
struct engine_pull {
	struct engine *engine;
	struct msg_peer *peer; /* NULL once it went away */
	uint16_t type;	       /* ENGINE_MSG_PULL or PUSH */
	uint32_t serial;
	struct image_take *take;
	struct digest manifest;
	struct engine_pull *next;
};

/* A build that a person asked for; it goes on without them (role_main_build.c). */
struct engine_build {
	struct engine *engine;
	struct msg_peer *peer; /* NULL once it went away */
	uint32_t serial;
	struct build_job *job;
	struct engine_build *next;
};

struct engine {
	struct loop loop;
	struct msg_peer init;
	struct loop_io listen;
	struct loop_timer alive, store_retry, api_retry;
	struct loop_timer sweep_timer, collect_timer;
	struct worker store, api, sweep;
	bool sweep_again; /* something came into the trash since the sweep began */
	struct image_leases leases;
	int run_hoy_fd;
	struct network_client network;
	struct container_env containers;
	struct build_env builds;
	struct manager manager;
	struct engine_client clients[ENGINE_CLIENTS_MAX];
	struct engine_exec execs[ENGINE_EXECS_MAX];
	struct engine_pull *pulls;
	struct engine_build *asked_builds;
	bool data_ready, store_up;
	unsigned store_failures;
};

/* The messages that console, CLI and api role may send (role_main_calls.c). */
extern const struct msg_rule engine_rules[];
extern const size_t engine_rule_count;

void engine_calls_gone(struct engine *engine, struct msg_peer *peer);
/* Frees the slot; nobody is told. */
void engine_exec_drop(struct engine_exec *exec);
void engine_exec_call(struct msg_peer *peer, struct msg *msg);
void engine_build_call(struct msg_peer *peer, struct msg *msg);
void engine_resize_call(struct msg_peer *peer, struct msg *msg);
void engine_exec_ended(void *owner, struct container *container, uint32_t exec_id, int32_t code);
void engine_container_gone(void *owner, struct container *container);
/* An image went or was replaced: drops, soon, what nothing needs any more. owner: the engine. */
void engine_collect(void *owner);
/* Something lies in the trash: it is removed, soon. owner: the engine. */
void engine_trashed(void *owner);
/* Takes away the mounts of layers that nobody works with. */
void engine_unmount_unused(struct engine *engine);
struct engine *engine_of(const struct msg_peer *peer);

#endif
