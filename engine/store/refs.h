/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_STORE_REFS_H
#define HOY_ENGINE_STORE_REFS_H

#include <stdbool.h>
#include <stdint.h>
#include "engine/api/store_msg.h"
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/mono.h"
#include "lib/str.h"

/*
 * What the names in a store mean, in memory and as the bytes of one generation file (format at the
 * head of store.c). Pure: no I/O here.
 */
enum {
	REFS_IMAGES_MAX = 4096,
	REFS_CACHE_MAX = 2048, /* the entries longest unused go first */
	REFS_BYTES_MAX = 32 << 20,
};

struct refs_image {
	char *reference;
	struct buf record; /* struct image in wire form */
	/* what refs/aside keeps */
	struct buf before; /* the record that the name had before; empty = none */
	uint64_t idle_s;   /* wall clock since when nothing uses it; 0 = used, or not known */
	/* not kept: when its name was set or asked for last */
	struct mono asked;
};

struct refs_cached {
	struct digest key;
	struct store_cached value;
	uint64_t used; /* generation of the last use */
};

struct refs {
	uint64_t generation;
	struct refs_image **images; /* sorted by reference */
	uint32_t image_count;
	struct refs_cached *cache;
	uint32_t cache_count;
};

void refs_init(struct refs *refs);
void refs_done(struct refs *refs);

struct refs_image *refs_image_new(struct str reference, struct str record, struct err *err);
void refs_image_free(struct refs_image *image);
/* Index of a reference, or -1. */
int64_t refs_find(const struct refs *refs, const char *reference);
/*
 * Puts `image` (NULL = nothing) in the place of the reference's old one; the old one comes out in
 * ret_old (NULL = there was none), so that the change can be taken back. -ENOSPC at the maximum.
 */
int refs_swap(struct refs *refs, const char *reference, struct refs_image *image,
	      struct refs_image **ret_old, struct err *err);

/* Whether a row is an image without a name: its reference is its id, "sha256:" and 64 digits. */
bool refs_is_unnamed(const char *reference);

/* The entry of a key, or NULL. */
struct refs_cached *refs_cache_find(struct refs *refs, const struct digest *key);
/* Adds or replaces; drops the longest unused one at the maximum. */
int refs_cache_put(struct refs *refs, const struct digest *key, const struct store_cached *value,
		   struct err *err);
void refs_cache_remove(struct refs *refs, const struct digest *key);

/* One generation file, checksum included. */
int refs_encode(const struct refs *refs, struct buf *out, struct err *err);
/* -EBADMSG when it is not a whole, intact generation file; refs has to be initialised and empty. */
int refs_decode(struct refs *refs, struct str file, struct err *err);

/* The same for refs/aside. Decoding adds to what the table has: unknown names are passed over. */
int refs_aside_encode(const struct refs *refs, struct buf *out, struct err *err);
int refs_aside_decode(struct refs *refs, struct str file, struct err *err);

#endif
