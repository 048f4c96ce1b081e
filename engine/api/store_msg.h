/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_API_STORE_MSG_H
#define HOY_ENGINE_API_STORE_MSG_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/buf.h"
#include "lib/sha256.h"
#include "lib/wire.h"

/*
 * Calls that engine main makes to the store role (fd 3 of that role), the only writer of
 * /data/store. Each is a call; the reply has the call's type; errors are struct err. "digest" is 32
 * raw bytes, "text" a wire string. Whatever was answered without error is durable.
 */
enum store_msg {
	/* {digest} -> {u8 have, u64 size} */
	STORE_MSG_BLOB_HAVE = 0x400,
	/*
	 * {digest, u64 size, u8 keep} fds [0] the end of a pipe to read the blob from, [1] the end
	 * of a pipe to copy it into (unpack's input), may be missing -> {u64 size} once exactly
	 * `size` bytes with this digest came. size UINT64_MAX: not known beforehand. keep = 0: the
	 * bytes are checked and copied on, not stored. The store closes fds [1] when it is done, so
	 * what was unpacked counts only after this reply. Sixteen at a time, -EBUSY beyond.
	 */
	STORE_MSG_BLOB_PUT,
	/* {digest} -> {u64 size} fds [0] the blob, read-only */
	STORE_MSG_BLOB_OPEN,
	/* {u64 bytes it will hold, 0 = not known} -> {} fds [0] an unnamed file for pack */
	STORE_MSG_LAYER_NEW,
	/*
	 * {struct store_layer (size is ignored)} fds [0] the file of LAYER_NEW, its writer gone ->
	 * {struct store_layer} with the size as published. The key is the digest of the blob it was
	 * unpacked from, or, for a layer made here, pack's digest of the records. A layer that is
	 * there already stays and the new file is dropped.
	 */
	STORE_MSG_LAYER_COMMIT,
	/* {digest} -> {u8 have, struct store_layer} */
	STORE_MSG_LAYER_HAVE,
	/* {digest} -> {struct store_layer} fds [0] the layer, read-only, for a file-backed mount;
	 * its trailer and size were checked */
	STORE_MSG_LAYER_OPEN,
	/* {text reference, image record (rest of the body, engine/oci/image.h)} -> {u8 replaced}:
	 * another image had this reference; what only that one used can be collected */
	STORE_MSG_IMAGE_SET,
	/* {text reference} -> {image record}; also finds by "sha256:..." config or manifest digest;
	 * -ENOENT names the nearest reference */
	STORE_MSG_IMAGE_GET,
	/* {} -> {u32 count, {text reference, blob image record, u64 bytes on disk, i64 wall clock s
	 * when the newest of its layers that are plain tars (made here, or loaded) was written, 0 =
	 * it has none}} in the order of the references; a layer that several images share counts
	 * for each of them */
	STORE_MSG_IMAGE_LIST,
	/* {text reference} -> {} */
	STORE_MSG_IMAGE_REMOVE,
	/* {digest key} -> {u8 found, struct store_cached} */
	STORE_MSG_CACHE_GET,
	/* {digest key, struct store_cached} -> {} */
	STORE_MSG_CACHE_SET,
	/*
	 * {text name, u32 count, digest...} -> {}: keeps these blobs and layers from GC until the
	 * same name is given with an empty list. Lives as long as the store process: main repeats
	 * its leases after a restart, and leases what it is about to pull or build first.
	 */
	STORE_MSG_LEASE,
	/* {} or {u8 enum store_gc} -> {u64 bytes freed, u32 objects, u32 that only leases kept} */
	STORE_MSG_GC,
	/*
	 * {u8 repair} -> MORE {text line}..., last {u32 objects checked, u32 damaged or missing,
	 * u32 count, {text reference}...}: reads everything. repair: what is damaged goes to the
	 * trash. The references are of images that lack something, in any case.
	 */
	STORE_MSG_CHECK,
	/* {} -> {u64 bytes of blobs, u64 of layers, u64 free, u32 images, u32 layers} */
	STORE_MSG_SPACE,
	/* {u64 bytes, text what they are for} -> {}: they fit beside the reserve; -ENOSPC says how
	 * much is missing */
	STORE_MSG_ROOM,
	/*
	 * {u64 wall clock s (0 = not known), u64 age s (0 = none goes by age), u64 ms that who was
	 * asked for stays, u64 bytes to give back (0 = by age only), u32 count, {text reference
	 * that is used}... sorted} -> {u64 bytes freed, u32 objects, u32 that only leases kept, u32
	 * count, {text reference, u8 enum store_gone, u64 wall clock s since when it was
	 * idle}...}. With bytes to give back the answer comes when the room is free.
	 */
	STORE_MSG_CLEAN,
	/* {text reference} -> {digest config}: the name means the image again that it meant before;
	 * -ENOENT: there is none; -EBADMSG: it is damaged as well; -EEXIST: the present one runs */
	STORE_MSG_FALL_BACK,
	/* as IMAGE_SET, and the image that the name meant before stays as one without a name: its
	 * reference is its id then, "sha256:..." */
	STORE_MSG_IMAGE_MOVE,
	/* {text reference} -> {}: the name goes, the image stays in the same way */
	STORE_MSG_IMAGE_UNTAG,
	/* {} -> {u32 count, {digest key, u64 bytes on disk, i64 made, i64 used last, u8 an image
	 * has it, u8 somebody works with it}...}: the steps of the build cache that have a layer;
	 * wall clock seconds */
	STORE_MSG_CACHE_LIST,
	/* {u8 also what images have, i64 only what was used before this second (0 = any), u64 bytes
	 * that may stay, the newest (0 = none)} -> {u64 bytes freed, u32 count, {digest key, u64
	 * bytes}...} */
	STORE_MSG_CACHE_PRUNE,
};

