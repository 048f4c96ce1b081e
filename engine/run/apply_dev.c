/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the nodes and links below the container's fresh /dev, and its console. Runs in the child of
 * the shim. Must never make a node anywhere but in the tmpfs that was mounted a moment ago.
 */
#include "engine/run/apply.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "engine/run/kernel.h"
#include "lib/defence.h"
#include "lib/fs.h"
#include "lib/own.h"

enum { MADE_NAME_MAX = 64 };

int apply_open_dev(struct apply *apply, struct err *err)
{
	if (apply->dev < 0)
		apply->dev = apply_open_own_dir(apply, "/dev", err);
	return apply->dev < 0 ? apply->dev : 0;
}

/*
 * "/dev/snd/pcm0" -> the directory snd (made) and ret_name "pcm0". What had to be opened for it is
 * the caller's to close.
 */
static int open_place(struct apply *apply, const char *target, char ret_name[256], int *ret_opened,
		      struct err *err)
{
	static const char top[] = "/dev/";
	char dir[RUN_PATH_MAX];
	const char *slash = strrchr(target, '/');
	bool in_dev = strncmp(target, top, sizeof(top) - 1) == 0;
	const char *first = target + (in_dev ? sizeof(top) - 1 : 1);

	if (!slash || !slash[1] || strlen(slash + 1) > 255 ||
	    (!in_dev && !(apply->plan->flags & PLAN_FLAG_LISTED)))
		return err_set(err, -EINVAL, "%s: expected a name below /dev", target);
	if (in_dev && apply_open_dev(apply, err) < 0)
		return err ? err->code : -EIO;
	memcpy(ret_name, slash + 1, strlen(slash + 1) + 1);
	if (in_dev && slash < first)
		return apply->dev;
	(void)snprintf(dir, sizeof(dir), "%.*s", slash < first ? 0 : (int)(slash - first), first);
	/* A listed device may stand anywhere in the root. */
	*ret_opened = in_dev ? fs_open_dir(apply->dev, dir, FS_BENEATH, 0755, err)
			     : fs_open_dir(apply->root, dir[0] ? dir : ".", FS_IN_ROOT, 0755, err);
	return *ret_opened;
}

/* In a root without a fresh /dev the node may be there already: then it has to be the right one. */
static int check_node(int dir, const char *name, const struct plan_op *op, struct err *err)
{
	const bool check = defence_on(DEFENCE_A5_NULL);
	OWN_FD int node = fs_open(dir, name, check ? FS_BENEATH : FS_HOST,
				  O_PATH | (check ? O_NOFOLLOW : 0), 0, err);
	struct stat st;

	if (node < 0)
		return node;
	if (fstat(node, &st) < 0 || (check && (st.st_mode & S_IFMT) != (op->mode & S_IFMT)) ||
	    (check && !S_ISFIFO(op->mode) && st.st_rdev != makedev(op->major, op->minor)))
		return err_set(err, -ENODEV, "%s: the image has something else there", op->target);
	return strcmp(op->target, "/dev/null") == 0 ? take_fd(&node) : 0;
}

int apply_op_node(struct apply *apply, const struct plan_op *op, struct err *err)
{
	const bool null = strcmp(op->target, "/dev/null") == 0;
	char name[256];
	OWN_FD int opened = -1;
	int dir = open_place(apply, op->target, name, &opened, err), r;

	if (dir < 0)
		return dir;
	if (!S_ISCHR(op->mode) && !S_ISBLK(op->mode) && !S_ISFIFO(op->mode))
		return err_set(err, -EINVAL, "%s: not a device", op->target);
	if (mknodat(dir, name, op->mode, makedev(op->major, op->minor)) < 0) {
		if (errno != EEXIST || !(apply->plan->flags & PLAN_FLAG_LISTED))
			return err_sys(err, -errno, "make %s", op->target);
	} else if ((op->uid || op->gid) &&
		   fchownat(dir, name, op->uid, op->gid, AT_SYMLINK_NOFOLLOW) < 0) {
		return err_sys(err, -errno, "owner of %s", op->target);
	} else if (!null) {
		return 0;
	}
	/* Masks and stdin use this very node, by fd, whatever /dev/null is later. */
	r = check_node(dir, name, op, err);
	if (r > 0)
		apply->null = r;
	return r < 0 ? r : 0;
}

