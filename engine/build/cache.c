/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the directories behind cache mounts, and who has which. Runs in engine main. Must never look
 * into one: what is in it was written by build steps.
 */
#include "engine/build/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "lib/fs.h"
#include "lib/own.h"
#include "lib/sha256.h"
#include "lib/str.h"

enum { PRIVATE_MAX = 64 };

struct build_cache_use {
	char name[BUILD_CACHE_NAME_MAX];
	const void *taker;
	struct build_cache_use *next;	  /* in the step's list */
	struct build_cache_use *all_next; /* in `all` */
};

static struct build_cache_use *all;

static bool is_taken(const char *name, const void *taker)
{
	for (const struct build_cache_use *use = all; use; use = use->all_next)
		if (use->taker != taker && strcmp(use->name, name) == 0)
			return true;
	return false;
}

static void name_of(const char *id, char dst[BUILD_CACHE_NAME_MAX])
{
	struct digest digest;
	struct sha256 hash;
	sha256_init(&hash);
	sha256_add(&hash, id, strlen(id));
	sha256_end(&hash, &digest);
	str_hex(digest.bytes, sizeof(digest.bytes), dst);
}

static bool has_tree(int data_fd, const char *name)
{
	OWN_FD int caches =
		fs_open(data_fd, BUILD_CACHE_DIR, FS_BENEATH, O_RDONLY | O_DIRECTORY, 0, NULL);
	OWN_FD int cache =
		caches < 0 ? caches
			   : fs_open(caches, name, FS_BENEATH, O_RDONLY | O_DIRECTORY, 0, NULL);
	return cache >= 0 && fs_exists(cache, "tree", FS_BENEATH);
}

/* The directory of the name, with its tree; a new tree gets the mount's owner and mode. */
static int open_cache(int data_fd, const char *name, const struct build_mount *mount,
		      bool *ret_fresh, struct err *err)
{
	OWN_FD int caches = fs_open_dir(data_fd, BUILD_CACHE_DIR, FS_BENEATH, 0700, err);
	OWN_FD int cache = caches < 0 ? caches : fs_open_dir(caches, name, FS_BENEATH, 0700, err);
	if (cache < 0)
		return cache;
	bool fresh = !fs_exists(cache, "tree", FS_BENEATH);
	*ret_fresh = fresh && (mount->from >= 0 || mount->from <= BUILD_NAMED);
	if (*ret_fresh)
		return 0;
	OWN_FD int tree = fs_open_dir(cache, "tree", FS_BENEATH, 0755, err);
	if (tree < 0)
		return tree;
	if (fresh && fchown(tree, mount->uid, mount->gid) < 0)
		return err_sys(err, -errno, "cache mount");
	if (fresh && fchmod(tree, mount->mode & 07777) < 0)
		return err_sys(err, -errno, "cache mount");
	return futimens(cache, NULL) < 0 ? err_sys(err, -errno, "cache mount") : 0;
}

int build_cache_take(int data_fd, const struct build_mount *mount, const void *taker,
		     struct build_cache_use **list, char ret_name[BUILD_CACHE_NAME_MAX],
		     bool *ret_fresh, struct err *err)
{
	struct build_cache_use *use;
	char plain[BUILD_CACHE_NAME_MAX];
	name_of(mount->id, plain);
	(void)snprintf(ret_name, BUILD_CACHE_NAME_MAX, "%s", plain);
	if (mount->sharing == DOCKERFILE_SHARING_LOCKED && is_taken(ret_name, taker))
		return -EBUSY;
	for (unsigned i = 2;
	     mount->sharing == DOCKERFILE_SHARING_PRIVATE && is_taken(ret_name, taker); i++) {
		if (i > PRIVATE_MAX)
			return err_set(err, -EMFILE, "cache mount: too many private copies");
		(void)snprintf(ret_name, BUILD_CACHE_NAME_MAX, "%.64s-%u", plain, i);
	}
	/* Somebody has it and it has no tree yet: it is being filled. */
	if (is_taken(ret_name, taker) && !has_tree(data_fd, ret_name))
		return -EBUSY;
	int r = open_cache(data_fd, ret_name, mount, ret_fresh, err);
	if (r < 0)
		return r;
	use = calloc(1, sizeof(*use));
	if (!use)
		return err_set(err, -ENOMEM, "no memory for a cache mount");
	memcpy(use->name, ret_name, sizeof(use->name));
	use->taker = taker;
	use->next = *list;
	*list = use;
	use->all_next = all;
	all = use;
	return 0;
}

void build_cache_drop(struct build_cache_use **list)
{
	while (*list) {
		struct build_cache_use *use = *list, **at = &all;
		*list = use->next;
		while (*at && *at != use)
			at = &(*at)->all_next;
		if (*at)
			*at = use->all_next;
		free(use);
	}
}

/* ---- caches that begin with something ---- */

static int open_named(int data_fd, const char *name, struct err *err)
{
	OWN_FD int caches = fs_open_dir(data_fd, BUILD_CACHE_DIR, FS_BENEATH, 0700, err);
	return caches < 0 ? caches : fs_open_dir(caches, name, FS_BENEATH, 0700, err);
}

