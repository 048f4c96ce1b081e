/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_EROFS_EROFS_H
#define HOY_ENGINE_EROFS_EROFS_H

#include <stdint.h>
#include "engine/api/entry.h"
#include "lib/err.h"

/*
 * Writes one EROFS image (uncompressed, 4 KiB blocks, format as in Linux
 * Documentation/filesystems/erofs.rst) out of entry records, in one pass: contents go straight to
 * their place in the file as they come, names and inodes are kept in memory and written last. The
 * same entries in the same order give the same bytes.
 *
 * Overlay marks are written as overlayfs mounted with userxattr reads them: a whiteout is a
 * character device 0:0, an opaque directory has user.overlay.opaque=y. Extended attributes other
 * than user.* and security.capability are dropped, user.overlay.* of foreign origin too.
 */
enum {
	EROFS_BLOCK = 4096,
	EROFS_NODES_MAX = 2 << 20,  /* inodes and names of one image, implied parents included */
	EROFS_TEXT_MAX = 512 << 20, /* bytes of names, link targets and attributes */
	EROFS_TAILS_MAX = 8 << 20,  /* bytes of file ends that are kept to stand in the inodes */
};
#define EROFS_IMAGE_MAX (UINT64_C(4) << 40) /* bytes, holes included */

struct erofs_writer;

struct erofs_totals {
	uint64_t bytes; /* of the image */
	uint64_t entries;
	uint64_t data_bytes;
};

/* fd (not owned) is an empty regular file; it is written by offset. NULL: out of memory. */
struct erofs_writer *erofs_writer_new(int fd);
void erofs_writer_free(struct erofs_writer *writer); /* accepts NULL */

/*
 * The next record, END excluded. -EBADMSG: contradicts what came before (a hard link to nothing, a
 * name below a file); -EFBIG, -ENOSPC: too much for one image or for the file.
 */
int erofs_writer_add(struct erofs_writer *writer, const struct entry *entry, struct err *err);

/* Writes directories, inodes and the superblock. The writer can only be freed afterwards. */
int erofs_writer_finish(struct erofs_writer *writer, struct erofs_totals *ret_totals,
			struct err *err);

#endif