/* The host's node of that name, if it is the device that is meant. */
static int clone_node(struct apply *apply, const struct plan_op *op, struct err *err)
{
	OWN_FD int node = fs_open(apply->old_root, op->target + 1, FS_BENEATH_XDEV,
				  O_PATH | O_NOFOLLOW, 0, err);
	OWN_FD int tree = -1;
	struct stat st;
	int r = 0;

	if (node < 0)
		return node;
	if (fstat(node, &st) < 0 || (st.st_mode & S_IFMT) != (op->mode & S_IFMT) ||
	    st.st_rdev != makedev(op->major, op->minor))
		return err_set(err, -ENODEV, "%s: on the host it is not the device %u:%u",
			       op->target, op->major, op->minor);
	tree = k_clone_tree(node, 0);
	if (tree >= 0)
		r = k_set_attributes(tree, K_MOUNT_ATTR_NOSUID | K_MOUNT_ATTR_NOEXEC, 0, 0);
	if (tree < 0 || r < 0)
		return err_sys(err, tree < 0 ? tree : r, "%s: clone the host's", op->target);
	return take_fd(&tree);
}

/* The node at its place, bound over an empty file. */
static int bind_node(struct apply *apply, const struct plan_op *op, int tree, struct err *err)
{
	char name[256];
	OWN_FD int opened = -1;
	OWN_FD int place = -1;
	int dir = open_place(apply, op->target, name, &opened, err);

	if (dir < 0)
		return dir;
	/* A listed device may be a standard one, which is bound there already. */
	place = fs_open(dir, name, FS_BENEATH_XDEV, O_PATH | O_NOFOLLOW, 0, NULL);
	if (place < 0)
		place = fs_open(dir, name, FS_BENEATH, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
				0666, err);
	return place < 0 ? place : apply_attach(tree, place, op->target, err);
}

/* No user namespace may make a device: its root gets the host's. */
int apply_op_node_bind(struct apply *apply, const struct plan_op *op, struct err *err)
{
	OWN_FD int tree = clone_node(apply, op, err);
	int r = tree < 0 ? tree : bind_node(apply, op, tree, err);

	if (r == 0 && strcmp(op->target, "/dev/null") == 0)
		apply->null = take_fd(&tree);
	return r;
}

/* Paths hold slashes and may be long: a node is found by what it is. */
static void name_made(const struct plan_op *op, char dst[MADE_NAME_MAX])
{
	(void)snprintf(dst, MADE_NAME_MAX, "%o.%u.%u.%u.%u", op->mode, op->major, op->minor,
		       op->uid, op->gid);
}

static int make_device(int dir, const struct plan_op *op, struct err *err)
{
	char name[MADE_NAME_MAX];
	mode_t mask;
	int r;

	if (!S_ISCHR(op->mode) && !S_ISBLK(op->mode))
		return err_set(err, -EINVAL, "%s: not a device", op->target);
	name_made(op, name);
	mask = umask(0);
	r = mknodat(dir, name, op->mode, makedev(op->major, op->minor)) < 0 ? -errno : 0;
	(void)umask(mask);
	if (r < 0)
		return r == -EEXIST ? 0 : err_sys(err, r, "make %s", op->target);
	/* An id without a place outside is the owner's word for nobody's: it stays ours. */
	return fchownat(dir, name, op->uid, op->gid, AT_SYMLINK_NOFOLLOW) < 0
		       ? err_sys(err, -errno, "owner of %s", op->target)
		       : 0;
}

