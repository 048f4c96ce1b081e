/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes directories in foreign roots. Runs in the files role. Must never make one outside of the
 * root, nor change one that is there.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "engine/files/files.h"
#include "engine/files/target.h"
#include "engine/files/walk.h"
#include "lib/fs.h"
#include "lib/own.h"

enum { TARGET_LINKS_MAX = 20 };

struct target_way {
	unsigned links;
	bool made;
};

static int make_one(int root_fd, const char *path, const struct files_owner *owner, struct err *err)
{
	char name[256];
	OWN_FD int parent = fs_open_parent(root_fd, path, FS_IN_ROOT, name, err);
	if (parent < 0)
		return parent;
	struct stat st;
	int r = fs_mkdir(parent, name, 0755, err);
	if (r < 0)
		return r;
	OWN_FD int fd = fs_open(parent, name, FS_BENEATH, O_RDONLY | O_DIRECTORY, 0, err);
	if (fd < 0)
		return fd;
	if (owner && fchown(fd, owner->uid, owner->gid) < 0)
		return err_sys(err, -errno, "cannot set the owner of /%s", path);
	/* The bit is handed down, as mkdir(2) has it. */
	if (fstat(parent, &st) < 0 || ((st.st_mode & S_ISGID) && fchmod(fd, S_ISGID | 0755) < 0))
		return err_sys(err, -errno, "cannot set the mode of /%s", path);
	return 0;
}

/* Where a link that leads nowhere would lead: the path with its target in its place. 0: no link. */
static int through_link(int root_fd, const char *prefix, const char *rest, char ret[FILES_PATH_MAX],
			struct err *err)
{
	char name[256], target[FILES_PATH_MAX];
	struct err why = { 0 };
	OWN_FD int parent = fs_open_parent(root_fd, prefix, FS_IN_ROOT, name, &why);
	ssize_t len = parent < 0 ? -1 : readlinkat(parent, name, target, sizeof(target) - 1);
	if (len <= 0)
		return 0;
	target[len] = '\0';
	const char *slash = target[0] == '/' ? NULL : strrchr(prefix, '/');
	int n = snprintf(ret, FILES_PATH_MAX, "%.*s%s%s", slash ? (int)(slash - prefix + 1) : 0,
			 prefix, target + strspn(target, "/"), rest);
	if (n < 0 || n >= FILES_PATH_MAX)
		return err_set(err, -ENAMETOOLONG, "/%.200s: its target is too long", prefix);
	return 1;
}

/* ".." in it has been resolved by whoever wrote it, or stands in a link: the kernel walks those. */
static int open_or_make(int root_fd, const char *path, const struct files_owner *owner,
			struct target_way *way, struct err *err)
{
	char prefix[FILES_PATH_MAX], other[FILES_PATH_MAX];
	size_t len = strlen(path), at = 0;
	while (at < len) {
		struct err why = { 0 };
		while (at < len && path[at] == '/')
			at++;
		while (at < len && path[at] != '/')
			at++;
		memcpy(prefix, path, at);
		prefix[at] = '\0';
		OWN_FD int there =
			fs_open(root_fd, prefix, FS_IN_ROOT, O_PATH | O_DIRECTORY, 0, &why);
		if (there >= 0)
			continue;
		if (there == -ENOTDIR)
			return err_set(err, there, "/%s is there and is no directory", prefix);
		if (there != -ENOENT)
			return err_set(err, there, "%s", err_text(&why));
		int r = through_link(root_fd, prefix, path + at, other, err);
		if (r == 1 && way->links++ < TARGET_LINKS_MAX)
			return open_or_make(root_fd, other, owner, way, err);
		if (r == 1)
			return err_set(err, -ELOOP, "/%s: too many links", prefix);
		r = r < 0 ? r : make_one(root_fd, prefix, owner, err);
		if (r < 0)
			return r;
		way->made = true;
	}
	return fs_open(root_fd, *path ? path : ".", FS_IN_ROOT, O_RDONLY | O_DIRECTORY, 0, err);
}

int target_dir(int root_fd, const char *path, const struct files_owner *owner, bool *ret_made,
	       struct err *err)
{
	struct target_way way = { 0, false };
	int fd = open_or_make(root_fd, path, owner, &way, err);
	*ret_made = way.made;
	return fd;
}

int files_mkdir(int root_fd, const char *path, const struct files_owner *owner, struct err *err)
{
	char clean[FILES_PATH_MAX];
	bool made = false;
	int r = walk_clean(str_from(path), clean, err);
	if (r < 0)
		return r;
	OWN_FD int fd = target_dir(root_fd, clean, owner, &made, err);
	return fd < 0 ? fd : 0;
}
