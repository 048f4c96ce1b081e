/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the order of steps for a container's first process, and its namespaces and root. Runs in the
 * child of the shim, alone in its mount namespace: nothing of the container runs yet. Must never
 * touch a path of the image other than through openat2 inside the new root.
 */
#include "engine/run/apply.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>
#include "engine/run/kernel.h"
#include "lib/fs.h"
#include "lib/own.h"

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

/* In a network namespace that we made nobody else would do it; a joined one is its owner's. */
static int raise_loopback(struct apply *apply, struct err *err)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	OWN_FD int fd = -1;

	if (!(apply->plan->flags & PLAN_FLAG_LISTED) ||
	    apply->plan->ns[PLAN_NS_NET].mode != RUN_NS_MODE_NEW)
		return 0;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 && errno == EAFNOSUPPORT)
		return 0;
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		return err_sys(err, -errno, "raise the loopback interface");
	return 0;
}

/* Where the new root is attached: hooks look for it at its place on the host. */
static int open_root_place(struct apply *apply)
{
	const char *path = apply->plan->root_path;
	int fd = -1;

	while (*path == '/')
		path++;
	if (*path)
		fd = fs_open(apply->old_root, path, FS_IN_ROOT, O_PATH | O_DIRECTORY, 0, NULL);
	return fd < 0 ? fcntl(apply->old_root, F_DUPFD_CLOEXEC, 3) : fd;
}

/*
 * Without a place of its own the new root is stacked over the old one, so that mounts can be
 * attached below it by fd.
 */
static int attach_root(struct apply *apply, struct err *err)
{
	const unsigned wanted = apply->plan->root_propagation & ~(unsigned)PLAN_PROPAGATION_BELOW;
	const struct k_mount_change outside = {
		.propagation = wanted == RUN_PROPAGATION_SLAVE || wanted == RUN_PROPAGATION_SHARED
				       ? MS_SLAVE
				       : MS_PRIVATE,
		.userns_fd = -1,
	};
	OWN_FD int place = -1;
	int r;

	umask(0);
	apply->old_root = fs_open(AT_FDCWD, "/", FS_HOST, O_PATH | O_DIRECTORY | O_CLOEXEC, 0, err);
	if (apply->old_root < 0)
		return apply->old_root;
	r = k_change_mount(apply->old_root, &outside, 1);
	if (r < 0)
		return err_sys(err, r, "make the mounts private");
	/* The clone would else be in the peer group of the host's mount. */
	r = k_make_private(apply->root_tree);
	if (r < 0)
		return err_sys(err, r, "make the container's root private");
	place = open_root_place(apply);
	r = k_attach(apply->root_tree, place);
	if (r < 0)
		return err_sys(err, r, "attach the container's root");
	apply->root = apply->root_tree;
	return 0;
}

static int set_root_propagation(struct apply *apply, struct err *err)
{
	static const uint64_t kernel[RUN_PROPAGATION_KINDS] = {
		[RUN_PROPAGATION_SLAVE] = MS_SLAVE,
		[RUN_PROPAGATION_SHARED] = MS_SHARED,
		[RUN_PROPAGATION_UNBINDABLE] = MS_UNBINDABLE,
	};
	uint8_t wanted = apply->plan->root_propagation;
	struct k_mount_change change = { .propagation = kernel[wanted & ~PLAN_PROPAGATION_BELOW],
					 .userns_fd = -1 };
	int r = 0;

	if (change.propagation)
		r = k_change_mount(apply->root, &change, (wanted & PLAN_PROPAGATION_BELOW) != 0);
	return r < 0 ? err_sys(err, r, "rootfsPropagation") : 0;
}

/*
 * Without pivot_root the old root stays in the mount namespace. Where it has a bare /proc or /sys,
 * the kernel lets a user namespace inside of the container mount a new one without our masks.
 */
static void hide_old(struct apply *apply)
{
	static const char *const names[] = { "proc", "sys" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		int r = 0;

		/* Until what is there is no mount any more: they may lie one over another. */
		while (r == 0) {
			OWN_FD int fd = fs_open(apply->old_root, names[i], FS_BENEATH_XDEV,
						O_PATH | O_DIRECTORY | O_NOFOLLOW, 0, NULL);

			r = fd < 0 || fchdir(fd) < 0 ? -1 : umount2(".", MNT_DETACH);
		}
	}
}

/*
 * A container in the mount namespace of its runtime: what was put together for it becomes its root,
 * as a tree that is attached nowhere. So nobody on the host sees these mounts, and they go with the
 * last one who lives in them.
 */
static int return_to_host(struct apply *apply, struct err *err)
{
	OWN_FD int tree = k_clone_tree(apply->root, 1);

	if (tree < 0)
		return err_sys(err, tree, "clone the root");
	if (setns(apply->host_mount, CLONE_NEWNS) < 0)
		return err_sys(err, -errno, "return to the host's mount namespace");
	if (fchdir(tree) < 0 || chroot(".") < 0)
		return err_sys(err, -errno, "enter the new root");
	/* These are of the namespace that is gone. */
	own_close(&apply->cwd);
	own_close(&apply->dev);
	apply->root = fs_open(AT_FDCWD, "/", FS_HOST, O_PATH | O_DIRECTORY | O_CLOEXEC, 0, err);
	if (apply->root < 0)
		return apply->root;
	return apply_cwd_open(apply, err);
}

static int pivot(struct apply *apply, struct err *err)
{
	int r;

	if (apply->host_mount >= 0)
		return return_to_host(apply, err);
	if (apply->plan->flags & PLAN_FLAG_NO_PIVOT)
		hide_old(apply);
	if (fchdir(apply->root) < 0)
		return err_sys(err, -errno, "enter the root");
	if (!(apply->plan->flags & PLAN_FLAG_NO_PIVOT)) {
		r = k_pivot_root(".", ".");
		if (r < 0)
			return err_sys(err, r, "change the root");
		/* The old root now lies over the new one. */
		if (fchdir(apply->old_root) < 0 || umount2(".", MNT_DETACH) < 0)
			return err_sys(err, -errno, "take away the old root");
	}
	if (fchdir(apply->root) < 0 || chroot(".") < 0)
		return err_sys(err, -errno, "enter the new root");
	return set_root_propagation(apply, err);
}

const struct apply_step apply_container_steps[] = {
	{ "session", apply_session },
	{ "user namespace", apply_user_wait },
	{ "oom score", apply_oom_score },
	{ "namespaces", apply_join },
	{ "names", set_names },
	{ "network", raise_loopback },
	{ "root", attach_root },
	{ "mounts", apply_ops },
	{ "hooks", apply_hooks_before_pivot },
	{ "working directory", apply_cwd_open },
	{ "pivot", pivot },
	{ "stdio", apply_stdio },
	{ "limits", apply_limits },
	{ "scheduler", apply_schedule },
	{ "user", apply_user },
	{ "unable to start container process: exec", apply_find_program }, /* runc's words */
	{ "seccomp", apply_filter_first },
	{ "gate", apply_gate },
	{ "seccomp", apply_filter },
	{ "hooks", apply_hooks_at_start }, /* what the program may not do they may not */
	{ "capabilities", apply_caps },
	{ "init", apply_first_process },
	{ "exec", apply_execute },
	{ NULL, NULL },
};
