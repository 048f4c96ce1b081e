/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The child roles of the engine: their start, their message socket, their end. Owned by engine
 * main. Must never look into what a role says: that is its caller's.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>
#include "engine/worker/worker.h"
#include "lib/own.h"
#include "lib/spawn.h"

enum { WORKER_QUEUE_MAX = 4 << 20, WORKER_EXTRA_MAX = 8 };

static const char *worker_program = "/proc/self/exe";

void worker_set_program(const char *path)
{
	worker_program = path;
}

bool worker_running(const struct worker *worker)
{
	return worker->role && worker->pidfd >= 0;
}

static void worker_reap(struct worker *worker)
{
	siginfo_t info = { 0 };

	/* P_PIDFD: no other child of ours can be meant. */
	if (!waitid((idtype_t)P_PIDFD, (id_t)worker->pidfd, &info, WEXITED))
		spawn_describe_exit(info.si_code, info.si_status, worker->why, sizeof(worker->why));
	loop_remove(worker->loop, &worker->exit_io);
	own_close(&worker->pidfd);
}

static void worker_on_exit(struct loop_io *io, uint32_t events)
{
	struct worker *worker = io->owner;

	(void)events;
	worker_reap(worker);
	/*
	 * Its last answers may still lie in the socket, and they count. Once the process is gone
	 * each look takes one message or finds the end, so this comes to an end.
	 */
	while (msg_peer_alive(&worker->peer))
		worker->peer.io.fn(&worker->peer.io, EPOLLIN);
	msg_peer_done(&worker->peer);
	if (worker->ended)
		worker->ended(worker);
}

/* The role's process with `theirs` as its fd 3. */
static int spawn_role(const char *role, int theirs, const int *extra_fds, size_t extra_count,
		      pid_t *ret_pid, int *ret_pidfd, struct err *err)
{
	const char *const argv[] = { "hoy-engine", role, NULL };
	struct spawn spawn;

	spawn_init(&spawn, worker_program, argv);
	spawn.fds[0] = theirs;
	for (size_t i = 0; i < extra_count; i++)
		spawn.fds[1 + i] = extra_fds[i];
	spawn.nfds = 1 + extra_count;
	spawn.log_fd = STDERR_FILENO;
	spawn.parent_death_signal = SIGKILL;
	return spawn_start(&spawn, ret_pid, ret_pidfd, err);
}

void worker_ask_done(struct worker_asked *asked)
{
	siginfo_t info = { 0 };

	if (asked->pidfd >= 0) {
		(void)spawn_signal(asked->pidfd, SIGKILL, NULL);
		(void)waitid((idtype_t)P_PIDFD, (id_t)asked->pidfd, &info, WEXITED);
	}
	own_close(&asked->pidfd);
	own_close(&asked->fd);
}

static int ask_start(struct worker_asked *asked, const char *role, struct err *err)
{
	int theirs OWN_FD = -1, pair[2];
	pid_t pid;
	int r = msg_pair(pair, err);

	if (r < 0)
		return err_prefix(err, "role %s", role);
	asked->fd = pair[0];
	theirs = pair[1]; /* closed here: its end is the end of the connection */
	r = spawn_role(role, theirs, NULL, 0, &pid, &asked->pidfd, err);
	if (r < 0)
		own_close(&asked->fd);
	return r < 0 ? err_prefix(err, "role %s", role) : 0;
}

int worker_ask(struct worker_asked *asked, const char *role, uint16_t type, struct str body,
	       int timeout_ms, struct msg *ret_reply, struct err *err)
{
	int r = asked->fd < 0 ? ask_start(asked, role, err) : 0;

	if (r < 0)
		return r;
	r = msg_call_sync(asked->fd, type, body, NULL, 0, timeout_ms, ret_reply, err);
	if (r == -ETIMEDOUT || r == -ECONNRESET || r == -EPIPE)
		worker_ask_done(asked);
	return r;
}

int worker_start(struct worker *worker, struct loop *loop, const char *role,
		 const struct msg_rule *rules, size_t rule_count, const int *extra_fds,
		 size_t extra_count, void (*ended)(struct worker *worker), void *owner,
		 struct err *err)
{
	int ours OWN_FD = -1, theirs OWN_FD = -1, pair[2];
	int r;

	memset(worker, 0, sizeof(*worker));
	worker->pidfd = -1;
	if (extra_count > WORKER_EXTRA_MAX)
		return err_set(err, -E2BIG, "role %s: too many fds", role);
	r = msg_pair(pair, err);
	if (r < 0)
		return err_prefix(err, "role %s", role);
	ours = pair[0];
	theirs = pair[1];
	r = spawn_role(role, theirs, extra_fds, extra_count, &worker->pid, &worker->pidfd, err);
	if (r < 0)
		return err_prefix(err, "role %s", role);
	worker->loop = loop;
	worker->role = role;
	worker->ended = ended;
	worker->owner = owner;
	r = msg_peer_init(&worker->peer, loop, take_fd(&ours), 1, rules, rule_count,
			  WORKER_QUEUE_MAX, NULL, worker, err);
	if (r >= 0)
		r = loop_add(loop, &worker->exit_io, worker->pidfd, EPOLLIN, worker_on_exit, worker,
			     err);
	if (r < 0) {
		worker->ended = NULL;
		worker_stop(worker);
		return r;
	}
	return 0;
}

void worker_stop(struct worker *worker)
{
	worker->ended = NULL;
	if (worker_running(worker)) {
		(void)spawn_signal(worker->pidfd, SIGKILL, NULL);
		worker_reap(worker);
	}
	if (worker->loop)
		msg_peer_done(&worker->peer);
}
