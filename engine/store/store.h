/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_STORE_STORE_H
#define HOY_ENGINE_STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>
#include "engine/api/store_msg.h"
#include "engine/store/refs.h"
#include "lib/err.h"
#include "lib/sha256.h"

/*
 * The image store on disk: blobs, layers, and what the names mean. Format and crash rule stand at
 * the head of store.c. Everything that changes it is durable when the call returned 0 and changed
 * nothing when it did not.
 */
struct store_lease {
	struct store_lease *next;
	char *name;
	struct digest *digests;
	uint32_t count;
};

struct store {
	int root, blobs, layers, refs_dir, trash; /* directories */
	struct refs refs;
	unsigned slot;	   /* generation file that is written next: 0 or 1 */
	bool index_synced; /* what index.json says is on the disk: this process saw it get there */
	uint64_t trash_number;
	struct store_lease *leases;
};

enum {
	STORE_NAME_MAX = 80,	 /* "<64 hex>.erofs" */
	STORE_UNNAMED_MAX = 256, /* images without a name: each is written with each change */
};

struct arena;
struct image;

/*
 * Takes over root_fd (a directory), makes what is missing, reads the newest intact generation. A
 * damaged one is logged by ret_notes (may be NULL) and the one before is used. *store is valid for
 * store_done() in any case.
 */
int store_open(struct store *store, int root_fd, struct buf *ret_notes, struct err *err);
void store_done(struct store *store);

/* ---- blobs ---- */

/* -ENOENT when it is not there. */
int store_blob_stat(const struct store *store, const struct digest *digest, uint64_t *ret_size,
		    struct err *err);
int store_blob_open(const struct store *store, const struct digest *digest, uint64_t *ret_size,
		    struct err *err);
/* An unnamed file, and giving it its name once its content was checked. */
int store_blob_new(const struct store *store, struct err *err);
int store_blob_publish(struct store *store, int fd, const struct digest *digest, struct err *err);

/* -ENOSPC that says how much is missing, when `bytes` more do not fit beside the reserve. */
int store_room(const struct store *store, uint64_t bytes, const char *what, struct err *err);

/* ---- layers ---- */

int store_layer_new(const struct store *store, uint64_t bytes, struct err *err);
/* The last step of a commit: fd has its trailer already (trailer.h). Closes fd. */
int store_layer_publish(struct store *store, int fd, const struct store_layer *layer,
			struct err *err);
/* -ENOENT; -EBADMSG when the file's trailer does not fit. Gives the fd. */
int store_layer_open(const struct store *store, const struct digest *digest,
		     struct store_layer *ret_layer, struct err *err);

/* ---- names ---- */

/* One record, whole; memory is the arena's. */
int store_record_decode(struct arena *arena, struct str record, struct image *ret_image,
			struct err *err);
/*
 * ret_replaced: an image that is not the same in all had this reference. The row that the image has
 * by its id goes with the same writing; one that has a name gets no such row.
 */
int store_image_set(struct store *store, struct str reference, struct str record,
		    bool *ret_replaced, struct err *err);
/*
 * The same, and the image that the reference meant before stays, by its id, where nothing else
 * names it: STORE_UNNAMED_MAX of them, then the longest idle one gives way; where all of those are
 * in use the image does not stay.
 */
int store_image_move(struct store *store, struct str reference, struct str record,
		     bool *ret_replaced, struct err *err);
/* Takes a name away; the image stays as store_image_move() keeps it. */
int store_image_untag(struct store *store, const char *reference, struct err *err);
/* By an id ("sha256:..." and 64 digits) also what names could go back to. */
int store_image_remove(struct store *store, const char *reference, struct err *err);
/* The record of a reference, or of an image with that config or manifest digest. -ENOENT. */
int store_image_get(const struct store *store, const char *name, struct str *ret_record,
		    struct err *err);
/* Whether the image of a name has all its layers: then a lost document is no reason to go back. */
bool store_image_runs(const struct store *store, const char *reference);
/*
 * Makes a name mean the image that it meant before, where that one has all its layers; the one that
 * it means now is forgotten. -ENOENT: there is none. -EBADMSG: it is damaged as well.
 */
int store_fall_back(struct store *store, const char *reference, struct digest *ret_config,
		    struct err *err);
