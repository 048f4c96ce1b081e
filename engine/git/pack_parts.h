/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_GIT_PACK_PARTS_H
#define HOY_ENGINE_GIT_PACK_PARTS_H

#include <mbedtls/sha1.h>
#include "engine/git/pack.h"

/* Between pack.c, pack_load.c and pack_index.c; private to this folder. */
enum { GIT_OFS_DELTA = 6, GIT_REF_DELTA = 7, GIT_PACK_CACHE = 64 };
#define GIT_NO_OBJECT UINT32_MAX

struct git_object {
	uint64_t at;	    /* where it begins */
	uint64_t data;	    /* where its compressed bytes do */
	uint64_t size;	    /* of what it says itself: a delta's own */
	uint64_t whole;	    /* of the object, once it is known */
	uint32_t base;	    /* index, GIT_NO_OBJECT = it is whole, or its base is named */
	struct git_oid oid; /* until it is known: the name of its base */
	uint8_t kind;	    /* as written: 1 to 4, 6, 7 */
	uint8_t type;	    /* enum git_type, NONE until it is known */
};

struct git_kept {
	uint32_t index;
	struct buf data;
};

struct git_pack {
	int fd;
	uint64_t end; /* where the checksum stands */
	uint64_t work;
	struct git_object *objects;
	uint32_t count;
	uint32_t *table; /* of known names: index + 1, 0 = free */
	uint32_t mask;
	struct git_kept cache[GIT_PACK_CACHE];
	struct git_oid sum;
};

struct git_naming {
	mbedtls_sha1_context sha1;
};

/* -EBADMSG: the pack is damaged. */
int git_pack_malformed(const char *what, struct err *err);
/* len bytes from `at`, all of them. */
int git_pack_read(const struct git_pack *pack, uint64_t at, void *dst, size_t len, struct err *err);
/* What the compressed bytes at `at` hold, exactly `size` of it, and where they end. */
int git_pack_inflate(struct git_pack *pack, uint64_t at, uint64_t size, git_sink_fn *sink,
		     void *owner, uint64_t *ret_end, struct err *err);
/* An object whose name is known may be found from now on. */
void git_pack_add_name(struct git_pack *pack, uint32_t index);
/* The name of an object: begun, its bytes (a sink; owner NULL = none), ended. */
void git_naming_begin(struct git_naming *n, enum git_type type, uint64_t size);
int git_naming_add(void *owner, struct str data, struct err *err);
void git_naming_end(struct git_naming *n, struct git_oid *ret);
/* pack_load.c: names all deltas. */
int git_pack_deltas(struct git_pack *pack, struct err *err);

#endif
