/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_OCI_OCI_H
#define HOY_ENGINE_OCI_OCI_H

#include <stdbool.h>
#include <stdint.h>
#include "engine/oci/image.h"
#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/sha256.h"
#include "lib/str.h"

/*
 * The documents of an image: OCI image-spec v1.1 (index, manifest, config, descriptor) and Docker
 * image manifest v2 schema 2. All pure: text in, structure in an arena out, and back.
 *
 * A document says in three places what it is: the Content-Type it came with (or the media type of
 * the descriptor that named it), its own mediaType, and its members. They have to agree, and a text
 * with both "layers" and "manifests" is refused: else one digest could mean two images
 * (CVE-2021-41190). "urls" of descriptors are ignored (CVE-2020-15157).
 */
enum oci_type {
	OCI_TYPE_OTHER,
	OCI_TYPE_INDEX,
	OCI_TYPE_MANIFEST,
	OCI_TYPE_CONFIG,
	OCI_TYPE_LAYER_TAR,
	OCI_TYPE_LAYER_GZIP,
	OCI_TYPE_LAYER_ZSTD,
};

#define OCI_MEDIA_INDEX		  "application/vnd.oci.image.index.v1+json"
#define OCI_MEDIA_MANIFEST	  "application/vnd.oci.image.manifest.v1+json"
#define OCI_MEDIA_CONFIG	  "application/vnd.oci.image.config.v1+json"
#define OCI_MEDIA_LAYER_TAR	  "application/vnd.oci.image.layer.v1.tar"
#define OCI_MEDIA_LAYER_GZIP	  "application/vnd.oci.image.layer.v1.tar+gzip"
#define OCI_MEDIA_LAYER_ZSTD	  "application/vnd.oci.image.layer.v1.tar+zstd"
#define OCI_MEDIA_DOCKER_LIST	  "application/vnd.docker.distribution.manifest.list.v2+json"
#define OCI_MEDIA_DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"
#define OCI_MEDIA_DOCKER_CONFIG	  "application/vnd.docker.container.image.v1+json"
#define OCI_MEDIA_DOCKER_LAYER	  "application/vnd.docker.image.rootfs.diff.tar.gzip"

enum {
	OCI_DOCUMENT_MAX = 4 << 20, /* bytes of a manifest, index or config */
	OCI_MEDIA_TYPE_MAX = 256,
	OCI_MANIFESTS_MAX = 1024, /* entries of an index */
};

/* What a media type (Docker's and OCI's alike, parameters behind ';' ignored) means. */
enum oci_type oci_type_of(struct str media_type);

struct oci_platform {
	const char *os, *architecture, *variant; /* "" = not said */
};

struct oci_descriptor {
	const char *media_type; /* as written, bounded to the spec's grammar */
	enum oci_type type;
	struct digest digest;
	uint64_t size;
	bool has_platform;
	struct oci_platform platform;
	const char *ref_name;  /* annotation org.opencontainers.image.ref.name, "" = none */
	const char *full_name; /* annotation io.containerd.image.name, "" = none */
	bool attestation;      /* a provenance document, never an image */
};

struct oci_index {
	struct oci_descriptor *manifests;
	uint32_t count;
};

struct oci_manifest {
	const char *media_type; /* of the document */
	struct oci_descriptor config;
	struct oci_descriptor *layers;
	uint32_t layer_count;
};

/*
 * Which of the two a text is, by the rules above: OCI_TYPE_INDEX, OCI_TYPE_MANIFEST, or -EBADMSG /
 * -ENOTSUP (schema 1). `said` is the Content-Type or descriptor's type, empty = none was given.
 */
int oci_document_type(struct str text, struct str said, enum oci_type *ret_type, struct err *err);

int oci_index_parse(struct str text, struct str said, struct arena *arena,
		    struct oci_index *ret_index, struct err *err);
int oci_manifest_parse(struct str text, struct str said, struct arena *arena,
		       struct oci_manifest *ret_manifest, struct err *err);
/* The same of a manifest that need not be an image's: any kind of config and layers. */
int oci_artifact_parse(struct str text, struct str said, struct arena *arena,
		       struct oci_manifest *ret_manifest, struct err *err);

/*
 * The entry for a platform: os and architecture equal; the wanted variant first, then the highest
 * one below it (arm: v7 runs v6), then one that says none. -ENOENT names what the index has.
 */
int oci_index_choose(const struct oci_index *index, const struct oci_platform *wanted,
		     const struct oci_descriptor **ret_choice, struct err *err);

/* The platform of this machine as uname(2) tells it, in the names of Go. */
struct oci_platform oci_platform_own(void);

/* "linux/arm64[/v8]" cut into its parts; -EINVAL. */
int oci_platform_parse(struct str text, struct arena *arena, struct oci_platform *ret_platform,
		       struct err *err);

/*
 * Manifest and config together become the record: layers get their diffIDs (the counts must be
 * equal), digests and sizes come from the manifest; reference, source and manifest digest and size
 * are the caller's to fill in.
 */
int oci_image_parse(const struct oci_manifest *manifest, struct str config, struct arena *arena,
		    struct image *ret_image, struct err *err);

/* Only the config: everything but digests, sizes and layers' blobs (diff is set). */
int oci_config_parse(struct str text, struct arena *arena, struct image *ret_image,
		     struct err *err);

/* ---- writers: deterministic, the same record gives the same bytes ---- */

/* An image config with rootfs.diff_ids from the layers. */
int oci_config_write(const struct image *image, struct buf *out, struct err *err);
/* An OCI manifest; image->config and config_size have to be set. */
int oci_manifest_write(const struct image *image, struct buf *out, struct err *err);
/*
 * Both documents of a record whose layers are set, and their digests, sizes and types into the
 * record (source becomes the manifest).
 */
int oci_image_seal(struct image *image, struct buf *config, struct buf *manifest, struct err *err);
/* An index of whole images: one manifest descriptor each, named by its reference. */
int oci_index_write(const struct image *const *images, size_t count, struct buf *out,
		    struct err *err);

#endif
