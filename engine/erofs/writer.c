/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns an EROFS image while records come in: places file contents and keeps the tree. Runs in the
 * pack role. Must never keep a layer's contents in memory (but for the short ends of files that
 * stand in the inodes, EROFS_TAILS_MAX), nor trust a record's size for more than a range of blocks.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "engine/erofs/erofs.h"
#include "engine/erofs/format.h"
#include "engine/erofs/writer.h"

enum { WRITER_EARLY = 8 << 20 };

struct erofs_writer *erofs_writer_new(int fd)
{
	struct erofs_writer *writer = calloc(1, sizeof(*writer));
	if (writer == NULL)
		return NULL;
	writer->fd = fd;
	writer->next_block = 1; /* block 0 is the superblock's */
	writer->file = TREE_NONE;
	if (tree_init(&writer->tree) < 0) {
		erofs_writer_free(writer);
		return NULL;
	}
	return writer;
}

void erofs_writer_free(struct erofs_writer *writer)
{
	if (writer == NULL)
		return;
	tree_done(&writer->tree);
	free(writer->placed);
	free(writer);
}

/*
 * The disk works while the rest is unpacked, so that the sync at the end finds little to do. On
 * pages that are still dirty this advice starts their writing and drops none of them.
 */
static void write_early(struct erofs_writer *writer, uint64_t end)
{
	if (end < writer->on_its_way + WRITER_EARLY)
		return;
	(void)posix_fadvise(writer->fd, (off_t)writer->on_its_way,
			    (off_t)(end - writer->on_its_way), POSIX_FADV_DONTNEED);
	writer->on_its_way = end;
}

int writer_put(struct erofs_writer *writer, uint64_t offset, const void *data, size_t len,
	       struct err *err)
{
	const char *from = data;
	while (len > 0) {
		ssize_t n = pwrite(writer->fd, from, len, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, -errno, "cannot write layer at byte %llu",
				       (unsigned long long)offset);
		from += n;
		offset += (uint64_t)n;
		len -= (size_t)n;
	}
	write_early(writer, offset);
	return 0;
}

/* Blocks in a row for size bytes; where they begin. */
int writer_blocks(struct erofs_writer *writer, uint64_t size, uint32_t *ret_block, struct err *err)
{
	uint64_t count = size / EROFS_BLOCK + (size % EROFS_BLOCK != 0);
	if (size > EROFS_IMAGE_MAX || writer->next_block + count > EROFS_IMAGE_MAX / EROFS_BLOCK)
		return err_set(err, -EFBIG, "layer exceeds %llu GiB",
			       (unsigned long long)(EROFS_IMAGE_MAX >> 30));
	*ret_block = count == 0 ? 0 : (uint32_t)writer->next_block;
	writer->next_block += count;
	return 0;
}

uint32_t writer_xattr_area(const struct tree_node *node)
{
	return node->xattr_size == 0 ? 0 : FORMAT_XATTR_HEADER + node->xattr_size;
}

/* Where the node's data goes: whole blocks in the image, the rest with the inode if it fits. */
static int place_data(struct erofs_writer *writer, uint32_t index, struct err *err)
{
	struct tree_node *node = &writer->tree.nodes[index];
	uint32_t tail = (uint32_t)(node->size % EROFS_BLOCK);
	bool fits = FORMAT_INODE + writer_xattr_area(node) + tail <= EROFS_BLOCK;
	if (tail > 0 && fits && writer->tails + tail <= EROFS_TAILS_MAX) {
		uint32_t offset = 0;
		int r = tree_text(&writer->tree, NULL, tail, &offset, err);
		if (r < 0)
			return r;
		node->tail = offset;
		node->is_inline = true;
		writer->tails += tail;
	}
	uint64_t in_blocks = node->is_inline ? node->size - tail : node->size;
	return writer_blocks(writer, in_blocks, &node->block, err);
}

static int write_data(struct erofs_writer *writer, uint32_t index, uint64_t offset, struct str data,
		      struct err *err)
{
	const struct tree_node *node = &writer->tree.nodes[index];
	if (offset > node->size || data.len > node->size - offset)
		return err_set(err, -EBADMSG, "layer has data behind the end of a file");
	uint64_t in_blocks = node->size;
	if (node->is_inline)
		in_blocks -= node->size % EROFS_BLOCK;
	if (offset < in_blocks) {
		struct str head = str_head(data, (size_t)(in_blocks - offset));
		uint64_t at = (uint64_t)node->block * EROFS_BLOCK + offset;
		int r = writer_put(writer, at, head.ptr, head.len, err);
		if (r < 0)
			return r;
		data = str_skip(data, head.len);
		offset += head.len;
	}
	if (data.len > 0)
		memcpy(writer->tree.text + node->tail + (offset - in_blocks), data.ptr, data.len);
	return 0;
}

