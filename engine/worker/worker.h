/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_WORKER_WORKER_H
#define HOY_ENGINE_WORKER_WORKER_H

#include <stdbool.h>
#include <sys/types.h>
#include "lib/err.h"
#include "lib/loop.h"
#include "lib/msg.h"

/*
 * One child process of the engine in one of its roles: this program executed again with the role's
 * name and one end of a message pair as fd 3. It dies with engine main.
 */
struct worker {
	struct loop *loop;
	struct msg_peer peer;
	struct loop_io exit_io; /* its pidfd */
	int pidfd;		/* -1 = not running */
	pid_t pid;
	const char *role;
	char why[96]; /* how it ended, once it did */
	/* Once, when the process is gone and reaped; never after worker_stop(). May be NULL. */
	void (*ended)(struct worker *worker);
	void *owner;
};

/*
 * Starts it. rules: the messages the role may send us (NULL = it only answers). The struct must
 * stay where it is until ended() or worker_stop(). extra_fds become fd 4, 5 ... in the child; the
 * caller keeps its own.
 */
int worker_start(struct worker *worker, struct loop *loop, const char *role,
		 const struct msg_rule *rules, size_t rule_count, const int *extra_fds,
		 size_t extra_count, void (*ended)(struct worker *worker), void *owner,
		 struct err *err);

/* Kills and reaps it, fails what was asked of it. Accepts a zeroed or ended one. */
void worker_stop(struct worker *worker);

/* A role that is asked and waited for: for work of milliseconds alone that nothing can go on
 * without. */
struct worker_asked {
	int fd, pidfd; /* -1 = it does not run */
};

/* Starts the role unless it runs, and waits for its answer. -ETIMEDOUT after timeout_ms; after an
 * error of the connection it is ended. */
int worker_ask(struct worker_asked *asked, const char *role, uint16_t type, struct str body,
	       int timeout_ms, struct msg *ret_reply, struct err *err);
/* Ends it. */
void worker_ask_done(struct worker_asked *asked);

bool worker_running(const struct worker *worker);

/* The program of all roles; "/proc/self/exe" unless a test sets another. */
void worker_set_program(const char *path);

#endif
