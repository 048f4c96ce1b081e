/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the walk over the sources of a COPY. Runs in the files role. Must never follow a link out of
 * the root it was given, nor hold more than the names of the directories it stands in.
 */
#include "engine/files/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "engine/dockerfile/ignore.h"
#include "lib/defence.h"
#include "lib/fs.h"
#include "lib/own.h"

enum { WALK_NAMES_MAX = 1 << 20, WALK_MATCHES_MAX = 65536 };

/* ---- names ---- */

void walk_names_done(struct walk_names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->items[i]);
	free(names->items);
	*names = (struct walk_names){ 0 };
}

static int names_add(struct walk_names *names, const char *name, struct err *err)
{
	if (names->count == names->room) {
		size_t room = names->room ? names->room * 2 : 64;
		char **bigger = NULL;
		if (room <= WALK_NAMES_MAX)
			bigger = realloc(names->items, room * sizeof(*bigger));
		if (!bigger)
			return err_set(err, -ENOMEM, "too many names in one directory (%zu)",
				       names->count);
		names->items = bigger;
		names->room = room;
	}
	names->items[names->count] = strdup(name);
	if (!names->items[names->count])
		return err_set(err, -ENOMEM, "out of memory");
	names->count++;
	return 0;
}

static int take_name(int dirfd, const char *name, unsigned char type, void *owner, struct err *err)
{
	(void)dirfd;
	(void)type;
	return names_add(owner, name, err);
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int walk_names_read(int dirfd, struct walk_names *ret_names, struct err *err)
{
	*ret_names = (struct walk_names){ 0 };
	int r = fs_each(dirfd, take_name, ret_names, err);
	if (r < 0) {
		walk_names_done(ret_names);
		return r;
	}
	if (ret_names->count > 1)
		qsort(ret_names->items, ret_names->count, sizeof(char *), compare);
	return 0;
}

/* ---- paths ---- */

int walk_clean(struct str path, char *dst, struct err *err)
{
	size_t len = 0;
	struct str part;
	while (str_cut(&path, '/', &part)) {
		if (part.len == 0 || str_is(part, "."))
			continue;
		if (str_is(part, "..")) {
			while (len > 0 && dst[--len] != '/')
				;
			continue;
		}
		if (len + part.len + 2 > FILES_PATH_MAX)
			return err_set(err, -ENAMETOOLONG, "path is longer than %d bytes",
				       FILES_PATH_MAX - 1);
		if (len > 0)
			dst[len++] = '/';
		memcpy(dst + len, part.ptr, part.len);
		len += part.len;
	}
	dst[len] = '\0';
	return 0;
}

static int join(char *dst, const char *dir, const char *name, struct err *err)
{
	int n = snprintf(dst, FILES_PATH_MAX, "%s%s%s", dir, *dir && *name ? "/" : "", name);
	if (n < 0 || n >= FILES_PATH_MAX)
		return err_set(err, -ENAMETOOLONG, "a path below %.100s is longer than %d bytes",
			       dir, FILES_PATH_MAX - 1);
	return 0;
}

/* ---- wildcards ---- */

static bool is_there(int root_fd, const char *path)
{
	OWN_FD int fd = fs_open(root_fd, path, FS_IN_ROOT, O_PATH | O_NOFOLLOW, 0, NULL);
	return fd >= 0;
}

static bool is_dir(int root_fd, const char *path, int flags)
{
	struct stat st;
	OWN_FD int fd = fs_open(root_fd, *path ? path : ".", FS_IN_ROOT, O_PATH | flags, 0, NULL);
	return fd >= 0 && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

/*
 * Adds the paths that match `pattern` below dir. The pattern is clean; as filepath.Match has it, a
 * "**" is a "*". From the first wildcard on (`wild`) no link is entered, as at BuildKit.
 */
static int expand(int root_fd, const char *dir, struct str pattern, bool wild,
		  struct walk_names *matches, struct err *err)
{
	char path[FILES_PATH_MAX];
	struct str rest = pattern, part;
	if (!str_cut(&rest, '/', &part))
		return names_add(matches, dir, err);
	if (wild && !is_dir(root_fd, dir, O_NOFOLLOW))
		return 0;
	if (!ignore_is_glob(part)) {
		char name[256];
		int r = str_copy(part, name, sizeof(name));
		if (r == 0)
			r = join(path, dir, name, err);
		if (r == 0 && wild && !is_there(root_fd, path))
			return 0;
		return r < 0 ? r : expand(root_fd, path, rest, wild, matches, err);
	}
	OWN_FD int fd =
		fs_open(root_fd, *dir ? dir : ".", FS_IN_ROOT, O_RDONLY | O_DIRECTORY, 0, err);
	if (fd == -ENOENT || fd == -ENOTDIR)
		return 0;
	struct walk_names names OWN(walk_names_done) = { 0 };
	int r = fd < 0 ? fd : walk_names_read(fd, &names, err);
	own_close(&fd);
	for (size_t i = 0; r == 0 && i < names.count; i++) {
		if (!ignore_component(part, str_from(names.items[i])))
			continue;
		r = join(path, dir, names.items[i], err);
		if (r == 0)
			r = expand(root_fd, path, rest, true, matches, err);
		if (r == 0 && matches->count > WALK_MATCHES_MAX)
			r = err_set(err, -E2BIG, "'%.*s' matches too many files", STR_ARG(pattern));
	}
	return r;
}

bool walk_many(const struct files_copy *copy)
{
	if (copy->source_count > 1)
		return true;
	return copy->source_count == 1 && ignore_is_glob(copy->sources[0]);
}

/* ---- visiting ---- */

/* A directory that is left out, as long as nothing below it is taken. */
struct walk_pending {
	struct walk_pending *above;
	const char *path;
	struct stat st;
	bool visited;
};

struct walk {
	int root_fd;
	const struct files_copy *copy;
	walk_fn *fn;
	void *owner;
	uint32_t source;
	size_t base;	    /* bytes of the path that is not kept in the destination */
	struct str include; /* --parents: a pattern of what is taken below the base; "" = all */
	uint64_t visited;
	struct walk_pending *pending; /* the innermost */
};

static bool ignored(const struct walk *walk, const char *path)
{
	return walk->copy->context && *path &&
	       ignore_match(walk->copy->ignore, walk->copy->ignore_count, str_from(path));
}

/* A path behind the base, "" = the base itself. */
static const char *below_base(const struct walk *walk, const char *path)
{
	const char *below = path + (walk->base < strlen(path) ? walk->base : strlen(path));
	while (*below == '/')
		below++;
	return below;
}

/* --exclude is about names below the source, or the source's own when it is a file. */
static bool excluded(const struct walk *walk, const char *path)
{
	const struct files_copy *copy = walk->copy;
	const char *name = below_base(walk, path);
	if (!*name) {
		name = strrchr(path, '/');
		name = name ? name + 1 : path;
	}
	return copy->exclude_count > 0 && *name &&
	       ignore_match(copy->excludes, copy->exclude_count, str_from(name));
}

/* --parents takes what its pattern fits, and what is below that. */
static bool included(const struct walk *walk, const char *path)
{
	const struct files_ignore item = { .pattern = walk->include };
	const char *below = below_base(walk, path);
	return walk->include.len == 0 || !*below || ignore_match(&item, 1, str_from(below));
}

/* Whether the pattern may fit something below this directory: nothing else is read. */
static bool leads_on(const struct walk *walk, const char *path)
{
	struct str pattern = walk->include, below = str_from(below_base(walk, path)), part, name;
	while (str_cut(&below, '/', &name)) {
		if (!str_cut(&pattern, '/', &part))
			return false;
		if (part.len > 1 && memmem(part.ptr, part.len, "**", 2))
			return true;
		if (!ignore_component(part, name))
			return false;
	}
	return true;
}

static int visit_one(struct walk *walk, const char *path, int fd, const char *link,
		     const struct stat *st, bool leave, struct err *err)
{
	struct walk_item item = {
		.source = walk->source,
		.path = path,
		.below = below_base(walk, path),
		.fd = fd,
		.link = link,
		.st = *st,
		.leave = leave,
	};
	walk->visited++;
	return walk->fn(walk->owner, &item, err);
}

/* Whoever fills the tree may change it meanwhile: each path is resolved inside, by itself. */
static enum fs_scope walk_scope(void)
{
	return defence_on(DEFENCE_A15_IN_ROOT) ? FS_IN_ROOT : FS_HOST;
}

/* What is taken brings the directories above it, outermost first. */
static int visit_pending(struct walk *walk, struct walk_pending *pending, struct err *err)
{
	if (!pending || pending->visited)
		return 0;
	int r = visit_pending(walk, pending->above, err);
	if (r < 0)
		return r;
	OWN_FD int fd =
		fs_open(walk->root_fd, pending->path, walk_scope(), O_RDONLY | O_DIRECTORY, 0, err);
	if (fd < 0)
		return fd;
	pending->visited = true;
	return visit_one(walk, pending->path, fd, "", &pending->st, false, err);
}

static int visit(struct walk *walk, const char *path, int fd, const char *link,
		 const struct stat *st, bool leave, struct err *err)
{
	int r = visit_pending(walk, walk->pending, err);
	return r < 0 ? r : visit_one(walk, path, fd, link, st, leave, err);
}

static bool has_exception(const struct files_copy *copy)
{
	for (uint32_t i = 0; i < copy->exclude_count; i++)
		if (copy->excludes[i].except)
			return true;
	return false;
}

static int walk_dir(struct walk *walk, const char *path, struct err *err);

/* One name in a directory that is open. Directories come later: their fds are not held. */
static int walk_leaf(struct walk *walk, int dirfd, const char *name, const char *path,
		     const struct stat *st, struct err *err)
{
	char target[FILES_PATH_MAX] = "";
	OWN_FD int fd = -1;
	if (S_ISLNK(st->st_mode)) {
		ssize_t n = readlinkat(dirfd, name, target, sizeof(target) - 1);
		if (n < 0)
			return err_sys(err, -errno, "cannot read link %s", path);
		target[n] = '\0';
	}
	if (S_ISREG(st->st_mode)) {
		fd = fs_open(dirfd, name, FS_BENEATH, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, err);
		if (fd < 0)
			return fd;
	}
	return visit(walk, path, fd, target, st, false, err);
}

static int walk_children(struct walk *walk, const char *path, int dirfd,
			 const struct walk_names *names, struct walk_names *dirs, struct err *err)
{
	char child[FILES_PATH_MAX];
	int r = 0;
	for (size_t i = 0; r == 0 && i < names->count; i++) {
		const char *name = names->items[i];
		struct stat st;
		r = join(child, path, name, err);
		if (r == 0)
			r = fs_stat_name(dirfd, name, &st, err);
		if (r < 0)
			return r;
		if (S_ISDIR(st.st_mode))
			r = names_add(dirs, child, err);
		else if (!ignored(walk, child) && included(walk, child) && !excluded(walk, child))
			r = walk_leaf(walk, dirfd, name, child, &st, err);
	}
	return r;
}

static int walk_dir(struct walk *walk, const char *path, struct err *err)
{
	struct walk_names names OWN(walk_names_done) = { 0 }, dirs OWN(walk_names_done) = { 0 };
	struct walk_pending pending = { .above = walk->pending, .path = path };
	struct stat st;
	bool skip = ignored(walk, path);
	if (skip &&
	    !ignore_may_except(walk->copy->ignore, walk->copy->ignore_count, str_from(path)))
		return 0;
	if (strlen(path) > walk->base && excluded(walk, path)) {
		skip = true;
		if (!has_exception(walk->copy))
			return 0;
	}
	if (!included(walk, path)) {
		skip = true;
		if (!leads_on(walk, path))
			return 0;
	}
	OWN_FD int fd = fs_open(walk->root_fd, *path ? path : ".", walk_scope(),
				O_RDONLY | O_DIRECTORY, 0, err);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return err_sys(err, -errno, "cannot stat %s", path);
	int r = skip ? 0 : visit(walk, path, fd, "", &st, false, err);
	pending.st = st;
	if (skip)
		walk->pending = &pending;
	if (r == 0)
		r = walk_names_read(fd, &names, err);
	if (r == 0)
		r = walk_children(walk, path, fd, &names, &dirs, err);
	own_close(&fd);
	for (size_t i = 0; r == 0 && i < dirs.count; i++)
		r = walk_dir(walk, dirs.items[i], err);
	walk->pending = pending.above;
	if (r < 0 || (skip && !pending.visited))
		return r;
	return visit(walk, path, -1, "", &st, true, err);
}

static int not_found(const struct walk *walk, struct str source, struct err *err)
{
	char shown[300];
	str_escape(source, shown, sizeof(shown));
	return err_set(err, -ENOENT, "%s: not found%s", shown,
		       walk->copy->context ? " in the build context, or excluded by .dockerignore"
					   : "");
}

/* A source itself: links are followed, so that COPY takes what they point at. */
static int walk_source(struct walk *walk, const char *path, struct err *err)
{
	struct stat st;
	OWN_FD int fd = fs_open(walk->root_fd, *path ? path : ".", walk_scope(),
				O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, err);
	walk->base = strlen(path);
	if (fd == -ENOENT || fd == -ENOTDIR)
		return not_found(walk, str_from(path), err);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return err_sys(err, -errno, "cannot stat %s", path);
	if (S_ISDIR(st.st_mode)) {
		own_close(&fd);
		return walk_dir(walk, path, err);
	}
	if (!S_ISREG(st.st_mode))
		return err_set(err, -EINVAL, "%s is neither a file nor a directory", path);
	if (ignored(walk, path))
		return 0;
	if (excluded(walk, path)) {
		walk->visited++; /* it was there */
		return 0;
	}
	return visit(walk, path, fd, "", &st, false, err);
}

static int walk_plain(struct walk *walk, struct str source, struct err *err)
{
	struct walk_names matches OWN(walk_names_done) = { 0 };
	char pattern[FILES_PATH_MAX];
	uint64_t before = walk->visited;
	int r = walk_clean(source, pattern, err);
	if (r == 0)
		r = expand(walk->root_fd, "", str_from(pattern), false, &matches, err);
	for (size_t m = 0; r == 0 && m < matches.count; m++)
		r = walk_source(walk, matches.items[m], err);
	/* A wildcard that nothing fits is no error, as at BuildKit. */
	if (r == 0 && walk->visited == before && !ignore_is_glob(str_from(pattern)))
		r = not_found(walk, source, err);
	return r;
}

/* Whether it is in the context, links followed, as .dockerignore leaves that. */
static bool is_taken(const struct walk *walk, const char *path)
{
	const struct files_copy *copy = walk->copy;
	struct stat st;
	OWN_FD int fd = fs_open(walk->root_fd, *path ? path : ".", walk_scope(), O_PATH, 0, NULL);
	if (fd < 0 || fstat(fd, &st) < 0)
		return false;
	return !ignored(walk, path) ||
	       (S_ISDIR(st.st_mode) &&
		ignore_may_except(copy->ignore, copy->ignore_count, str_from(path)));
}

/* What is named without wildcards has to be there, the way to a pattern too. */
static int check_parents(const struct walk *walk, struct str source, const char *base,
			 struct err *err)
{
	char path[FILES_PATH_MAX];
	int r = walk_clean(source, path, err);
	bool there = ignore_is_glob(str_from(base)) ||
		     is_taken(walk, ignore_is_glob(source) ? base : path);
	return r < 0 || there ? r : not_found(walk, str_from(path), err);
}

/*
 * --parents: what is in front of "/./" is where the walk begins, and is not kept; the rest is a
 * pattern of what is taken below, with "**". Links are items, and none is entered on the way.
 */
static int walk_parents(struct walk *walk, struct str source, struct err *err)
{
	struct walk_names bases OWN(walk_names_done) = { 0 };
	char base[FILES_PATH_MAX], include[FILES_PATH_MAX] = "";
	const char *pivot = memmem(source.ptr, source.len, "/./", 3);
	size_t head = pivot ? (size_t)(pivot - source.ptr) : 0;
	int r = walk_clean(str_head(source, head), base, err);
	if (r == 0)
		r = walk_clean(str_skip(source, head), include, err);
	if (r == 0)
		r = check_parents(walk, source, base, err);
	if (r == 0)
		r = expand(walk->root_fd, "", str_from(base), false, &bases, err);
	walk->include = str_from(include);
	for (size_t i = 0; r == 0 && i < bases.count; i++) {
		walk->base = strlen(bases.items[i]);
		if (is_dir(walk->root_fd, bases.items[i], 0))
			r = walk_dir(walk, bases.items[i], err);
	}
	walk->include = STR("");
	return r;
}

int walk_sources(int root_fd, const struct files_copy *copy, walk_fn *fn, void *owner,
		 struct err *err)
{
	struct walk walk = { .root_fd = root_fd, .copy = copy, .fn = fn, .owner = owner };
	int r = 0;
	for (uint32_t i = 0; r == 0 && i < copy->source_count; i++) {
		walk.source = i;
		r = copy->parents ? walk_parents(&walk, copy->sources[i], err)
				  : walk_plain(&walk, copy->sources[i], err);
	}
	return r;
}
