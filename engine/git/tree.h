/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_GIT_TREE_H
#define HOY_ENGINE_GIT_TREE_H

#include "engine/api/entry.h"
#include "engine/api/git_msg.h"
#include "engine/git/pack.h"

/*
 * What a commit's tree holds, as entry records (engine/api/entry.h): files 0644 or 0755,
 * directories 0755, owner 0:0, the time of the commit. With `keep` a .git follows that git can work
 * with: the pack as it came, its index, HEAD detached as `git checkout COMMIT` leaves it.
 */
struct git_checkout {
	struct git_pack *pack;
	struct entry_writer *out;
	const struct unpack_git *wanted;
	struct unpack_git_result *result;
	uint64_t bytes_max, bytes; /* of file data */
	uint32_t entries_max;
	int64_t time_s;
	bool grafted;	  /* the commit has a past, which was not fetched */
	struct buf index; /* .git/index, with keep */
	uint32_t indexed;
	size_t held; /* bytes of the trees that are being read */
	unsigned depth;
	char path[ENTRY_PATH_MAX + 1];
	size_t path_len;
};

/* -ENOENT: no such subdirectory; -EBADMSG: names that lead elsewhere, what a pack lacks; -EFBIG. */
int git_checkout(struct git_pack *pack, const struct unpack_git *wanted, struct entry_writer *out,
		 struct unpack_git_result *ret, struct err *err);

/* One entry with `data` as content. */
int git_emit(struct git_checkout *c, const char *path, enum entry_type type, uint32_t mode,
	     struct str data, struct err *err);
/* keep.c: adds a file to the index; then .git itself. */
void git_keep_file(struct git_checkout *c, uint32_t mode, const struct git_oid *oid, uint64_t size);
int git_keep(struct git_checkout *c, const struct git_oid *commit, struct err *err);

/* modules.c: the URL that .gitmodules has for a path, "" = none. Pure. */
int git_module_url(struct str file, struct str path, struct arena *arena, const char **ret,
		   struct err *err);

#endif