int build_cache_fill(int data_fd, const char *name, struct err *err)
{
	OWN_FD int cache = open_named(data_fd, name, err);
	if (cache < 0)
		return cache;
	int r = fs_exists(cache, "new", FS_BENEATH) ? fs_remove_tree(cache, "new", err) : 0;
	return r < 0 ? r : fs_open_dir(cache, "new", FS_BENEATH, 0755, err);
}

int build_cache_filled(int data_fd, const char *name, struct err *err)
{
	OWN_FD int cache = open_named(data_fd, name, err);
	if (cache < 0)
		return cache;
	int r = fs_rename(cache, "new", cache, "tree", err);
	return r >= 0 && futimens(cache, NULL) < 0 ? err_sys(err, -errno, "cache mount") : r;
}

/* ---- sizes ---- */

const struct build_cache_use *build_cache_next(const struct build_cache_use *use)
{
	return use->next;
}

const char *build_cache_name(const struct build_cache_use *use)
{
	return use->name;
}

int build_cache_tree(int data_fd, const char *name, struct err *err)
{
	OWN_FD int cache = open_named(data_fd, name, err);
	return cache < 0 ? cache
			 : fs_open(cache, "tree", FS_BENEATH, O_RDONLY | O_DIRECTORY, 0, err);
}

int build_cache_set_size(int data_fd, const char *name, uint64_t bytes, struct err *err)
{
	char text[24];
	OWN_FD int cache = open_named(data_fd, name, err);
	if (cache < 0)
		return cache;
	int n = snprintf(text, sizeof(text), "%llu", (unsigned long long)bytes);
	return fs_replace(cache, "size", text, (size_t)n, 0600, err);
}

/* 0 = it was never measured. */
static uint64_t size_of(int caches_fd, const char *name)
{
	struct buf text OWN(buf_done) = { 0 };
	uint64_t bytes = 0;
	OWN_FD int cache = fs_open(caches_fd, name, FS_BENEATH, O_RDONLY | O_DIRECTORY, 0, NULL);
	buf_init(&text, 32);
	if (cache >= 0 && fs_read(cache, "size", FS_BENEATH, 24, &text, NULL) >= 0)
		(void)str_to_u64(buf_str(&text), 0, UINT64_MAX, &bytes);
	return bytes;
}

uint64_t build_cache_room(int data_fd)
{
	struct statvfs fs;
	return fstatvfs(data_fd, &fs) < 0 ? UINT64_MAX : (uint64_t)fs.f_blocks * fs.f_frsize / 4;
}

/* ---- pruning ---- */

struct pruned {
	char name[BUILD_CACHE_NAME_MAX];
	int64_t used_s;
	uint64_t bytes;
};

struct pruning {
	struct pruned *items;
	size_t count;
	uint64_t bytes;
};

static int look_at(int dirfd, const char *name, unsigned char type, void *owner, struct err *err)
{
	struct pruning *p = owner;
	struct stat st;
	(void)type;
	if (strlen(name) >= BUILD_CACHE_NAME_MAX || is_taken(name, NULL))
		return 0;
	int r = fs_stat(dirfd, name, FS_BENEATH, &st, err);
	if (r < 0)
		return r;
	struct pruned *more = realloc(p->items, (p->count + 1) * sizeof(*more));
	if (!more)
		return err_set(err, -ENOMEM, "no memory to prune build caches");
	p->items = more;
	(void)snprintf(more[p->count].name, sizeof(more[p->count].name), "%s", name);
	more[p->count].bytes = size_of(dirfd, name);
	p->bytes += more[p->count].bytes;
	more[p->count++].used_s = st.st_mtim.tv_sec;
	return 0;
}

static int by_age(const void *a, const void *b)
{
	const struct pruned *x = a, *y = b;
	return x->used_s < y->used_s ? -1 : x->used_s > y->used_s;
}

int build_cache_prune(int data_fd, int64_t now_s, uint32_t keep, uint64_t keep_bytes,
		      struct err *err)
{
	struct pruning p = { 0 };
	int gone = 0;
	OWN_FD int caches =
		fs_open(data_fd, BUILD_CACHE_DIR, FS_BENEATH, O_RDONLY | O_DIRECTORY, 0, NULL);
	if (caches < 0)
		return 0; /* there never was one */
	OWN_FD int trash = fs_open_dir(data_fd, "trash", FS_BENEATH, 0700, err);
	int r = trash < 0 ? trash : fs_each(caches, look_at, &p, err);
	if (r >= 0 && p.count > 1)
		qsort(p.items, p.count, sizeof(*p.items), by_age);
	for (size_t i = 0; r >= 0 && i < p.count; i++) {
		bool old = p.items[i].used_s < now_s - BUILD_CACHE_AGE_S;
		if (!old && p.count - i <= keep && p.bytes <= keep_bytes)
			break;
		p.bytes -= p.items[i].bytes;
		r = fs_rename(caches, p.items[i].name, trash, p.items[i].name, err);
		gone += r >= 0;
	}
	free(p.items);
	return r < 0 ? r : gone;
}
