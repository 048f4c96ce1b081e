/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the execution of hooks (OCI config.md): programs of the host's administrator with the
 * container's state as stdin. Runs in hoy-oci, and in the child for createContainer and
 * startContainer. Must never wait longer than a hook's timeout, and never let one inherit an fd.
 */
#include "engine/run/apply.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "engine/run/kernel.h"
#include "lib/fs.h"
#include "lib/own.h"

enum { HOOK_NOT_EXECUTED = 127, MS_PER_S = 1000, NS_PER_MS = 1000000 };

static const char *const point_names[RUN_HOOK_POINTS] = {
	"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop",
};

static int64_t now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * MS_PER_S + ts.tv_nsec / NS_PER_MS;
}

static size_t fill(const char **dst, struct plan_list list)
{
	size_t n = 0;
	const char *text;

	while (n < RUN_ARGS_MAX && (text = plan_next_text(&list)))
		dst[n++] = text;
	dst[n] = NULL;
	return n;
}

/*
 * A hook without an environment inherits one, as in other runtimes: startContainer the program's,
 * for it is the container's, and all others the one of their starter.
 */
static _Noreturn void execute(const struct plan *plan, const struct plan_hook *hook, int input)
{
	bool bare = hook->env.count == 0;
	bool inherits = hook->point == RUN_HOOK_START_CONTAINER && bare;
	static const char *argv[RUN_ARGS_MAX + 1], *env[RUN_ARGS_MAX + 2];
	const char *home;
	sigset_t none;
	size_t count;

	fill(argv, hook->argv);
	count = fill(env, inherits ? plan->env : hook->env);
	home = inherits ? apply_home(plan) : NULL;
	if (home)
		env[count] = home;
	/* hoy-oci reads its signals from an fd: they are blocked there. */
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (dup2(input, 0) < 0 || k_close_range(3, ~0u) < 0)
		_exit(HOOK_NOT_EXECUTED);
	execve(hook->path, (char *const *)(uintptr_t)argv,
	       bare && !inherits ? environ : (char *const *)(uintptr_t)env);
	_exit(HOOK_NOT_EXECUTED);
}

/* The state goes into a memfd: no reader is needed, and no hook can make the writer wait. */
static int make_state(const struct plan *plan, enum run_hook_point point, int64_t pid,
		      struct err *err)
{
	OWN_FD int fd = memfd_create("state", MFD_CLOEXEC);
	char text[24];
	int n = snprintf(text, sizeof(text), "%lld", (long long)pid), r;

	if (fd < 0)
		return err_sys(err, -errno, "hook: make its state");
	if (!plan->state_head[point][0])
		return take_fd(&fd);
	r = fs_write_fd(fd, plan->state_head[point], strlen(plan->state_head[point]), err);
	if (r == 0)
		r = fs_write_fd(fd, text, (size_t)n, err);
	if (r == 0)
		r = fs_write_fd(fd, plan->state_tail[point], strlen(plan->state_tail[point]), err);
	if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
		r = err_sys(err, -errno, "hook: rewind its state");
	return r < 0 ? r : take_fd(&fd);
}

static int await(const struct plan_hook *hook, unsigned number, int pidfd, struct err *err)
{
	int64_t end = now_ms() + (int64_t)hook->timeout_s * MS_PER_S;
	struct pollfd wait = { .fd = pidfd, .events = POLLIN };
	const char *what = point_names[hook->point];
	siginfo_t info = { 0 };
	bool late = false;

	for (;;) {
		int64_t left = hook->timeout_s ? end - now_ms() : MS_PER_S;
		int n = left > 0 ? poll(&wait, 1, left > MS_PER_S ? MS_PER_S : (int)left) : 0;

		if (n > 0)
			break;
		if (left <= 0) {
			late = true;
			(void)k_pidfd_signal(pidfd, SIGKILL);
			break;
		}
	}
	while (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) < 0 && errno == EINTR)
		;
	if (late)
		return err_set(err, -ETIMEDOUT,
			       "error running %s hook #%u: %s took longer than %u s", what, number,
			       hook->path, hook->timeout_s);
	if (info.si_code != CLD_EXITED)
		return err_set(err, -EIO, "error running %s hook #%u: %s: killed by signal %d%s",
			       what, number, hook->path, info.si_status,
			       info.si_status == SIGSYS ? ": bad system call" : "");
	if (info.si_status == HOOK_NOT_EXECUTED)
		return err_set(err, -ENOENT,
			       "error running %s hook #%u: %s: exit status 127, or it cannot be "
			       "run",
			       what, number, hook->path);
	return info.si_status ? err_set(err, -EIO, "error running %s hook #%u: %s: exit status %d",
					what, number, hook->path, info.si_status)
			      : 0;
}

static int run_hook(const struct plan *plan, const struct plan_hook *hook, unsigned number,
		    int64_t pid, struct err *err)
{
	OWN_FD int state = make_state(plan, hook->point, pid, err);
	OWN_FD int pidfd = -1;
	long child;

	if (state < 0)
		return state;
	child = k_fork(0, -1, &pidfd);
	if (child == 0)
		execute(plan, hook, state);
	if (child < 0)
		return err_sys(err, (int)child, "start the hook %s", hook->path);
	return await(hook, number, pidfd, err);
}

int apply_hooks(const struct plan *plan, enum run_hook_point point, int64_t pid, struct err *err)
{
	bool goes_on = point == RUN_HOOK_POSTSTART || point == RUN_HOOK_POSTSTOP;
	struct plan_list hooks = plan->hooks;
	struct plan_hook hook;
	unsigned number = 0; /* as in config.json's list */
	int result = 0;

	if (!(plan->hook_points & 1u << point))
		return 0;
	while ((result == 0 || goes_on) && plan_next_hook(&hooks, &hook)) {
		int r;

		if (hook.point != point)
			continue;
		r = run_hook(plan, &hook, number++, pid, result == 0 ? err : NULL);
		result = result == 0 ? r : result;
	}
	return result;
}

int apply_hooks_before_pivot(struct apply *apply, struct err *err)
{
	const uint32_t runtime = 1u << RUN_HOOK_PRESTART | 1u << RUN_HOOK_CREATE_RUNTIME;
	int r = 0;

	if (apply->plan->hook_points & runtime) {
		r = apply_say(apply, APPLY_HOOKS);
		if (r < 0)
			return err_sys(err, r, "tell that the hooks may run");
		r = apply_wait_word(apply, err);
	}
	return r < 0 ? r : apply_hooks(apply->plan, RUN_HOOK_CREATE_CONTAINER, getpid(), err);
}

int apply_hooks_at_start(struct apply *apply, struct err *err)
{
	return apply_hooks(apply->plan, RUN_HOOK_START_CONTAINER, getpid(), err);
}
