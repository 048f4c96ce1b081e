/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_LIB_SPAWN_H
#define HOY_LIB_SPAWN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include "lib/err.h"

/*
 * Starts a program with exactly the fds it shall have: fds[i] becomes fd number 3 + i, stdin is
 * /dev/null, stdout and stderr are log_fd; everything else is closed. Signals are reset to default
 * and unblocked, oom_score_adj is set, the process may be placed into a cgroup at birth
 * (CLONE_INTO_CGROUP). No heap: safe in PID 1.
 */
enum { SPAWN_FDS_MAX = 16 };

struct spawn {
	const char *path;	 /* absolute, ours */
	const char *const *argv; /* NULL-terminated */
	const char *const *envp; /* NULL-terminated; NULL = empty environment */
	int fds[SPAWN_FDS_MAX];	 /* -1 = that number stays closed */
	size_t nfds;
	int log_fd;		 /* -1 = /dev/null */
	int tty_fd;		 /* >= 0: stdin, stdout and stderr instead, and with new_session the
				    controlling terminal; -1 = none */
	int cgroup_fd;		 /* -1 = stay */
	int oom_score_adj;	 /* always written */
	int parent_death_signal; /* 0 = outlive the parent */
	bool new_session;
};

/* Sets every fd to -1 and the rest to zero. */
void spawn_init(struct spawn *spawn, const char *path, const char *const *argv);

/* ret_pidfd is CLOEXEC. An exec failure is reported here with the errno of execve. */
int spawn_start(const struct spawn *spawn, pid_t *ret_pid, int *ret_pidfd, struct err *err);

/* "exit 3", "killed by SIGKILL" ... of a siginfo's si_code and si_status, into dst. */
void spawn_describe_exit(int code, int status, char *dst, size_t cap);

/* SIGKILL etc. by pidfd. */
int spawn_signal(int pidfd, int signal, struct err *err);

#endif
