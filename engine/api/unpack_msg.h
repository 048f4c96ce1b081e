/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_API_UNPACK_MSG_H
#define HOY_ENGINE_API_UNPACK_MSG_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/sha256.h"
#include "lib/str.h"

/*
 * engine main -> unpack role (`engine unpack`, one process for each layer or archive):
 *
 * UNPACK_MSG_START (call)
 *     text media type (OCI or Docker layer type; "" = plain tar, gzip or zstd told by its magic)
 *     u32 flags (enum unpack_flag), u64 bytes max, u32 entries max, u32 ratio max (0 = default)
 *     u8 has_diff, 32 bytes expected diffID
 *     fds [0] compressed stream in, [1] entry records out (engine/api/entry.h)
 *   reply: 32 bytes diffID (sha256 of the uncompressed stream to its last byte), u64 entries,
 *     u64 bytes of file data, u64 bytes of the uncompressed stream
 *   error: the layer is bad, over a limit, not the expected diffID (-EBADMSG, -EFBIG, -ENOTSUP),
 *     or a pipe broke (-EPIPE). Records written so far are without END: drop them.
 * The role closes both fds before it answers and exits after it.
 */
enum unpack_msg {
	UNPACK_MSG_START = 1,
};

enum unpack_flag {
	UNPACK_FLAG_LAYER = 1, /* ".wh." names are whiteouts; else they are refused */
	/* A tar without the zeros at its end is refused: no digest tells whether all of it came. */
	UNPACK_FLAG_WHOLE = 2,
	/* What is no archive at all is a file UNPACK_TEXT_NAME of at most UNPACK_TEXT_MAX bytes. */
	UNPACK_FLAG_TEXT = 4,
	/* ".." in names stays within the archive's root, what is no directory there is passed over;
	 * else both are refused. */
	UNPACK_FLAG_ROOTED = 8,
	UNPACK_FLAG_EMPTY = 16, /* no byte at all is an archive of nothing, also where WHOLE is */
};

enum {
	UNPACK_BYTES_DEFAULT_GIB = 64,
	UNPACK_RATIO_DEFAULT = 200,
	UNPACK_MEDIA_TYPE_MAX = 256,
	UNPACK_TEXT_MAX = 1 << 20,
};

#define UNPACK_TEXT_NAME "Dockerfile"

struct unpack_start {
	char media_type[UNPACK_MEDIA_TYPE_MAX];
	uint32_t flags;
	uint64_t bytes_max;   /* uncompressed stream; 0 = UNPACK_BYTES_DEFAULT_GIB */
	uint32_t entries_max; /* 0 = ENTRY_COUNT_MAX */
	uint32_t ratio_max;   /* uncompressed / compressed, held from 16 MiB on; 0 = default */
	bool has_diff;
	struct digest diff;
};

struct unpack_result {
	struct digest diff;
	uint64_t entries, bytes, stream_bytes;
};

void unpack_start_encode(const struct unpack_start *start, struct buf *out);
int unpack_start_decode(struct str body, struct unpack_start *ret_start, struct err *err);
void unpack_result_encode(const struct unpack_result *result, struct buf *out);
int unpack_result_decode(struct str body, struct unpack_result *ret_result, struct err *err);

#endif
