/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the order of steps for a further process in a running container. Runs in a child of the
 * shim that is born in the container's PID namespace and cgroup. The container may be hostile and
 * can see this process: it is not dumpable and holds no fd it does not need. Must never open a path
 * of the container before it stands inside, and never one of its /proc.
 */
#include "engine/run/apply.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>
#include "engine/run/kernel.h"
#include "engine/run/user_namespace.h"
#include "lib/defence.h"
#include "lib/fs.h"
#include "lib/own.h"

enum { EXEC_FD_FIRST = 3, EXEC_FDS = 8 };

/* Moves the fds that are still needed behind the preserved ones and closes all others. */
static int gather_fds(struct apply *apply, struct err *err)
{
	int *const kept[EXEC_FDS] = { &apply->report,	&apply->pidfd,	  &apply->stdio[0],
				      &apply->stdio[1], &apply->stdio[2], &apply->slave,
				      &apply->listener, &apply->root };
	const int first = EXEC_FD_FIRST + (int)apply->plan->preserve_fds;
	int copies[EXEC_FDS];

	/* First out of the way of the target numbers. */
	for (int i = 0; i < EXEC_FDS; i++) {
		copies[i] = -1;
		if (*kept[i] < 0)
			continue;
		copies[i] = fcntl(*kept[i], F_DUPFD_CLOEXEC, first + 64);
		if (copies[i] < 0)
			return err_sys(err, -errno, "keep fd %d", *kept[i]);
	}
	for (int i = 0; i < EXEC_FDS; i++) {
		if (copies[i] < 0) {
			(void)close(first + i);
			continue;
		}
		if (dup3(copies[i], first + i, O_CLOEXEC) < 0)
			return err_sys(err, -errno, "place fd %d", first + i);
		*kept[i] = first + i;
	}
	if (defence_on(DEFENCE_A3_FILES) && k_close_range((unsigned)first + EXEC_FDS, ~0u) < 0)
		return err_sys(err, -errno, "close the other fds");
	return 0;
}

/*
 * Root of a user namespace may not even join the namespaces of the machine that both are in: what
 * was not made in its own user namespace or below, the container has from where we have it from.
 * The mount namespace is never left out.
 */
static int join_own(int pidfd, int user)
{
	const int types[] = { user,	    CLONE_NEWUTS,    CLONE_NEWIPC,
			      CLONE_NEWNET, CLONE_NEWCGROUP, (int)K_NS_TIME,
			      CLONE_NEWNS };

	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		bool needed = types[i] == user || types[i] == CLONE_NEWNS;

		if (types[i] && setns(pidfd, types[i]) < 0 &&
		    (needed || (errno != EPERM && errno != EINVAL)))
			return -errno;
	}
	return 0;
}

static int join_container(struct apply *apply, struct err *err)
{
	/* The mount namespace last: it changes root and working directory. */
	const int user = apply->plan->flags & PLAN_FLAG_USER_NS ? CLONE_NEWUSER : 0;
	const int types = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET |
			  CLONE_NEWCGROUP | (int)K_NS_TIME | user;
	int r = 0;

	if (setns(apply->pidfd, types) < 0 &&
	    (errno != EINVAL || setns(apply->pidfd, types & ~(int)K_NS_TIME) < 0))
		r = errno == EPERM && user_namespace_is_nested() ? join_own(apply->pidfd, user)
								 : -errno;
	if (r < 0)
		return err_sys(err, r, "join the container's namespaces");
	own_close(&apply->pidfd);
	r = user ? apply_become_root() : 0;
	if (r < 0)
		return err_sys(err, r, "stay hidden from the container");
	if (apply->plan->flags & PLAN_FLAG_HOST_MOUNTS &&
	    (fchdir(apply->root) < 0 || chroot(".") < 0))
		return err_sys(err, -errno, "enter the container's root");
	own_close(&apply->root);
	apply->root = fs_open(AT_FDCWD, "/", FS_HOST, O_PATH | O_DIRECTORY, 0, err);
	return apply->root < 0 ? apply->root : 0;
}

const struct apply_step apply_exec_steps[] = {
	{ "session", apply_session },
	{ "oom score", apply_oom_score },
	{ "fds", gather_fds },
	{ "namespaces", join_container },
	{ "working directory", apply_cwd_open },
	{ "stdio", apply_stdio },
	{ "limits", apply_limits },
	{ "scheduler", apply_schedule },
	{ "user", apply_user },
	{ "seccomp", apply_filter_first },
	{ "seccomp", apply_filter },
	{ "capabilities", apply_caps },
	{ "exec", apply_execute },
	{ NULL, NULL },
};
