/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the last act of an EROFS image: gives each inode its place, then writes inodes, directories
 * and the superblock in one ascending pass. Runs in the pack role. Must never write what is not
 * reachable from the root, nor depend on anything but the tree (equal trees, equal bytes).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "engine/erofs/erofs.h"
#include "engine/erofs/format.h"
#include "engine/erofs/writer.h"

enum { OUT_BYTES = 16 * EROFS_BLOCK };

/* Ascending output with gaps of zeros. */
struct out {
	struct erofs_writer *writer;
	uint64_t start; /* image offset of data[0] */
	size_t len;
	uint8_t data[OUT_BYTES];
};

static int out_flush(struct out *out, struct err *err)
{
	int r = writer_put(out->writer, out->start, out->data, out->len, err);
	out->start += out->len;
	out->len = 0;
	return r;
}

/* data NULL = zeros. */
static int out_add(struct out *out, const void *data, size_t len, struct err *err)
{
	const uint8_t *from = data;
	while (len > 0) {
		size_t part = OUT_BYTES - out->len;
		if (part > len)
			part = len;
		if (from != NULL)
			memcpy(out->data + out->len, from, part);
		else
			memset(out->data + out->len, 0, part);
		out->len += part;
		len -= part;
		if (from != NULL)
			from += part;
		if (out->len == OUT_BYTES && out_flush(out, err) < 0)
			return err != NULL ? err->code : -EIO;
	}
	return 0;
}

static int out_seek(struct out *out, uint64_t offset, struct err *err)
{
	return out_add(out, NULL, (size_t)(offset - (out->start + out->len)), err);
}

/* ---- directories ---- */

/* The names of one directory in the order of the disk: the children, "." and "..". */
struct listing {
	const struct tree *tree;
	const struct tree_node *dir;
	uint32_t self, parent; /* nodes */
	uint32_t at;	       /* next child */
	unsigned dots;	       /* how many of "." and ".." were given */
};

struct listed {
	struct str text;
	uint32_t node;
};

static bool listing_next(struct listing *list, struct listed *ret)
{
	static const struct str dots[2] = { { ".", 1 }, { "..", 2 } };
	const struct tree *tree = list->tree;
	bool have_child = list->at < list->dir->count;
	struct listed child = { 0 };
	if (have_child) {
		const struct tree_name *name =
			&tree->names[tree->order[list->dir->first + list->at]];
		child.text = str_make(tree->text + name->text, name->len);
		child.node = name->node;
	}
	if (list->dots < 2 && (!have_child || str_cmp(dots[list->dots], child.text) < 0)) {
		ret->text = dots[list->dots];
		ret->node = list->dots == 0 ? list->self : list->parent;
		list->dots++;
		return true;
	}
	*ret = child;
	list->at++;
	return have_child;
}

static uint64_t dir_size(struct listing list)
{
	uint64_t blocks = 0;
	size_t used = 0;
	struct listed item;
	while (listing_next(&list, &item)) {
		size_t need = FORMAT_DIRENT + item.text.len;
		if (used + need > EROFS_BLOCK) {
			blocks++;
			used = 0;
		}
		used += need;
	}
	return blocks * EROFS_BLOCK + used;
}

/*
 * Fills one directory block: entries first, then their names. Returns the bytes used; list moves to
 * the first name that did not fit.
 */
static size_t fill_dir_block(struct listing *list, uint8_t *block)
{
	const struct tree *tree = list->tree;
	struct listing probe = *list, before = *list;
	struct listed item;
	size_t used = 0, count = 0;
	while (listing_next(&probe, &item)) {
		size_t need = FORMAT_DIRENT + item.text.len;
		if (used + need > EROFS_BLOCK)
			break;
		used += need;
		count++;
		before = probe;
	}
	memset(block, 0, EROFS_BLOCK);
	size_t name_at = count * FORMAT_DIRENT;
	for (size_t i = 0; i < count && listing_next(list, &item); i++) {
		const struct tree_node *node = &tree->nodes[item.node];
		format_dirent(block + i * FORMAT_DIRENT, node->slot, (uint16_t)name_at,
			      format_type(node->mode));
		memcpy(block + name_at, item.text.ptr, item.text.len);
		name_at += item.text.len;
	}
	*list = before;
	return used;
}

/* ---- placing ---- */

/*
 * The bytes an inode takes in the metadata area. Inode and inline data must stand in one block (the
 * kernel maps that block alone); attributes may run over.
 */
static uint64_t node_bytes(const struct tree_node *node)
{
	uint64_t tail = node->is_inline ? node->size % EROFS_BLOCK : 0;
	return FORMAT_INODE + writer_xattr_area(node) + tail;
}

static uint64_t place_node(const struct tree_node *node, uint64_t at)
{
	uint64_t bytes = node_bytes(node), unit = node->is_inline ? bytes : FORMAT_INODE;
	at = (at + FORMAT_SLOT - 1) / FORMAT_SLOT * FORMAT_SLOT;
	if (at % EROFS_BLOCK + unit > EROFS_BLOCK)
		at = (at / EROFS_BLOCK + 1) * EROFS_BLOCK;
	return at;
}

