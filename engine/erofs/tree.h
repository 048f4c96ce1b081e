/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_EROFS_TREE_H
#define HOY_ENGINE_EROFS_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "engine/api/entry.h"
#include "lib/err.h"

/*
 * The file tree of one image in memory: nodes (inodes) and names that point at them. Indexes
 * instead of pointers, because the arrays move while they grow. Private to this folder.
 */
enum { TREE_NONE = UINT32_MAX, TREE_ROOT = 0 };

struct tree_node {
	uint32_t mode; /* with the type bits */
	uint32_t uid, gid;
	uint32_t mtime_ns;
	int64_t mtime_s;
	uint64_t size;
	uint32_t rdev;	     /* as the disk has it */
	uint32_t block;	     /* first data block */
	uint32_t xattrs;     /* offset into text, of the entries without their header */
	uint32_t xattr_size; /* 0 = none */
	uint32_t tail;	     /* offset into text of the last part of the data, when is_inline */
	uint32_t nlink;
	uint32_t slot;	       /* 32-byte slot in the metadata area: the nid; 0 = not placed yet */
	uint32_t first, count; /* directories: children in tree.order */
	bool is_inline;
	bool opaque;
};

struct tree_name {
	uint32_t parent; /* a name: TREE_ROOT for what stands in the root */
	uint32_t node;
	uint32_t text; /* offset */
	uint32_t next; /* of the same hash bucket */
	uint8_t len;
	bool dead; /* replaced by a later entry */
};

struct tree {
	struct tree_node *nodes;
	struct tree_name *names;
	uint32_t node_count, node_room;
	uint32_t name_count, name_room;
	uint32_t *buckets;
	uint32_t bucket_count; /* a power of two */
	char *text;
	size_t text_size, text_room;
	uint32_t *order; /* names sorted by parent and bytes, after tree_sort() */
	uint32_t order_count;
};

/* Starts with the root directory, 0755 0:0. -ENOMEM. */
int tree_init(struct tree *tree);
void tree_done(struct tree *tree);

/* Reserves size zeroed bytes of text, offset into ret_offset. -ENOMEM, -EFBIG. */
int tree_text(struct tree *tree, const void *data, size_t size, uint32_t *ret_offset,
	      struct err *err);

/* The name at `path`, or TREE_NONE. "" is TREE_ROOT. */
uint32_t tree_find(const struct tree *tree, struct str path);
/*
 * The name at `path` for writing, made with its parents (0755 0:0) when it is not there; a new name
 * has node TREE_NONE. -EBADMSG where a parent is not a directory.
 */
int tree_make(struct tree *tree, struct str path, uint32_t *ret_name, struct err *err);
/* Gives up the name (and what is below it) and makes it anew, without a node. */
int tree_replace(struct tree *tree, uint32_t *name, struct err *err);
/* A new zeroed node. */
int tree_node_new(struct tree *tree, uint32_t *ret_node, struct err *err);

/* Fills order, and first and count of each living directory; counts links. */
int tree_sort(struct tree *tree, struct err *err);

#endif
