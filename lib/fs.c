/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns path resolution (openat2 and nothing else), reading, writing and the one durable write
 * pattern. Every role runs it; what PID 1 uses after boot (open, replace, control files) allocates
 * nothing. It must never resolve one path twice and never follow a link out of its scope.
 */
#include "lib/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "lib/fs_at.h"
#include "lib/own.h"
#include "lib/sys.h"

enum {
	FS_NAME_MAX = 255,
	FS_RESOLVE_TRIES = 64,
	FS_READ_STEP = 65536,
};

static const uint64_t fs_resolve[] = {
	[FS_BENEATH] =
		RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
	[FS_BENEATH_XDEV] = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	[FS_IN_ROOT] = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	[FS_BENEATH_LINK] = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	[FS_HOST] = 0,
};

/* openat2(2) as the scope wants it; no text. */
static int resolve(int dirfd, const char *path, enum fs_scope scope, int flags, mode_t mode)
{
	uint64_t how = (uint64_t)(unsigned)flags | O_CLOEXEC;
	bool creates = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
	int fd;

	/* A rename elsewhere while ".." is walked gives EAGAIN: "try again" is meant literally. */
	for (int tries = 0; tries < FS_RESOLVE_TRIES; tries++) {
		fd = sys_openat2(dirfd, path, how, creates ? mode & 07777 : 0, fs_resolve[scope]);
		if (fd != -EAGAIN && fd != -EINTR)
			break;
	}
	return fd;
}

int fs_open(int dirfd, const char *path, enum fs_scope scope, int flags, mode_t mode,
	    struct err *err)
{
	int fd = resolve(dirfd, path, scope, flags, mode);

	return fd < 0 ? err_sys(err, fd, "open %s", path) : fd;
}