/* Why STORE_MSG_CLEAN let a name go; BEFORE: only what it meant before. */
enum store_gone { STORE_GONE_AGE = 1, STORE_GONE_ROOM = 2, STORE_GONE_BEFORE = 3 };

/* What STORE_MSG_GC takes besides what nothing names. */
enum store_gc {
	STORE_GC_CACHE = 1,  /* the build cache */
	STORE_GC_BEFORE = 2, /* what names meant before */
};

enum {
	STORE_REFERENCE_MAX = 512,
	STORE_RECORD_MAX = 2 << 20, /* as IMAGE_RECORD_MAX */
	STORE_LEASE_DIGESTS_MAX = 4096,
	STORE_PUTS_MAX = 16,
	STORE_CLEAN_USED_MAX = 8192,
};

#define STORE_SIZE_UNKNOWN UINT64_MAX

/* One layer: digest 32, diff 32, u64 size of the EROFS file. */
struct store_layer {
	struct digest digest; /* its key */
	struct digest diff;   /* of the uncompressed tar; the key again for layers made here */
	uint64_t size;
};

/* What one build step gave: u8 has_layer, struct store_layer (zero when nothing changed). */
struct store_cached {
	bool has_layer;
	struct store_layer layer;
};

void store_layer_put(struct buf *out, const struct store_layer *layer);
void store_layer_get(struct wire *in, struct store_layer *ret_layer);
void store_cached_put(struct buf *out, const struct store_cached *cached);
void store_cached_get(struct wire *in, struct store_cached *ret_cached);
void store_digest_put(struct buf *out, const struct digest *digest);
void store_digest_get(struct wire *in, struct digest *ret_digest);

/* The body of STORE_MSG_BLOB_PUT. */
struct store_put_args {
	struct digest digest;
	uint64_t size; /* bytes, or STORE_SIZE_UNKNOWN */
	bool keep;
};
void store_put_args_put(struct buf *out, const struct store_put_args *args);
void store_put_args_get(struct wire *in, struct store_put_args *ret_args);

#endif
