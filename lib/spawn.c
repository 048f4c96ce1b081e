/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the start of our own programs: fd table, signals, cgroup, exec. Init, netd main and engine
 * main run it; it allocates nothing. The child must never touch anything of the parent's but what
 * was set up before the fork.
 */
#include "lib/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "lib/own.h"
#include "lib/str.h"
#include "lib/sys.h"

#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC 4u
#endif

enum { FIRST_FD = 3, SPAWN_EXIT_STATUS = 127, KERNEL_SIGNALS = 64 };

/* What a child that did not come to exec tells through the pipe. */
struct spawn_failure {
	int32_t code;
	char step[28];
};

/* What the child needs beyond the request, all made before the fork. */
struct spawn_child {
	const struct spawn *spawn;
	int null_fd, failure_fd;
	pid_t parent;
};

void spawn_init(struct spawn *spawn, const char *path, const char *const *argv)
{
	*spawn = (struct spawn){
		.path = path, .argv = argv, .log_fd = -1, .tty_fd = -1, .cgroup_fd = -1
	};
	for (size_t i = 0; i < SPAWN_FDS_MAX; i++)
		spawn->fds[i] = -1;
}

/* ---- the child, until exec: async-signal-safe calls only ---- */

static void fail(int failure_fd, const char *step, int code) __attribute__((noreturn));

static void fail(int failure_fd, const char *step, int code)
{
	struct spawn_failure failure = { .code = code };

	(void)snprintf(failure.step, sizeof(failure.step), "%s", step);
	(void)!write(failure_fd, &failure, sizeof(failure));
	_exit(SPAWN_EXIT_STATUS);
}

static int move_fd(int fd, int lowest)
{
	int moved = fcntl(fd, F_DUPFD_CLOEXEC, lowest);

	return moved < 0 ? -errno : moved;
}

