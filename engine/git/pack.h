/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_GIT_PACK_H
#define HOY_ENGINE_GIT_PACK_H

#include <stdbool.h>
#include <stdint.h>
#include "engine/git/git.h"
#include "lib/buf.h"
#include "lib/err.h"

/*
 * A pack (gitformat-pack(5), version 2) in a regular file, whole in itself. Every object's name is
 * computed from its content here, so that what is found under a name is what the name says.
 */
enum {
	GIT_OBJECTS_MAX = 1 << 20,
	GIT_OBJECT_MAX = 32 << 20, /* of what has to be put together in memory */
	GIT_CHAIN_MAX = 4096,	   /* deltas upon each other */
};

enum git_type {
	GIT_TYPE_NONE = 0,
	GIT_TYPE_COMMIT = 1,
	GIT_TYPE_TREE = 2,
	GIT_TYPE_BLOB = 3,
	GIT_TYPE_TAG = 4,
};

struct git_oid {
	uint8_t bytes[GIT_OID_SIZE];
};

struct git_pack;

/*
 * Reads all of it: its own checksum, each object, each delta. work_max: bytes that may come out of
 * its compression in all, from now to git_pack_free(). -EBADMSG, -EFBIG, -ENOTSUP (version).
 */
int git_pack_open(int fd, uint64_t work_max, struct git_pack **ret_pack, struct err *err);
void git_pack_free(struct git_pack *pack); /* accepts NULL; fd stays open */

/* Index of an object, or -ENOENT. */
int64_t git_pack_find(const struct git_pack *pack, const struct git_oid *oid);
enum git_type git_pack_type(const struct git_pack *pack, uint32_t index);
uint64_t git_pack_size(const struct git_pack *pack, uint32_t index);
/* The content; at most GIT_OBJECT_MAX (-EFBIG). The caller's, free(). */
int git_pack_load(struct git_pack *pack, uint32_t index, struct buf *ret, struct err *err);
/* The same piece by piece: of any size where the pack has it whole. */
int git_pack_stream(struct git_pack *pack, uint32_t index, git_sink_fn *sink, void *owner,
		    struct err *err);

/* ---- for its index (gitformat-pack(5)) ---- */

uint64_t git_pack_bytes(const struct git_pack *pack);
/* The version 2 index of the pack, and the digits that name both files. */
int git_pack_index(struct git_pack *pack, struct buf *out, char ret_name[GIT_OID_TEXT],
		   struct err *err);
/* The pack's own bytes from `at`: how many, 0 = its end. */
int64_t git_pack_raw(const struct git_pack *pack, uint64_t at, void *dst, size_t cap,
		     struct err *err);

/* delta.c: the result of a delta upon its base, appended to an empty `out`. Pure. -EBADMSG */
int git_delta_apply(struct str base, struct str delta, struct buf *out, struct err *err);

#endif
