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
#include "lib/fs.h"
#include "lib/own.h"

enum { NULL_MAJOR = 1, NULL_MINOR = 3 };

/* "/dev/snd/pcm0" -> the directory snd (made) and ret_name "pcm0". */
static int open_place(struct apply *apply, const char *target, char ret_name[256], struct err *err)
{
	static const char top[] = "/dev/";
	char dir[RUN_PATH_MAX];
	const char *slash = strrchr(target, '/');

	if (apply->dev < 0 || strncmp(target, top, sizeof(top) - 1) != 0 || !slash[1] ||
	    strlen(slash + 1) > 255)
		return err_set(err, -EINVAL, "%s: expected a name below /dev", target);
	memcpy(ret_name, slash + 1, strlen(slash + 1) + 1);
	if (slash == target + sizeof(top) - 2)
		return fs_open(apply->dev, ".", FS_BENEATH, O_RDONLY | O_DIRECTORY, 0, err);
	(void)snprintf(dir, sizeof(dir), "%.*s", (int)(slash - target - (long)sizeof(top) + 1),
		       target + sizeof(top) - 1);
	return fs_open_dir(apply->dev, dir, FS_BENEATH, 0755, err);
}

int apply_op_node(struct apply *apply, const struct plan_op *op, struct err *err)
{
	char name[256];
	OWN_FD int dir = open_place(apply, op->target, name, err);
	OWN_FD int node = -1;
	struct stat st;

	if (dir < 0)
		return dir;
	if (!S_ISCHR(op->mode) && !S_ISBLK(op->mode))
		return err_set(err, -EINVAL, "%s: not a device", op->target);
	if (mknodat(dir, name, op->mode, makedev(op->major, op->minor)) < 0)
		return err_sys(err, -errno, "make %s", op->target);
	if ((op->uid || op->gid) && fchownat(dir, name, op->uid, op->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, -errno, "owner of %s", op->target);
	if (strcmp(op->target, "/dev/null") != 0)
		return 0;
	/* Masks and stdin use this very node, by fd, whatever /dev/null is later. */
	node = fs_open(dir, name, FS_BENEATH, O_PATH | O_NOFOLLOW, 0, err);
	if (node < 0)
		return node;
	if (fstat(node, &st) < 0 || !S_ISCHR(st.st_mode) ||
	    st.st_rdev != makedev(NULL_MAJOR, NULL_MINOR))
		return err_set(err, -ENODEV, "/dev/null is not the null device");
	apply->null = take_fd(&node);
	return 0;
}

int apply_op_link(struct apply *apply, const struct plan_op *op, struct err *err)
{
	char name[256];
	OWN_FD int dir = open_place(apply, op->target, name, err);

	return dir < 0 ? dir : fs_symlink(op->source, dir, name, err);
}

int apply_op_console(struct apply *apply, struct err *err)
{
	OWN_FD int tree = -1;
	OWN_FD int place = -1;
	int r;

	if (apply->slave < 0)
		return err_set(err, -EINVAL, "console: the container has no terminal");
	tree = k_clone_tree(apply->slave, 0);
	if (tree < 0)
		return err_sys(err, tree, "console: clone the terminal");
	place = fs_open(apply->dev, "console", FS_BENEATH, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
			0600, err);
	if (place < 0)
		return place;
	r = k_attach(tree, place);
	return r < 0 ? err_sys(err, r, "mount at /dev/console") : 0;
}
