/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns namespaces: which are new, which are joined, and the maps of user namespaces. Runs in the
 * shim or in hoy-oci and in their child. Must never leave the caller in a namespace that is not its
 * own unless it said that it starts nothing else.
 */
#include "engine/run/apply.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>
#include "engine/run/kernel.h"
#include "lib/defence.h"
#include "lib/fs.h"
#include "lib/own.h"

/* By enum plan_ns; the cgroup namespace is made by unshare, in the container's own group. */
static const struct {
	int type;
	const char *name, *own;
} kinds[PLAN_NS_COUNT] = {
	[PLAN_NS_PID] = { CLONE_NEWPID, "PID", "/proc/self/ns/pid" },
	[PLAN_NS_IPC] = { CLONE_NEWIPC, "IPC", "/proc/self/ns/ipc" },
	[PLAN_NS_UTS] = { CLONE_NEWUTS, "UTS", "/proc/self/ns/uts" },
	[PLAN_NS_NET] = { CLONE_NEWNET, "network", "/proc/self/ns/net" },
	[PLAN_NS_CGROUP] = { CLONE_NEWCGROUP, "cgroup", "/proc/self/ns/cgroup" },
	[PLAN_NS_TIME] = { (int)K_NS_TIME, "time", "/proc/self/ns/time" },
	[PLAN_NS_USER] = { CLONE_NEWUSER, "user", "/proc/self/ns/user" },
	[PLAN_NS_MOUNT] = { CLONE_NEWNS, "mount", "/proc/self/ns/mnt" },
};

uint64_t apply_new_namespaces(const struct plan *plan)
{
	uint64_t namespaces = 0;

	for (int i = 0; i < PLAN_NS_COUNT; i++)
		if (plan->ns[i].mode == RUN_NS_MODE_NEW && i != PLAN_NS_CGROUP)
			namespaces |= (uint64_t)kinds[i].type;
	/* Its root is put together apart from the host's mounts also if it comes back to them. */
	if (plan->ns[PLAN_NS_MOUNT].mode == RUN_NS_MODE_HOST)
		namespaces |= CLONE_NEWNS;
	/* Offsets have to be written before anybody lives there: the caller made it. */
	if (plan->flags & PLAN_FLAG_TIME_OFFSETS)
		namespaces &= ~(uint64_t)K_NS_TIME;
	return namespaces;
}

static int join(const struct plan *plan, int kind, struct err *err)
{
	return setns(plan->ns[kind].fd, kinds[kind].type) < 0
		       ? err_sys(err, -errno, "join the %s namespace of fd %d", kinds[kind].name,
				 plan->ns[kind].fd)
		       : 0;
}

/* ---- user namespaces ---- */

static int write_map(int pid, const char *file, const char *map, struct err *err)
{
	char path[48];

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	return fs_write_control(AT_FDCWD, path, str_from(map), err);
}

int apply_write_maps(const struct plan *plan, int pid, struct err *err)
{
	const char *all = defence_on(DEFENCE_A25_USERS) ? NULL : "0 0 4294967295\n";
	char text[16];
	int r = write_map(pid, "uid_map", all ? all : plan->uid_map, err);

	if (r == 0)
		r = write_map(pid, "gid_map", all ? all : plan->gid_map, err);
	if (r < 0 || plan->flags & PLAN_FLAG_OOM_INHERIT)
		return r;
	/* The child is not dumpable and no root here: its own files are closed to it. */
	(void)snprintf(text, sizeof(text), "%d", plan->oom_score_adj);
	return write_map(pid, "oom_score_adj", text, err);
}

int apply_become_root(void)
{
	/* Without a root in the map one stays nobody, with all capabilities. */
	(void)setgroups(0, NULL);
	(void)setresgid(0, 0, 0);
	(void)setresuid(0, 0, 0);
	return apply_hide();
}

int apply_user_wait(struct apply *apply, struct err *err)
{
	int r;

	if (apply->plan->ns[PLAN_NS_USER].mode != RUN_NS_MODE_NEW)
		return 0;
	r = apply_wait_word(apply, err);
	if (r < 0)
		return r;
	r = apply_become_root();
	return r < 0 ? err_sys(err, r, "stay hidden from the container") : 0;
}

