/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_EROFS_WRITER_H
#define HOY_ENGINE_EROFS_WRITER_H

#include "engine/erofs/erofs.h"
#include "engine/erofs/tree.h"

/* Shared by writer.c and layout.c; private to this folder. */
struct erofs_writer {
	int fd;
	struct tree tree;
	uint64_t next_block; /* first free one */
	uint64_t on_its_way; /* bytes in front that the kernel was asked to write */
	uint32_t tails;	     /* bytes kept for inline ends */
	uint32_t file;	     /* node that DATA belongs to, or TREE_NONE */
	uint32_t *placed;    /* nodes in the order of their place in the metadata area */
	uint32_t placed_count;
	struct erofs_totals totals;
};

/* pwrite of all of it. */
int writer_put(struct erofs_writer *writer, uint64_t offset, const void *data, size_t len,
	       struct err *err);
/* Takes the blocks for size bytes; block 0 for none. */
int writer_blocks(struct erofs_writer *writer, uint64_t size, uint32_t *ret_block, struct err *err);
/* Bytes between the inode and its data: attributes with their header. */
uint32_t writer_xattr_area(const struct tree_node *node);

#endif
