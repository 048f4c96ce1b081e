/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_DOCKER_EXEC_H
#define HOY_ENGINE_DOCKER_EXEC_H

#include "engine/api/engine_msg.h"
#include "engine/docker/pump.h"
#include "engine/docker/server.h"
#include "engine/oci/image.h"

/* Exec objects: made and run by exec.c, shown by exec_view.c. */
enum {
	EXECS_MAX = 256,
	EXECS_OWN = 96, /* of one client that run: engine main has ENGINE_EXECS_MAX (128) */
	EXEC_ID_LEN = 64,
	EXEC_BODY_MAX = 1 << 20,
};

struct docker_exec {
	struct docker_pump pump; /* the first member: client->work is both */
	struct docker_exec *next;
	struct docker_server *server;
	struct docker_client *client; /* who started it and is still there */
	struct arena arena;	      /* of args */
	struct engine_exec_args args;
	char id[EXEC_ID_LEN + 1], container[EXEC_ID_LEN + 4];
	struct docker_detach detach_keys;
	bool raw; /* its start asked for a terminal's bytes: else frames, whatever it was made with
		   */
	bool attach_stdin, attach_stdout, attach_stderr; /* as its creation said */
	bool detach, started, running, exited;
	int32_t exit_code;
	uint32_t serial;   /* of the call that started it */
	const char *image; /* of the container, and its labels: for events */
	struct image_texts labels;
	char who[GATE_NAME_MAX + 1], from[64]; /* who started it */
};

struct docker_exec *exec_find(struct docker_server *server, const char *id);
/* Tells who listens for events; "exec_create" and "exec_start" go with the words of the command. */
void exec_event(struct docker_exec *exec, const char *action, bool with_words);

#endif
