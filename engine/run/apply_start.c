/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the way from the shim into the child: what is made outside of the container, the fork, and
 * the loop over the child's steps. Runs in the shim. Must never leave a child behind that nobody
 * waits for, and never let a child go on behind an error.
 */
#include "engine/run/apply.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>
#include "engine/run/device.h"
#include "engine/run/kernel.h"
#include "lib/fs.h"
#include "lib/own.h"

enum { PTMX_MAJOR = 5, PTMX_MINOR = 2, EXIT_NOT_STARTED = 126 };

void apply_init(struct apply *apply, const struct plan *plan)
{
	memset(apply, 0xff, sizeof(*apply)); /* every fd is -1 */
	apply->plan = plan;
}

void apply_close(struct apply *apply)
{
	own_close(&apply->report);
	for (int i = 0; i < 3; i++)
		own_close(&apply->stdio[i]);
	own_close(&apply->slave);
	own_close(&apply->root_tree);
	for (size_t i = 0; i < ARRAY_LEN(apply->trees); i++)
		own_close(&apply->trees[i]);
}

uint64_t apply_attributes(uint32_t flags)
{
	return (flags & RUN_MOUNT_FLAG_READONLY ? (uint64_t)K_MOUNT_ATTR_RDONLY : 0) |
	       (flags & RUN_MOUNT_FLAG_NOSUID ? (uint64_t)K_MOUNT_ATTR_NOSUID : 0) |
	       (flags & RUN_MOUNT_FLAG_NODEV ? (uint64_t)K_MOUNT_ATTR_NODEV : 0) |
	       (flags & RUN_MOUNT_FLAG_NOEXEC ? (uint64_t)K_MOUNT_ATTR_NOEXEC : 0);
}

int apply_new_mount(const char *type, const char *const *options, uint64_t attributes,
		    struct err *err)
{
	OWN_FD int fs = k_fsopen(type);
	char message[160];
	int r;

	if (fs < 0)
		return err_sys(err, fs, "open file system type %s", type);
	(void)k_fs_string(fs, "source", type); /* what /proc/mounts shows */
	for (; options && options[0]; options += 2) {
		r = k_fs_string(fs, options[0], options[1]);
		if (r < 0)
			return err_sys(err, r, "%s option %s=%s", type, options[0], options[1]);
	}
	r = k_fs_create(fs);
	if (r < 0)
		return err_sys(err, r, "make a %s instance %s", type,
			       k_fs_message(fs, message, sizeof(message)));
	r = k_fs_mount(fs, (unsigned)attributes);
	return r < 0 ? err_sys(err, r, "mount %s", type) : r;
}

/* Bind sources and the root stand in the shim's mount namespace: only here can they be cloned. */
static int clone_sources(struct apply *apply, int root_fd, struct err *err)
{
	struct plan_list ops = apply->plan->ops;
	struct plan_op op;

	apply->root_tree = k_clone_tree(root_fd, 1);
	if (apply->root_tree < 0)
		return err_sys(err, apply->root_tree, "root: clone the mount");
	while (plan_next_op(&ops, &op)) {
		int *tree;

		if (op.fd == 0)
			continue;
		tree = &apply->trees[op.fd - SHIM_FD_EXTRA];
		if (*tree >= 0)
			continue;
		*tree = k_clone_tree(op.fd, (op.flags & RUN_MOUNT_FLAG_RECURSIVE) != 0);
		if (*tree < 0)
			return err_sys(err, *tree, "mount %s: clone the source", op.target);
	}
	return 0;
}

int apply_prepare(struct apply *apply, int root_fd, int *ret_pts, struct err *err)
{
	static const char *const options[] = { "mode", "620", "ptmxmode", "666", "gid", "5", NULL };
	const struct plan *plan = apply->plan;
	int r;

	r = device_attach(apply->cgroup, plan->devices.ptr, plan->devices.len, err);
	if (r == 0)
		r = clone_sources(apply, root_fd, err);
	if (r < 0)
		return r;
	apply->pts_tree =
		apply_new_mount("devpts", options, K_MOUNT_ATTR_NOSUID | K_MOUNT_ATTR_NOEXEC, err);
	if (apply->pts_tree < 0)
		return apply->pts_tree;
	*ret_pts = apply->pts_tree;
	return 0;
}

