/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns mounting on fds. Init and engine main run it; it allocates nothing and needs no /proc, for
 * PID 1 mounts that too. It must never mount on a path that was resolved by somebody else.
 */
#include "lib/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include "lib/fs_at.h"
#include "lib/own.h"
#include "lib/sys.h"

/* linux/mount.h and sys/mount.h cannot be included together with every C library. */
#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1u
#endif
#ifndef MOVE_MOUNT_F_EMPTY_PATH
#define MOVE_MOUNT_F_EMPTY_PATH 0x04u
#endif
#ifndef MOVE_MOUNT_T_EMPTY_PATH
#define MOVE_MOUNT_T_EMPTY_PATH 0x40u
#endif
#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000u
#endif

int fs_enter(int dirfd, int *ret_old, struct err *err)
{
	int old = sys_openat2(AT_FDCWD, ".", O_PATH | O_DIRECTORY | O_CLOEXEC, 0, 0);
	int r;

	if (old < 0)
		return err_sys(err, old, "open the working directory");
	r = sys_fchdir(dirfd);
	if (r < 0) {
		own_close(&old);
		return err_sys(err, r, "enter a directory");
	}
	*ret_old = old;
	return 0;
}

int fs_leave(int old, int result)
{
	int r = sys_fchdir(old);

	/* Nobody expects to stand elsewhere afterwards: what can be passing gets another try. */
	if (r < 0)
		r = sys_fchdir(old);
	own_close(&old);
	return result < 0 ? result : r;
}

int fs_mount(const char *source, int target_fd, const char *type, unsigned long flags,
	     const char *data, struct err *err)
{
	int old = -1;
	int r = fs_enter(target_fd, &old, err);

	if (r < 0)
		return r;
	r = fs_leave(old, sys_mount(source, ".", type, flags, data));
	return r < 0 ? err_sys(err, r, "mount %s of %s", type ? type : "(none)",
			       source ? source : "(none)")
		     : 0;
}

int fs_mount_bind(int source_fd, int target_fd, bool recursive, struct err *err)
{
	unsigned flags =
		OPEN_TREE_CLONE | O_CLOEXEC | AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);
	OWN_FD int tree = sys_open_tree(source_fd, "", flags);
	int r;

	if (tree < 0)
		return err_sys(err, tree, "clone a mount");
	r = sys_move_mount(tree, "", target_fd, "",
			   MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
	return r < 0 ? err_sys(err, r, "attach a mount") : 0;
}

int fs_umount(int dirfd, const char *path, int flags, struct err *err)
{
	/* By name from the directory above: an fd of the mount itself would keep it busy. */
	char name[256];
	enum fs_scope scope = path[0] == '/' ? FS_HOST : FS_BENEATH_XDEV;
	OWN_FD int parent = fs_open_parent(dirfd, path, scope, name, err);
	int old = -1;
	int r;

	if (parent < 0)
		return parent;
	r = fs_enter(parent, &old, err);
	if (r < 0)
		return r;
	r = fs_leave(old, sys_umount2(name, flags | UMOUNT_NOFOLLOW));
	return r < 0 ? err_sys(err, r, "unmount %s", path) : 0;
}

int fs_change_root(int dirfd, struct err *err)
{
	int r = sys_fchdir(dirfd);

	if (r == 0)
		r = sys_chroot(".");
	return r < 0 ? err_sys(err, r, "change the root") : 0;
}
