/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the container's file systems: proc, sys, cgroup, dev, volumes, binds. Runs in the child of
 * the shim, before the root is changed. Must never mount on anything but an fd that was resolved
 * inside the new root, and never on a directory of proc, sysfs or cgroup.
 */
#include "engine/run/apply.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include "engine/run/kernel.h"
#include "lib/defence.h"
#include "lib/fs.h"
#include "lib/own.h"

enum { LINKS_MAX = 40 };

static const char *relative(const char *path)
{
	while (*path == '/')
		path++;
	return *path ? path : ".";
}

/*
 * /proc, /sys, /dev: real directories or nothing in the image. A link there is refused, for what it
 * leads to was chosen by the image's maker.
 */
int apply_open_own_dir(struct apply *apply, const char *target, struct err *err)
{
	const enum fs_scope scope = defence_on(DEFENCE_A8_OWN_PLACES) ? FS_BENEATH_XDEV : FS_HOST;
	int fd = fs_open_dir(apply->root, relative(target), scope, 0755, NULL);

	if (fd == -ELOOP || fd == -ENOTDIR)
		return err_set(
			err, fd,
			"%s must be mounted on ordinary directory: in the image it is a link or a "
			"file; remove it there",
			target);
	return fd < 0 ? err_sys(err, fd, "make %s", target) : fd;
}

int apply_attach(int tree, int target_fd, const char *target, struct err *err)
{
	int r = k_attach(tree, target_fd);

	return r < 0 ? err_sys(err, r, "mount at %s", target) : 0;
}

static int make_tmpfs(const struct plan_op *op, struct err *err)
{
	char size[24], mode[8];
	const char *options[] = { "mode", mode, "size", size, NULL };

	(void)snprintf(mode, sizeof(mode), "%o", op->mode & 07777u);
	(void)snprintf(size, sizeof(size), "%llu", (unsigned long long)op->size);
	if (op->size == 0)
		options[2] = NULL;
	return apply_new_mount("tmpfs", options, apply_attributes(op->flags), err);
}

static int make_instance(struct apply *apply, const struct plan_op *op, struct err *err)
{
	uint64_t attributes = apply_attributes(op->flags);

	switch (op->kind) {
	case PLAN_OP_PROC:
		return apply_new_mount("proc", NULL, attributes, err);
	case PLAN_OP_SYSFS:
		return apply_new_mount("sysfs", NULL, attributes, err);
	case PLAN_OP_CGROUP:
		return apply_new_mount("cgroup2", NULL, attributes, err);
	case PLAN_OP_MQUEUE:
		return apply_new_mount("mqueue", NULL, attributes, err);
	case PLAN_OP_PTS:
		return take_fd(&apply->pts_tree);
	case PLAN_OP_DEV:
	case PLAN_OP_SHM:
		return make_tmpfs(op, err);
	case PLAN_OP_NODE:
	case PLAN_OP_LINK:
	case PLAN_OP_CONSOLE:
	case PLAN_OP_BIND:
	case PLAN_OP_TMPFS:
	case PLAN_OP_SYSCTL:
	case PLAN_OP_READONLY:
	case PLAN_OP_MASK:
	case PLAN_OP_MASK_CPUS:
	case PLAN_OP_ROOT_READONLY:
	case PLAN_OP_FILESYSTEM:
	case PLAN_OP_NODE_BIND:
	case PLAN_OP_NODE_MADE:
	case PLAN_OP_KINDS:
		break;
	}
	return err_set(err, -EINVAL, "no file system belongs to operation %d", (int)op->kind);
}

/* The file systems that every container has; the fds of some are needed later. */
int apply_op_filesystem(struct apply *apply, const struct plan_op *op, struct err *err)
{
	OWN_FD int tree = make_instance(apply, op, err);
	OWN_FD int target = tree < 0 ? -1 : apply_open_own_dir(apply, op->target, err);
	int r;

	if (tree < 0)
		return tree;
	if (target < 0)
		return target;
	r = apply_attach(tree, target, op->target, err);
	if (r < 0)
		return r;
	if (op->kind == PLAN_OP_PROC)
		apply->proc = take_fd(&tree);
	else if (op->kind == PLAN_OP_SYSFS)
		apply->sys = take_fd(&tree);
	else if (op->kind == PLAN_OP_DEV)
		apply->dev = take_fd(&tree);
	return 0;
}

