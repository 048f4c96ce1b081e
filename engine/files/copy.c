/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Docker's COPY. Runs in the files role. Must never write outside of the destination root, whatever
 * links stand in it, nor give a file its attributes before the owner is set (a change of owner
 * drops setuid and capabilities).
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "engine/files/archive.h"
#include "engine/files/files.h"
#include "engine/files/links.h"
#include "engine/files/mode.h"
#include "engine/files/target.h"
#include "engine/files/walk.h"
#include "engine/files/xattr.h"
#include "lib/fs.h"
#include "lib/own.h"

enum { COPY_PIECE = 128 << 10, COPY_LINKS_MAX = 40 };

struct copying {
	int dest_fd;
	const struct files_copy *copy;
	struct files_owner owner;
	bool has_owner, into_dir;
	uint32_t archives;
	char dest[FILES_PATH_MAX], parent[FILES_PATH_MAX];
	int parent_fd;	   /* of the last leaf, open; -1 = none */
	bool parent_stale; /* something on the way to it may be another by now */
	struct files_totals totals;
	struct buf *archive_paths; /* NULL = archives are files like others */
	struct links links;	   /* source inodes and where they were copied to */
	struct xattr_set xattrs;
	uint8_t piece[COPY_PIECE];
};

/* What is right already is not set again: each change is one in the file system's journal. */
static int set_attributes(struct copying *c, int fd, const struct stat *st, struct err *err)
{
	struct stat made;
	mode_t mode = mode_apply(c->copy->chmod, st->st_mode);
	uint32_t uid = c->has_owner ? c->owner.uid : st->st_uid;
	uint32_t gid = c->has_owner ? c->owner.gid : st->st_gid;
	if (fstat(fd, &made) < 0)
		return err_sys(err, -errno, "cannot stat");
	bool owned = made.st_uid == uid && made.st_gid == gid;
	if (!owned && fchown(fd, uid, gid) < 0)
		return err_sys(err, -errno, "cannot set the owner");
	if ((!owned || (made.st_mode & 07777) != mode) && fchmod(fd, mode) < 0)
		return err_sys(err, -errno, "cannot set the mode");
	return xattr_write(fd, &c->xattrs, err);
}

static int set_times(int fd, const struct stat *st, struct err *err)
{
	const struct timespec times[2] = { st->st_mtim, st->st_mtim };
	return futimens(fd, times) < 0 ? err_sys(err, -errno, "cannot set the time") : 0;
}

/* Where an item goes, below the destination root. */
static int item_target(const struct copying *c, const struct walk_item *item, char *dst,
		       struct err *err)
{
	const char *tail = item->below;
	if (!*tail && !c->copy->parents && !S_ISDIR(item->st.st_mode) && c->into_dir) {
		const char *slash = strrchr(item->path, '/');
		tail = slash ? slash + 1 : item->path;
	}
	int n = snprintf(dst, FILES_PATH_MAX, "%s%s%s", c->dest, *c->dest && *tail ? "/" : "",
			 tail);
	if (n < 0 || n >= FILES_PATH_MAX)
		return err_set(err, -ENAMETOOLONG, "destination path of %.200s is too long",
			       item->path);
	return 0;
}

/* Of new directories that no source has. */
static const struct files_owner *dir_owner(const struct copying *c)
{
	return c->copy->chown.len > 0 ? &c->owner : NULL;
}

/* As at BuildKit: a new destination is one of 0755, or of a --chmod in digits. */
static int set_new_mode(const struct copying *c, int fd, struct err *err)
{
	struct str chmod = c->copy->chmod;
	if (chmod.len == 0 || !isdigit((unsigned char)chmod.ptr[0]) ||
	    fchmod(fd, mode_apply(chmod, S_IFDIR | 0755)) == 0)
		return 0;
	return err_sys(err, -errno, "cannot set the mode");
}

static int copy_dir(struct copying *c, const struct walk_item *item, const char *target,
		    struct err *err)
{
	bool made = false;
	OWN_FD int fd = target_dir(c->dest_fd, target, dir_owner(c), &made, err);
	if (fd < 0)
		return fd;
	if (item->leave)
		return *target ? set_times(fd, &item->st, err) : 0;
	/* What is below the source is as it is there; the source's own directory is not. */
	if (!*item->below)
		return made ? set_new_mode(c, fd, err) : 0;
	int r = xattr_read(item->fd, &c->xattrs, err);
	return r < 0 ? r : set_attributes(c, fd, &item->st, err);
}

/* Past a hole of the source, which becomes one of the copy; the bytes up to the next one go into
 * *ret_room. 1: nothing but a hole is left. */
