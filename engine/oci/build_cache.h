/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_OCI_BUILD_CACHE_H
#define HOY_ENGINE_OCI_BUILD_CACHE_H

#include "engine/oci/oci.h"

/*
 * The cache of builds as an image in a registry, in the form that BuildKit publishes it: an OCI
 * manifest whose layers are the steps' and whose config is a cacheconfig.v0 (moby/buildkit
 * cache/remotecache/v1/doc.go). The keys in it are the engine's own (engine/build/plan.h): other
 * builders find none of theirs, nor are theirs found here.
 *
 *     {"layers": [{"blob": DIGEST, "parent": INDEX or -1}...],
 *      "records": [{"digest": KEY, "inputs": [[{"link": RECORD}]],
 *                   "layers": [{"layer": INDEX}] | "chains": [{"layers": []}]}...]}
 *
 * inputs: the step before, nothing where there is none. chains: the step changed nothing. parent:
 * the layer beneath, -1: that is the base image's. Layers are plain tars, so their digests are
 * their diffIDs.
 */
#define OCI_MEDIA_BUILD_CACHE "application/vnd.buildkit.cacheconfig.v0"

enum { OCI_CACHE_STEPS_MAX = 2048 };

struct oci_cache_step {
	struct digest key;
	int32_t parent; /* index of the step before, -1 = none; not read back */
	bool has_layer; /* else the step changed nothing */
	struct digest layer;
	uint64_t size;
};

/*
 * Layers of the manifest are image->layers, once each; every step with a layer has it among them.
 * Sets the record's digests, sizes and types.
 */
int oci_cache_write(struct image *image, const struct oci_cache_step *steps, uint32_t count,
		    struct buf *config, struct buf *manifest, struct err *err);
/* The descriptor of the config; -ENOTSUP: another kind of image. */
int oci_cache_config(struct str manifest, struct str said, struct arena *arena,
		     struct oci_manifest *ret_manifest, struct err *err);
/*
 * Steps whose layer is a plain tar of the manifest, and those without one; what is of another
 * builder's form is passed over. -EBADMSG: no such document.
 */
int oci_cache_parse(const struct oci_manifest *manifest, struct str config, struct arena *arena,
		    struct oci_cache_step **ret_steps, uint32_t *ret_count, struct err *err);

#endif