/*
 * In a first child: what can be joined as root of the host is, then the user namespace, then the
 * rest as its root. Its sibling is born into what is new: the kernel makes that belong to the user
 * namespace that was joined.
 */
int apply_enter_joined_user(struct apply *apply, struct err *err)
{
	const struct plan *plan = apply->plan;
	bool left[PLAN_NS_COUNT] = { false };
	int r;

	for (int i = 0; i < PLAN_NS_COUNT; i++)
		if (i != PLAN_NS_USER && plan->ns[i].mode == RUN_NS_MODE_FD)
			left[i] = join(plan, i, NULL) < 0;
	r = join(plan, PLAN_NS_USER, err);
	for (int i = 0; r == 0 && i < PLAN_NS_COUNT; i++)
		if (left[i])
			r = join(plan, i, err);
	if (r < 0)
		return r;
	r = apply_become_root();
	return r < 0 ? err_sys(err, r, "stay hidden from the container") : 0;
}

/* ---- what the caller does before and after the fork ---- */

/*
 * A child that is born into a new user namespace can join nothing of the host's any more: the
 * caller does it for it and comes back. Without user namespace the child joins by itself.
 */
int apply_join_outside(const struct plan *plan, int saved[PLAN_NS_COUNT], struct err *err)
{
	for (int i = 0; i < PLAN_NS_COUNT; i++) {
		int r;

		if (i == PLAN_NS_USER || i == PLAN_NS_PID || plan->ns[i].mode != RUN_NS_MODE_FD)
			continue;
		if (i == PLAN_NS_MOUNT)
			return err_set(err, -ENOTSUP,
				       "a joined mount namespace with a new user namespace: this "
				       "version does not carry it out");
		saved[i] = fs_open(AT_FDCWD, kinds[i].own, FS_HOST, O_RDONLY, 0, err);
		if (saved[i] < 0)
			return saved[i];
		r = join(plan, i, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int apply_return(int saved[PLAN_NS_COUNT], struct err *err)
{
	int r = 0;

	for (int i = 0; i < PLAN_NS_COUNT; i++) {
		if (saved[i] >= 0 && setns(saved[i], kinds[i].type) < 0 && r == 0)
			r = err_sys(err, -errno, "return to the own %s namespace", kinds[i].name);
		own_close(&saved[i]);
	}
	return r;
}

int apply_time_offsets(const struct plan *plan, int *ret_saved, struct err *err)
{
	char text[128];
	int n, r;

	*ret_saved = fs_open(AT_FDCWD, "/proc/self/ns/time", FS_HOST, O_RDONLY, 0, err);
	if (*ret_saved < 0)
		return *ret_saved;
	if (unshare((int)K_NS_TIME) < 0)
		return err_sys(err, -errno, "new time namespace");
	n = snprintf(text, sizeof(text), "monotonic %lld %u\nboottime %lld %u\n",
		     (long long)plan->monotonic.secs, plan->monotonic.nanosecs,
		     (long long)plan->boottime.secs, plan->boottime.nanosecs);
	r = fs_write_control(AT_FDCWD, "/proc/self/timens_offsets", str_make(text, (size_t)n), err);
	return r < 0 ? err_prefix(err, "timeOffsets") : 0;
}

/* ---- in the child ---- */

int apply_join(struct apply *apply, struct err *err)
{
	const struct run_ns *ns = apply->plan->ns;

	for (int i = 0; i < PLAN_NS_COUNT && ns[PLAN_NS_USER].mode == RUN_NS_MODE_HOST; i++) {
		int r = 0;

		if (i != PLAN_NS_PID && ns[i].mode == RUN_NS_MODE_FD)
			r = join(apply->plan, i, err);
		if (r < 0)
			return r;
	}
	if (ns[PLAN_NS_CGROUP].mode == RUN_NS_MODE_NEW && unshare(CLONE_NEWCGROUP) < 0)
		return err_sys(err, -errno, "new cgroup namespace");
	return 0;
}
