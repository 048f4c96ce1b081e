/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_STORE_TRAILER_H
#define HOY_ENGINE_STORE_TRAILER_H

#include <stdbool.h>
#include <stdint.h>
#include "engine/api/store_msg.h"
#include "lib/err.h"
#include "lib/sha256.h"

/*
 * The last 4,096 bytes of a layer file, behind the EROFS image: what the layer is, and the digest
 * of the image, so that a layer can be checked on any file system. Format at the head of store.c.
 */
enum { TRAILER_SIZE = 4096 };

struct trailer {
	struct store_layer layer; /* size: of the EROFS image */
	struct digest content;
};

void trailer_encode(const struct trailer *trailer, uint8_t block[TRAILER_SIZE]);
int trailer_decode(const uint8_t block[TRAILER_SIZE], struct trailer *ret_trailer, struct err *err);
/* Reads it from the end of a file and holds it against the file's size. */
int trailer_read(int fd, struct trailer *ret_trailer, struct err *err);

/* Digests a file in slices, so that a loop stays responsive; also used for blobs. */
struct content_hash {
	int fd; /* not owned */
	uint64_t at, size;
	bool sparse; /* the digest of a layer: blocks that are not all zero, with their numbers */
	struct sha256 hash;
};

void content_hash_init(struct content_hash *content, int fd, uint64_t size, bool sparse);
/* At most max bytes further: 1 = more to do, 0 = the digest is in ret_digest, or an error. */
int content_hash_step(struct content_hash *content, uint64_t max, struct digest *ret_digest,
		      struct err *err);

#endif
