/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the order of steps for a container's first process, and its namespaces and root. Runs in the
 * child of the shim, alone in its mount namespace: nothing of the container runs yet. Must never
 * touch a path of the image other than through openat2 inside the new root.
 */
#include "engine/run/apply.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>
#include "engine/run/kernel.h"
#include "lib/fs.h"
#include "lib/own.h"

static int join_namespaces(struct apply *apply, struct err *err)
{
	static const int types[PLAN_NS_COUNT] = {
		[PLAN_NS_IPC] = CLONE_NEWIPC,	 [PLAN_NS_UTS] = CLONE_NEWUTS,
		[PLAN_NS_NET] = CLONE_NEWNET,	 [PLAN_NS_CGROUP] = CLONE_NEWCGROUP,
		[PLAN_NS_TIME] = (int)K_NS_TIME,
	};
	const struct run_ns *ns = apply->plan->ns;

	for (int i = 0; i < PLAN_NS_COUNT; i++) {
		if (!types[i] || ns[i].mode != RUN_NS_MODE_FD)
			continue;
		if (setns(ns[i].fd, types[i]) < 0)
			return err_sys(err, -errno, "join namespace %d of fd %d", i, ns[i].fd);
	}
	if (ns[PLAN_NS_CGROUP].mode == RUN_NS_MODE_NEW && unshare(CLONE_NEWCGROUP) < 0)
		return err_sys(err, -errno, "new cgroup namespace");
	return 0;
}

static int set_names(struct apply *apply, struct err *err)
{
	const struct plan *plan = apply->plan;

	if (plan->ns[PLAN_NS_UTS].mode == RUN_NS_MODE_HOST)
		return 0;
	if (plan->hostname[0] && sethostname(plan->hostname, strlen(plan->hostname)) < 0)
		return err_sys(err, -errno, "hostname %s", plan->hostname);
	if (plan->domainname[0] && setdomainname(plan->domainname, strlen(plan->domainname)) < 0)
		return err_sys(err, -errno, "domain name %s", plan->domainname);
	return 0;
}

/* The new root is stacked over the old one, so that mounts can be attached below it by fd. */
static int attach_root(struct apply *apply, struct err *err)
{
	int r;

	umask(0);
	apply->old_root = fs_open(AT_FDCWD, "/", FS_HOST, O_PATH | O_DIRECTORY | O_CLOEXEC, 0, err);
	if (apply->old_root < 0)
		return apply->old_root;
	r = k_make_private(apply->old_root);
	if (r < 0)
		return err_sys(err, r, "make the mounts private");
	r = k_attach(apply->root_tree, apply->old_root);
	if (r < 0)
		return err_sys(err, r, "attach the container's root");
	apply->root = apply->root_tree;
	return 0;
}

static int pivot(struct apply *apply, struct err *err)
{
	int r;

	if (fchdir(apply->root) < 0)
		return err_sys(err, -errno, "enter the root");
	r = k_pivot_root(".", ".");
	if (r < 0)
		return err_sys(err, r, "change the root");
	/* The old root now lies over the new one. */
	if (fchdir(apply->old_root) < 0 || umount2(".", MNT_DETACH) < 0)
		return err_sys(err, -errno, "take away the old root");
	if (fchdir(apply->root) < 0 || chroot(".") < 0)
		return err_sys(err, -errno, "enter the new root");
	return 0;
}

const struct apply_step apply_container_steps[] = {
	{ "session", apply_session },
	{ "oom score", apply_oom_score },
	{ "namespaces", join_namespaces },
	{ "names", set_names },
	{ "root", attach_root },
	{ "mounts", apply_ops },
	{ "working directory", apply_cwd_open },
	{ "pivot", pivot },
	{ "stdio", apply_stdio },
	{ "limits", apply_limits },
	{ "user", apply_user },
	{ "exec", apply_execute },
	{ NULL, NULL },
};