/* Each image that lacks a "layer", or as its "manifest", "config" or "blob" one of `gone`, once. */
typedef void store_lacking_fn(void *owner, const char *reference, const char *what,
			      const struct digest *digest);
void store_lacking(const struct store *store, const struct digest *gone, uint32_t gone_count,
		   store_lacking_fn *each, void *owner);
/*
 * What an image takes on the disk: its layers, and of its blobs those that are kept. *ret_made_s:
 * when the newest of its layers whose key is its diffID was written, 0 = there is none.
 */
uint64_t store_image_disk(const struct store *store, struct str record, int64_t *ret_made_s);
/* Forgets what of the build cache takes room that no image takes. */
int store_cache_clear(struct store *store, struct err *err);
/* One entry; times are wall clock seconds of its layer's file, 0 = it has none. */
struct store_cache_row {
	struct digest key;
	uint64_t bytes, number; /* on disk; of its last use: the higher the later */
	int64_t made_s, used_s;
	bool shared, in_use; /* an image has its layer; a build or a container does */
};
/* rows: room for REFS_CACHE_MAX. */
int store_cache_rows(struct store *store, struct store_cache_row *rows, uint32_t *ret_count,
		     struct err *err);
struct store_cache_prune {
	bool shared;	     /* also what images have */
	int64_t before_s;    /* only what was used before this; 0 = any */
	uint64_t keep_bytes; /* the oldest go until it is no more than this; 0 = all go */
};
/* Forgets entries, those of a running build never; gone() hears of each. */
int store_cache_prune(struct store *store, const struct store_cache_prune *prune,
		      void (*gone)(void *owner, const struct store_cache_row *row), void *owner,
		      struct err *err);
int store_cache_get(struct store *store, const struct digest *key, bool *ret_found,
		    struct store_cached *ret_cached, struct err *err);
int store_cache_set(struct store *store, const struct digest *key,
		    const struct store_cached *cached, struct err *err);

/* ---- keeping and dropping ---- */

int store_lease_set(struct store *store, const char *name, const struct digest *digests,
		    uint32_t count, struct err *err);
struct store_collected {
	uint64_t bytes;
	uint32_t objects; /* that went */
	uint32_t leased;  /* that would have gone but for a lease */
};
/*
 * Moves what nothing uses into the trash: after 0 it will not come back. The room comes free with
 * store_trash_step().
 */
int store_gc(struct store *store, struct store_collected *ret_collected, struct err *err);
/* What store_gc() would move. */
int store_orphans(struct store *store, struct store_collected *ret_orphans, struct err *err);
/* Moves one name into the trash, durably. */
int store_discard(struct store *store, int dirfd, const char *name, struct err *err);
/* Unlinks one file of the trash: 1 = there was one, 0 = empty. */
int store_trash_step(struct store *store, struct err *err);

/* ---- clean.c ---- */

/* What nobody uses any more and may go by itself. */
struct store_clean {
	int64_t now_s;	   /* wall clock; 0 = not known: nothing goes by age */
	int64_t age_s;	   /* idle for so long: goes; 0 = none by age */
	int64_t keep_ms;   /* who was set or asked for less than this ago stays */
	uint64_t need;	   /* bytes to give back, if it takes all; 0 = by age only */
	const char **used; /* sorted: references that stay */
	uint32_t used_count;
};
/*
 * Notes since when each image is idle and lets go: first what is over its age, then, until `need`
 * bytes are on their way out, images without a name, the build cache, the images before the present
 * ones, and images, each kind the longest idle first. gone() hears of each name; BEFORE: only the
 * one before it went.
 */
int store_clean(struct store *store, const struct store_clean *clean,
		void (*gone)(void *owner, const char *reference, enum store_gone why,
			     int64_t idle_s),
		void *owner, struct store_collected *ret_collected, struct err *err);
/* Forgets the images before the present ones: 1 = there were some. */
int store_before_clear(struct store *store, struct err *err);

struct store_space {
	uint64_t blob_bytes, layer_bytes, free_bytes;
	uint32_t images, layers;
};
int store_space(const struct store *store, struct store_space *ret_space, struct err *err);

/* Writes index.json from the names; called by what changes them. */
int store_index_write(struct store *store, struct err *err);

/* The file names of a digest. */
void store_blob_name(const struct digest *digest, char name[STORE_NAME_MAX]);
void store_layer_name(const struct digest *digest, char name[STORE_NAME_MAX]);

#endif
