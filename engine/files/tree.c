/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trees that leave the machine: a layer, a container's root or a part of it as entry records; what
 * a container changed; how much room a tree takes. Runs in the files role. Must never follow the
 * last name of a path that was given without a slash behind it, nor leave the root.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "engine/files/diff.h"
#include "engine/files/walk.h"
#include "lib/fs.h"
#include "lib/own.h"

/* "dir/" and "dir/." mean what the directory is, also through a link. */
static bool means_directory(const char *path)
{
	size_t len = strlen(path);
	return len == 0 || path[len - 1] == '/' || strcmp(path, ".") == 0 ||
	       (len >= 2 && strcmp(path + len - 2, "/.") == 0);
}

/* The directory that is meant, or with ret_name set the one that holds the name. */
static int open_place(int root_fd, const char *path, char ret_name[256], struct stat *ret_st,
		      struct err *err)
{
	*ret_name = 0;
	if (means_directory(path)) {
		int fd = fs_open(root_fd, *path ? path : ".", FS_IN_ROOT, O_RDONLY | O_DIRECTORY, 0,
				 err);
		if (fd >= 0 && fstat(fd, ret_st) < 0) {
			close(fd);
			return err_sys(err, -errno, "cannot stat");
		}
		return fd;
	}
	OWN_FD int parent = fs_open_parent(root_fd, path, FS_IN_ROOT, ret_name, err);
	if (parent < 0)
		return parent;
	int r = fs_stat(parent, ret_name, FS_BENEATH, ret_st, err);
	if (r < 0)
		return r;
	if (!S_ISDIR(ret_st->st_mode))
		return take_fd(&parent);
	int fd = fs_open(parent, ret_name, FS_BENEATH, O_RDONLY | O_DIRECTORY, 0, err);
	*ret_name = 0;
	return fd;
}

static int fill_stat(int dirfd, const char *name, const struct stat *st,
		     struct files_stat *ret_stat, struct err *err)
{
	*ret_stat = (struct files_stat){ .size = (uint64_t)st->st_size,
					 .mode = st->st_mode,
					 .mtime_s = st->st_mtim.tv_sec };
	if (!S_ISLNK(st->st_mode))
		return 0;
	ssize_t n = readlinkat(dirfd, name, ret_stat->link, sizeof(ret_stat->link) - 1);
	if (n < 0)
		return err_sys(err, -errno, "cannot read link");
	ret_stat->link[n] = 0;
	return 0;
}

int files_stat(int root_fd, const char *path, struct files_stat *ret_stat, struct err *err)
{
	char name[256];
	struct stat st;
	OWN_FD int fd = open_place(root_fd, path, name, &st, err);
	return fd < 0 ? fd : fill_stat(fd, name, &st, ret_stat, err);
}

int files_tree(int root_fd, int out_fd, const struct files_tree *tree,
	       struct files_totals *ret_totals, struct files_stat *ret_stat, struct err *err)
{
	char name[256];
	struct stat st;
	OWN_FD int fd = open_place(root_fd, tree->path, name, &st, err);
	int r = fd < 0 ? fd : fill_stat(fd, name, &st, ret_stat, err);
	if (r < 0)
		return r;
	struct diff *diff OWN(diff_free) = diff_new(fd, out_fd);
	if (!diff)
		return err_set(err, -ENOMEM, "out of memory");
	diff->whole = true;
	diff->plain = tree->plain;
	diff->prefix = *name ? "" : tree->name;
	r = *name ? diff_leaf(diff, fd, name, tree->name, &st, err) : diff_dir(diff, "", err);
	return r < 0 ? r : diff_end(diff, ret_totals, err);
}

int files_changes(int upper_fd, int lower_fd, struct buf *out, uint32_t *ret_count, struct err *err)
{
	struct diff *diff OWN(diff_free) = diff_new(upper_fd, -1);
	if (!diff)
		return err_set(err, -ENOMEM, "out of memory");
	diff->lower = lower_fd;
	diff->changes = out;
	int r = diff_dir(diff, "", err);
	*ret_count = diff->change_count;
	return r;
}

/* ---- room ---- */

struct room {
	struct files_totals totals;
};

static int add_room(int dirfd, const char *name, unsigned char type, void *owner, struct err *err);

static int add_dir(int dirfd, const char *name, struct room *room, struct err *err)
{
	OWN_FD int fd =
		fs_open(dirfd, name, FS_BENEATH, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, NULL);
	/* Gone or changed meanwhile, or another file system: not counted. */
	return fd < 0 ? 0 : fs_each(fd, add_room, room, err);
}

static int add_room(int dirfd, const char *name, unsigned char type, void *owner, struct err *err)
{
	struct room *room = owner;
	struct stat st;
	(void)type;
	if (fs_stat(dirfd, name, FS_BENEATH, &st, NULL) < 0)
		return 0;
	room->totals.files++;
	room->totals.bytes += (uint64_t)st.st_blocks * 512 / (st.st_nlink > 0 ? st.st_nlink : 1);
	return S_ISDIR(st.st_mode) ? add_dir(dirfd, name, room, err) : 0;
}

int files_usage(int root_fd, struct files_totals *ret_totals, struct err *err)
{
	struct room room = { 0 };
	int r = fs_each(root_fd, add_room, &room, err);
	*ret_totals = room.totals;
	return r;
}