static bool is_below(const char *path, const char *top)
{
	size_t len = strlen(top);

	return strncmp(path, top, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

/*
 * A link of the image may have led the target into one of the kernel's own file systems; only a
 * listed target that names such a place itself may stand there.
 */
static int check_place(const struct apply *apply, int fd, const char *target, struct err *err)
{
	long type = k_fs_type(fd);
	bool listed = apply->plan->flags & PLAN_FLAG_LISTED;

	if (!defence_on(DEFENCE_A7_KERNELS))
		return 0;
	if (type != K_PROC_MAGIC && type != K_SYSFS_MAGIC && type != K_CGROUP_MAGIC)
		return 0;
	if (listed && is_below(target, type == K_PROC_MAGIC ? "/proc" : "/sys"))
		return 0;
	return err_set(err, -EINVAL, "mount %s: a link in the image leads it into /proc or /sys",
		       target);
}

/* "a/b/c" -> "a/b"; the last component goes. */
static void cut_last(char *path)
{
	char *slash = strrchr(path, '/');

	*(slash ? slash : path) = '\0';
}

/* dst + "/" + part; -ENAMETOOLONG. */
static int append(char *dst, struct str part)
{
	size_t len = strlen(dst);
	int n = snprintf(dst + len, RUN_PATH_MAX - len, "%s%.*s", len ? "/" : "", STR_ARG(part));

	return n < 0 || (size_t)n >= RUN_PATH_MAX - len ? -ENAMETOOLONG : 0;
}

/* The text of the link at path below the root; 0 when there is no link. */
static ssize_t read_link(struct apply *apply, const char *path, char *dst, size_t cap)
{
	OWN_FD int fd = fs_open(apply->root, path, FS_IN_ROOT, O_PATH | O_NOFOLLOW, 0, NULL);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISLNK(st.st_mode))
		return 0;
	return readlinkat(fd, "", dst, cap);
}

/*
 * Where a target leads whose links may dangle: they are followed as far as they go, within the
 * root, so that the missing directories come where the image's maker meant them. Only a wish: the
 * result is resolved again, confined to the root, by whoever opens or makes it.
 */
static int follow_links(struct apply *apply, const char *target, char dst[RUN_PATH_MAX])
{
	static char todo[2][2 * RUN_PATH_MAX]; /* in turns: rest points into the other one */
	char link[RUN_PATH_MAX];
	struct str rest = str_from(target), part;
	int links = 0;

	dst[0] = '\0';
	while (str_cut(&rest, '/', &part)) {
		char *next = todo[links & 1];
		ssize_t n;

		if (part.len == 0 || str_is(part, "."))
			continue;
		if (str_is(part, "..")) {
			cut_last(dst);
			continue;
		}
		if (append(dst, part) < 0)
			return -ENAMETOOLONG;
		n = read_link(apply, dst, link, sizeof(link));
		if (n <= 0)
			continue;
		if (++links > LINKS_MAX)
			return -ELOOP;
		if (link[0] == '/')
			dst[0] = '\0';
		else
			cut_last(dst);
		n = snprintf(next, sizeof(todo[0]), "%.*s/%.*s", (int)n, link, STR_ARG(rest));
		if (n < 0 || (size_t)n >= sizeof(todo[0]))
			return -ENAMETOOLONG;
		rest = str_from(next);
	}
	if (!dst[0])
		memcpy(dst, ".", 2);
	return 0;
}

/* The last part of the target is a link, and the plan wants none followed there. */
static int refuse_link(struct apply *apply, const struct plan_op *op, struct err *err)
{
	OWN_FD int fd = -1;
	struct stat st;

	if (!(op->flags & RUN_MOUNT_FLAG_NO_LINK))
		return 0;
	fd = fs_open(apply->root, relative(op->target), FS_IN_ROOT, O_PATH | O_NOFOLLOW, 0, NULL);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISLNK(st.st_mode))
		return 0;
	return err_set(err, -ELOOP, "mount %s: it is a link in the image", op->target);
}

static enum fs_scope target_scope(void)
{
	return defence_on(DEFENCE_A4_TARGET) ? FS_IN_ROOT : FS_HOST;
}

/* Most ways have no link: one call finds out, and what it opened is the target. Else an error. */
static int open_plain(struct apply *apply, const char *target, bool directory)
{
	if (!defence_on(DEFENCE_A4_TARGET))
		return -ELOOP;
	return directory ? fs_open_dir(apply->root, relative(target), FS_BENEATH_XDEV, 0755, NULL)
			 : fs_open(apply->root, relative(target), FS_BENEATH_XDEV, O_PATH, 0, NULL);
}

