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
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include "engine/run/device.h"
#include "engine/run/kernel.h"
#include "engine/run/user_namespace.h"
#include "lib/defence.h"
#include "lib/fs.h"
#include "lib/own.h"
#include "lib/vchild.h"

enum {
	PTMX_MAJOR = 5,
	PTMX_MINOR = 2,
	EXIT_NOT_STARTED = 126,
	PTS_OPTIONS_MAX = 64,
	CHILD_STACK = 128 << 10
};

void apply_init(struct apply *apply, const struct plan *plan)
{
	memset(apply, 0xff, sizeof(*apply)); /* every fd is -1 */
	apply->plan = plan;
	apply->patient = false;
}

void apply_close(struct apply *apply)
{
	own_close(&apply->report);
	own_close(&apply->sync[0]);
	own_close(&apply->gate);
	for (int i = 0; i < 3; i++)
		own_close(&apply->stdio[i]);
	own_close(&apply->slave);
	own_close(&apply->root_tree);
	own_close(&apply->group_tree);
	own_close(&apply->device_tree);
	own_close(&apply->host_mount);
	for (size_t i = 0; i < ARRAY_LEN(apply->trees); i++)
		own_close(&apply->trees[i]);
}

/* The options of the container's devpts, NULL when it has none. */
static const char *devpts_options(const struct plan *plan, struct plan_op *op,
				  char text[PTS_OPTIONS_MAX])
{
	struct plan_list ops = plan->ops;

	while (plan_next_op(&ops, op)) {
		if (op->kind == PLAN_OP_PTS) {
			(void)snprintf(text, PTS_OPTIONS_MAX, "mode=620,ptmxmode=666,gid=%u",
				       op->gid ? op->gid : (unsigned)PLAN_TTY_GROUP);
			return text;
		}
		if (op->kind == PLAN_OP_FILESYSTEM && strcmp(op->type, "devpts") == 0 &&
		    strcmp(op->target, "/dev/pts") == 0)
			return op->data;
	}
	return NULL;
}

static bool waits_for_caller(const struct plan *plan)
{
	return plan->ns[PLAN_NS_USER].mode == RUN_NS_MODE_NEW ||
	       plan->hook_points & (1u << RUN_HOOK_PRESTART | 1u << RUN_HOOK_CREATE_RUNTIME);
}

static int open_host_mount(struct apply *apply, struct err *err)
{
	apply->host_mount = fs_open(AT_FDCWD, "/proc/self/ns/mnt", FS_HOST, O_RDONLY, 0, err);
	return apply->host_mount < 0 ? apply->host_mount : 0;
}

int apply_prepare(struct apply *apply, int root_fd, int *ret_pts, struct err *err)
{
	const struct plan *plan = apply->plan;
	struct plan_op op;
	char text[PTS_OPTIONS_MAX];
	const char *options = devpts_options(plan, &op, text);
	int r = 0;

	*ret_pts = -1;
	/* In a user namespace the kernel takes no device program, and lets nobody make a device. */
	if (apply->cgroup >= 0 && defence_on(DEFENCE_A21_DEVICES) &&
	    (plan->devices.len > 0 || !user_namespace_is_nested()))
		r = device_attach(apply->cgroup, plan->devices.ptr, plan->devices.len, err);
	/* In the child's mount namespace the fd names a mount of another one, which has no clones.
	 */
	if (r == 0 && apply->cgroup >= 0 && plan->flags & PLAN_FLAG_LISTED &&
	    (plan->ns[PLAN_NS_CGROUP].mode == RUN_NS_MODE_HOST ||
	     plan->ns[PLAN_NS_USER].mode != RUN_NS_MODE_HOST))
		apply->group_tree = k_clone_tree(apply->cgroup, 0);
	if (r == 0)
		r = apply_clone_sources(apply, root_fd, err);
	if (r == 0)
		r = apply_make_devices(apply, err);
	if (r == 0 && plan->flags & PLAN_FLAG_HOST_MOUNTS)
		r = open_host_mount(apply, err);
	if (r == 0 && waits_for_caller(plan) && pipe2(apply->sync, O_CLOEXEC) < 0)
		r = err_sys(err, -errno, "make a pipe");
	if (r < 0 || !options)
		return r;
	if (plan->flags & PLAN_FLAG_PTS_INSIDE)
		return 0;
	apply->pts_tree =
		apply_new_mount_data("devpts", "devpts", options, apply_attributes(op.flags), err);
	if (apply->pts_tree < 0)
		return apply->pts_tree;
	*ret_pts = apply->pts_tree;
	return 0;
}

int apply_open_tty(struct apply *apply, int pts, int *ret_master, struct err *err)
{
	OWN_FD int master =
		pts < 0 ? -1
			: fs_open(pts, "ptmx", FS_BENEATH, O_RDWR | O_NOCTTY | O_NOFOLLOW, 0, err);
	struct winsize size = { .ws_row = apply->plan->rows, .ws_col = apply->plan->columns };
	struct stat st;
	int unlock = 0;

	if (pts < 0)
		return err_set(err, -ENXIO, "terminal: the container has no devpts at /dev/pts");
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
	/* In a user namespace the container's root could not do it: the node is ours. */
	if (apply->plan->flags & PLAN_FLAG_USER_NS && apply->plan->owner != UINT32_MAX &&
	    fchown(apply->slave, apply->plan->owner, (gid_t)-1) < 0)
		return err_sys(err, -errno, "terminal: give it to the user");
	*ret_master = take_fd(&master);
	return 0;
}

