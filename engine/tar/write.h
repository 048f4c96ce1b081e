/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_TAR_WRITE_H
#define HOY_ENGINE_TAR_WRITE_H

#include <stdbool.h>
#include <stdint.h>
#include "engine/api/entry.h"
#include "lib/err.h"
#include "lib/sha256.h"

/*
 * Entry records as a tar (POSIX pax interchange format; OCI image-spec v1.1, layer.md): the same
 * records give the same bytes. Times are whole seconds, owners are numbers, holes become zeros, the
 * root is "./", whiteouts are ".wh.NAME" and ".wh..wh..opq". Attributes are SCHILY.xattr records.
 */
typedef int tar_sink_fn(void *owner, const void *data, size_t len, struct err *err);

#define TAR_WRITE_BYTES_MAX (UINT64_C(64) << 30)

struct tar_writer {
	tar_sink_fn *sink; /* NULL = only counted and hashed */
	void *owner;
	struct sha256 hash;
	struct buf pax;
	uint64_t bytes;
	uint64_t file_size, file_at; /* of the FILE that DATA belongs to */
	const char *front; /* of each name, "" or "./" or "/"; the root is "./" without one */
	bool names_hidden; /* a name began with ".wh.": in a layer it would mean something else */
};

void tar_writer_init(struct tar_writer *writer, tar_sink_fn *sink, void *owner);
void tar_writer_done(struct tar_writer *writer);
/* The next record as entry_read() gives it. -EFBIG over TAR_WRITE_BYTES_MAX, or the sink's error.
 */
int tar_write_entry(struct tar_writer *writer, const struct entry *entry, struct err *err);
/* The end blocks; ret_digest is of the whole tar, writer->bytes its size. */
int tar_write_end(struct tar_writer *writer, struct digest *ret_digest, struct err *err);

/* A regular file of a tar that is no tree: its header; the caller sends the bytes, then pads. */
int tar_write_file(struct tar_writer *writer, const char *name, uint64_t size, struct err *err);
int tar_write_data(struct tar_writer *writer, const void *data, size_t len, struct err *err);

#endif
