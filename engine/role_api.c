/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Role api: the Docker API on docker.sock, and the parsing of Dockerfiles for engine main. Foreign
 * bytes end here: no file system, no capability, and only checked messages to engine main (fd 3).
 */
#include <errno.h>
#include "engine/build/serve.h"
#include "engine/docker/server.h"
#include "engine/role.h"
#include "lib/log.h"
#include "lib/own.h"
#include "lib/sandbox.h"

enum { API_FD_MAIN = 3, API_FD_DOCKER = 4, API_UID = 910, API_PEER_MAIN = 1 };

static struct loop loop;
static struct msg_peer main_peer;
static struct docker_server server;

static void on_main_gone(struct msg_peer *peer)
{
	(void)peer;
	loop.quit = true;
}

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

static const struct msg_rule rules[] = {
	{ BUILD_MSG_BASES, "build-bases", 4, BUILD_BODY_MAX, 0, 0, API_PEER_MAIN, on_build },
	{ BUILD_MSG_PLAN, "build-plan", 4, BUILD_BODY_MAX, 0, 0, API_PEER_MAIN, on_build },
	{ BUILD_MSG_IGNORE, "build-ignore", 4, BUILD_BODY_MAX, 0, 0, API_PEER_MAIN, on_build },
};

int role_api(void)
{
	const struct sandbox sandbox = { .profile = SANDBOX_PROFILE_SERVER,
					 .uid = API_UID,
					 .gid = API_UID,
					 .root = "/var/empty",
					 .address_space_max = 512 << 20,
					 .files_max = 256 };
	struct err err = { 0 };

	if (loop_init(&loop, &err) < 0 ||
	    msg_peer_init(&main_peer, &loop, API_FD_MAIN, API_PEER_MAIN, rules, ARRAY_LEN(rules),
			  8 << 20, on_main_gone, NULL, &err) < 0 ||
	    docker_server_start(&server, &loop, API_FD_DOCKER, &main_peer, &err) < 0 ||
	    sandbox_enter(&sandbox, &err) < 0)
		fatal("%s", err_text(&err));
	if (loop_run(&loop, &err) < 0)
		fatal("%s", err_text(&err));
	return 0;
}
