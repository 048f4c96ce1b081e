/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_LIB_FS_H
#define HOY_LIB_FS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include "lib/buf.h"
#include "lib/err.h"

/*
 * The only place in the tree that gives paths to the kernel. Every path is resolved once, by
 * openat2, relative to a directory fd; what comes back is an fd, and the rest of the work is done
 * on fds. FS_BENEATH is for our own trees: no "..", no symlink, no magic link, no other mount.
 * FS_IN_ROOT is for trees that others made (container roots, build contexts): ".." and symlinks are
 * confined to dirfd, magic links refused. FS_HOST is plain resolution, allowed only for literal
 * paths such as "/proc/self/ns/net" (dirfd is then ignored when the path is absolute).
 */
enum fs_scope {
	FS_BENEATH,	 /* RESOLVE_BENEATH | NO_SYMLINKS | NO_MAGICLINKS | NO_XDEV */
	FS_BENEATH_XDEV, /* the same, mounts below dirfd may be crossed */
	FS_IN_ROOT,	 /* RESOLVE_IN_ROOT | NO_MAGICLINKS */
	FS_BENEATH_LINK, /* RESOLVE_BENEATH | NO_MAGICLINKS: a link that leads out is -EXDEV */
	FS_HOST,	 /* no restriction: literal paths only */
};

/* open(2) flags; O_CLOEXEC is always added. Returns the fd (caller owns) or a negative errno. */
int fs_open(int dirfd, const char *path, enum fs_scope scope, int flags, mode_t mode,
	    struct err *err);

/* Opens the directory `path` and makes what is missing of it (mode for each), O_DIRECTORY|O_RDONLY.
 */
int fs_open_dir(int dirfd, const char *path, enum fs_scope scope, mode_t mode, struct err *err);

/* The directory that would hold `path` (opened) and its last component into name[256]. */
int fs_open_parent(int dirfd, const char *path, enum fs_scope scope, char *ret_name,
		   struct err *err);

/* The whole file, at most max bytes (-EFBIG), must be a regular file. Appends to out. */
int fs_read(int dirfd, const char *path, enum fs_scope scope, size_t max, struct buf *out,
	    struct err *err);
/* The same of an fd that is open already, from offset 0 where it can seek. */
int fs_read_fd(int fd, size_t max, struct buf *out, struct err *err);

/* All of data; short writes are continued. */
int fs_write_fd(int fd, const void *data, size_t len, struct err *err);

/*
 * The only way a state file is written: O_TMPFILE in the same directory, write, fsync, link or
 * rename over `name` (one component), fsync the directory. After 0 it is durable; after an error
 * the old content is still there.
 */
int fs_replace(int dirfd, const char *name, const void *data, size_t len, mode_t mode,
	       struct err *err);

/* The two halves of it for big files: an unnamed file, and giving it its name durably. */
int fs_tmpfile(int dirfd, mode_t mode, struct err *err);
int fs_publish(int dirfd, int tmp_fd, const char *name, bool replace, struct err *err);

/* Control files below /sys, /proc, cgroups: one write, no fsync. */
int fs_write_control(int dirfd, const char *path, struct str text, struct err *err);

/* -EEXIST is an error, too; behind each other one nothing was made. */
int fs_mkdir(int dirfd, const char *name, mode_t mode, struct err *err);
int fs_unlink(int dirfd, const char *name, struct err *err);
int fs_rmdir(int dirfd, const char *name, struct err *err);
int fs_rename(int from_dirfd, const char *from, int to_dirfd, const char *to, struct err *err);
int fs_symlink(const char *target, int dirfd, const char *name, struct err *err);
int fs_stat(int dirfd, const char *path, enum fs_scope scope, struct stat *ret_st, struct err *err);
/* One name that was read out of dirfd: no path, and a link is itself; one call instead of three. */
int fs_stat_name(int dirfd, const char *name, struct stat *ret_st, struct err *err);
bool fs_exists(int dirfd, const char *path, enum fs_scope scope);
int fs_sync_dir(int dirfd, struct err *err);

/*
 * Removes the tree `name` in dirfd by descending on fds without following anything and without
 * crossing mounts; a missing one is success. Depth and count are unbounded, memory is not.
 */
int fs_remove_tree(int dirfd, const char *name, struct err *err);

/* mount(2)/umount2(2) on fds: source and target are opened by the caller; fs type as usual. */
int fs_mount(const char *source, int target_fd, const char *type, unsigned long flags,
	     const char *data, struct err *err);
int fs_mount_bind(int source_fd, int target_fd, bool recursive, struct err *err);
/* As target a path below dirfd, or an absolute literal one. */
int fs_umount(int dirfd, const char *path, int flags, struct err *err);

/* chroot(2) into an opened directory, and makes it the working directory. */
int fs_change_root(int dirfd, struct err *err);

/* "/proc/self/fd/N" of an fd, for calls that only take paths. */
enum { FS_FD_PATH_MAX = 32 };
const char *fs_fd_path(int fd, char path[FS_FD_PATH_MAX]);

/* Walks one directory: fn for each entry but "." and ".."; a non-zero result of fn stops it. */
typedef int fs_entry_fn(int dirfd, const char *name, unsigned char d_type, void *owner,
			struct err *err);
int fs_each(int dirfd, fs_entry_fn *fn, void *owner, struct err *err);

#endif