int apply_open_tty(struct apply *apply, int pts, int *ret_master, struct err *err)
{
	OWN_FD int master =
		fs_open(pts, "ptmx", FS_BENEATH, O_RDWR | O_NOCTTY | O_NOFOLLOW, 0, err);
	struct winsize size = { .ws_row = apply->plan->rows, .ws_col = apply->plan->columns };
	struct stat st;
	int unlock = 0;

	if (master < 0)
		return err_prefix(err, "terminal");
	if (fstat(master, &st) < 0 || !S_ISCHR(st.st_mode) ||
	    st.st_rdev != makedev(PTMX_MAJOR, PTMX_MINOR) || k_fs_type(master) != K_DEVPTS_MAGIC)
		return err_set(err, -ENODEV, "terminal: ptmx is not the device it should be");
	if (ioctl(master, TIOCSPTLCK, &unlock) < 0)
		return err_sys(err, -errno, "terminal: unlock");
	/* By the master itself, never by the name below /dev/pts. */
	apply->slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (apply->slave < 0)
		return err_sys(err, -errno, "terminal: open the slave");
	(void)ioctl(master, TIOCSWINSZ, &size);
	*ret_master = take_fd(&master);
	return 0;
}

static uint64_t new_namespaces(const struct plan *plan)
{
	/* The cgroup namespace comes later: made by clone3 its root would be the shim's group. */
	static const uint64_t flags[PLAN_NS_COUNT] = {
		[PLAN_NS_PID] = CLONE_NEWPID, [PLAN_NS_IPC] = CLONE_NEWIPC,
		[PLAN_NS_UTS] = CLONE_NEWUTS, [PLAN_NS_NET] = CLONE_NEWNET,
		[PLAN_NS_TIME] = K_NS_TIME,
	};
	uint64_t namespaces = CLONE_NEWNS;

	for (int i = 0; i < PLAN_NS_COUNT; i++)
		if (plan->ns[i].mode == RUN_NS_MODE_NEW)
			namespaces |= flags[i];
	return namespaces;
}

/* In the child. Never returns. */
static _Noreturn void run_steps(struct apply *apply)
{
	const struct apply_step *step =
		apply->plan->kind == PLAN_KIND_EXEC ? apply_exec_steps : apply_container_steps;
	static struct err err;
	ssize_t n;

	for (; step->name; step++) {
		if (step->run(apply, &err) < 0) {
			(void)err_prefix(&err, "%s", step->name);
			break;
		}
	}
	n = write(apply->report, &err, sizeof(err));
	_exit(n == sizeof(err) ? EXIT_NOT_STARTED : EXIT_NOT_STARTED + 1);
}

pid_t apply_start(struct apply *apply, int own_pidns_fd, int *ret_pidfd, struct err *err)
{
	const struct run_ns *pid_ns = &apply->plan->ns[PLAN_NS_PID];
	bool exec = apply->plan->kind == PLAN_KIND_EXEC;
	bool joins = exec || pid_ns->mode == RUN_NS_MODE_FD;
	int pidfd = -1;
	long pid;

	/* A process cannot change its own PID namespace, only that of its children. */
	if (joins && setns(exec ? apply->pidfd : pid_ns->fd, CLONE_NEWPID) < 0)
		return err_sys(err, -errno, "join the PID namespace");
	pid = k_fork(exec ? 0 : new_namespaces(apply->plan), apply->cgroup, &pidfd);
	if (pid == 0)
		run_steps(apply);
	if (joins && setns(own_pidns_fd, CLONE_NEWPID) < 0 && pid > 0) {
		/* Without the way back every later child would be born in the wrong place. */
		int r = -errno;

		(void)k_pidfd_signal(pidfd, 9);
		own_close(&pidfd);
		return err_sys(err, r, "return to the own PID namespace");
	}
	if (pid < 0)
		return err_sys(err, (int)pid, "start a process in new namespaces");
	*ret_pidfd = pidfd;
	return (pid_t)pid;
}