/* First everything out of the way of the numbers that are to be filled, then into its place. */
static int place_fds(struct spawn_child *child)
{
	const struct spawn *spawn = child->spawn;
	int lowest = FIRST_FD + (int)spawn->nfds;
	int from[SPAWN_FDS_MAX], in_fd, out_fd;
	int failure_fd = move_fd(child->failure_fd, lowest);

	if (failure_fd < 0)
		return failure_fd;
	child->failure_fd = failure_fd;
	in_fd = move_fd(spawn->tty_fd >= 0 ? spawn->tty_fd : child->null_fd, lowest);
	out_fd = spawn->tty_fd < 0 && spawn->log_fd >= 0 ? move_fd(spawn->log_fd, lowest) : in_fd;
	if (in_fd < 0 || out_fd < 0)
		return in_fd < 0 ? in_fd : out_fd;
	for (size_t i = 0; i < spawn->nfds; i++) {
		from[i] = spawn->fds[i] >= 0 ? move_fd(spawn->fds[i], lowest) : -1;
		if (spawn->fds[i] >= 0 && from[i] < 0)
			return from[i];
	}
	if (dup2(in_fd, 0) < 0 || dup2(out_fd, 1) < 0 || dup2(out_fd, 2) < 0)
		return -errno;
	for (size_t i = 0; i < spawn->nfds; i++) {
		if (from[i] < 0)
			(void)close(FIRST_FD + (int)i);
		else if (dup2(from[i], FIRST_FD + (int)i) < 0)
			return -errno;
	}
	/* Marked, not closed: the failure pipe has to live until exec. */
	if (syscall(SYS_close_range, lowest, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
		return -errno;
	return 0;
}

static void reset_signals(void)
{
	/* The kernel's struct, all zero: SIG_DFL, no flags, empty mask. The C library keeps some
	 * real-time signals to itself and refuses to touch them; an ignored one would stay so. */
	unsigned long plain[4] = { 0 };
	sigset_t none;

	for (int signal = 1; signal <= KERNEL_SIGNALS; signal++)
		(void)syscall(SYS_rt_sigaction, signal, plain, NULL, KERNEL_SIGNALS / 8);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static int set_oom_score(int score)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%d", score);
	int fd = sys_openat2(AT_FDCWD, "/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC, 0, 0);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = sys_write(fd, text, (size_t)len);
	(void)close(fd);
	return n < 0 ? (int)n : 0;
}

static void run_child(struct spawn_child *child) __attribute__((noreturn));

static void run_child(struct spawn_child *child)
{
	const struct spawn *spawn = child->spawn;
	static char *const no_env[] = { NULL };
	union {
		const char *const *given;
		char *const *exec;
	} argv = { .given = spawn->argv }, envp = { .given = spawn->envp };
	int r = place_fds(child);

	if (r < 0)
		fail(child->failure_fd, "place the fds", r);
	r = set_oom_score(spawn->oom_score_adj);
	if (r < 0)
		fail(child->failure_fd, "set oom_score_adj", r);
	if (spawn->new_session && setsid() < 0)
		fail(child->failure_fd, "make a session", -errno);
	/* Refused while another session has the terminal; job control is then missing, no more. */
	if (spawn->new_session && spawn->tty_fd >= 0)
		(void)ioctl(0, TIOCSCTTY, 0);
	if (spawn->parent_death_signal > 0) {
		if (prctl(PR_SET_PDEATHSIG, spawn->parent_death_signal, 0, 0, 0) < 0)
			fail(child->failure_fd, "bind to the parent", -errno);
		if (getppid() != child->parent)
			fail(child->failure_fd, "find the parent alive", -ESRCH);
	}
	reset_signals();
	(void)execve(spawn->path, argv.exec, spawn->envp ? envp.exec : no_env);
	fail(child->failure_fd, "execute", -errno);
}

/* ---- the parent ---- */

/* Waits for exec (the pipe closes) or for a failure's record; 0 or the child's error. */
static int await_exec(const struct spawn *spawn, int pipe_fd, struct err *err)
{
	struct spawn_failure failure;
	ssize_t n;

	do {
		n = sys_read(pipe_fd, &failure, sizeof(failure));
	} while (n == -EINTR);
	if (n == 0)
		return 0;
	if (n < 0)
		return err_sys(err, (int)n, "start %s: read its state", spawn->path);
	if (n != (ssize_t)sizeof(failure) || failure.code >= 0)
		return err_set(err, -EIO, "start %s: it broke off before exec", spawn->path);
	failure.step[sizeof(failure.step) - 1] = '\0';
	return err_sys(err, failure.code, "start %s: %s", spawn->path, failure.step);
}

static int start(const struct spawn *spawn, pid_t *ret_pid, int *ret_pidfd, struct err *err)
{
	struct spawn_child child = { .spawn = spawn, .parent = getpid() };
	OWN_FD int null_fd = sys_openat2(AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC, 0, 0);
	OWN_FD int read_end = -1;
	OWN_FD int write_end = -1;
	OWN_FD int pidfd = -1;
	int ends[2], r;
	siginfo_t info;
	pid_t pid;

	if (null_fd < 0)
		return err_sys(err, null_fd, "start %s: open /dev/null", spawn->path);
	r = sys_pipe(ends);
	if (r < 0)
		return err_sys(err, r, "start %s: make a pipe", spawn->path);
	read_end = ends[0];
	write_end = ends[1];
	child.null_fd = null_fd;
	child.failure_fd = write_end;

	pid = sys_fork(spawn->cgroup_fd, &pidfd);
	if (pid < 0)
		return err_sys(err, pid, "start %s: fork", spawn->path);
	if (pid == 0)
		run_child(&child);
	own_close(&write_end);
	r = await_exec(spawn, read_end, err);
	if (r < 0) {
		/* Its end belongs to us alone: nobody was told of the process. */
		(void)sys_pidfd_signal(pidfd, SIGKILL);
		while (sys_wait_pidfd(pidfd, &info) == -EINTR)
			;
		return r;
	}
	if (ret_pid)
		*ret_pid = pid;
	if (ret_pidfd)
		*ret_pidfd = take_fd(&pidfd);
	return 0;
}

int spawn_start(const struct spawn *spawn, pid_t *ret_pid, int *ret_pidfd, struct err *err)
{
	sigset_t all, old;
	int r;

	if (spawn->nfds > SPAWN_FDS_MAX)
		return err_set(err, -EINVAL, "start %s: more than %d fds", spawn->path,
			       SPAWN_FDS_MAX);
	/* No handler of the parent may run in the child between fork and exec. */
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &old);
	r = start(spawn, ret_pid, ret_pidfd, err);
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	return r;
}

static const char *const signal_names[] = {
	[SIGHUP] = "SIGHUP",	   [SIGINT] = "SIGINT",	      [SIGQUIT] = "SIGQUIT",
	[SIGILL] = "SIGILL",	   [SIGTRAP] = "SIGTRAP",     [SIGABRT] = "SIGABRT",
	[SIGBUS] = "SIGBUS",	   [SIGFPE] = "SIGFPE",	      [SIGKILL] = "SIGKILL",
	[SIGUSR1] = "SIGUSR1",	   [SIGSEGV] = "SIGSEGV",     [SIGUSR2] = "SIGUSR2",
	[SIGPIPE] = "SIGPIPE",	   [SIGALRM] = "SIGALRM",     [SIGTERM] = "SIGTERM",
	[SIGSTKFLT] = "SIGSTKFLT", [SIGCHLD] = "SIGCHLD",     [SIGCONT] = "SIGCONT",
	[SIGSTOP] = "SIGSTOP",	   [SIGTSTP] = "SIGTSTP",     [SIGTTIN] = "SIGTTIN",
	[SIGTTOU] = "SIGTTOU",	   [SIGURG] = "SIGURG",	      [SIGXCPU] = "SIGXCPU",
	[SIGXFSZ] = "SIGXFSZ",	   [SIGVTALRM] = "SIGVTALRM", [SIGPROF] = "SIGPROF",
	[SIGWINCH] = "SIGWINCH",   [SIGIO] = "SIGIO",	      [SIGPWR] = "SIGPWR",
	[SIGSYS] = "SIGSYS",
};

void spawn_describe_exit(int code, int status, char *dst, size_t cap)
{
	const char *name = NULL;
	const char *core = code == CLD_DUMPED ? " (core dumped)" : "";

	if (code == CLD_EXITED) {
		(void)snprintf(dst, cap, "exit %d", status);
		return;
	}
	if (code != CLD_KILLED && code != CLD_DUMPED) {
		(void)snprintf(dst, cap, "state %d of code %d", status, code);
		return;
	}
	if (status > 0 && (size_t)status < ARRAY_LEN(signal_names))
		name = signal_names[status];
	if (!name)
		(void)snprintf(dst, cap, "killed by signal %d%s", status, core);
	else if (status == SIGSYS)
		(void)snprintf(dst, cap, "killed by SIGSYS: a system call its sandbox forbids%s",
			       core);
	else
		(void)snprintf(dst, cap, "killed by %s%s", name, core);
}

int spawn_signal(int pidfd, int signal, struct err *err)
{
	int r = sys_pidfd_signal(pidfd, signal);

	return r < 0 ? err_sys(err, r, "send signal %d", signal) : 0;
}
