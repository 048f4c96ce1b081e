/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns "tmpcopyup": a fresh tmpfs begins with what the image has at its place. Runs in the child,
 * before the root is changed. The tree is the image's: names are taken one by one in directories
 * that are open, nothing is followed. Must never copy more levels than its bound, and no devices.
 */
#include "engine/run/apply.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>
#include "lib/fs.h"
#include "lib/own.h"

enum { LEVELS_MAX = 40, CHUNK = 1 << 20, LINK_MAX = 4096 };

struct copy {
	int to;
	unsigned level;
};

static int copy_dir(int from, int to, unsigned level, struct err *err);

/* Owner before mode: a change of owner takes the setuid bits away. */
static int copy_owner(int fd, const struct stat *st, struct err *err)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };

	if (fchown(fd, st->st_uid, st->st_gid) < 0 || fchmod(fd, st->st_mode & 07777) < 0)
		return err_sys(err, -errno, "copy owner and mode");
	(void)futimens(fd, times);
	return 0;
}

static int copy_file(int dirfd, const char *name, int to, const struct stat *st, struct err *err)
{
	OWN_FD int in =
		fs_open(dirfd, name, FS_BENEATH, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, err);
	OWN_FD int out = -1;
	ssize_t n;

	if (in < 0)
		return in;
	out = fs_open(to, name, FS_BENEATH, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600, err);
	if (out < 0)
		return out;
	while ((n = sendfile(out, in, NULL, CHUNK)) > 0)
		;
	if (n < 0)
		return err_sys(err, -errno, "copy %s", name);
	return copy_owner(out, st, err);
}

static int copy_link(int dirfd, const char *name, int to, const struct stat *st, struct err *err)
{
	OWN_FD int link = fs_open(dirfd, name, FS_BENEATH, O_PATH | O_NOFOLLOW, 0, err);
	char text[LINK_MAX];
	ssize_t n;
	int r;

	if (link < 0)
		return link;
	n = readlinkat(link, "", text, sizeof(text) - 1);
	if (n < 0)
		return err_sys(err, -errno, "read the link %s", name);
	text[n] = '\0';
	r = fs_symlink(text, to, name, err);
	if (r == 0 && fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		r = err_sys(err, -errno, "owner of the link %s", name);
	return r;
}

static int copy_subdir(int dirfd, const char *name, const struct copy *copy, const struct stat *st,
		       struct err *err)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
	OWN_FD int in = fs_open(dirfd, name, FS_BENEATH, flags, 0, err);
	OWN_FD int out = -1;
	int r;

	if (in < 0)
		return in;
	r = fs_mkdir(copy->to, name, 0700, err);
	if (r < 0)
		return r;
	out = fs_open(copy->to, name, FS_BENEATH, flags, 0, err);
	if (out < 0)
		return out;
	r = copy_dir(in, out, copy->level + 1, err);
	return r < 0 ? r : copy_owner(out, st, err);
}

static int copy_entry(int dirfd, const char *name, unsigned char type, void *owner, struct err *err)
{
	const struct copy *copy = owner;
	OWN_FD int fd = fs_open(dirfd, name, FS_BENEATH, O_PATH | O_NOFOLLOW, 0, NULL);
	struct stat st;

	(void)type;
	if (fd < 0) /* another mount stands there */
		return 0;
	if (fstat(fd, &st) < 0)
		return err_sys(err, -errno, "stat %s", name);
	if (S_ISDIR(st.st_mode))
		return copy_subdir(dirfd, name, copy, &st, err);
	if (S_ISREG(st.st_mode))
		return copy_file(dirfd, name, copy->to, &st, err);
	return S_ISLNK(st.st_mode) ? copy_link(dirfd, name, copy->to, &st, err) : 0;
}

static int copy_dir(int from, int to, unsigned level, struct err *err)
{
	struct copy copy = { .to = to, .level = level };

	if (level >= LEVELS_MAX)
		return err_set(err, -ELOOP, "more than %d levels of directories", LEVELS_MAX);
	return fs_each(from, copy_entry, &copy, err);
}

int apply_copy_up(int from, int to, struct err *err)
{
	OWN_FD int in = fs_open(from, ".", FS_BENEATH, O_RDONLY | O_DIRECTORY, 0, err);
	OWN_FD int out = in < 0 ? -1 : fs_open(to, ".", FS_BENEATH, O_RDONLY | O_DIRECTORY, 0, err);
	struct stat st;
	int r;

	if (in < 0 || out < 0)
		return in < 0 ? in : out;
	if (fstat(in, &st) < 0)
		return err_sys(err, -errno, "stat the image's directory");
	r = copy_dir(in, out, 0, err);
	return r < 0 ? err_prefix(err, "copy the image's files") : copy_owner(out, &st, err);
}
