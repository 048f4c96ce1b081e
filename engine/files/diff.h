/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_FILES_DIFF_H
#define HOY_ENGINE_FILES_DIFF_H

#include "engine/api/entry.h"
#include "engine/files/files.h"
#include "engine/files/links.h"
#include "engine/files/xattr.h"

/*
 * One walk of a tree into entry records, or into a list of changes. Private to this folder: diff.c
 * walks, tree.c says what is walked.
 */
enum { DIFF_PIECE = ENTRY_DATA_MAX };

struct diff {
	int upper; /* the tree */
	int lower; /* what is below it, for changes */
	const struct files_diff_rules *rules;
	bool whole;	     /* nothing is taken for a mount point that a run has left */
	bool plain;	     /* a tree as a process sees it: no marks of overlayfs */
	const char *prefix;  /* stands before each path in the stream */
	struct buf *changes; /* instead of records */
	uint32_t change_count;
	struct entry_writer out;
	struct entry entry;
	struct xattr_set xattrs;
	struct links links;
	char target[FILES_PATH_MAX], path[FILES_PATH_MAX], link[FILES_PATH_MAX];
	uint8_t piece[DIFF_PIECE];
};

/* NULL: out of memory. out_fd -1 where changes are gathered. */
struct diff *diff_new(int upper_fd, int out_fd);
void diff_free(struct diff **diff);
/* The directory `path` of the tree ("" = its root) with all that is in it. */
int diff_dir(struct diff *diff, const char *path, struct err *err);
/* One name that is no directory; `path` is what it is called in the stream. */
int diff_leaf(struct diff *diff, int dirfd, const char *name, const char *path,
	      const struct stat *st, struct err *err);
/* The end record. */
int diff_end(struct diff *diff, struct files_totals *ret_totals, struct err *err);

#endif
