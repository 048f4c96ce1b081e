/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_EROFS_FORMAT_H
#define HOY_ENGINE_EROFS_FORMAT_H

#include <stdint.h>

/*
 * The EROFS on-disk format as far as this writer uses it (Linux fs/erofs, stable since 5.4). All
 * fields are little-endian; they are written by format_*() below, never by overlaying a struct.
 *
 * Image: block 0 holds the superblock at byte 1,024; then data blocks in the order the files came;
 * then the metadata area (inodes, each with its attributes and the end of its data); then the
 * blocks of directories that do not fit into their inode.
 */
enum {
	FORMAT_SUPER_OFFSET = 1024,
	FORMAT_SUPER_SIZE = 128,
	FORMAT_SLOT = 32,  /* an inode's number counts these from the metadata area's start */
	FORMAT_INODE = 64, /* extended inode */
	FORMAT_XATTR_HEADER = 12, /* in front of an inode's attributes */
	FORMAT_DIRENT = 12,
	FORMAT_LAYOUT_PLAIN = 0,  /* data in blocks only */
	FORMAT_LAYOUT_INLINE = 2, /* the last part stands behind the inode */
	FORMAT_XATTR_USER = 1,
	FORMAT_XATTR_SECURITY = 6,
	FORMAT_COMPAT_CHECKSUM = 1, /* superblock checksum is there */
	FORMAT_COMPAT_MTIME = 2,    /* inode times are modification times */
};
#define FORMAT_MAGIC 0xE0F5E1E2U

/* File types in directory entries. */
enum {
	FORMAT_TYPE_FILE = 1,
	FORMAT_TYPE_DIR = 2,
	FORMAT_TYPE_CHAR = 3,
	FORMAT_TYPE_BLOCK = 4,
	FORMAT_TYPE_FIFO = 5,
	FORMAT_TYPE_SYMLINK = 7,
};

struct format_super {
	uint64_t inodes;
	uint32_t blocks;
	uint32_t meta_block;
	uint16_t root;
};

struct format_inode {
	uint16_t layout, xattr_count;
	uint16_t mode;
	uint64_t size;
	uint32_t block_or_rdev;
	uint32_t number;
	uint32_t uid, gid;
	int64_t mtime_s;
	uint32_t mtime_ns;
	uint32_t nlink;
};

void format_put16(uint8_t *at, uint16_t v);
void format_put32(uint8_t *at, uint32_t v);
void format_put64(uint8_t *at, uint64_t v);

/* Block 0, 4,096 bytes, its checksum included. */
void format_super(uint8_t *block, const struct format_super *super);
/* 64 bytes. */
void format_inode(uint8_t *at, const struct format_inode *inode);
/* 12 bytes. */
void format_dirent(uint8_t *at, uint64_t nid, uint16_t name_offset, uint8_t type);
/* The type of a directory entry for st_mode. */
uint8_t format_type(uint32_t mode);

#endif