static int skip_hole(int from, int to, off_t size, size_t *ret_room, struct err *err)
{
	off_t at = lseek(from, 0, SEEK_CUR);
	off_t data = lseek(from, at, SEEK_DATA), hole;
	if (data < 0 && errno == ENXIO)
		return ftruncate(to, size) < 0 ? err_sys(err, -errno, "cannot write") : 1;
	if (data < 0) /* a file system that knows of none */
		data = at;
	hole = lseek(from, data, SEEK_HOLE);
	if (hole > data && hole - data < COPY_PIECE)
		*ret_room = (size_t)(hole - data);
	if (lseek(from, data, SEEK_SET) < 0)
		return err_sys(err, -errno, "cannot read");
	return data > at && lseek(to, data, SEEK_SET) < 0 ? err_sys(err, -errno, "cannot write")
							  : 0;
}

static int copy_content(struct copying *c, const struct walk_item *item, int to, struct err *err)
{
	const uint64_t size = (uint64_t)item->st.st_size;
	const bool sparse = item->st.st_blocks * 512 < item->st.st_size;
	for (uint64_t done = 0;;) {
		size_t room = sizeof(c->piece);
		int hole = sparse ? skip_hole(item->fd, to, item->st.st_size, &room, err) : 0;
		if (hole != 0)
			return hole < 0 ? hole : 0;
		ssize_t n = read(item->fd, c->piece, room);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, -errno, "cannot read");
		if (n == 0)
			return 0;
		int r = fs_write_fd(to, c->piece, (size_t)n, err);
		if (r < 0)
			return r;
		c->totals.bytes += (uint64_t)n;
		done += (uint64_t)n;
		if ((size_t)n < sizeof(c->piece) && done >= size)
			return 0; /* its end: a whole piece would have been there */
	}
}

static int clear_name(struct copying *c, int parent, const char *name, const char *target,
		      struct err *err);

/* Most names are free: whether this one is turns out when it is made. */
static int make_file(struct copying *c, const struct walk_item *item, int parent, const char *name,
		     const char *target, struct err *err)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
	mode_t mode = mode_apply(c->copy->chmod, item->st.st_mode) & 0777;
	struct err why = { 0 };
	int fd = fs_open(parent, name, FS_BENEATH, flags, mode, &why);
	if (fd >= 0)
		return fd;
	if (fd != -EEXIST)
		return err_set(err, fd, "%s", err_text(&why));
	int r = clear_name(c, parent, name, target, err);
	return r < 0 ? r : fs_open(parent, name, FS_BENEATH, flags, mode, err);
}

static int copy_file(struct copying *c, const struct walk_item *item, int parent, const char *name,
		     const char *target, struct err *err)
{
	OWN_FD int fd = make_file(c, item, parent, name, target, err);
	int r = fd < 0 ? fd : copy_content(c, item, fd, err);
	if (r == 0)
		r = xattr_read(item->fd, &c->xattrs, err);
	if (r == 0)
		r = set_attributes(c, fd, &item->st, err);
	return r < 0 ? r : set_times(fd, &item->st, err);
}