/* Appends one attribute to the text area (the node's run of them is the last thing there). */
static int add_xattr(struct erofs_writer *writer, uint8_t prefix, struct str name, struct str value,
		     uint32_t *size, struct err *err)
{
	uint8_t head[4 + ENTRY_NAME_MAX + 1];
	if (name.len == 0 || name.len > ENTRY_NAME_MAX || value.len > UINT16_MAX)
		return err_set(err, -EBADMSG, "layer has an extended attribute that is too long");
	head[0] = (uint8_t)name.len;
	head[1] = prefix;
	format_put16(head + 2, (uint16_t)value.len);
	memcpy(head + 4, name.ptr, name.len);
	uint32_t used = (uint32_t)(4 + name.len + value.len), ignored = 0;
	uint32_t padding = (4 - used % 4) % 4;
	int r = tree_text(&writer->tree, head, 4 + name.len, &ignored, err);
	if (r == 0)
		r = tree_text(&writer->tree, value.ptr, value.len, &ignored, err);
	if (r == 0)
		r = tree_text(&writer->tree, NULL, padding, &ignored, err);
	*size += used + padding;
	return r;
}

/* Foreign overlay marks would change what lies below; only capabilities mean anything else. */
static bool split_xattr(struct str full, uint8_t *ret_prefix, struct str *ret_name)
{
	if (str_starts(full, STR("user.overlay")))
		return false;
	if (str_starts(full, STR("user."))) {
		*ret_prefix = FORMAT_XATTR_USER;
		*ret_name = str_skip(full, 5);
		return true;
	}
	*ret_prefix = FORMAT_XATTR_SECURITY;
	*ret_name = str_skip(full, 9);
	return str_eq(full, STR("security.capability"));
}

static int add_xattrs(struct erofs_writer *writer, uint32_t index, const struct entry *entry,
		      struct err *err)
{
	uint32_t start = 0, size = 0;
	int r = tree_text(&writer->tree, NULL, 0, &start, err);
	for (uint32_t i = 0; r == 0 && i < entry->xattr_count; i++) {
		uint8_t prefix = 0;
		struct str name;
		if (split_xattr(entry->xattrs[i].name, &prefix, &name))
			r = add_xattr(writer, prefix, name, entry->xattrs[i].value, &size, err);
	}
	writer->tree.nodes[index].xattrs = start;
	writer->tree.nodes[index].xattr_size = size;
	return r;
}

static uint32_t type_bits(enum entry_type type)
{
	switch (type) {
	case ENTRY_DIR:
		return S_IFDIR;
	case ENTRY_SYMLINK:
		return S_IFLNK;
	case ENTRY_CHAR:
	case ENTRY_WHITEOUT:
		return S_IFCHR;
	case ENTRY_BLOCK:
		return S_IFBLK;
	case ENTRY_FIFO:
		return S_IFIFO;
	case ENTRY_FILE:
	case ENTRY_HARDLINK:
	case ENTRY_OPAQUE:
	case ENTRY_DATA:
	case ENTRY_END:
		break;
	}
	return S_IFREG;
}

static uint32_t encode_rdev(uint32_t major, uint32_t minor)
{
	return (minor & 0xff) | (major & 0xfff) << 8 | (minor & 0xfff00) << 12;
}

/* A node with what the record says of it; its data is placed but not yet written. */
static int fill_node(struct erofs_writer *writer, const struct entry *entry, uint32_t index,
		     struct err *err)
{
	struct tree_node *node = &writer->tree.nodes[index];
	node->mode = type_bits(entry->type) | (entry->mode & 07777);
	node->uid = entry->uid;
	node->gid = entry->gid;
	node->mtime_s = entry->mtime_s;
	node->mtime_ns = entry->mtime_ns;
	node->rdev = encode_rdev(entry->rdev_major, entry->rdev_minor);
	if (entry->type == ENTRY_FILE)
		node->size = entry->size;
	if (entry->type == ENTRY_SYMLINK) {
		node->mode = S_IFLNK | 0777;
		node->size = entry->target.len;
	}
	int r = add_xattrs(writer, index, entry, err);
	if (r == 0 && (entry->type == ENTRY_FILE || entry->type == ENTRY_SYMLINK))
		r = place_data(writer, index, err);
	if (r == 0 && entry->type == ENTRY_SYMLINK)
		r = write_data(writer, index, 0, entry->target, err);
	return r;
}

