/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An archive's entries into a tree: ADD. Runs in the files role, which sees records of the unpack
 * role and never the archive. Must never leave the directory it was given as the archive's root,
 * nor give a file its attributes before the owner is set.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "engine/api/entry.h"
#include "engine/files/files.h"
#include "engine/files/target.h"
#include "engine/files/walk.h"
#include "engine/files/xattr.h"
#include "lib/fs.h"
#include "lib/own.h"

/* A directory gets its time back once everything is in it. */
struct late_time {
	char *path;
	struct timespec time;
};

struct extracting {
	int base_fd; /* the archive's root */
	const struct files_owner *owner;
	struct files_totals totals;
	int file_fd; /* of the entry that DATA belongs to, -1 = none */
	struct timespec file_time;
	struct late_time *times;
	size_t time_count, time_room;
	struct xattr_set xattrs;
};

static int add_time(struct extracting *x, const char *path, struct timespec time, struct err *err)
{
	if (x->time_count == x->time_room) {
		size_t room = x->time_room ? x->time_room * 2 : 64;
		struct late_time *more = realloc(x->times, room * sizeof(*more));
		if (!more)
			return err_set(err, -ENOMEM, "out of memory");
		x->times = more;
		x->time_room = room;
	}
	char *copy = strdup(path);
	if (!copy)
		return err_set(err, -ENOMEM, "out of memory");
	x->times[x->time_count++] = (struct late_time){ copy, time };
	return 0;
}

static void extracting_done(struct extracting *x)
{
	for (size_t i = 0; i < x->time_count; i++)
		free(x->times[i].path);
	free(x->times);
	own_close(&x->file_fd);
	own_close(&x->base_fd);
}

static struct timespec entry_time(const struct entry *entry)
{
	return (struct timespec){ .tv_sec = entry->mtime_s, .tv_nsec = (long)entry->mtime_ns };
}

static int set_time(int fd, struct timespec time, struct err *err)
{
	const struct timespec times[2] = { time, time };
	return futimens(fd, times) < 0 ? err_sys(err, -errno, "cannot set the time") : 0;
}

static int set_attributes(struct extracting *x, int fd, const struct entry *entry, struct err *err)
{
	uint32_t uid = x->owner ? x->owner->uid : entry->uid;
	uint32_t gid = x->owner ? x->owner->gid : entry->gid;
	if (fchown(fd, uid, gid) < 0)
		return err_sys(err, -errno, "cannot set the owner");
	if (fchmod(fd, entry->mode & 07777) < 0)
		return err_sys(err, -errno, "cannot set the mode");
	x->xattrs.count = 0;
	for (uint32_t i = 0; i < entry->xattr_count; i++)
		if (xattr_is_kept(entry->xattrs[i].name))
			x->xattrs.items[x->xattrs.count++] = entry->xattrs[i];
	return xattr_write(fd, &x->xattrs, err);
}

static int end_file(struct extracting *x, struct err *err)
{
	if (x->file_fd < 0)
		return 0;
	int r = set_time(x->file_fd, x->file_time, err);
	own_close(&x->file_fd);
	return r;
}

/* The directory of an entry (made where it is missing), its last component free for it. */
static int make_room(struct extracting *x, const char *path, char name[256], struct err *err)
{
	const struct files_owner root = { 0, 0 };
	char parent[FILES_PATH_MAX];
	struct stat st;
	struct err why = { 0 };
	bool made = false;
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) : 0;
	memcpy(parent, path, len);
	parent[len] = '\0';
	int r = str_copy(str_from(slash ? slash + 1 : path), name, 256);
	if (r < 0)
		return err_set(err, r, "a name is too long");
	OWN_FD int dir = target_dir(x->base_fd, parent, x->owner ? x->owner : &root, &made, err);
	if (dir < 0)
		return dir;
	r = fs_stat(dir, name, FS_BENEATH, &st, &why);
	if (r == -ENOENT)
		return take_fd(&dir);
	if (r < 0)
		return err_set(err, r, "%s", err_text(&why));
	r = fs_remove_tree(dir, name, err);
	return r < 0 ? r : take_fd(&dir);
}

static int extract_dir(struct extracting *x, const struct entry *entry, const char *path,
		       struct err *err)
{
	const struct files_owner root = { 0, 0 };
	struct err why = { 0 };
	char name[256];
	bool made = false;
	OWN_FD int fd = fs_open(x->base_fd, *path ? path : ".", FS_IN_ROOT, O_RDONLY | O_DIRECTORY,
				0, &why);
	if (fd == -ENOTDIR) {
		OWN_FD int dir = make_room(x, path, name, err);
		if (dir < 0)
			return dir;
	}
	if (fd < 0)
		fd = target_dir(x->base_fd, path, x->owner ? x->owner : &root, &made, err);
	if (fd < 0)
		return fd;
	if (!*path)
		return 0; /* the destination itself stays as it is */
	int r = set_attributes(x, fd, entry, err);
	return r < 0 ? r : add_time(x, path, entry_time(entry), err);
}

static int extract_file(struct extracting *x, const struct entry *entry, int dir, const char *name,
			struct err *err)
{
	OWN_FD int fd =
		fs_open(dir, name, FS_BENEATH, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600, err);
	if (fd < 0)
		return fd;
	if (ftruncate(fd, (off_t)entry->size) < 0)
		return err_sys(err, -errno, "cannot write");
	int r = set_attributes(x, fd, entry, err);
	if (r < 0)
		return r;
	x->totals.files++;
	x->totals.bytes += entry->size;
	x->file_time = entry_time(entry);
	x->file_fd = take_fd(&fd);
	return 0;
}