int apply_open_target_dir(struct apply *apply, const struct plan_op *op, struct err *err)
{
	const char *target = op->target;
	char path[RUN_PATH_MAX];
	OWN_FD int fd = open_plain(apply, target, true);
	int r = fd < 0 ? refuse_link(apply, op, err) : check_place(apply, fd, target, err);

	if (fd >= 0 || r < 0)
		return r < 0 ? r : take_fd(&fd);
	r = follow_links(apply, target, path);
	if (r < 0)
		return err_sys(err, r, "mount %s: follow the links", target);
	fd = fs_open_dir(apply->root, path, target_scope(), 0755, err);
	if (fd < 0)
		return err_prefix(err, "mount %s", target);
	r = check_place(apply, fd, target, err);
	return r < 0 ? r : take_fd(&fd);
}

/* The file, made where it is missing. */
static int make_target_file(struct apply *apply, const char *path, const char *target,
			    struct err *err)
{
	char dir[RUN_PATH_MAX];
	const char *slash = strrchr(path, '/');
	OWN_FD int parent = -1;
	int r;

	(void)snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - path) : 1,
		       slash ? path : ".");
	parent = fs_open_dir(apply->root, dir, defence_on(DEFENCE_A9_MADE) ? FS_IN_ROOT : FS_HOST,
			     0755, err);
	if (parent < 0)
		return parent;
	r = check_place(apply, parent, target, err);
	return r < 0 ? r
		     : fs_open(parent, slash ? slash + 1 : path, FS_BENEATH,
			       O_WRONLY | O_CREAT | O_NOFOLLOW, 0644, err);
}

int apply_open_target_file(struct apply *apply, const struct plan_op *op, struct err *err)
{
	const char *target = op->target;
	char path[RUN_PATH_MAX];
	OWN_FD int fd = open_plain(apply, target, false);
	int r = fd < 0 ? refuse_link(apply, op, err) : check_place(apply, fd, target, err);

	if (fd >= 0 || r < 0)
		return r < 0 ? r : take_fd(&fd);
	r = follow_links(apply, target, path);
	if (r < 0)
		return err_sys(err, r, "mount %s: follow the links", target);
	fd = fs_open(apply->root, path, target_scope(), O_PATH, 0, err);
	if (fd == -ENOENT)
		fd = make_target_file(apply, path, target, err);
	if (fd < 0)
		return err_prefix(err, "mount %s", target);
	r = check_place(apply, fd, target, err);
	return r < 0 ? r : take_fd(&fd);
}

/* The host's own /proc or /sys may be given to a container, and nothing that looks like them. */
static int check_kernels(struct apply *apply, const struct plan_op *op, int *tree, struct err *err)
{
	long type = k_fs_type(*tree);

	if (strcmp(op->target, "/proc") == 0) {
		if (type != K_PROC_MAGIC)
			return err_set(err, -EPERM, "mount /proc: %s is no proc file system",
				       op->source);
		apply->proc = take_fd(tree);
	} else if (strcmp(op->target, "/sys") == 0 && type == K_SYSFS_MAGIC) {
		apply->sys = take_fd(tree);
	} else if (strcmp(op->target, "/dev") == 0) {
		apply->dev = take_fd(tree);
	}
	return 0;
}

static int open_bind_target(struct apply *apply, const struct plan_op *op, bool directory,
			    struct err *err)
{
	if (!directory)
		return apply_open_target_file(apply, op, err);
	if (strcmp(op->target, "/proc") == 0 || strcmp(op->target, "/sys") == 0 ||
	    strcmp(op->target, "/dev") == 0)
		return apply_open_own_dir(apply, op->target, err);
	return apply_open_target_dir(apply, op, err);
}

/*
 * A source that the caller cloned is older than the mounts that stand before it, and the kernel
 * lists mounts by their age. A copy has the same peers and ids, and its place in the list; it can
 * be made once the tree belongs to this namespace. A file keeps its age: nobody can stand on one,
 * and by its path another mount could be met.
 */
static int renew(const struct plan_op *op, int *tree, int target, struct err *err)
{
	OWN_FD int copy = k_clone_tree(*tree, (op->flags & RUN_MOUNT_FLAG_RECURSIVE) != 0);

	if (copy < 0)
		return err_sys(err, copy, "mount %s: clone it", op->target);
	if (fchdir(*tree) < 0 || umount2(".", MNT_DETACH) < 0)
		return err_sys(err, -errno, "mount %s: take the first one away", op->target);
	own_close(tree);
	*tree = take_fd(&copy);
	return apply_attach(*tree, target, op->target, err);
}