/* The later record of a path wins; a directory that comes again keeps what is in it. */
static int add_named(struct erofs_writer *writer, const struct entry *entry, struct err *err)
{
	struct tree *tree = &writer->tree;
	uint32_t name = 0, node = 0;
	int r = tree_make(tree, entry->path, &name, err);
	if (r < 0)
		return r;
	uint32_t old = tree->names[name].node;
	bool over_whiteout =
		old != TREE_NONE && S_ISCHR(tree->nodes[old].mode) && tree->nodes[old].rdev == 0;
	if (old != TREE_NONE && entry->type == ENTRY_DIR && S_ISDIR(tree->nodes[old].mode)) {
		bool opaque = tree->nodes[old].opaque;
		r = fill_node(writer, entry, old, err);
		tree->nodes[old].opaque = opaque;
		return r;
	}
	if (old != TREE_NONE)
		r = tree_replace(tree, &name, err);
	if (r == 0)
		r = tree_node_new(tree, &node, err);
	if (r < 0)
		return r;
	tree->names[name].node = node;
	tree->nodes[node].opaque = over_whiteout && entry->type == ENTRY_DIR;
	writer->file = entry->type == ENTRY_FILE ? node : TREE_NONE;
	return fill_node(writer, entry, node, err);
}

static int add_hardlink(struct erofs_writer *writer, const struct entry *entry, struct err *err)
{
	struct tree *tree = &writer->tree;
	uint32_t target = tree_find(tree, entry->target), name = 0;
	uint32_t node = target == TREE_NONE ? TREE_NONE : tree->names[target].node;
	if (node == TREE_NONE || S_ISDIR(tree->nodes[node].mode) ||
	    (S_ISCHR(tree->nodes[node].mode) && tree->nodes[node].rdev == 0)) {
		char path[160], to[160];
		str_escape(entry->path, path, sizeof(path));
		str_escape(entry->target, to, sizeof(to));
		return err_set(err, -EBADMSG, "layer has a hard link '%s' to '%s', %s", path, to,
			       node == TREE_NONE ? "which is not in the layer"
						 : "which is no file");
	}
	int r = tree_make(tree, entry->path, &name, err);
	if (r == 0 && tree->names[name].node == node)
		return 0; /* a link to itself */
	if (r == 0 && tree->names[name].node != TREE_NONE)
		r = tree_replace(tree, &name, err);
	if (r == 0)
		tree->names[name].node = node;
	return r;
}

/* A whiteout speaks of the layers below: where this layer has the name too, that one stays, and a
 * directory hides what the lower ones have in it. */
static int add_whiteout(struct erofs_writer *writer, const struct entry *entry, struct err *err)
{
	struct tree *tree = &writer->tree;
	uint32_t name = tree_find(tree, entry->path);
	uint32_t node = name == TREE_NONE ? TREE_NONE : tree->names[name].node;
	if (node == TREE_NONE)
		return add_named(writer, entry, err);
	if (S_ISDIR(tree->nodes[node].mode) && name != TREE_ROOT)
		tree->nodes[node].opaque = true;
	return 0;
}

static int add_opaque(struct erofs_writer *writer, const struct entry *entry, struct err *err)
{
	struct tree *tree = &writer->tree;
	uint32_t name = tree_find(tree, entry->path);
	uint32_t node = name == TREE_NONE ? TREE_NONE : tree->names[name].node;
	if (node == TREE_NONE || !S_ISDIR(tree->nodes[node].mode)) {
		struct entry dir = { .type = ENTRY_DIR, .path = entry->path, .mode = 0755 };
		int r = add_named(writer, &dir, err);
		if (r < 0)
			return r;
		node = tree->names[tree_find(tree, entry->path)].node;
	}
	tree->nodes[node].opaque = true;
	return 0;
}

int erofs_writer_add(struct erofs_writer *writer, const struct entry *entry, struct err *err)
{
	if (entry->type != ENTRY_DATA) {
		writer->file = TREE_NONE;
		writer->totals.entries++;
	}
	switch (entry->type) {
	case ENTRY_CHAR:
		if (entry->rdev_major == 0 && entry->rdev_minor == 0)
			return err_set(err, -EBADMSG, "layer has a device 0:0");
		return add_named(writer, entry, err);
	case ENTRY_FILE:
	case ENTRY_DIR:
	case ENTRY_SYMLINK:
	case ENTRY_BLOCK:
	case ENTRY_FIFO:
		return add_named(writer, entry, err);
	case ENTRY_HARDLINK:
		return add_hardlink(writer, entry, err);
	case ENTRY_WHITEOUT:
		return add_whiteout(writer, entry, err);
	case ENTRY_OPAQUE:
		return add_opaque(writer, entry, err);
	case ENTRY_DATA:
		if (writer->file == TREE_NONE)
			return err_set(err, -EBADMSG, "layer has data outside of a file");
		writer->totals.data_bytes += entry->data.len;
		return write_data(writer, writer->file, entry->offset, entry->data, err);
	case ENTRY_END:
		break;
	}
	return err_set(err, -EBADMSG, "layer has a record of unknown type %u",
		       (unsigned)entry->type);
}
