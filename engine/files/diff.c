/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turns the upper directory of an overlay into entry records: what a build step changed. Runs in
 * the files role, when nothing runs in the tree any more. Must never let overlayfs's own marks out
 * as attributes, nor follow a link.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "engine/api/entry.h"
#include "engine/files/files.h"
#include "engine/files/links.h"
#include "engine/files/stub.h"
#include "engine/files/walk.h"
#include "engine/files/xattr.h"
#include "lib/fs.h"
#include "lib/own.h"

enum { DIFF_PIECE = ENTRY_DATA_MAX };

struct diff {
	int upper;
	const struct files_diff_rules *rules;
	struct entry_writer out;
	struct entry entry;
	struct xattr_set xattrs;
	struct links links;
	char target[FILES_PATH_MAX];
	uint8_t piece[DIFF_PIECE];
};

static void diff_free(struct diff **diff)
{
	if (!*diff)
		return;
	entry_writer_done(&(*diff)->out);
	links_done(&(*diff)->links);
	free(*diff);
	*diff = NULL;
}

static int write_mark(struct diff *diff, enum entry_type type, const char *path, struct err *err)
{
	diff->entry = (struct entry){ .type = type, .path = str_from(path) };
	return entry_write(&diff->out, &diff->entry, err);
}

static int write_node(struct diff *diff, enum entry_type type, const char *path,
		      const struct stat *st, struct err *err)
{
	struct entry *entry = &diff->entry;
	*entry = (struct entry){
		.type = type,
		.path = str_from(path),
		.mode = st->st_mode & 07777,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.mtime_s = st->st_mtim.tv_sec,
		.mtime_ns = (uint32_t)st->st_mtim.tv_nsec,
	};
	if (diff->rules && entry->mtime_s > diff->rules->newest_s) {
		entry->mtime_s = diff->rules->newest_s;
		entry->mtime_ns = 0;
	}
	if (type == ENTRY_FILE)
		entry->size = (uint64_t)st->st_size;
	if (type == ENTRY_CHAR || type == ENTRY_BLOCK) {
		entry->rdev_major = major(st->st_rdev);
		entry->rdev_minor = minor(st->st_rdev);
	}
	if (type == ENTRY_SYMLINK)
		entry->target = str_from(diff->target);
	for (uint32_t i = 0; (type == ENTRY_FILE || type == ENTRY_DIR) && i < diff->xattrs.count;
	     i++)
		entry->xattrs[entry->xattr_count++] = diff->xattrs.items[i];
	return entry_write(&diff->out, entry, err);
}

static int write_range(struct diff *diff, int fd, uint64_t at, uint64_t end, struct err *err)
{
	while (at < end) {
		size_t want = end - at < DIFF_PIECE ? (size_t)(end - at) : DIFF_PIECE;
		ssize_t n = pread(fd, diff->piece, want, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, -errno, "cannot read");
		if (n == 0)
			return err_set(err, -EIO, "file became shorter while it was read");
		diff->entry = (struct entry){ .type = ENTRY_DATA,
					      .offset = at,
					      .data = str_make(diff->piece, (size_t)n) };
		int r = entry_write(&diff->out, &diff->entry, err);
		if (r < 0)
			return r;
		at += (uint64_t)n;
	}
	return 0;
}

/* Holes are left out: a sparse file stays one. */
static int write_content(struct diff *diff, int fd, uint64_t size, struct err *err)
{
	uint64_t at = 0;
	while (at < size) {
		off_t data = lseek(fd, (off_t)at, SEEK_DATA);
		if (data < 0 && errno == ENXIO)
			return 0;
		if (data < 0)
			return write_range(diff, fd, at, size, err);
		off_t hole = lseek(fd, data, SEEK_HOLE);
		uint64_t end = hole < 0 || (uint64_t)hole > size ? size : (uint64_t)hole;
		int r = write_range(diff, fd, (uint64_t)data, end, err);
		if (r < 0)
			return r;
		at = end;
	}
	return 0;
}

static int diff_file(struct diff *diff, int dirfd, const char *name, const char *path,
		     const struct stat *st, struct err *err)
{
	OWN_FD int fd =
		fs_open(dirfd, name, FS_BENEATH, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, err);
	int r = fd < 0 ? fd : xattr_read(fd, &diff->xattrs, err);
	if (r == 0)
		r = write_node(diff, ENTRY_FILE, path, st, err);
	return r < 0 ? r : write_content(diff, fd, (uint64_t)st->st_size, err);
}