int apply_op_bind(struct apply *apply, const struct plan_op *op, struct err *err)
{
	const bool late = apply_clones_late(apply->plan, op);
	int r = late ? apply_clone_late(apply, op, err) : 0;
	OWN_FD int tree = take_fd(&apply->trees[op->tree]);
	OWN_FD int target = -1;
	struct stat st;

	if (r < 0)
		return r;
	if (tree < 0 && op->flags & RUN_MOUNT_FLAG_OPTIONAL)
		return 0;
	if (fstat(tree, &st) < 0)
		return err_sys(err, -errno, "mount %s: stat the source", op->target);
	if (S_ISLNK(st.st_mode))
		return err_set(err, -ELOOP, "mount %s: the source %s is a link", op->target,
			       op->source);
	target = open_bind_target(apply, op, S_ISDIR(st.st_mode), err);
	if (target < 0)
		return target;
	r = apply_options(tree, op, (op->flags & RUN_MOUNT_FLAG_RECURSIVE) != 0, err);
	if (r == 0)
		r = apply_attach(tree, target, op->target, err);
	if (r == 0 && apply->plan->flags & PLAN_FLAG_LISTED && !late && S_ISDIR(st.st_mode) &&
	    (op->propagation & ~PLAN_PROPAGATION_BELOW) != RUN_PROPAGATION_UNBINDABLE)
		r = renew(op, &tree, target, err);
	return r < 0 ? r : check_kernels(apply, op, &tree, err);
}

int apply_op_tmpfs(struct apply *apply, const struct plan_op *op, struct err *err)
{
	OWN_FD int tree = make_tmpfs(op, err);
	OWN_FD int target = tree < 0 ? -1 : apply_open_target_dir(apply, op, err);

	if (tree < 0)
		return err_prefix(err, "mount %s", op->target);
	return target < 0 ? target : apply_attach(tree, target, op->target, err);
}

static int run_op(struct apply *apply, const struct plan_op *op, struct err *err)
{
	int r;

	switch (op->kind) {
	case PLAN_OP_PROC:
	case PLAN_OP_SYSFS:
	case PLAN_OP_CGROUP:
	case PLAN_OP_DEV:
	case PLAN_OP_PTS:
	case PLAN_OP_SHM:
	case PLAN_OP_MQUEUE:
		return apply_op_filesystem(apply, op, err);
	case PLAN_OP_NODE:
		return apply_op_node(apply, op, err);
	case PLAN_OP_LINK:
		return apply_op_link(apply, op, err);
	case PLAN_OP_CONSOLE:
		return apply_op_console(apply, err);
	case PLAN_OP_BIND:
		return apply_op_bind(apply, op, err);
	case PLAN_OP_TMPFS:
		return apply_op_tmpfs(apply, op, err);
	case PLAN_OP_FILESYSTEM:
		return apply_op_listed(apply, op, err);
	case PLAN_OP_NODE_BIND:
		return apply_op_node_bind(apply, op, err);
	case PLAN_OP_NODE_MADE:
		return apply_op_node_made(apply, op, err);
	case PLAN_OP_SYSCTL:
		return apply_op_sysctl(apply, op, err);
	case PLAN_OP_READONLY:
		return apply_op_readonly(apply, op, err);
	case PLAN_OP_MASK:
		return apply_op_mask(apply, op, err);
	case PLAN_OP_MASK_CPUS:
		return apply_op_mask_cpus(apply, op, err);
	case PLAN_OP_ROOT_READONLY:
		r = apply_cwd_open(apply, err);
		if (r < 0)
			return r;
		r = k_set_attributes(apply->root, K_MOUNT_ATTR_RDONLY, 0, 0);
		return r < 0 ? err_sys(err, r, "make the root read-only") : 0;
	case PLAN_OP_KINDS:
		break;
	}
	return err_set(err, -EINVAL, "unknown operation %d", (int)op->kind);
}

int apply_ops(struct apply *apply, struct err *err)
{
	struct plan_list ops = apply->plan->ops;
	struct plan_op op;
	int r = 0;

	while (r >= 0 && plan_next_op(&ops, &op))
		r = run_op(apply, &op, err);
	if (r < 0 || apply->dev_readonly != 1)
		return r;
	r = k_set_attributes(apply->dev, K_MOUNT_ATTR_RDONLY, 0, 0);
	return r < 0 ? err_sys(err, r, "make /dev read-only") : 0;
}
