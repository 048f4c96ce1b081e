/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the walk over one directory and the removal of whole trees. Engine roles and init run it; it
 * allocates nothing. It must never follow a link and never leave the file system it started on.
 */
#include "lib/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include "lib/fs_at.h"
#include "lib/own.h"
#include "lib/sys.h"

enum { FS_DENTS_SIZE = 8192, FS_MOVE_TRIES = 100000 };

const struct fs_dirent *fs_next_entry(const void *data, long len, long *at)
{
	while (*at < len) {
		const struct fs_dirent *entry = (const void *)((const char *)data + *at);

		*at += entry->d_reclen;
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			return entry;
	}
	return NULL;
}

static unsigned char entry_type(int dirfd, const struct fs_dirent *entry)
{
	struct stat st;

	if (entry->d_type != DT_UNKNOWN ||
	    sys_fstatat(dirfd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return entry->d_type;
	return (unsigned char)((st.st_mode & S_IFMT) >> 12); /* DT_* are those four bits */
}

int fs_each(int dirfd, fs_entry_fn *fn, void *owner, struct err *err)
{
	_Alignas(struct fs_dirent) char data[FS_DENTS_SIZE];
	/* An fd of its own: the caller's offset stays, and calls may nest. */
	OWN_FD int fd = fs_open(dirfd, ".", FS_BENEATH, O_RDONLY | O_DIRECTORY, 0, err);

	if (fd < 0)
		return fd;
	for (;;) {
		long len = sys_getdents64(fd, data, sizeof(data)), at = 0;
		const struct fs_dirent *entry;

		if (len <= 0)
			return len < 0 ? err_sys(err, (int)len, "list a directory") : 0;
		while ((entry = fs_next_entry(data, len, &at))) {
			int r = fn(dirfd, entry->d_name, entry_type(fd, entry), owner, err);

			if (r != 0)
				return r;
		}
	}
}

/* ---- removal ---- */

/*
 * Depth costs neither fds nor memory: a directory found in a directory is moved up into the top one
 * under a new name, so that never more than two levels are open.
 */
struct removal {
	int top;
	unsigned moved; /* counts the new names */
	struct err *err;
};

static int open_dir_at(int dirfd, const char *name)
{
	return fs_open(dirfd, name, FS_BENEATH, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, NULL);
}

static int move_up(struct removal *removal, int from, const char *name)
{
	char fresh[48];
	int r = -EEXIST;

	for (int tries = 0; r == -EEXIST && tries < FS_MOVE_TRIES; tries++) {
		(void)snprintf(fresh, sizeof(fresh), ".hoy-removed-%u", removal->moved++);
		r = sys_renameat2(from, name, removal->top, fresh, RENAME_NOREPLACE);
	}
	return r;
}

/* Removes what is no directory, or an empty one. -ENOTEMPTY for a full one. */
static int remove_leaf(int dirfd, const char *name, unsigned char type)
{
	int r;

	if (type == DT_DIR)
		return sys_unlinkat(dirfd, name, AT_REMOVEDIR);
	r = sys_unlinkat(dirfd, name, 0);
	if (r == -EISDIR)
		r = sys_unlinkat(dirfd, name, AT_REMOVEDIR);
	return r;
}

typedef int removal_fn(struct removal *removal, int dirfd, const char *name);

/* Empties dirfd: leaves are removed, each full directory is given to `full`. */
static int empty_dir(struct removal *removal, int dirfd, removal_fn *full)
{
	_Alignas(struct fs_dirent) char data[FS_DENTS_SIZE];

	for (;;) {
		const struct fs_dirent *entry;
		long len, at = 0, seen = 0;
		int r = sys_seek_start(dirfd); /* what a listing gives after removals is open */

		len = r < 0 ? r : sys_getdents64(dirfd, data, sizeof(data));
		if (len < 0)
			return err_sys(removal->err, (int)len, "list a directory");
		while ((entry = fs_next_entry(data, len, &at))) {
			seen++;
			r = remove_leaf(dirfd, entry->d_name, entry_type(dirfd, entry));
			if (r == -ENOTEMPTY || r == -EEXIST)
				r = full(removal, dirfd, entry->d_name);
			if (r < 0 && r != -ENOENT)
				return err_sys(removal->err, r, "remove %s", entry->d_name);
		}
		if (seen == 0)
			return 0;
	}
}

/* A directory in the top one: its own sub-directories go up, then it is empty. */
static int remove_child(struct removal *removal, int dirfd, const char *name)
{
	OWN_FD int child = open_dir_at(dirfd, name);
	int r;

	if (child < 0)
		return child;
	r = empty_dir(removal, child, move_up);
	return r < 0 ? r : sys_unlinkat(dirfd, name, AT_REMOVEDIR);
}

int fs_remove_tree(int dirfd, const char *name, struct err *err)
{
	struct removal removal = { .err = err };
	OWN_FD int top = -1;
	int r;

	if (!fs_is_name(name))
		return err_set(err, -EINVAL, "'%s' is not a file name", name);
	r = sys_unlinkat(dirfd, name, 0);
	if (r == 0 || r == -ENOENT)
		return 0;
	if (r != -EISDIR)
		return err_sys(err, r, "remove %s", name);
	top = open_dir_at(dirfd, name);
	if (top < 0)
		return err_sys(err, top, "open directory %s to remove it", name);
	removal.top = top;
	r = empty_dir(&removal, top, remove_child);
	if (r < 0) {
		(void)err_prefix(err, "%s", name);
		return r;
	}
	r = sys_unlinkat(dirfd, name, AT_REMOVEDIR);
	return r < 0 && r != -ENOENT ? err_sys(err, r, "remove directory %s", name) : 0;
}
