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
#include "engine/files/diff.h"
#include "engine/files/stub.h"
#include "engine/files/walk.h"
#include "lib/fs.h"
#include "lib/own.h"

struct diff *diff_new(int upper_fd, int out_fd)
{
	struct diff *diff = calloc(1, sizeof(*diff));
	if (!diff)
		return NULL;
	diff->upper = upper_fd;
	diff->lower = -1;
	diff->prefix = "";
	entry_writer_init(&diff->out, out_fd);
	return diff;
}

void diff_free(struct diff **diff)
{
	if (!*diff)
		return;
	entry_writer_done(&(*diff)->out);
	links_done(&(*diff)->links);
	free(*diff);
	*diff = NULL;
}

/* The path as it stands in the stream. */
static int show(const struct diff *diff, const char *path, char dst[FILES_PATH_MAX],
		struct str *ret_path, struct err *err)
{
	const char *slash = *diff->prefix && *path ? "/" : "";
	int n = snprintf(dst, FILES_PATH_MAX, "%s%s%s", diff->prefix, slash, path);
	if (n < 0 || n >= FILES_PATH_MAX)
		return err_set(err, -ENAMETOOLONG, "a path is longer than %d bytes",
			       FILES_PATH_MAX - 1);
	*ret_path = str_make(dst, (size_t)n);
	return 0;
}

/* Instead of a record: what became of the path, seen from the layers below. */
static int note_change(struct diff *diff, const char *path, bool gone, struct err *err)
{
	struct stat st;
	if (!*path)
		return 0;
	if (diff->change_count == FILES_CHANGES_MAX)
		return err_set(err, -E2BIG, "more than %d changes", FILES_CHANGES_MAX);
	bool below = fs_stat(diff->lower, path, FS_BENEATH, &st, NULL) == 0;
	diff->change_count++;
	wire_put_u8(diff->changes, gone	   ? FILES_CHANGE_DELETED
				   : below ? FILES_CHANGE_MODIFIED
					   : FILES_CHANGE_ADDED);
	wire_put_text(diff->changes, path);
	int r = buf_error(diff->changes);
	return r < 0 ? err_set(err, -E2BIG, "the changed paths are over %zu bytes",
			       diff->changes->max)
		     : 0;
}

static int write_mark(struct diff *diff, enum entry_type type, const char *path, struct err *err)
{
	if (diff->changes)
		return type == ENTRY_WHITEOUT ? note_change(diff, path, true, err) : 0;
	diff->entry = (struct entry){ .type = type };
	int r = show(diff, path, diff->path, &diff->entry.path, err);
	return r < 0 ? r : entry_write(&diff->out, &diff->entry, err);
}

static int write_node(struct diff *diff, enum entry_type type, const char *path,
		      const struct stat *st, const char *link, struct err *err)
{
	struct entry *entry = &diff->entry;
	if (diff->changes)
		return note_change(diff, path, false, err);
	*entry = (struct entry){
		.type = type,
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
		entry->target = str_from(link);
	for (uint32_t i = 0; (type == ENTRY_FILE || type == ENTRY_DIR) && i < diff->xattrs.count;
	     i++)
		entry->xattrs[entry->xattr_count++] = diff->xattrs.items[i];
	int r = show(diff, path, diff->path, &entry->path, err);
	/* As in a tar of others it has owner and mode of what it links to: some set them again. */
	if (r == 0 && type == ENTRY_HARDLINK)
		r = show(diff, link, diff->link, &entry->target, err);
	return r < 0 ? r : entry_write(&diff->out, entry, err);
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

/* Holes are left out: a sparse file stays one. One that has all its blocks has none. */
static int write_content(struct diff *diff, int fd, const struct stat *st, struct err *err)
{
	uint64_t at = 0, size = (uint64_t)st->st_size;
	if ((uint64_t)st->st_blocks * 512 >= size)
		return write_range(diff, fd, 0, size, err);
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
		r = write_node(diff, ENTRY_FILE, path, st, NULL, err);
	return r < 0 || diff->changes ? r : write_content(diff, fd, st, err);
}

int diff_leaf(struct diff *diff, int dirfd, const char *name, const char *path,
	      const struct stat *st, struct err *err)
{
	if (S_ISCHR(st->st_mode) && st->st_rdev == 0 && !diff->plain)
		return write_mark(diff, ENTRY_WHITEOUT, path, err);
	if (S_ISSOCK(st->st_mode))
		return 0; /* means nothing without its process */
	if (st->st_nlink > 1 && !diff->changes) {
		const char *first = NULL;
		int r = links_find(&diff->links, st, path, &first, err);
		if (r < 0)
			return r;
		if (first)
			return write_node(diff, ENTRY_HARDLINK, path, st, first, err);
	}
	if (S_ISREG(st->st_mode))
		return diff_file(diff, dirfd, name, path, st, err);
	if (S_ISLNK(st->st_mode)) {
		ssize_t n = readlinkat(dirfd, name, diff->target, sizeof(diff->target) - 1);
		if (n < 0)
			return err_sys(err, -errno, "cannot read link");
		diff->target[n] = '\0';
		return write_node(diff, ENTRY_SYMLINK, path, st, diff->target, err);
	}
	return write_node(diff,
			  S_ISCHR(st->st_mode)	 ? ENTRY_CHAR
			  : S_ISBLK(st->st_mode) ? ENTRY_BLOCK
						 : ENTRY_FIFO,
			  path, st, NULL, err);
}

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
		int r = fs_stat_name(dirfd, name, &st, err);
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

int diff_dir(struct diff *diff, const char *path, struct err *err)
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
	if (!diff->whole)
		stub_filter(fd, path, &names);
	if (!*path)
		drop_mount_points(diff, &names);
	r = xattr_read(fd, &diff->xattrs, err);
	bool opaque = diff->xattrs.opaque;
	/* The root itself says nothing as long as there is nothing in it. */
	if (r == 0 && (*path || names.count > 0 || diff->plain))
		r = write_node(diff, ENTRY_DIR, path, &st, NULL, err);
	if (r == 0 && opaque && *path && !diff->plain)
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
	struct diff *diff OWN(diff_free) = diff_new(upper_fd, out_fd);
	if (!diff)
		return err_set(err, -ENOMEM, "out of memory");
	diff->rules = rules;
	int r = diff_dir(diff, "", err);
	return r < 0 ? r : diff_end(diff, ret_totals, err);
}

int diff_end(struct diff *diff, struct files_totals *ret_totals, struct err *err)
{
	int r = entry_write_end(&diff->out, err);
	if (r < 0)
		return r;
	ret_totals->files = diff->out.entries;
	ret_totals->bytes = diff->out.bytes;
	return 0;
}
