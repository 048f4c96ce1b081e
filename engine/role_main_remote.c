/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clients that come with `hoy -H`: for each of them one `hoy --serve` of the image, which sees the
 * words and drops every capability before it reads them. Runs in engine main, which sees fds only.
 * Must never read what a client sends.
 */
#include "engine/role_main_remote.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>
#include "engine/role_main.h"
#include "lib/loop.h"
#include "lib/own.h"
#include "lib/spawn.h"

enum { REMOTE_MAX = 32, REMOTE_EACH_MAX = 8 };

/* One `hoy`; pidfd 0 = a free place. */
struct remote {
	struct loop_io io;
	struct loop *loop;
	int pidfd;
	char name[GATE_NAME_MAX + 1]; /* of the certificate */
};

static struct remote remotes[REMOTE_MAX];

static void on_end(struct loop_io *io, uint32_t events)
{
	struct remote *remote = io->owner;
	siginfo_t info;

	(void)events;
	(void)waitid((idtype_t)P_PIDFD, (id_t)remote->pidfd, &info, WEXITED | WNOHANG);
	loop_remove(remote->loop, &remote->io);
	(void)close(remote->pidfd);
	remote->pidfd = 0;
}

static int start(struct remote *remote, const struct gate_client *client, int stream,
		 struct err *err)
{
	char who[GATE_NAME_MAX + sizeof(client->address) + 8];
	const char *const argv[] = { "hoy", "--serve", gate_role_name(client->role), who, NULL };
	struct spawn spawn;
	pid_t pid;
	int r;

	(void)snprintf(who, sizeof(who), "%s from %s", client->name, client->address);
	spawn_init(&spawn, "/usr/bin/hoy", argv);
	spawn.tty_fd = stream;
	spawn.fds[0] = STDERR_FILENO;
	spawn.nfds = 1;
	r = spawn_start(&spawn, &pid, &remote->pidfd, err);
	if (r < 0)
		remote->pidfd = 0;
	return r;
}

int engine_remote_start(struct engine *engine, const struct gate_client *client, int stream,
			struct err *err)
{
	struct remote *remote = NULL;
	int own = 0, r;

	for (size_t i = 0; i < ARRAY_LEN(remotes) && !remote; i++)
		remote = remotes[i].pidfd ? NULL : &remotes[i];
	for (size_t i = 0; i < ARRAY_LEN(remotes); i++)
		own += remotes[i].pidfd && !strcmp(remotes[i].name, client->name);
	if (own >= REMOTE_EACH_MAX)
		return err_set(err, -EAGAIN, "%d commands of %s run already: try again",
			       REMOTE_EACH_MAX, client->name);
	if (!remote)
		return err_set(err, -EAGAIN, "%d commands of other clients run already: try again",
			       REMOTE_MAX);
	r = start(remote, client, stream, err);
	if (r < 0)
		return r;
	remote->loop = &engine->loop;
	(void)str_copy(str_from(client->name), remote->name, sizeof(remote->name));
	remote->io = (struct loop_io){ .fd = -1 };
	r = loop_add(&engine->loop, &remote->io, remote->pidfd, EPOLLIN, on_end, remote, err);
	if (r < 0) {
		(void)spawn_signal(remote->pidfd, SIGKILL, NULL);
		(void)waitid((idtype_t)P_PIDFD, (id_t)remote->pidfd, &(siginfo_t){ 0 }, WEXITED);
		(void)close(remote->pidfd);
		remote->pidfd = 0;
	}
	return r;
}
