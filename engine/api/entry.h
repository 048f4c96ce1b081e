/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_API_ENTRY_H
#define HOY_ENGINE_API_ENTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/str.h"

/*
 * Entry records: a file tree as a byte stream through a pipe, made by the unpack and files roles,
 * read by pack and files. The maker is taken as hostile: the reader checks every bound itself.
 *
 * One record is u32 body length, u8 type, body in wire form:
 *   FILE DIR SYMLINK HARDLINK CHAR BLOCK FIFO
 *       text path, text target, u32 mode (07777), u32 uid, u32 gid, i64 mtime s, u32 mtime ns,
 *       u32 rdev major, u32 rdev minor, u64 size, list of {text name, blob value} xattrs
 *   WHITEOUT  text path     this name of the layers below is gone
 *   OPAQUE    text path     the directory `path` hides what the layers below have in it
 *   DATA      u64 offset, then the bytes; belongs to the FILE before it
 *   END       u64 entries, u64 data bytes; last record, then end of file
 *
 * Paths are relative to the root: components of 1 to 255 bytes joined by one '/', no "." and "..",
 * no NUL, at most 4,095 bytes; "" is the root directory itself (DIR and OPAQUE only). A hard link's
 * target is such a path too; a symlink's target is 1 to 4,095 bytes of anything but NUL. DATA comes
 * in ascending, non-overlapping offsets within size; ranges that are left out are holes (zeros).
 * Only SYMLINK and HARDLINK have a target, only CHAR and BLOCK an rdev (never 0:0 for CHAR: that is
 * overlayfs's whiteout), only FILE a size; a HARDLINK carries no other attribute of use. The same
 * path may come again: the later one wins. Parents may be missing (a reader makes them 0755 0:0).
 */
enum entry_type {
	ENTRY_FILE = 1,
	ENTRY_DIR = 2,
	ENTRY_SYMLINK = 3,
	ENTRY_HARDLINK = 4,
	ENTRY_CHAR = 5,
	ENTRY_BLOCK = 6,
	ENTRY_FIFO = 7,
	ENTRY_WHITEOUT = 8,
	ENTRY_OPAQUE = 9,
	ENTRY_DATA = 10,
	ENTRY_END = 11,
};

enum {
	ENTRY_PATH_MAX = 4095,
	ENTRY_NAME_MAX = 255,
	ENTRY_XATTRS_MAX = 64,
	ENTRY_XATTR_NAME_MAX = 255,
	ENTRY_XATTR_BYTES_MAX = 60 << 10, /* names and values of one entry */
	ENTRY_DATA_MAX = 64 << 10,	  /* bytes of one DATA record */
	ENTRY_BODY_MAX = 80 << 10,
	ENTRY_COUNT_MAX = 1 << 20, /* entries of one stream */
};

struct entry_xattr {
	struct str name; /* with its prefix: "user.x", "security.capability" */
	struct str value;
};

/* All slices point into the reader's buffer and live until the next read. */
struct entry {
	enum entry_type type;
	struct str path;
	struct str target;
	uint32_t mode;
	uint32_t uid, gid;
	int64_t mtime_s;
	uint32_t mtime_ns;
	uint32_t rdev_major, rdev_minor;
	uint64_t size;
	struct entry_xattr xattrs[ENTRY_XATTRS_MAX];
	uint32_t xattr_count;
	uint64_t offset; /* DATA */
	struct str data;
	uint64_t entries, bytes; /* END */
};

/* 0 when `path` has the form said above; the root "" only where root_ok. Pure. */
int entry_check_path(struct str path, bool root_ok, struct err *err);

/* ---- writing ---- */

struct entry_writer {
	int fd; /* not owned */
	struct buf buf;
	uint64_t entries, bytes;
};

/* Writes are gathered in blocks of about 64 KiB; fd is blocking. */
void entry_writer_init(struct entry_writer *writer, int fd);
void entry_writer_done(struct entry_writer *writer); /* frees, flushes nothing */
/* Any type but END; DATA is cut into records as needed. -EPIPE when the reader is gone. */
int entry_write(struct entry_writer *writer, const struct entry *entry, struct err *err);
/* END and flush. */
int entry_write_end(struct entry_writer *writer, struct err *err);

/* Appends one encoded record to out without any check (tests and entry_write use it). */
void entry_encode(const struct entry *entry, struct buf *out);

/* ---- reading ---- */

/* What one stream has said so far; zeroed = at its start. */
struct entry_state {
	uint64_t entries, bytes;
	uint64_t file_size, file_next; /* of the FILE that DATA may follow */
	bool in_file, ended;
};

/*
 * Parses the first record of in[0..len): returns the bytes used, 0 when more are needed, or
 * -EBADMSG with what is wrong. Pure but for *state.
 */
int64_t entry_parse(struct entry_state *state, struct str in, struct entry *ret_entry,
		    struct err *err);

struct entry_reader {
	int fd; /* not owned */
	struct buf buf;
	size_t at; /* parsed so far */
	struct entry_state state;
};

void entry_reader_init(struct entry_reader *reader, int fd);
void entry_reader_done(struct entry_reader *reader);
/*
 * 1 = an entry, 0 = END was read and the stream closed behind it, -EBADMSG (malformed, or cut off
 * before END: the maker failed and will say why itself), other errno of read(2).
 */
int entry_read(struct entry_reader *reader, struct entry *ret_entry, struct err *err);

#endif
