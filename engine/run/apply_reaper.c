/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns `init: true`: the first process of a container forks the program and stays, reaps what the
 * program leaves behind and passes signals on. Runs as the container's PID 1 (a subreaper where the
 * PID namespace is not its own). Must never become readable for the container: it stays not
 * dumpable, holds no fd, and ends with the program's own status.
 */
#include "engine/run/apply.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "engine/run/kernel.h"

enum { SIGNALED_BASE = 128, REAPER_FAILED = 126 };

/* Passed on are all but those that tell about the reaper itself. */
static bool passes_on(int signal)
{
	switch (signal) {
	case SIGCHLD:
	case SIGSEGV:
	case SIGBUS:
	case SIGILL:
	case SIGFPE:
	case SIGTRAP:
	case SIGSYS:
	case SIGABRT:
		return false;
	default:
		return true;
	}
}

/* Ends when the program has ended; what is left of the container is the kernel's to end. */
static void reap(pid_t program)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != program)
			continue;
		_exit(WIFSIGNALED(status) ? SIGNALED_BASE + WTERMSIG(status) : WEXITSTATUS(status));
	}
	if (pid < 0 && errno == ECHILD)
		_exit(REAPER_FAILED);
}

static _Noreturn void live(pid_t program)
{
	sigset_t all;

	(void)sigfillset(&all);
	for (;;) {
		siginfo_t info;
		int signal = sigwaitinfo(&all, &info);

		if (signal > 0 && passes_on(signal))
			(void)kill(program, signal);
		reap(program);
	}
}

/* The program's side: its own process group, in front of the terminal, no signal blocked. */
static int become_program(const struct apply *apply, const sigset_t *none)
{
	if (setpgid(0, 0) < 0)
		return -errno;
	if (apply->plan->flags & PLAN_FLAG_TTY)
		(void)tcsetpgrp(0, getpid());
	return sigprocmask(SIG_SETMASK, none, NULL) < 0 ? -errno : 0;
}

int apply_first_process(struct apply *apply, struct err *err)
{
	sigset_t all, none;
	long pid;
	int r;

	if (!(apply->plan->flags & PLAN_FLAG_INIT))
		return 0;
	/* Blocked from here on, so that none is lost: the kernel throws away what PID 1 neither
	 * blocks nor handles. */
	(void)sigfillset(&all);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		return err_sys(err, -errno, "become the reaper");
	/* By the plain call: filters answer clone3 with ENOSYS, its flags lie in memory. */
	pid = fork();
	if (pid < 0)
		return err_sys(err, -errno, "start the program");
	if (pid > 0) {
		(void)k_close_range(0, ~0u);
		live((pid_t)pid);
	}
	r = become_program(apply, &none);
	return r < 0 ? err_sys(err, r, "take the terminal") : 0;
}