/* In the child. Never returns. */
static _Noreturn void run_steps(struct apply *apply)
{
	const struct apply_step *step =
		apply->plan->kind == PLAN_KIND_EXEC ? apply_exec_steps : apply_container_steps;
	static struct err err;
	ssize_t n;

	if (apply->sibling_report >= 0)
		apply->report = apply->sibling_report;
	for (; step->name; step++) {
		if (step->run(apply, &err) < 0) {
			(void)err_prefix(&err, "%s", step->name);
			break;
		}
	}
	n = write(apply->report, &err, sizeof(err));
	_exit(n == sizeof(err) ? EXIT_NOT_STARTED : EXIT_NOT_STARTED + 1);
}

/* The first of two children: joins the user namespace and has a sibling born there. */
static _Noreturn void run_first(struct apply *apply)
{
	const int sibling_report = apply->sibling_report;
	struct err err = { 0 };
	long pid;

	/* Here it can be written yet; whoever has an elder sibling leaves it alone. */
	apply->sibling_report = -1;
	pid = apply_oom_score(apply, &err);
	apply->sibling_report = sibling_report;
	if (pid < 0 || apply_enter_joined_user(apply, &err) < 0)
		pid = -1;
	else
		pid = k_fork_sibling(apply_new_namespaces(apply->plan));
	if (pid == 0)
		run_steps(apply);
	if (pid < 0 && err.code == 0)
		(void)err_sys(&err, (int)pid, "start a process in new namespaces");
	if (pid > 0) {
		err.code = APPLY_CHILD;
		(void)snprintf(err.text, sizeof(err.text), "%ld", pid);
	}
	_exit(write(apply->report, &err, sizeof(err)) == sizeof(err) ? 0 : EXIT_NOT_STARTED);
}

/*
 * What the first child said: the pid of its sibling, who is our child. The report pipe is read
 * through an fd of our own, for the other end is with the caller's loop.
 */
static long await_sibling(int report_read, int *pidfd, struct err *err)
{
	struct err word = { 0 };
	ssize_t n = read(report_read, &word, sizeof(word));
	siginfo_t info;
	uint64_t pid = 0;

	while (waitid(P_PIDFD, (id_t)*pidfd, &info, WEXITED) < 0 && errno == EINTR)
		;
	own_close(pidfd);
	if (n == sizeof(word) && word.code < 0) {
		*err = word;
		return word.code;
	}
	word.text[sizeof(word.text) - 1] = '\0';
	if (n != sizeof(word) || word.code != APPLY_CHILD ||
	    str_to_u64(str_from(word.text), 1, INT32_MAX, &pid) < 0)
		return err_set(err, -EIO, "start: the process ended before its program ran");
	*pidfd = k_pidfd_open((int)pid);
	return *pidfd < 0 ? err_sys(err, *pidfd, "start: open the process") : (long)pid;
}

static long start_in_joined_user(struct apply *apply, int *pidfd, struct err *err)
{
	int ends[2], report = apply->report;
	long pid;

	/* Its first word goes through a pipe of its own, what the sibling says through the report.
	 */
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(err, -errno, "make a pipe");
	pid = k_fork(0, apply->cgroup, pidfd);
	if (pid == 0) {
		struct apply first = *apply;

		first.report = ends[1];
		first.sibling_report = report;
		run_first(&first);
	}
	own_close(&ends[1]);
	if (pid < 0)
		(void)err_sys(err, (int)pid, "start a process");
	else
		pid = await_sibling(ends[0], pidfd, err);
	own_close(&ends[0]);
	return pid;
}

/* Into the PID namespace that the child shall be born in, and what else it cannot join itself. */
static int go_there(struct apply *apply, int saved[PLAN_NS_COUNT], struct err *err)
{
	const struct plan *plan = apply->plan;
	const struct run_ns *pid_ns = &plan->ns[PLAN_NS_PID];
	bool exec = plan->kind == PLAN_KIND_EXEC;
	int r = 0;

	for (int i = 0; i < PLAN_NS_COUNT; i++)
		saved[i] = -1;
	if (plan->flags & PLAN_FLAG_TIME_OFFSETS)
		r = apply_time_offsets(plan, &saved[PLAN_NS_TIME], err);
	if (r == 0 && !exec && plan->ns[PLAN_NS_USER].mode == RUN_NS_MODE_NEW)
		r = apply_join_outside(plan, saved, err);
	/* A process cannot change its own PID namespace, only that of its children. */
	if (r == 0 && (exec || pid_ns->mode == RUN_NS_MODE_FD) &&
	    plan->ns[PLAN_NS_USER].mode != RUN_NS_MODE_FD &&
	    setns(exec ? apply->pidfd : pid_ns->fd, CLONE_NEWPID) < 0)
		r = err_sys(err, -errno, "join the PID namespace");
	return r;
}

