/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the file systems that a config.json lists by type. Runs in the child, before the root is
 * changed. Must never let a link of the image choose where proc, sysfs or the control groups come
 * to stand.
 */
#include "engine/run/apply.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "engine/run/kernel.h"
#include "lib/fs.h"
#include "lib/own.h"

enum { DATA_MAX = 4096 };

static bool is(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

/*
 * The container's own group, as all of /sys/fs/cgroup it shall see. In the host's cgroup namespace
 * it sees all groups, as with other runtimes, so that what /proc/self/cgroup says is there: to look
 * at. Who may write there gets no more than his own (A11).
 */
static int make_cgroup(struct apply *apply, const struct plan_op *op, struct err *err)
{
	bool own_ns = apply->plan->ns[PLAN_NS_CGROUP].mode != RUN_NS_MODE_HOST;
	int tree = -EPERM;

	if (own_ns || apply->cgroup < 0 || op->flags & RUN_MOUNT_FLAG_READONLY)
		tree = apply_new_mount_data("cgroup2", "cgroup", "", apply_attributes(op->flags),
					    err);
	/* Without a namespace of its own, or where none may be made: the directory itself. */
	if (tree < 0 && apply->cgroup >= 0) {
		tree = take_fd(&apply->group_tree);
		if (tree < 0)
			return err_sys(err, tree, "mount %s: clone the control group", op->target);
		if (apply_options(tree, op, 0, err) < 0)
			own_close(&tree);
	}
	return tree;
}

/* A user namespace without a network namespace of its own may make no sysfs: the host's is bound.
 */
static int make_sysfs(struct apply *apply, const struct plan_op *op, struct err *err)
{
	OWN_FD int host = -1;
	int tree = apply_new_mount_data("sysfs", op->source, op->data, apply_attributes(op->flags),
					err);

	if (tree != -EPERM)
		return tree;
	host = fs_open(apply->old_root, "sys", FS_BENEATH_XDEV, O_PATH | O_DIRECTORY, 0, err);
	if (host < 0)
		return host;
	tree = k_clone_tree(host, 1);
	if (tree < 0)
		return err_sys(err, tree, "mount %s: clone the host's", op->target);
	if (apply_options(tree, op, 1, err) < 0)
		own_close(&tree);
	return tree;
}

/* A tmpfs over a directory of the image has that one's mode when nobody says another. */
static const char *tmpfs_data(struct apply *apply, const struct plan_op *op, char dst[DATA_MAX])
{
	const char *target = op->target + strspn(op->target, "/");
	OWN_FD int place = -1;
	struct stat st;
	int n;

	if (strstr(op->data, "mode="))
		return op->data;
	place = fs_open(apply->root, *target ? target : ".", FS_IN_ROOT, O_PATH | O_DIRECTORY, 0,
			NULL);
	if (place < 0 || fstat(place, &st) < 0)
		return op->data;
	n = snprintf(dst, DATA_MAX, "mode=%04o,%s", st.st_mode & 07777u, op->data);
	return n < 0 || n >= DATA_MAX ? op->data : dst;
}

static int make_tree(struct apply *apply, const struct plan_op *op, struct err *err)
{
	const char *data = op->data;
	uint32_t flags = op->flags;
	char text[DATA_MAX];

	if (is(op->type, "devpts") && is(op->target, "/dev/pts") && apply->pts_tree >= 0)
		return take_fd(&apply->pts_tree);
	if (is(op->type, "cgroup") || is(op->type, "cgroup2"))
		return make_cgroup(apply, op, err);
	if (is(op->type, "sysfs"))
		return make_sysfs(apply, op, err);
	if (is(op->type, "tmpfs"))
		data = tmpfs_data(apply, op, text);
	if (is(op->target, "/dev") && flags & RUN_MOUNT_FLAG_READONLY) {
		apply->dev_readonly = 1; /* once its nodes are made */
		flags &= ~(uint32_t)RUN_MOUNT_FLAG_READONLY;
	}
	return apply_new_mount_data(op->type, op->source, data, apply_attributes(flags), err);
}

/* Real directories only: for what the kernel tells, and for the places that later steps stand on.
 */
static bool is_own_place(const struct plan_op *op)
{
	return is(op->type, "proc") || is(op->type, "sysfs") || is(op->target, "/proc") ||
	       is(op->target, "/sys") || is(op->target, "/dev");
}

static void remember(struct apply *apply, const struct plan_op *op, int *tree)
{
	int *place = is(op->target, "/proc")  ? &apply->proc
		     : is(op->target, "/sys") ? &apply->sys
		     : is(op->target, "/dev") ? &apply->dev
					      : NULL;

	if (!place)
		return;
	own_close(place);
	*place = take_fd(tree);
}

int apply_op_listed(struct apply *apply, const struct plan_op *op, struct err *err)
{
	OWN_FD int tree = make_tree(apply, op, err);
	OWN_FD int target = -1;
	int r = 0;

	if (tree == -ENODEV && op->flags & RUN_MOUNT_FLAG_OPTIONAL)
		return 0;
	if (tree < 0)
		return err_prefix(err, "mount %s", op->target);
	target = is_own_place(op) ? apply_open_own_dir(apply, op->target, err)
				  : apply_open_target_dir(apply, op, err);
	if (target < 0)
		return target;
	if (op->flags & RUN_MOUNT_FLAG_COPY_UP)
		r = apply_copy_up(target, tree, err);
	if (r == 0 && op->propagation > RUN_PROPAGATION_PRIVATE)
		r = apply_options(tree, op, 0, err);
	if (r == 0)
		r = apply_attach(tree, target, op->target, err);
	if (r == 0)
		remember(apply, op, &tree);
	return r;
}