/* Links and special files have no fd to set attributes by: one name in a directory that is open. */
static int copy_special(const struct copying *c, const struct walk_item *item, int parent,
			const char *name, struct err *err)
{
	const struct timespec times[2] = { item->st.st_mtim, item->st.st_mtim };
	mode_t mode = mode_apply(c->copy->chmod, item->st.st_mode);
	uint32_t uid = c->has_owner ? c->owner.uid : item->st.st_uid;
	uint32_t gid = c->has_owner ? c->owner.gid : item->st.st_gid;
	if (S_ISLNK(item->st.st_mode)) {
		int r = fs_symlink(item->link, parent, name, err);
		if (r < 0)
			return r;
	} else if (mknodat(parent, name, (item->st.st_mode & S_IFMT) | mode, item->st.st_rdev) <
		   0) {
		return err_sys(err, -errno, "cannot make special file %s", name);
	}
	if (fchownat(parent, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, -errno, "cannot set the owner of %s", name);
	if (utimensat(parent, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, -errno, "cannot set the time of %s", name);
	return 0;
}

/* A further name of a file that was copied already: 1 = linked, 0 = it has to be copied. */
static int copy_link(struct copying *c, const struct walk_item *item, const char *target,
		     int parent, const char *name, struct err *err)
{
	const char *first = NULL;
	char first_name[256];
	if (!S_ISREG(item->st.st_mode) || item->st.st_nlink < 2)
		return 0;
	int r = links_find(&c->links, &item->st, target, &first, err);
	if (r < 0 || !first)
		return r;
	OWN_FD int dir = fs_open_parent(c->dest_fd, first, FS_IN_ROOT, first_name, err);
	if (dir < 0)
		return dir;
	if (linkat(dir, first_name, parent, name, 0) < 0)
		return err_sys(err, -errno, "cannot link to /%s", first);
	return 1;
}

/* The name makes room for what is copied; a directory does not. */
static int clear_name(struct copying *c, int parent, const char *name, const char *target,
		      struct err *err)
{
	struct stat st;
	struct err why = { 0 };
	int r = fs_stat_name(parent, name, &st, &why);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return err_set(err, r, "%s", err_text(&why));
	if (S_ISDIR(st.st_mode))
		return err_set(err, -EISDIR, "cannot copy a file over the directory /%s", target);
	links_done(&c->links); /* one of its paths may be this one, and mean another file from now
				  on */
	c->parent_stale = true;
	return fs_unlink(parent, name, err);
}

/* The directory of a leaf, which is most often that of the one before: found once, as long as
 * nothing on the way to it was taken away. The fd stays ours. */
static int leaf_parent(struct copying *c, const char *path, struct err *err)
{
	bool made = false;
	if (c->parent_fd >= 0 && !c->parent_stale && strcmp(c->parent, path) == 0)
		return c->parent_fd;
	own_close(&c->parent_fd);
	c->parent_stale = false;
	c->parent_fd = target_dir(c->dest_fd, path, dir_owner(c), &made, err);
	(void)str_copy(str_from(path), c->parent, sizeof(c->parent));
	return c->parent_fd;
}

static int copy_leaf(struct copying *c, const struct walk_item *item, char *target, struct err *err)
{
	char name[256];
	char *slash = strrchr(target, '/');
	const char *last = slash ? slash + 1 : target;
	if (!*last || str_copy(str_from(last), name, sizeof(name)) < 0)
		return err_set(err, -EINVAL, "'/%s' is no destination for a file", target);
	if (slash)
		*slash = '\0';
	int parent = leaf_parent(c, slash ? target : "", err);
	if (slash)
		*slash = '/';
	if (parent < 0)
		return parent;
	c->totals.files++;
	bool plain = S_ISREG(item->st.st_mode) && item->st.st_nlink < 2;
	int r = plain ? 0 : clear_name(c, parent, name, target, err);
	if (r == 0)
		r = copy_link(c, item, target, parent, name, err);
	if (r != 0)
		return r < 0 ? r : 0;
	if (S_ISREG(item->st.st_mode))
		return copy_file(c, item, parent, name, target, err);
	return copy_special(c, item, parent, name, err);
}

/* ADD: an archive is named to the caller, who has it taken apart elsewhere. */
static bool copy_leaves_archive(struct copying *c, const struct walk_item *item, int *ret,
				struct err *err)
{
	if (!c->copy->unpack || !c->archive_paths || !S_ISREG(item->st.st_mode))
		return false;
	int r = archive_kind(item->fd, err);
	if (r > 0) {
		wire_put_text(c->archive_paths, item->path);
		if (++c->archives > FILES_ARCHIVES_MAX)
			r = err_set(err, -E2BIG, "ADD of more than %d archives",
				    FILES_ARCHIVES_MAX);
	}
	*ret = r < 0 ? r : 0;
	return r != 0;
}

/* A here-document: the bytes came with the call. */
static int copy_inline(struct copying *c, const struct files_inline *file, struct err *err)
{
	const struct timespec times[2] = { { .tv_sec = c->copy->time },
					   { .tv_sec = c->copy->time } };
	char target[FILES_PATH_MAX], name[256];
	bool made = false;
	struct str tail = c->into_dir ? file->name : (struct str){ 0 };
	int n = snprintf(target, sizeof(target), "%s%s%.*s", c->dest,
			 *c->dest && tail.len > 0 ? "/" : "", STR_ARG(tail));
	char *slash = strrchr(target, '/');
	if (n < 0 || n >= (int)sizeof(target) ||
	    str_copy(str_from(slash ? slash + 1 : target), name, sizeof(name)) < 0 || !*name)
		return err_set(err, -EINVAL, "'/%.200s' is no destination for a file", c->dest);
	if (slash)
		*slash = '\0';
	OWN_FD int parent = target_dir(c->dest_fd, slash ? target : "", dir_owner(c), &made, err);
	if (slash)
		*slash = '/';
	int r = parent < 0 ? parent : clear_name(c, parent, name, target, err);
	if (r < 0)
		return r;
	OWN_FD int fd = fs_open(parent, name, FS_BENEATH, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
				0600, err);
	r = fd < 0 ? fd : fs_write_fd(fd, file->data.ptr, file->data.len, err);
	if (r == 0 && fchown(fd, c->owner.uid, c->owner.gid) < 0)
		r = err_sys(err, -errno, "cannot set the owner");
	if (r == 0 && fchmod(fd, mode_apply(c->copy->chmod, S_IFREG | 0644)) < 0)
		r = err_sys(err, -errno, "cannot set the mode");
	if (r == 0 && futimens(fd, times) < 0)
		r = err_sys(err, -errno, "cannot set the time");
	c->totals.files++;
	c->totals.bytes += file->data.len;
	return r;
}

static int copy_item(void *owner, const struct walk_item *item, struct err *err)
{
	struct copying *c = owner;
	char target[FILES_PATH_MAX];
	int r = item_target(c, item, target, err);
	if (r < 0)
		return r;
	if (S_ISDIR(item->st.st_mode)) {
		r = copy_dir(c, item, target, err);
		c->into_dir = true; /* if it was not there, it is now */
	} else if (!*item->below && copy_leaves_archive(c, item, &r, err)) {
		c->into_dir = true;
	} else if (!S_ISSOCK(item->st.st_mode)) {
		r = copy_leaf(c, item, target, err);
	}
	if (r < 0)
		(void)err_prefix(err, "copy %s", item->path);
	return r;
}

/* A destination that is a link is what it leads to, there or not yet; 1 when it was one. */
static int follow_dest(struct copying *c, struct err *err)
{
	char name[256], link[FILES_PATH_MAX], path[2 * FILES_PATH_MAX], clean[FILES_PATH_MAX];
	OWN_FD int parent =
		*c->dest ? fs_open_parent(c->dest_fd, c->dest, FS_IN_ROOT, name, NULL) : -1;
	ssize_t n = parent < 0 ? -1 : readlinkat(parent, name, link, sizeof(link) - 1);
	if (n <= 0)
		return 0;
	const char *slash = strrchr(c->dest, '/');
	int dir = slash && link[0] != '/' ? (int)(slash - c->dest) : 0;
	link[n] = '\0';
	(void)snprintf(path, sizeof(path), "%.*s/%s", dir, c->dest, link);
	int r = walk_clean(str_from(path), clean, err);
	if (r < 0)
		return r;
	memcpy(c->dest, clean, strlen(clean) + 1);
	return 1;
}

static int prepare(struct copying *c, struct err *err)
{
	const struct files_copy *copy = c->copy;
	int r = walk_clean(copy->dest, c->dest, err);
	if (r == 0 && copy->chown.len > 0)
		r = files_owner_find(c->dest_fd, copy->chown, &c->owner, err);
	c->has_owner = copy->context || copy->chown.len > 0;
	if (r == 0)
		r = mode_check(copy->chmod, err);
	if (r < 0)
		return r;
	OWN_FD int there = fs_open(c->dest_fd, *c->dest ? c->dest : ".", FS_IN_ROOT,
				   O_PATH | O_DIRECTORY, 0, NULL);
	c->into_dir = str_ends(copy->dest, STR("/")) || there >= 0 || copy->parents;
	for (int i = 0; !c->into_dir && i < COPY_LINKS_MAX; i++) {
		r = follow_dest(c, err);
		if (r <= 0)
			return r;
	}
	return c->into_dir ? 0
			   : err_set(err, -ELOOP, "destination /%.200s: too many links", c->dest);
}

/* With --parents it is what all sources are below, and there whatever they come to. */
static int make_dest(struct copying *c, struct err *err)
{
	bool made = false;
	OWN_FD int fd = target_dir(c->dest_fd, c->dest, dir_owner(c), &made, err);
	if (fd < 0)
		return fd;
	return made ? set_new_mode(c, fd, err) : 0;
}

static void copying_free(struct copying **c)
{
	if (*c) {
		links_done(&(*c)->links);
		own_close(&(*c)->parent_fd);
	}
	free(*c);
	*c = NULL;
}

int files_copy(int source_fd, int dest_fd, const struct files_copy *copy,
	       struct files_totals *ret_totals, struct err *err)
{
	return files_add(source_fd, dest_fd, copy, ret_totals, NULL, NULL, err);
}

int files_add(int source_fd, int dest_fd, const struct files_copy *copy,
	      struct files_totals *ret_totals, struct buf *archives, uint32_t *ret_archives,
	      struct err *err)
{
	struct copying *c OWN(copying_free) = calloc(1, sizeof(*c));
	if (!c)
		return err_set(err, -ENOMEM, "out of memory");
	c->dest_fd = dest_fd;
	c->parent_fd = -1;
	c->copy = copy;
	c->archive_paths = archives;
	int r = prepare(c, err);
	if (r == 0 && copy->parents && copy->source_count > 0)
		r = make_dest(c, err);
	if (r == 0)
		r = walk_sources(source_fd, copy, copy_item, c, err);
	for (uint32_t i = 0; r == 0 && i < copy->file_count; i++)
		r = copy_inline(c, &copy->files[i], err);
	if (r < 0)
		return r;
	*ret_totals = c->totals;
	if (ret_archives)
		*ret_archives = c->archives;
	return 0;
}