/* The opaque mark is an attribute like any other by now. */
static int add_opaque_xattr(struct tree *tree, uint32_t index, struct err *err)
{
	static const char raw[] = "\x0e\x01\x01\x00"
				  "overlay.opaque"
				  "y"
				  "\0";
	struct tree_node *node = &tree->nodes[index];
	uint32_t start = 0, ignored = 0;
	int r = tree_text(tree, NULL, node->xattr_size, &start, err);
	if (r < 0)
		return r;
	if (node->xattr_size > 0)
		memcpy(tree->text + start, tree->text + node->xattrs, node->xattr_size);
	r = tree_text(tree, raw, 20, &ignored, err);
	node->xattrs = start;
	node->xattr_size += 20;
	return r;
}

/* A directory's size is known before its children have numbers: names alone decide it. */
static int size_dir(struct erofs_writer *writer, uint32_t index, struct err *err)
{
	struct tree_node *node = &writer->tree.nodes[index];
	if (node->opaque) {
		int r = add_opaque_xattr(&writer->tree, index, err);
		if (r < 0)
			return r;
	}
	node->size = dir_size((struct listing){ .tree = &writer->tree, .dir = node });
	uint64_t tail = node->size % EROFS_BLOCK;
	node->is_inline = tail > 0 && FORMAT_INODE + writer_xattr_area(node) + tail <= EROFS_BLOCK;
	return 0;
}

/*
 * Gives numbers breadth first from the root. Slots 0 and 1 stay empty: inode number 0 means "no
 * entry" to readdir().
 */
static int place_nodes(struct erofs_writer *writer, uint64_t *ret_end, struct err *err)
{
	struct tree *tree = &writer->tree;
	writer->placed = calloc((size_t)tree->node_count + 1, sizeof(*writer->placed));
	if (writer->placed == NULL)
		return err_set(err, -ENOMEM, "out of memory for placing a layer's inodes");
	uint64_t at = 2 * FORMAT_SLOT;
	uint32_t root = tree->names[TREE_ROOT].node;
	writer->placed[writer->placed_count++] = root;
	tree->nodes[root].slot = 2;
	for (uint32_t i = 0; i < writer->placed_count; i++) {
		struct tree_node *node = &tree->nodes[writer->placed[i]];
		int r = S_ISDIR(node->mode) ? size_dir(writer, writer->placed[i], err) : 0;
		if (r < 0)
			return r;
		at = place_node(node, at);
		node->slot = (uint32_t)(at / FORMAT_SLOT);
		at += node_bytes(node);
		for (uint32_t c = 0; S_ISDIR(node->mode) && c < node->count; c++) {
			uint32_t child = tree->names[tree->order[node->first + c]].node;
			if (tree->nodes[child].slot == 0) {
				tree->nodes[child].slot = UINT32_MAX; /* queued */
				writer->placed[writer->placed_count++] = child;
			}
		}
	}
	*ret_end = at;
	return 0;
}

/* ---- writing ---- */

static int write_xattrs(struct out *out, const struct tree_node *node, struct err *err)
{
	if (node->xattr_size == 0)
		return 0;
	int r = out_add(out, NULL, FORMAT_XATTR_HEADER, err);
	if (r == 0)
		r = out_add(out, out->writer->tree.text + node->xattrs, node->xattr_size, err);
	return r;
}

/* The part of a directory that stands behind its inode; the whole blocks come later. */
static int write_dir_tail(struct out *out, uint32_t index, uint32_t parent, struct err *err)
{
	const struct tree *tree = &out->writer->tree;
	const struct tree_node *node = &tree->nodes[index];
	struct listing list = { .tree = tree, .dir = node, .self = index, .parent = parent };
	uint8_t block[EROFS_BLOCK];
	size_t used = 0;
	for (uint64_t i = 0; i <= node->size / EROFS_BLOCK; i++)
		used = fill_dir_block(&list, block);
	return out_add(out, block, used, err);
}

static int write_inode(struct out *out, uint64_t base, uint32_t index, uint32_t parent,
		       struct err *err)
{
	const struct tree_node *node = &out->writer->tree.nodes[index];
	bool device = S_ISCHR(node->mode) || S_ISBLK(node->mode);
	uint32_t area = writer_xattr_area(node);
	struct format_inode inode = {
		.layout = node->is_inline ? FORMAT_LAYOUT_INLINE : FORMAT_LAYOUT_PLAIN,
		.xattr_count = area == 0 ? 0 : (uint16_t)((area - FORMAT_XATTR_HEADER) / 4 + 1),
		.mode = (uint16_t)node->mode,
		.size = node->size,
		.block_or_rdev = device ? node->rdev : node->block,
		.number = node->slot,
		.uid = node->uid,
		.gid = node->gid,
		.mtime_s = node->mtime_s,
		.mtime_ns = node->mtime_ns,
		.nlink = node->nlink,
	};
	uint8_t raw[FORMAT_INODE];
	format_inode(raw, &inode);
	int r = out_seek(out, base + (uint64_t)node->slot * FORMAT_SLOT, err);
	if (r == 0)
		r = out_add(out, raw, sizeof(raw), err);
	if (r == 0)
		r = write_xattrs(out, node, err);
	if (r < 0 || !node->is_inline)
		return r;
	if (S_ISDIR(node->mode))
		return write_dir_tail(out, index, parent, err);
	return out_add(out, out->writer->tree.text + node->tail, node->size % EROFS_BLOCK, err);
}

