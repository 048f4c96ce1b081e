/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Role api: the Docker API on docker.sock, and the parsing of Dockerfiles and Compose files for
 * engine main. Foreign bytes end here: no file system, no capability, and only checked messages to
 * engine main (fd 3).
 */
#include <errno.h>
#include <seccomp.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>
#include "engine/api/compose_msg.h"
#include "engine/api/context_msg.h"
#include "engine/api/gate_msg.h"
#include "engine/api/health_msg.h"
#include "engine/api/schedule_msg.h"
#include "engine/api/stream_msg.h"
#include "engine/build/serve.h"
#include "engine/buildkit/solve.h"
#include "engine/compose/compose.h"
#include "engine/docker/handlers.h"
#include "engine/docker/server.h"
#include "engine/health/serve.h"
#include "engine/role.h"
#include "engine/role_start.h"
#include "engine/service/cron.h"
#include "lib/log.h"
#include "lib/own.h"

enum { API_FD_DOCKER = 4, API_UID = 910 };

static void on_build(struct msg_peer *peer, struct msg *msg)
{
	struct buf body OWN(buf_done) = { 0 };
	struct err err = { 0 };

	buf_init(&body, BUILD_BODY_MAX);
	if (build_serve((enum build_msg)msg->type, msg->body, &body, &err) < 0)
		(void)msg_reply_err(peer, msg->type, msg->serial, &err);
	else
		(void)msg_reply(peer, msg->type, msg->serial, buf_str(&body), NULL, 0);
}

static struct docker_server server;

/* A client from the network: what it shows has been verified, what it sends has not. */
static void on_stream(struct msg_peer *peer, struct msg *msg)
{
	struct gate_client who;
	struct wire in;
	int fd OWN_FD = msg_take_fd(msg, 0);

	(void)peer;
	wire_init(&in, msg->body.ptr, msg->body.len);
	gate_client_get(&in, &who);
	if (wire_end(&in) >= 0 && !strcmp(who.protocol, "http/1.1"))
		docker_server_take(&server, take_fd(&fd), &who);
}

static void on_attached(struct msg_peer *peer, struct msg *msg)
{
	(void)peer;
	docker_attached(&server, msg);
}

static void on_exec_ended(struct msg_peer *peer, struct msg *msg)
{
	(void)peer;
	docker_exec_ended(&server, msg);
}

static void on_agent(struct msg_peer *peer, struct msg *msg)
{
	int fd OWN_FD = msg_take_fd(msg, 0);
	uint64_t token;
	char id[1024];
	struct wire in;

	(void)peer;
	wire_init(&in, msg->body.ptr, msg->body.len);
	token = wire_u64(&in);
	wire_text(&in, id, sizeof(id));
	if (wire_end(&in) >= 0)
		solve_take_agent(token, id, take_fd(&fd));
}

static const struct msg_rule rules[] = {
	{ ENGINE_MSG_ATTACHED, "attached", 4, 64, 0, 1, ROLE_PEER_MAIN, on_attached },
	{ ENGINE_MSG_EXEC_ENDED, "exec-ended", 8, 8, 0, 0, ROLE_PEER_MAIN, on_exec_ended },
	{ ENGINE_MSG_BUILD_AGENT, "build-agent", 12, 2048, 1, 1, ROLE_PEER_MAIN, on_agent },
	{ GATE_MSG_STREAM, "gate-stream", 13, 1024, 1, 1, ROLE_PEER_MAIN, on_stream },
	{ BUILD_MSG_BASES, "build-bases", 4, BUILD_BODY_MAX, 0, 0, ROLE_PEER_MAIN, on_build },
	{ BUILD_MSG_PLAN, "build-plan", 4, BUILD_BODY_MAX, 0, 0, ROLE_PEER_MAIN, on_build },
	{ BUILD_MSG_IGNORE, "build-ignore", 4, BUILD_BODY_MAX, 0, 0, ROLE_PEER_MAIN, on_build },
	{ SCHEDULE_MSG_NEXT, "schedule-next", 16, 512, 0, 0, ROLE_PEER_MAIN, cron_serve },
	{ COMPOSE_MSG_CONVERT, "compose", 4, COMPOSE_BODY_MAX, 0, 0, ROLE_PEER_MAIN,
	  compose_serve },
	{ HEALTH_MSG_HTTP, "health-http", 12, 4096, 1, 1, ROLE_PEER_MAIN, health_serve_http },
};

int role_api(void)
{
	static struct role_service service = { .rules = rules,
					       .rule_count = ARRAY_LEN(rules),
					       .queue_max = 8 << 20 };
	const struct sandbox sandbox = { .profile = SANDBOX_PROFILE_SERVER,
					 .uid = API_UID,
					 .gid = API_UID,
					 .root = "/var/empty",
					 .address_space_max = 512 << 20,
					 .files_max = 4096 };
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct sysinfo memory = { 0 };
	struct err err = { 0 };

	if (sysinfo(&memory) == 0)
		server.memory_bytes = (uint64_t)memory.totalram * memory.mem_unit;
	server.cpus = cpus > 0 ? (uint32_t)cpus : 1;
	(void)seccomp_api_get(); /* asks the kernel, which the sandbox would refuse */
	role_begin(&service, &sandbox);
	if (docker_server_start(&server, &service.loop, API_FD_DOCKER, &service.main, &err) < 0)
		fatal("%s", err_text(&err));
	return role_run(&service);
}