/* Nothing of the way to the program needs the caller, who may sleep over it. */
static bool goes_alone(const struct apply *apply)
{
	const struct plan *plan = apply->plan;

	return apply->patient && plan->kind == PLAN_KIND_CONTAINER && apply->gate < 0 &&
	       plan->hook_points == 0 && !waits_for_caller(plan) &&
	       plan->ns[PLAN_NS_TIME].mode == RUN_NS_MODE_HOST &&
	       !(plan->flags & (PLAN_FLAG_LISTENER | PLAN_FLAG_INIT | PLAN_FLAG_TIME_OFFSETS));
}

/* The caller's memory is the child's: what it changes has to be its own. */
static void run_steps_alone(void *owner)
{
	struct apply own = *(const struct apply *)owner;

	run_steps(&own);
}

/* A copy of the caller's memory would be thrown away by execve a moment later. */
static long start_alone(struct apply *apply, int *pidfd)
{
	static _Alignas(16) char stack[CHILD_STACK];

	return vchild_start(apply_new_namespaces(apply->plan), apply->cgroup, pidfd, stack,
			    sizeof(stack), run_steps_alone, apply);
}

static long fork_child(struct apply *apply, int *pidfd, struct err *err)
{
	const struct plan *plan = apply->plan;
	bool exec = plan->kind == PLAN_KIND_EXEC;
	long pid;

	if (!exec && plan->ns[PLAN_NS_USER].mode == RUN_NS_MODE_FD)
		return start_in_joined_user(apply, pidfd, err);
	pid = goes_alone(apply)
		      ? start_alone(apply, pidfd)
		      : k_fork(exec ? 0 : apply_new_namespaces(plan), apply->cgroup, pidfd);
	if (pid == -EBUSY && exec) {
		OWN_FD int group = apply_group_of(apply->pidfd, err);

		if (group < 0)
			return group;
		pid = k_fork(0, group, pidfd);
	}
	if (pid == 0)
		run_steps(apply);
	return pid < 0 ? err_sys(err, (int)pid, "start a process in new namespaces") : pid;
}

/*
 * Without the way back every later child, a hook as well, would be born in the wrong place. Root of
 * a user namespace has none, for it is not its PID namespace: then nothing may be left to fork.
 */
static int come_back(const struct plan *plan, int own_pidns_fd, int saved[PLAN_NS_COUNT],
		     struct err *err)
{
	bool forks = plan->kind != PLAN_KIND_EXEC && plan->hook_points != 0;
	int r = 0, back;

	if (own_pidns_fd >= 0 && setns(own_pidns_fd, CLONE_NEWPID) < 0 &&
	    (forks || errno != EPERM || !user_namespace_is_nested()))
		r = err_sys(err, -errno, "return to the own PID namespace");
	back = apply_return(saved, r < 0 ? NULL : err);
	return r < 0 ? r : back;
}

/* The child is there and waits, or runs; what it needs of its starter comes now. */
static int help_child(struct apply *apply, int pid, struct err *err)
{
	int r;

	if (apply->plan->kind == PLAN_KIND_EXEC ||
	    apply->plan->ns[PLAN_NS_USER].mode != RUN_NS_MODE_NEW)
		return 0;
	r = apply_write_maps(apply->plan, pid, err);
	return r < 0 ? r : apply_proceed(apply, err);
}

pid_t apply_start(struct apply *apply, int own_pidns_fd, int *ret_pidfd, struct err *err)
{
	const struct plan *plan = apply->plan;
	bool joins = plan->kind == PLAN_KIND_EXEC || plan->ns[PLAN_NS_PID].mode == RUN_NS_MODE_FD;
	OWN_FD int own = -1;
	int saved[PLAN_NS_COUNT];
	int pidfd = -1, r, back;
	long pid;

	/* Nothing of the container shall ever trace or read this process or its young children. */
	r = apply_hide();
	if (r < 0)
		return err_sys(err, r, "stay hidden from the container");
	if (joins && own_pidns_fd < 0) {
		own = fs_open(AT_FDCWD, "/proc/self/ns/pid", FS_HOST, O_RDONLY, 0, err);
		if (own < 0)
			return own;
		own_pidns_fd = own;
	}
	r = go_there(apply, saved, err);
	pid = r < 0 ? r : fork_child(apply, &pidfd, err);
	back = come_back(plan, joins ? own_pidns_fd : -1, saved, pid < 0 ? NULL : err);
	if (pid < 0)
		return (pid_t)pid;
	r = back < 0 ? back : help_child(apply, (int)pid, err);
	if (r < 0) {
		siginfo_t info;

		(void)k_pidfd_signal(pidfd, SIGKILL);
		while (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) < 0 && errno == EINTR)
			;
		own_close(&pidfd);
		return r;
	}
	*ret_pidfd = pidfd;
	return (pid_t)pid;
}
