/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encodes EROFS structures. Runs in the pack role. Pure: must never do I/O or allocate.
 */
#include <string.h>
#include <sys/stat.h>
#include "engine/erofs/erofs.h"
#include "engine/erofs/format.h"

void format_put16(uint8_t *at, uint16_t v)
{
	at[0] = (uint8_t)v;
	at[1] = (uint8_t)(v >> 8);
}

void format_put32(uint8_t *at, uint32_t v)
{
	format_put16(at, (uint16_t)v);
	format_put16(at + 2, (uint16_t)(v >> 16));
}

void format_put64(uint8_t *at, uint64_t v)
{
	format_put32(at, (uint32_t)v);
	format_put32(at + 4, (uint32_t)(v >> 32));
}

/* CRC-32C, reflected, start ~0 and no inversion at the end: as the kernel computes it. */
static uint32_t crc32c(const uint8_t *data, size_t len)
{
	uint32_t crc = UINT32_MAX;
	for (size_t i = 0; i < len; i++) {
		crc ^= data[i];
		for (int bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82F63B78U : 0);
	}
	return crc;
}

void format_super(uint8_t *block, const struct format_super *super)
{
	/* Constant, so that equal layers are equal files. Version 8: "made by a private scheme". */
	static const uint8_t uuid[16] = { 0x68, 0x6f, 0x79, 0x00, 0x6c, 0x61, 0x80, 0x79,
					  0x80, 0x65, 0x72, 0x00, 0x00, 0x00, 0x00, 0x01 };
	memset(block, 0, EROFS_BLOCK);
	uint8_t *sb = block + FORMAT_SUPER_OFFSET;
	format_put32(sb + 0, FORMAT_MAGIC);
	format_put32(sb + 8, FORMAT_COMPAT_CHECKSUM | FORMAT_COMPAT_MTIME);
	sb[12] = 12; /* log2 of the block size */
	format_put16(sb + 14, super->root);
	format_put64(sb + 16, super->inodes);
	format_put32(sb + 36, super->blocks);
	format_put32(sb + 40, super->meta_block);
	memcpy(sb + 48, uuid, sizeof(uuid));
	format_put32(sb + 4, crc32c(sb, EROFS_BLOCK - FORMAT_SUPER_OFFSET));
}

void format_inode(uint8_t *at, const struct format_inode *inode)
{
	memset(at, 0, FORMAT_INODE);
	format_put16(at + 0, (uint16_t)(1 | inode->layout << 1)); /* bit 0: extended */
	format_put16(at + 2, inode->xattr_count);
	format_put16(at + 4, inode->mode);
	format_put64(at + 8, inode->size);
	format_put32(at + 16, inode->block_or_rdev);
	format_put32(at + 20, inode->number);
	format_put32(at + 24, inode->uid);
	format_put32(at + 28, inode->gid);
	format_put64(at + 32, (uint64_t)inode->mtime_s);
	format_put32(at + 40, inode->mtime_ns);
	format_put32(at + 44, inode->nlink);
}

void format_dirent(uint8_t *at, uint64_t nid, uint16_t name_offset, uint8_t type)
{
	format_put64(at, nid);
	format_put16(at + 8, name_offset);
	at[10] = type;
	at[11] = 0;
}

uint8_t format_type(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return FORMAT_TYPE_DIR;
	case S_IFLNK:
		return FORMAT_TYPE_SYMLINK;
	case S_IFCHR:
		return FORMAT_TYPE_CHAR;
	case S_IFBLK:
		return FORMAT_TYPE_BLOCK;
	case S_IFIFO:
		return FORMAT_TYPE_FIFO;
	}
	return FORMAT_TYPE_FILE;
}
