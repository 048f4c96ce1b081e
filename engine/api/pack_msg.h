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
	 * {} fds [0] the pipe that entry records come from (engine/api/entry.h), [1] the unnamed
	 * file from STORE_MSG_LAYER_NEW -> {struct pack_result} when the stream ended with its end
	 * record. A stream that just stops is an error: nothing half-read becomes a layer. Main
	 * ends the process afterwards, so that no writer of the file is left.
	 */
	PACK_MSG_START = 0x420,
};

/* u64 bytes, u64 entries, u64 data_bytes, digest records */
struct pack_result {
	uint64_t bytes;	       /* of the EROFS image, a multiple of 4,096 */
	uint64_t entries;      /* records that became inodes or names; 0 = the layer is empty */
	uint64_t data_bytes;   /* of file contents */
	struct digest records; /* SHA-256 of the record stream: the key of a layer made here */
};

void pack_result_put(struct buf *out, const struct pack_result *result);
void pack_result_get(struct wire *in, struct pack_result *ret_result);

#endif
