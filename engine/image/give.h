/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_IMAGE_GIVE_H
#define HOY_ENGINE_IMAGE_GIVE_H

#include "engine/api/pull_msg.h"
#include "engine/image/lease.h"
#include "engine/oci/build_cache.h"
#include "engine/run/rootfs.h"
#include "lib/err.h"
#include "lib/loop.h"
#include "lib/msg.h"
#include "lib/sha256.h"

/*
 * Giving images away: to a registry (role pull) or into an archive (role load). The role asks for
 * each blob and gets it as a file; what the store does not keep is made first (blobs.h).
 */
struct image_give;

struct image_gave {
	struct digest manifest; /* push: as the registry has it now */
	uint64_t bytes;		/* save: of the archive; push: of the manifest */
};

struct image_give_ops {
	/* One line for a person. */
	void (*progress)(void *owner, const char *line);
	/* Instead of lines where it is not NULL: each message of the role as it came. */
	void (*stage)(void *owner, const struct pull_progress *progress);
	/* The end, exactly once unless cancelled; the job is freed then. gave NULL: err says why.
	 */
	void (*done)(void *owner, const struct image_gave *gave, const struct err *err);
};

struct image_give_env {
	struct loop *loop;
	struct msg_peer *store;
	struct image_leases *leases;
	struct rootfs *rootfs;
};

/* Pushes the image that the store knows as `image` to start->reference. Copies what it needs. */
struct image_give *image_give_push(const struct image_give_env *env, const struct pull_start *start,
				   const char *image, const struct image_give_ops *ops, void *owner,
				   struct err *err);
/*
 * Pushes the layers of a build's steps as its cache (engine/oci/build_cache.h) to
 * start->reference. At most IMAGE_LAYERS_MAX layers: steps behind them are left out. The caller
 * holds a lease on the layers until the end.
 */
struct image_give *image_give_cache(const struct image_give_env *env,
				    const struct pull_start *start,
				    const struct oci_cache_step *steps, uint32_t count,
				    const struct image_give_ops *ops, void *owner, struct err *err);
/* Saves images into out_fd (duplicated): docker-archive, else an OCI layout only. */
struct image_give *image_give_save(const struct image_give_env *env, const char *const *images,
				   uint32_t count, bool docker, int out_fd,
				   const struct image_give_ops *ops, void *owner, struct err *err);
/* Ends the job's processes; nothing of it is called any more. Accepts NULL. */
void image_give_cancel(struct image_give *give);

#endif
