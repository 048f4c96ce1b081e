/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_TAR_STREAM_H
#define HOY_ENGINE_TAR_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "lib/err.h"

/*
 * A compressed byte stream read as what it holds: gzip (RFC 1952, several members), zstd (RFC
 * 8878), xz, bzip2 or plain, told by its magic. Bounded: a stream that grows beyond its limits is
 * an error, never a full disk.
 */
enum tar_compression { TAR_PLAIN, TAR_GZIP, TAR_ZSTD, TAR_XZ, TAR_BZIP2 };

/* Reads at most cap bytes: 0 = end, -errno with err set. */
typedef ssize_t tar_source_fn(void *owner, void *dst, size_t cap, struct err *err);

struct tar_stream_limits {
	uint64_t bytes_max;  /* of the uncompressed stream, 0 = none */
	uint32_t ratio_max;  /* uncompressed : compressed, held from 16 MiB on; 0 = none */
	unsigned window_log; /* zstd: the largest window taken is 1 << this; 0 = 23 (8 MiB) */
};

struct tar_stream {
	tar_source_fn *source;
	void *owner;
	struct tar_stream_limits limits;
	enum tar_compression compression;
	void *decoder;	   /* of the library's, heap */
	unsigned char *in; /* heap, TAR_STREAM_BLOCK */
	size_t in_at, in_len;
	bool in_end;	 /* the source is at its end */
	bool frame_open; /* inside a gzip member or zstd frame */
	bool ended;
	uint64_t in_bytes, out_bytes;
};

enum { TAR_STREAM_BLOCK = 64 << 10 };

/* Reads the magic. The stream owns memory after 0: tar_stream_done(). */
int tar_stream_init(struct tar_stream *stream, tar_source_fn *source, void *owner,
		    const struct tar_stream_limits *limits, struct err *err);
void tar_stream_done(struct tar_stream *stream); /* accepts zeroed */

/*
 * The next uncompressed bytes, at most cap: 0 = the end, -EBADMSG (damaged, cut off, something
 * behind the end), -EFBIG (over a limit), or what the source said.
 */
ssize_t tar_stream_read(struct tar_stream *stream, void *dst, size_t cap, struct err *err);

/* A source that reads the fd *(int *)owner, blocking. */
ssize_t tar_source_fd(void *owner, void *dst, size_t cap, struct err *err);

#endif
