/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_FILES_WALK_H
#define HOY_ENGINE_FILES_WALK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include "engine/api/files_msg.h"
#include "lib/err.h"

/* Walks of foreign trees in a fixed order. Private to this folder. */

/* The names in a directory, sorted by bytes. */
struct walk_names {
	char **items;
	size_t count, room;
};

int walk_names_read(int dirfd, struct walk_names *ret_names, struct err *err);
void walk_names_done(struct walk_names *names);

/* What a walk comes to. */
struct walk_item {
	uint32_t source;   /* which of the sources it belongs to */
	const char *path;  /* from the root, without leading '/' */
	const char *below; /* the part of it behind the source: "" = the source itself */
	int fd;		   /* files and directories: open for reading; else -1 */
	const char *link;  /* symlinks: the target, else "" */
	struct stat st;
	bool leave; /* a directory again, after what is in it */
};

typedef int walk_fn(void *owner, const struct walk_item *item, struct err *err);

/*
 * Expands the sources of a COPY and visits what they name: directories before and after their
 * contents, names in order. A source that is a link is followed within the root, links below one
 * are items of their own. What the ignore patterns exclude is left out.
 */
int walk_sources(int root_fd, const struct files_copy *copy, walk_fn *fn, void *owner,
		 struct err *err);

/* Whether a wildcard or more than one name was given: then the destination must be a directory. */
bool walk_many(const struct files_copy *copy);

/* "a//b/./c/" -> "a/b/c"; ".." stays inside. dst[FILES_PATH_MAX]; -ENAMETOOLONG. */
int walk_clean(struct str path, char *dst, struct err *err);

#endif
