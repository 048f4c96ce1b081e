/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_OCI_IMAGE_H
#define HOY_ENGINE_OCI_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/sha256.h"
#include "lib/wire.h"

/*
 * The image record: what the engine keeps and passes between its roles about one image, taken from
 * its manifest and config (OCI image-spec v1.1, Docker image v1.2). All memory belongs to an arena;
 * texts are NUL-terminated and never NULL ("" = not set) once the record came from image_decode(),
 * oci_image_parse() or image_init().
 *
 * What an image says here is a default for the container and nothing else: it never becomes
 * configuration of the engine.
 */
enum {
	IMAGE_LAYERS_MAX = 128,
	IMAGE_TEXTS_MAX = 1024, /* entries of one list */
	IMAGE_HISTORY_MAX = 512,
	IMAGE_TEXT_MAX = 128 << 10, /* bytes of one text (one argv or environment string) */
	IMAGE_REFERENCE_MAX = 512,  /* with the NUL */
	IMAGE_RECORD_MAX = 2 << 20, /* wire form */
};

struct image_texts {
	const char **items;
	uint32_t count;
};

struct image_pair {
	const char *key, *value;
};

struct image_pairs {
	struct image_pair *items;
	uint32_t count;
};

struct image_layer {
	struct digest blob;	/* of the bytes as they were transferred */
	struct digest diff;	/* of the uncompressed tar: a claim until unpack has confirmed it */
	uint64_t size;		/* of the blob */
	const char *media_type; /* OCI_TYPE_LAYER_* (normalised) */
};

struct image_history {
	const char *created, *created_by, *author, *comment;
	bool empty_layer;
};

/* Docker's extension of the config; test.count 0 = none. Durations in nanoseconds, 0 = default. */
struct image_health {
	struct image_texts test; /* ["NONE"], ["CMD", ...], ["CMD-SHELL", "..."] */
	int64_t interval_ns, timeout_ns, start_period_ns, start_interval_ns;
	uint32_t retries;
};

struct image {
	const char *reference;	/* normalised "docker.io/library/x:tag", "" = untagged */
	struct digest source;	/* what the reference named: index or manifest */
	struct digest manifest; /* of the manifest of this platform */
	struct digest config;	/* the image id */
	uint64_t manifest_size, config_size;
	const char *manifest_type, *config_type;
	const char *created, *author; /* RFC 3339 text as found */
	const char *os, *architecture, *variant;

	struct image_layer *layers; /* base first */
	uint32_t layer_count;

	struct image_texts env; /* "NAME=value" */
	struct image_texts entrypoint, cmd;
	struct image_texts exposed_ports; /* "80/tcp" */
	struct image_texts volumes;	  /* paths */
	struct image_texts shell, on_build;
	struct image_pairs labels;
	const char *workdir, *user, *stop_signal;
	struct image_health health;

	struct image_history *history;
	uint32_t history_count;
};

/* An empty record: zeroed with all texts "". */
void image_init(struct image *image);

/* Bytes of all layer blobs, the config and the manifest. */
uint64_t image_size(const struct image *image);

/*
 * Wire form, version in front. Encoding never fails but for out's own cap and memory (sticky).
 * Decoding checks each bound; texts are copied into arena. -EBADMSG, -ENOMEM.
 */
void image_encode(const struct image *image, struct buf *out);
int image_decode(struct wire *in, struct arena *arena, struct image *ret_image, struct err *err);

/* A deep copy into arena, -ENOMEM at its cap. */
int image_copy(struct arena *arena, const struct image *image, struct image *ret_image,
	       struct err *err);

/* Lists grow by copying: the new one with `text` behind the old entries; -ENOSPC at the maximum. */
int image_texts_add(struct arena *arena, struct image_texts *texts, const char *text,
		    struct err *err);
/* Sets or replaces a key, order of first appearance kept. */
int image_pairs_set(struct arena *arena, struct image_pairs *pairs, const char *key,
		    const char *value, struct err *err);
/* Sets or replaces "NAME=value" in an environment list. */
int image_env_set(struct arena *arena, struct image_texts *env, const char *name, const char *value,
		  struct err *err);
/* The value, or NULL. */
const char *image_env_get(const struct image_texts *env, const char *name);

#endif
