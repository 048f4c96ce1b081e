/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_FILES_FILES_H
#define HOY_ENGINE_FILES_FILES_H

#include <stdbool.h>
#include <stdint.h>
#include "engine/api/files_msg.h"
#include "lib/err.h"
#include "lib/sha256.h"

/*
 * Work in trees that others filled. A root is a directory fd; paths below it are resolved with it
 * as "/". Nothing is executed, no name is looked up outside of it.
 */
struct files_totals {
	uint64_t files, bytes;
};

/* How a build step's upper is read. */
struct files_diff_rules {
	struct str
		stubs[FILES_STUBS_MAX]; /* mount points of the step: clean, without leading '/' */
	uint32_t stub_count;
	int64_t newest_s; /* later times become this one; INT64_MAX = they stay */
};

/*
 * Changes in an overlay's upper (userxattr) as entry records on out_fd, end record included. Empty
 * mount points are no change, nor are directories that were made for nothing else. rules NULL =
 * none.
 */
int files_diff(int upper_fd, int out_fd, const struct files_diff_rules *rules,
	       struct files_totals *ret_totals, struct err *err);

/* A tree, or a part of it, as entry records, end record included. */
struct files_tree {
	const char *path; /* in the root; with a slash behind it a link is followed */
	const char *name; /* what it is called in the stream, "" = the stream's root */
	bool plain;	  /* false: a layer, whose whiteouts and opaque marks are told */
};
/* As lstat(2) has it. */
struct files_stat {
	uint64_t size;
	uint32_t mode;
	int64_t mtime_s;
	char link[FILES_PATH_MAX];
};
int files_tree(int root_fd, int out_fd, const struct files_tree *tree,
	       struct files_totals *ret_totals, struct files_stat *ret_stat, struct err *err);
int files_stat(int root_fd, const char *path, struct files_stat *ret_stat, struct err *err);
/* What an upper changed over the tree below it: {u8 enum files_change, text path}... sorted. */
int files_changes(int upper_fd, int lower_fd, struct buf *out, uint32_t *ret_count,
		  struct err *err);
/* Names and blocks of a tree, hard links in parts. */
int files_usage(int root_fd, struct files_totals *ret_totals, struct err *err);

/* Docker's COPY, see struct files_copy. -ENOENT names the source that is not there. */
int files_copy(int source_fd, int dest_fd, const struct files_copy *copy,
	       struct files_totals *ret_totals, struct err *err);

/*
 * Docker's ADD: as files_copy(), but with copy->unpack, tar archives among the sources (plain,
 * gzip, zstd) are not copied: their paths are appended to `archives` as wire texts. -ENOTSUP names
 * one of a kind that is not taken apart.
 */
int files_add(int source_fd, int dest_fd, const struct files_copy *copy,
	      struct files_totals *ret_totals, struct buf *archives, uint32_t *ret_archives,
	      struct err *err);

/* Entry records into `dest` of the root, made where it is missing. owner NULL = the entries' own.
 * -EBADMSG: the maker stopped early, and says why itself; -ENODATA: before the first entry, and the
 * root is as it was. */
struct files_owner;
int files_extract(int records_fd, int root_fd, struct str dest, const struct files_owner *owner,
		  struct files_totals *ret_totals, struct err *err);

/* SHA-256 and size of a regular file. */
int files_sum(int fd, struct digest *ret_digest, uint64_t *ret_bytes, struct err *err);

/* What files_copy() would take, as a digest: paths, types, modes, link targets, contents. */
int files_hash(int source_fd, const struct files_copy *copy, struct digest *ret_digest,
	       struct files_totals *ret_totals, struct err *err);

/*
 * "user[:group]" in the root's /etc/passwd and /etc/group (bounded regular files); numbers need no
 * entry. -ENOENT: "unable to find user x: no matching entries in passwd file".
 */
int files_user_find(int root_fd, struct str spec, struct files_user *ret_user, struct err *err);
/* One more group of a user, by its name or number in that root. -ENOENT: it has none of the name.
 */
int files_user_join(int root_fd, struct str group, struct files_user *user, struct err *err);
/* The same in the content of these two files. Pure. */
int files_user_search(struct str spec, struct str passwd, struct str group,
		      struct files_user *ret_user, struct err *err);

/* The owner that --chown names; a number without a group is the group too. */
struct files_owner {
	uint32_t uid, gid;
};
int files_owner_find(int root_fd, struct str spec, struct files_owner *ret_owner, struct err *err);

/* Makes the directory and what is missing above it, 0755; links on the way stay inside the root. */
int files_mkdir(int root_fd, const char *path, const struct files_owner *owner, struct err *err);

/*
 * A new volume's content: copies the directory `path` of the root, its own owner and mode included,
 * into the empty directory dest_fd and writes all to the disk. ret_found: the root has it.
 */
int files_fill(int root_fd, const char *path, int dest_fd, bool *ret_found,
	       struct files_totals *ret_totals, struct err *err);

#endif