int apply_make_devices(struct apply *apply, struct err *err)
{
	/* Its visitor is the user namespace's root. */
	static const char *const options[] = { "mode", "0711", NULL };
	struct plan_list ops = apply->plan->ops;
	struct plan_op op;
	int r = 0;

	while (r == 0 && plan_next_op(&ops, &op)) {
		if (op.kind != PLAN_OP_NODE_MADE)
			continue;
		if (apply->device_tree < 0)
			apply->device_tree = apply_new_mount("tmpfs", options, 0, err);
		r = apply->device_tree < 0 ? apply->device_tree
					   : make_device(apply->device_tree, &op, err);
	}
	return r;
}

/* A node is cloned out of the tmpfs only while that one is attached: it lies over the old /dev,
 * which goes with the old root. */
int apply_op_node_made(struct apply *apply, const struct plan_op *op, struct err *err)
{
	char name[MADE_NAME_MAX];
	OWN_FD int node = -1;
	OWN_FD int tree = -1;
	int r;

	if (apply->devices_at < 0) {
		OWN_FD int place = fs_open(apply->old_root, "dev", FS_BENEATH_XDEV,
					   O_PATH | O_DIRECTORY | O_NOFOLLOW, 0, err);

		if (place < 0)
			return place;
		r = k_attach(apply->device_tree, place);
		if (r < 0)
			return err_sys(err, r, "attach the devices");
		apply->devices_at = take_fd(&apply->device_tree);
	}
	name_made(op, name);
	node = fs_open(apply->devices_at, name, FS_BENEATH, O_PATH | O_NOFOLLOW, 0, err);
	if (node < 0)
		return node;
	tree = k_clone_tree(node, 0);
	r = tree < 0 ? tree
		     : k_set_attributes(tree, K_MOUNT_ATTR_NOSUID | K_MOUNT_ATTR_NOEXEC, 0, 0);
	return r < 0 ? err_sys(err, r, "%s: clone the node", op->target)
		     : bind_node(apply, op, tree, err);
}

int apply_op_link(struct apply *apply, const struct plan_op *op, struct err *err)
{
	char name[256];
	OWN_FD int opened = -1;
	int dir = open_place(apply, op->target, name, &opened, err), r;

	if (dir < 0)
		return dir;
	r = fs_symlink(op->source, dir, name, err);
	if (r != -EEXIST || !(apply->plan->flags & PLAN_FLAG_LISTED))
		return r;
	/* What the image has stays, but for the way to new terminals. */
	if (strcmp(op->target, "/dev/ptmx") != 0)
		return 0;
	r = fs_unlink(dir, name, err);
	return r < 0 ? r : fs_symlink(op->source, dir, name, err);
}

int apply_op_console(struct apply *apply, struct err *err)
{
	const bool check = defence_on(DEFENCE_A6_CONSOLE);
	const enum fs_scope scope = check ? FS_BENEATH : FS_HOST;
	const int flags = check ? O_NOFOLLOW : 0;
	OWN_FD int tree = -1;
	OWN_FD int place = -1;
	int r;

	if (apply->slave < 0)
		return err_set(err, -EINVAL, "console: the container has no terminal");
	tree = k_clone_tree(apply->slave, 0);
	if (tree < 0)
		return err_sys(err, tree, "console: clone the terminal");
	r = apply_open_dev(apply, err);
	if (r < 0)
		return r;
	place = -ENOENT;
	if (apply->plan->flags & PLAN_FLAG_LISTED)
		place = fs_open(apply->dev, "console", scope, O_PATH | flags, 0, NULL);
	if (place == -ENOENT)
		place = fs_open(apply->dev, "console", FS_BENEATH,
				O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600, err);
	if (place < 0)
		return place;
	r = k_attach(tree, place);
	return r < 0 ? err_sys(err, r, "mount at /dev/console") : 0;
}