static int diff_leaf(struct diff *diff, int dirfd, const char *name, const char *path,
		     const struct stat *st, struct err *err)
{
	if (S_ISCHR(st->st_mode) && st->st_rdev == 0)
		return write_mark(diff, ENTRY_WHITEOUT, path, err);
	if (S_ISSOCK(st->st_mode))
		return 0; /* means nothing without its process */
	if (st->st_nlink > 1) {
		const char *first = NULL;
		int r = links_find(&diff->links, st, path, &first, err);
		if (r < 0)
			return r;
		if (first) {
			diff->entry = (struct entry){ .type = ENTRY_HARDLINK,
						      .path = str_from(path),
						      .target = str_from(first) };
			return entry_write(&diff->out, &diff->entry, err);
		}
	}
	if (S_ISREG(st->st_mode))
		return diff_file(diff, dirfd, name, path, st, err);
	if (S_ISLNK(st->st_mode)) {
		ssize_t n = readlinkat(dirfd, name, diff->target, sizeof(diff->target) - 1);
		if (n < 0)
			return err_sys(err, -errno, "cannot read link");
		diff->target[n] = '\0';
		return write_node(diff, ENTRY_SYMLINK, path, st, err);
	}
	return write_node(diff,
			  S_ISCHR(st->st_mode)	 ? ENTRY_CHAR
			  : S_ISBLK(st->st_mode) ? ENTRY_BLOCK
						 : ENTRY_FIFO,
			  path, st, err);
}

static int diff_dir(struct diff *diff, const char *path, struct err *err);

/* Leaves first; directories are only gathered, so that one fd is open at a time. */
static int diff_names(struct diff *diff, int dirfd, const char *path,
		      const struct walk_names *names, struct walk_names *dirs, struct err *err)
{
	char child[FILES_PATH_MAX];
	for (size_t i = 0; i < names->count; i++) {
		const char *name = names->items[i];
		struct stat st;
		int n = snprintf(child, sizeof(child), "%s%s%s", path, *path ? "/" : "", name);
		if (n < 0 || (size_t)n >= sizeof(child))
			return err_set(err, -ENAMETOOLONG, "a path is longer than %d bytes",
				       FILES_PATH_MAX - 1);
		int r = fs_stat(dirfd, name, FS_BENEATH, &st, err);
		if (r < 0)
			return r;
		if (S_ISDIR(st.st_mode)) {
			dirs->items[dirs->count++] = names->items[i];
			continue;
		}
		if (stub_is_mount_point(diff->upper, child, diff->rules))
			continue;
		r = diff_leaf(diff, dirfd, name, child, &st, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int diff_subdirs(struct diff *diff, const char *path, const struct walk_names *dirs,
			struct err *err)
{
	char child[FILES_PATH_MAX];
	int r = 0;
	for (size_t i = 0; r == 0 && i < dirs->count; i++) {
		int n = snprintf(child, sizeof(child), "%s%s%s", path, *path ? "/" : "",
				 dirs->items[i]);
		if (n < 0 || (size_t)n >= sizeof(child))
			return err_set(err, -ENAMETOOLONG, "a path is longer than %d bytes",
				       FILES_PATH_MAX - 1);
		if (!stub_is_mount_point(diff->upper, child, diff->rules))
			r = diff_dir(diff, child, err);
	}
	return r;
}

static void drop_mount_points(struct diff *diff, struct walk_names *names)
{
	size_t kept = 0;
	for (size_t i = 0; i < names->count; i++) {
		char *name = names->items[i];
		if (stub_is_mount_point(diff->upper, name, diff->rules))
			free(name);
		else
			names->items[kept++] = name;
	}
	names->count = kept;
}

static int diff_dir(struct diff *diff, const char *path, struct err *err)
{
	struct walk_names names OWN(walk_names_done) = { 0 };
	struct stat st;
	OWN_FD int fd = fs_open(diff->upper, *path ? path : ".", FS_BENEATH, O_RDONLY | O_DIRECTORY,
				0, err);
	int r = fd < 0 ? fd : walk_names_read(fd, &names, err);
	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0)
		return err_sys(err, -errno, "cannot stat");
	stub_filter(fd, path, &names);
	if (!*path)
		drop_mount_points(diff, &names);
	r = xattr_read(fd, &diff->xattrs, err);
	bool opaque = diff->xattrs.opaque;
	/* The root itself says nothing as long as there is nothing in it. */
	if (r == 0 && (*path || names.count > 0))
		r = write_node(diff, ENTRY_DIR, path, &st, err);
	if (r == 0 && opaque && *path)
		r = write_mark(diff, ENTRY_OPAQUE, path, err);
	/* The directories among the names, borrowed from them. */
	char **items = calloc(names.count + 1, sizeof(*items));
	if (!items)
		return err_set(err, -ENOMEM, "out of memory");
	struct walk_names dirs = { .items = items };
	if (r == 0)
		r = diff_names(diff, fd, path, &names, &dirs, err);
	own_close(&fd);
	if (r == 0)
		r = diff_subdirs(diff, path, &dirs, err);
	free(items);
	return r;
}

int files_diff(int upper_fd, int out_fd, const struct files_diff_rules *rules,
	       struct files_totals *ret_totals, struct err *err)
{
	struct diff *diff OWN(diff_free) = calloc(1, sizeof(*diff));
	if (!diff)
		return err_set(err, -ENOMEM, "out of memory");
	diff->upper = upper_fd;
	diff->rules = rules;
	entry_writer_init(&diff->out, out_fd);
	int r = diff_dir(diff, "", err);
	if (r == 0)
		r = entry_write_end(&diff->out, err);
	if (r < 0)
		return r;
	ret_totals->files = diff->out.entries;
	ret_totals->bytes = diff->out.bytes;
	return 0;
}