static int write_dir_blocks(struct out *out, uint32_t index, uint32_t parent, struct err *err)
{
	const struct tree *tree = &out->writer->tree;
	const struct tree_node *node = &tree->nodes[index];
	struct listing list = { .tree = tree, .dir = node, .self = index, .parent = parent };
	uint64_t blocks = node->size / EROFS_BLOCK;
	if (!node->is_inline && node->size % EROFS_BLOCK != 0)
		blocks++;
	uint8_t block[EROFS_BLOCK];
	int r = 0;
	if (blocks > 0)
		r = out_seek(out, (uint64_t)node->block * EROFS_BLOCK, err);
	for (uint64_t i = 0; r == 0 && i < blocks; i++) {
		(void)fill_dir_block(&list, block);
		r = out_add(out, block, EROFS_BLOCK, err);
	}
	return r;
}

/* parents[node] for directories, from the names. */
static uint32_t *dir_parents(const struct tree *tree)
{
	uint32_t *parents = calloc((size_t)tree->node_count + 1, sizeof(*parents));
	if (parents == NULL)
		return NULL;
	for (uint32_t i = 0; i < tree->order_count; i++) {
		const struct tree_name *name = &tree->names[tree->order[i]];
		parents[name->node] = tree->names[name->parent].node;
	}
	return parents;
}

static int write_all(struct erofs_writer *writer, uint32_t meta_block, const uint32_t *parents,
		     struct err *err)
{
	struct tree *tree = &writer->tree;
	uint64_t base = (uint64_t)meta_block * EROFS_BLOCK;
	struct out *out = calloc(1, sizeof(*out));
	if (out == NULL)
		return err_set(err, -ENOMEM, "out of memory for writing a layer");
	out->writer = writer;
	out->start = base;
	int r = 0;
	for (uint32_t i = 0; r == 0 && i < writer->placed_count; i++)
		r = write_inode(out, base, writer->placed[i], parents[writer->placed[i]], err);
	for (uint32_t i = 0; r == 0 && i < writer->placed_count; i++)
		if (S_ISDIR(tree->nodes[writer->placed[i]].mode))
			r = write_dir_blocks(out, writer->placed[i], parents[writer->placed[i]],
					     err);
	if (r == 0)
		r = out_flush(out, err);
	free(out);
	return r;
}

static int write_super(struct erofs_writer *writer, uint32_t meta_block, struct err *err)
{
	uint8_t block[EROFS_BLOCK];
	struct format_super super = {
		.inodes = writer->placed_count,
		.blocks = (uint32_t)writer->next_block,
		.meta_block = meta_block,
		.root = (uint16_t)writer->tree.nodes[writer->tree.names[TREE_ROOT].node].slot,
	};
	format_super(block, &super);
	/* Whole blocks to the end, also where the last one is a hole. */
	if (ftruncate(writer->fd, (off_t)(writer->next_block * EROFS_BLOCK)) < 0)
		return err_sys(err, -errno, "cannot size layer");
	return writer_put(writer, 0, block, sizeof(block), err);
}

int erofs_writer_finish(struct erofs_writer *writer, struct erofs_totals *ret_totals,
			struct err *err)
{
	struct tree *tree = &writer->tree;
	uint32_t meta_block = 0;
	uint64_t meta_bytes = 0;
	int r = tree_sort(tree, err);
	if (r == 0)
		r = place_nodes(writer, &meta_bytes, err);
	if (r == 0)
		r = writer_blocks(writer, meta_bytes, &meta_block, err);
	for (uint32_t i = 0; r == 0 && i < writer->placed_count; i++) {
		struct tree_node *node = &tree->nodes[writer->placed[i]];
		uint64_t tail = node->is_inline ? node->size % EROFS_BLOCK : 0;
		if (S_ISDIR(node->mode))
			r = writer_blocks(writer, node->size - tail, &node->block, err);
	}
	if (r < 0)
		return r;
	uint32_t *parents = dir_parents(tree);
	if (parents == NULL)
		return err_set(err, -ENOMEM, "out of memory for a layer's directories");
	parents[tree->names[TREE_ROOT].node] = tree->names[TREE_ROOT].node;
	r = write_all(writer, meta_block, parents, err);
	free(parents);
	if (r == 0)
		r = write_super(writer, meta_block, err);
	if (r < 0)
		return r;
	writer->totals.bytes = writer->next_block * EROFS_BLOCK;
	*ret_totals = writer->totals;
	return 0;
}