static int extract_link(struct extracting *x, const struct entry *entry, int dir, const char *name,
			struct err *err)
{
	char target[FILES_PATH_MAX], last[256];
	int r = str_copy(entry->target, target, sizeof(target));
	if (r < 0)
		return err_set(err, r, "a link's target is too long");
	if (entry->type == ENTRY_SYMLINK)
		return fs_symlink(target, dir, name, err);
	OWN_FD int from = fs_open_parent(x->base_fd, target, FS_IN_ROOT, last, err);
	if (from < 0)
		return from;
	return linkat(from, last, dir, name, 0) < 0
		       ? err_sys(err, -errno, "cannot link to %s", target)
		       : 0;
}

static int extract_special(struct extracting *x, const struct entry *entry, int dir,
			   const char *name, struct err *err)
{
	const struct timespec times[2] = { entry_time(entry), entry_time(entry) };
	uint32_t uid = x->owner ? x->owner->uid : entry->uid;
	uint32_t gid = x->owner ? x->owner->gid : entry->gid;
	mode_t type = entry->type == ENTRY_CHAR	   ? S_IFCHR
		      : entry->type == ENTRY_BLOCK ? S_IFBLK
						   : S_IFIFO;
	x->totals.files++;
	if (entry->type == ENTRY_SYMLINK || entry->type == ENTRY_HARDLINK) {
		int r = extract_link(x, entry, dir, name, err);
		if (r < 0 || entry->type == ENTRY_HARDLINK)
			return r;
	} else if (mknodat(dir, name, type | (entry->mode & 07777),
			   makedev(entry->rdev_major, entry->rdev_minor)) < 0) {
		return err_sys(err, -errno, "cannot make special file");
	}
	if (fchownat(dir, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, -errno, "cannot set the owner");
	if (utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, -errno, "cannot set the time");
	return 0;
}

static int extract_data(struct extracting *x, const struct entry *entry, struct err *err)
{
	if (x->file_fd < 0)
		return err_set(err, -EBADMSG, "data without a file");
	if (lseek(x->file_fd, (off_t)entry->offset, SEEK_SET) < 0)
		return err_sys(err, -errno, "cannot write");
	return fs_write_fd(x->file_fd, entry->data.ptr, entry->data.len, err);
}

static int extract_entry(struct extracting *x, const struct entry *entry, struct err *err)
{
	char path[FILES_PATH_MAX], name[256];
	if (entry->type == ENTRY_DATA)
		return extract_data(x, entry, err);
	int r = end_file(x, err);
	if (r < 0 || entry->type == ENTRY_END)
		return r;
	if (entry->type == ENTRY_WHITEOUT || entry->type == ENTRY_OPAQUE)
		return err_set(err, -EBADMSG, "a layer's mark in an archive");
	r = str_copy(entry->path, path, sizeof(path));
	if (r < 0)
		return err_set(err, r, "a path is too long");
	if (entry->type == ENTRY_DIR)
		return extract_dir(x, entry, path, err);
	OWN_FD int dir = make_room(x, path, name, err);
	if (dir < 0)
		return dir;
	if (entry->type == ENTRY_FILE)
		return extract_file(x, entry, dir, name, err);
	return extract_special(x, entry, dir, name, err);
}

static int set_late_times(struct extracting *x, struct err *err)
{
	int r = 0;
	for (size_t i = x->time_count; r == 0 && i-- > 0;) {
		struct err why = { 0 };
		OWN_FD int fd = fs_open(x->base_fd, x->times[i].path, FS_IN_ROOT,
					O_RDONLY | O_DIRECTORY, 0, &why);
		if (fd >= 0) /* a later entry may have taken its place */
			r = set_time(fd, x->times[i].time, err);
	}
	return r;
}

int files_extract(int records_fd, int root_fd, struct str dest, const struct files_owner *owner,
		  struct files_totals *ret_totals, struct err *err)
{
	static struct entry entry; /* one process, one call at a time */
	static struct extracting x;
	const struct files_owner root = { 0, 0 };
	struct entry_reader reader;
	char base[FILES_PATH_MAX];
	bool made = false;
	x = (struct extracting){ .base_fd = -1, .owner = owner, .file_fd = -1 };
	int r = walk_clean(dest, base, err);
	if (r < 0)
		return r;
	entry_reader_init(&reader, records_fd);
	while ((r = entry_read(&reader, &entry, err)) == 1) {
		/* Made only now: what turns out to be no archive has to leave no trace. */
		if (x.base_fd < 0)
			x.base_fd = target_dir(root_fd, base, owner ? owner : &root, &made, err);
		r = x.base_fd < 0 ? x.base_fd : extract_entry(&x, &entry, err);
		if (r < 0) {
			(void)err_prefix(err, "extract %.*s",
					 (int)(entry.path.len < 200 ? entry.path.len : 200),
					 entry.path.ptr ? entry.path.ptr : "");
			break;
		}
	}
	if (r == -EBADMSG && x.base_fd < 0)
		r = err_set(err, -ENODATA, "the archive has no entry");
	if (r == 0 && x.base_fd < 0)
		r = x.base_fd = target_dir(root_fd, base, owner ? owner : &root, &made, err);
	if (r >= 0)
		r = end_file(&x, err);
	if (r == 0)
		r = set_late_times(&x, err);
	if (r == 0)
		*ret_totals = x.totals;
	entry_reader_done(&reader);
	extracting_done(&x);
	return r;
}