bool fs_is_name(const char *name)
{
	return name[0] && !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static int check_name(const char *name, struct err *err)
{
	return fs_is_name(name) ? 0 : err_set(err, -EINVAL, "'%s' is not a file name", name);
}

/*
 * Splits path (without trailing slashes) behind its last slash: ret_dir[PATH_MAX] takes "." or what
 * stands before it, ret_name[256] the last component.
 */
static int split_path(const char *path, char *ret_dir, size_t cap, char *ret_name)
{
	size_t len = strlen(path), cut;

	while (len > 1 && path[len - 1] == '/')
		len--;
	cut = len;
	while (cut > 0 && path[cut - 1] != '/')
		cut--;
	if (len - cut > FS_NAME_MAX || cut >= cap)
		return -ENAMETOOLONG;
	(void)snprintf(ret_name, FS_NAME_MAX + 1, "%.*s", (int)(len - cut), path + cut);
	if (cut == 0)
		(void)snprintf(ret_dir, cap, ".");
	else
		(void)snprintf(ret_dir, cap, "%.*s", (int)cut, path);
	return fs_is_name(ret_name) ? 0 : -EINVAL;
}

int fs_open_parent(int dirfd, const char *path, enum fs_scope scope, char *ret_name,
		   struct err *err)
{
	char dir[4096], name[FS_NAME_MAX + 1];
	int fd = split_path(path, dir, sizeof(dir), name);

	if (fd < 0)
		return err_sys(err, fd, "'%s' names no entry of a directory", path);
	fd = resolve(dirfd, dir, scope, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return err_sys(err, fd, "open the directory of %s", path);
	memcpy(ret_name, name, sizeof(name));
	return fd;
}

/* Makes the last component of prefix below its (existing) directory, and opens it; else -errno. */
static int make_dir(int dirfd, const char *prefix, enum fs_scope scope, mode_t mode)
{
	char dir[4096], name[FS_NAME_MAX + 1];
	OWN_FD int parent = -1;
	OWN_FD int made = -1;
	struct stat st;
	int r = split_path(prefix, dir, sizeof(dir), name);

	if (r < 0)
		return r;
	parent = resolve(dirfd, dir, scope, O_RDONLY | O_DIRECTORY, 0);
	if (parent < 0)
		return parent;
	r = sys_mkdirat(parent, name, mode);
	if (r < 0)
		return r;
	made = resolve(parent, name, FS_BENEATH, O_RDONLY | O_DIRECTORY, 0);
	r = made < 0 ? made : sys_fstat(made, &st);
	/* The umask has cut the mode; that it belongs to the parent's group it has inherited. */
	if (r == 0 && (st.st_mode & 07777) != (mode | (st.st_mode & S_ISGID)))
		r = sys_fchmod(made, mode | (st.st_mode & S_ISGID));
	return r < 0 ? r : take_fd(&made);
}

int fs_open_dir(int dirfd, const char *path, enum fs_scope scope, mode_t mode, struct err *err)
{
	const int flags = O_RDONLY | O_DIRECTORY;
	char prefix[4096];
	size_t len = strlen(path), at = 0;
	int fd = resolve(dirfd, path, scope, flags, 0);

	if (fd != -ENOENT)
		return fd < 0 ? err_sys(err, fd, "open directory %s", path) : fd;
	if (len == 0 || len >= sizeof(prefix))
		return err_sys(err, len ? -ENAMETOOLONG : -ENOENT, "make directory '%s'", path);
	/* Mostly only the last one is missing; what else there is the loop finds out. */
	fd = make_dir(dirfd, path, scope, mode);
	if (fd != -ENOENT && fd != -EEXIST && fd != -EINVAL)
		return fd < 0 ? err_sys(err, fd, "make directory %s", path) : fd;
	/*
	 * Each prefix is resolved from dirfd: links and ".." of a foreign tree must meet the same
	 * root each time.
	 */
	while (at < len) {
		OWN_FD int step = -1;

		while (path[at] == '/')
			at++;
		while (at < len && path[at] != '/')
			at++;
		memcpy(prefix, path, at);
		prefix[at] = '\0';
		step = resolve(dirfd, prefix, scope, flags, 0);
		if (step == -ENOENT)
			step = make_dir(dirfd, prefix, scope, mode);
		if (step < 0 && step != -EEXIST)
			return err_sys(err, step, "make directory %s", prefix);
	}
	fd = resolve(dirfd, path, scope, flags, 0);
	return fd < 0 ? err_sys(err, fd, "open directory %s", path) : fd;
}

static int require_regular(int fd, struct err *err)
{
	struct stat st;
	int r = sys_fstat(fd, &st);

	if (r < 0)
		return err_sys(err, r, "stat");
	return S_ISREG(st.st_mode) ? 0 : err_set(err, -EINVAL, "not a regular file");
}

int fs_read(int dirfd, const char *path, enum fs_scope scope, size_t max, struct buf *out,
	    struct err *err)
{
	/* O_NONBLOCK: a FIFO must not hold us before we have seen that it is one. */
	OWN_FD int fd = fs_open(dirfd, path, scope, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, err);
	int r;

	if (fd < 0)
		return fd;
	r = require_regular(fd, err);
	if (r == 0)
		r = fs_read_fd(fd, max, out, err);
	if (r < 0)
		(void)err_prefix(err, "%s", path);
	return r;
}

/* One read at an offset, or the next bytes of what cannot seek. */
static ssize_t read_some(int fd, bool *seeks, void *dst, size_t len, size_t at)
{
	ssize_t n;

	do {
		n = *seeks ? sys_pread(fd, dst, len, (off_t)at) : sys_read(fd, dst, len);
		if (n == -ESPIPE && *seeks) {
			*seeks = false;
			n = -EINTR;
		}
	} while (n == -EINTR);
	return n;
}

int fs_read_fd(int fd, size_t max, struct buf *out, struct err *err)
{
	size_t have = 0;
	bool seeks = true;
	char beyond;
	ssize_t n;

	while (have < max) {
		/* First what the caller reserved because he knew the size. */
		size_t room = out->cap > out->len + 1 ? out->cap - out->len - 1 : FS_READ_STEP;
		size_t step = max - have < room ? max - have : room;
		int r = buf_reserve(out, step);

		/* The buffer's own cap may be nearer than max. */
		if (r == -ENOSPC && out->max > out->len) {
			step = out->max - out->len;
			out->error = 0;
			r = buf_reserve(out, step);
		}
		if (r < 0)
			return err_sys(err, r, "read after %zu bytes", have);
		n = read_some(fd, &seeks, out->data + out->len, step, have);
		if (n < 0)
			return err_sys(err, (int)n, "read");
		if (n == 0)
			return 0;
		out->len += (size_t)n;
		out->data[out->len] = '\0';
		have += (size_t)n;
	}
	n = read_some(fd, &seeks, &beyond, 1, have);
	if (n < 0)
		return err_sys(err, (int)n, "read");
	return n == 0 ? 0 : err_set(err, -EFBIG, "larger than %zu bytes", max);
}

int fs_write_fd(int fd, const void *data, size_t len, struct err *err)
{
	const char *at = data;

	while (len > 0) {
		ssize_t n = sys_write(fd, at, len);

		if (n == -EINTR)
			continue;
		if (n <= 0)
			return err_sys(err, n < 0 ? (int)n : -EIO, "write");
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

int fs_tmpfile(int dirfd, mode_t mode, struct err *err)
{
	OWN_FD int fd = resolve(dirfd, ".", FS_BENEATH, O_TMPFILE | O_RDWR, mode);
	int r;

	if (fd < 0)
		return err_sys(err, fd, "make an unnamed file");
	/* The umask has cut the mode. */
	r = sys_fchmod(fd, mode & 07777);
	if (r < 0)
		return err_sys(err, r, "set the mode of an unnamed file");
	return take_fd(&fd);
}

/*
 * Gives the unnamed file a name. By fd alone this needs CAP_DAC_READ_SEARCH before kernel 6.10, by
 * way of /proc it needs a /proc: no role of ours lacks both.
 */
static int link_fd(int fd, int dirfd, const char *name)
{
	char path[FS_FD_PATH_MAX];
	int r = sys_linkat(fd, "", dirfd, name, AT_EMPTY_PATH);

	if (r == -ENOENT)
		r = sys_linkat(AT_FDCWD, fs_fd_path(fd, path), dirfd, name, AT_SYMLINK_FOLLOW);
	return r;
}

/* rename(2) is the only call that replaces, so the file needs a name of its own for a moment. */
static int link_over(int fd, int dirfd, const char *name)
{
	char aside[FS_NAME_MAX + 1];
	int r = snprintf(aside, sizeof(aside), ".%s.new", name);

	if (r < 0 || (size_t)r >= sizeof(aside))
		return -ENAMETOOLONG;
	r = link_fd(fd, dirfd, aside);
	if (r == -EEXIST) {
		/* Left by a power cut between link and rename. */
		r = sys_unlinkat(dirfd, aside, 0);
		if (r == 0)
			r = link_fd(fd, dirfd, aside);
	}
	if (r < 0)
		return r;
	r = sys_renameat2(dirfd, aside, dirfd, name, 0);
	if (r < 0)
		(void)sys_unlinkat(dirfd, aside, 0);
	return r;
}

int fs_publish(int dirfd, int tmp_fd, const char *name, bool replace, struct err *err)
{
	int r = check_name(name, err);

	if (r < 0)
		return r;
	r = sys_fsync(tmp_fd);
	if (r < 0)
		return err_sys(err, r, "sync %s before it is named", name);
	r = replace ? link_over(tmp_fd, dirfd, name) : link_fd(tmp_fd, dirfd, name);
	if (r < 0)
		return err_sys(err, r, "name %s", name);
	r = fs_sync_dir(dirfd, err);
	if (r < 0)
		(void)err_prefix(err, "%s", name);
	return r;
}

int fs_replace(int dirfd, const char *name, const void *data, size_t len, mode_t mode,
	       struct err *err)
{
	OWN_FD int fd = -1;
	int r = check_name(name, err);

	if (r < 0)
		return r;
	fd = fs_tmpfile(dirfd, mode, err);
	r = fd < 0 ? fd : fs_write_fd(fd, data, len, err);
	if (r < 0) {
		(void)err_prefix(err, "replace %s", name);
		return r;
	}
	return fs_publish(dirfd, fd, name, true, err);
}

int fs_write_control(int dirfd, const char *path, struct str text, struct err *err)
{
	enum fs_scope scope = path[0] == '/' ? FS_HOST : FS_BENEATH_XDEV;
	OWN_FD int fd = resolve(dirfd, path, scope, O_WRONLY | O_NOCTTY, 0);
	ssize_t n;

	if (fd < 0)
		return err_sys(err, fd, "open %s", path);
	do {
		n = sys_write(fd, text.ptr, text.len);
	} while (n == -EINTR);
	if (n < 0)
		return err_sys(err, (int)n, "write '%.*s' to %s", STR_ARG(text), path);
	if ((size_t)n != text.len)
		return err_set(err, -EIO, "write '%.*s' to %s: only %zd bytes were taken",
			       STR_ARG(text), path, n);
	return 0;
}

int fs_mkdir(int dirfd, const char *name, mode_t mode, struct err *err)
{
	OWN_FD int fd = -1;
	int r = check_name(name, err);

	if (r < 0)
		return r;
	r = sys_mkdirat(dirfd, name, mode);
	if (r == 0) {
		fd = resolve(dirfd, name, FS_BENEATH, O_RDONLY | O_DIRECTORY, 0);
		r = fd < 0 ? fd : sys_fchmod(fd, mode);
		if (r < 0) /* an error leaves none behind */
			(void)sys_unlinkat(dirfd, name, AT_REMOVEDIR);
	}
	return r < 0 ? err_sys(err, r, "make directory %s", name) : 0;
}

int fs_unlink(int dirfd, const char *name, struct err *err)
{
	int r = check_name(name, err);

	if (r < 0)
		return r;
	r = sys_unlinkat(dirfd, name, 0);
	return r < 0 ? err_sys(err, r, "remove %s", name) : 0;
}

int fs_rmdir(int dirfd, const char *name, struct err *err)
{
	int r = check_name(name, err);

	if (r < 0)
		return r;
	r = sys_unlinkat(dirfd, name, AT_REMOVEDIR);
	return r < 0 ? err_sys(err, r, "remove directory %s", name) : 0;
}

int fs_rename(int from_dirfd, const char *from, int to_dirfd, const char *to, struct err *err)
{
	int r = check_name(from, err);

	if (r == 0)
		r = check_name(to, err);
	if (r < 0)
		return r;
	r = sys_renameat2(from_dirfd, from, to_dirfd, to, 0);
	return r < 0 ? err_sys(err, r, "rename %s to %s", from, to) : 0;
}

int fs_symlink(const char *target, int dirfd, const char *name, struct err *err)
{
	int r = check_name(name, err);

	if (r < 0)
		return r;
	r = sys_symlinkat(target, dirfd, name);
	return r < 0 ? err_sys(err, r, "make link %s", name) : 0;
}

int fs_stat(int dirfd, const char *path, enum fs_scope scope, struct stat *ret_st, struct err *err)
{
	bool ours = scope == FS_BENEATH || scope == FS_BENEATH_XDEV;
	OWN_FD int fd = resolve(dirfd, path, scope, O_PATH | (ours ? O_NOFOLLOW : 0), 0);
	struct stat st;
	int r = fd < 0 ? fd : sys_fstat(fd, &st);

	if (r < 0)
		return err_sys(err, r, "stat %s", path);
	*ret_st = st;
	return 0;
}

int fs_stat_name(int dirfd, const char *name, struct stat *ret_st, struct err *err)
{
	struct stat st;
	int r = check_name(name, err);

	if (r < 0)
		return r;
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0)
		return err_sys(err, -errno, "stat %s", name);
	*ret_st = st;
	return 0;
}

bool fs_exists(int dirfd, const char *path, enum fs_scope scope)
{
	struct stat st;

	return fs_stat(dirfd, path, scope, &st, NULL) == 0;
}

int fs_sync_dir(int dirfd, struct err *err)
{
	int r = sys_fsync(dirfd);

	return r < 0 ? err_sys(err, r, "sync the directory") : 0;
}

const char *fs_fd_path(int fd, char path[FS_FD_PATH_MAX])
{
	(void)snprintf(path, FS_FD_PATH_MAX, "/proc/self/fd/%d", fd);
	return path;
}
