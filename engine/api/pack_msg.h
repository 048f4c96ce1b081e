/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_API_PACK_MSG_H
#define HOY_ENGINE_API_PACK_MSG_H

#include <stdint.h>
#include "lib/buf.h"
#include "lib/sha256.h"
#include "lib/wire.h"

/* Calls of engine main to one pack role (one process for each layer, fd 3). */
enum pack_msg {
	/*
	 * {u8 with the tar} fds [0] the pipe that entry records come from (engine/api/entry.h), [1]
	 * the unnamed file from STORE_MSG_LAYER_NEW -> {struct pack_result} when the stream ended
	 * with its end record. A stream that just stops is an error: nothing half-read becomes a
	 * layer. Main ends the process afterwards, so that no writer of the file is left.
	 */
	PACK_MSG_START = 0x420,
	/*
	 * {u8 enum pack_tar} fds [0] the pipe that entry records come from, [1] file or pipe ->
	 * {digest, u64 bytes}: the records as a tar (engine/tar/write.h), written and closed.
	 */
	PACK_MSG_TAR,
};

enum pack_tar {
	PACK_TAR_TREE = 0,
	PACK_TAR_LAYER = 1, /* a name that begins with ".wh." is refused: it would be a whiteout */
	PACK_TAR_DOT = 2,   /* a tree whose names begin with "./" */
	PACK_TAR_SLASH = 3, /* the same with "/" */
};

/* u64 bytes, u64 entries, u64 data_bytes, digest tar, u64 tar_bytes */
struct pack_result {
	uint64_t bytes;	     /* of the EROFS image, a multiple of 4,096 */
	uint64_t entries;    /* records that became inodes or names; 0 = the layer is empty */
	uint64_t data_bytes; /* of file contents */
	struct digest tar; /* of the layer's tar: key, blob digest and diffID of a layer made here;
			      zero unless it was asked for */
	uint64_t tar_bytes;
};

void pack_result_put(struct buf *out, const struct pack_result *result);
void pack_result_get(struct wire *in, struct pack_result *ret_result);

#endif
