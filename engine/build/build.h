/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_BUILD_BUILD_H
#define HOY_ENGINE_BUILD_BUILD_H

#include <stdbool.h>
#include <stdint.h>
#include "engine/api/build_call_msg.h"
#include "engine/api/build_msg.h"
#include "engine/api/files_msg.h"
#include "engine/api/store_msg.h"
#include "engine/build/plan.h"
#include "engine/oci/build_cache.h"

/*
 * One build, as a state machine in engine main: it decides what comes next, `struct build_exec`
 * does it. Each lane has at most one action under way; its answer comes through build_answer(),
 * once, from the loop or from within the action itself. All but the steps are lane 0's. Order of
 * actions: read Dockerfile, read .dockerignore, ask IGNORE, the same two for each named context,
 * ask BASES, base for each reference, ask PLAN, then for each operation of the needed stages: hash
 * (COPY from the context), cache_get, on a miss run|copy|dir and cache_set; at last finish. Stages
 * that do not need each other take a lane each.
 */
struct build;

enum { BUILD_LANES_MAX = 16, BUILD_CREATED_MAX = 32 };

/* What an action answered; fields by action, see below. Bytes are copied where they are kept. */
struct build_answer {
	bool found;		   /* read, cache_get; base, where it is only checked */
	bool foreign;		   /* cache_get: a registry says so */
	struct str bytes;	   /* read: the file; ask: the reply; base: the image record */
	struct digest digest;	   /* hash */
	struct store_cached layer; /* cache_get, run, copy, dir */
};

/*
 * Implemented by the executor. Each starts its action and returns 0, or a negative errno with err
 * (the build then fails with it). `layers` is the stage's root so far, base first.
 */
struct build_exec {
	/* FILES_MSG_READ in a context (build_op.from). */
	int (*read)(void *owner, int32_t from, const char *path, uint32_t max, struct err *err);
	/* A call to the api role: BUILD_MSG_*; bytes = the reply's body. */
	int (*ask)(void *owner, enum build_msg type, struct str body, struct err *err);
	/* Have this image, pull it if it is missing; bytes = its record. platform "" = ours. */
	int (*base)(void *owner, const char *reference, const char *platform, struct err *err);
	/* SOURCE_DATE_EPOCH that is known late: for what is made from now on, and as RFC 3339; at
	 * once, no answer. May be NULL. */
	int (*epoch)(void *owner, const char *text, char created[BUILD_CREATED_MAX],
		     struct err *err);
	/* When the commit of a context (build_op.from) that is a repository was made, in seconds;
	 * -1 = it is none. At once, no answer. May be NULL. */
	int64_t (*context_time)(void *owner, int32_t from);
	/* Downloads op->remotes; digest: build_remote_key() of them all. */
	int (*fetch)(void *owner, unsigned lane, const struct build_op *op, struct err *err);
	/* FILES_MSG_HASH in a context (build_op.from); body = struct files_copy in wire form. */
	int (*hash)(void *owner, unsigned lane, int32_t from, struct str body, struct err *err);
	/* key: as for cache_set; step: as caches in registries know it. */
	int (*cache_get)(void *owner, unsigned lane, const struct digest *key,
			 const struct digest *step, struct err *err);
	int (*cache_set)(void *owner, unsigned lane, const struct digest *key,
			 const struct store_cached *cached, struct err *err);
	/* Run op->argv over the layers with a fresh upper, then diff, pack, commit. An exit code
	 * other than 0 is an error of the action: "exit code 1". */
	int (*run)(void *owner, unsigned lane, const struct build_op *op,
		   const struct store_layer *layers, uint32_t count, struct err *err);
	/* FILES_MSG_COPY (body) into a fresh upper over the layers, then diff, pack, commit. Source
	 * is the root made of `from` (read-only), or, when it is NULL, the context op->from. */
	int (*copy)(void *owner, unsigned lane, const struct build_op *op, struct str body,
		    const struct store_layer *from, uint32_t from_count,
		    const struct store_layer *layers, uint32_t count, struct err *err);
	/* FILES_MSG_MKDIR of op->workdir owned by op->user, then diff, pack, commit. */
	int (*dir)(void *owner, unsigned lane, const struct build_op *op,
		   const struct store_layer *layers, uint32_t count, struct err *err);
	/* STORE_MSG_IMAGE_SET of the result, for each of the build's names. */
	int (*finish)(void *owner, const struct image *image, struct err *err);
	/* For whoever watches; no answer. */
	void (*note)(void *owner, const struct build_note *note);
	/* The end: image is NULL when it failed (then err tells). Nothing is called afterwards; the
	 * build may be freed from within. */
	void (*done)(void *owner, const struct image *image, const struct err *err);
};

struct build_params {
	const char *reference;	/* name of the result, normalised */
	const char *dockerfile; /* path in the context, NULL = "Dockerfile" */
	const char *target;	/* "" = the last stage */
	const char *created;	/* RFC 3339, by SOURCE_DATE_EPOCH: of the image, and in each key */
	const struct image_pairs *args, *labels, *contexts; /* NULL = none */
	struct str text; /* the Dockerfile; ptr NULL = it is read from the context */
	bool network_none, network_host, host_allowed; /* plan.h, struct build_inputs */
	bool no_cache;
	bool check; /* only the warnings: done() then gets neither image nor error */
};

/* Layers made here carry this media type: they have no tar blob. */
#define BUILD_LAYER_TYPE "application/vnd.oci.image.layer.v1.tar"

/*
 * Starts with the first action, which must not answer from within (later ones may). exec and owner
 * outlive the build; params are copied. NULL with err on failure, done() is not called then.
 */
struct build *build_new(const struct build_params *params, const struct build_exec *exec,
			void *owner, struct err *err);
/* The answer to the action that a lane has under way; answer NULL = it failed with err. */
void build_answer(struct build *build, unsigned lane, const struct build_answer *answer,
		  const struct err *err);
/* Ends it without calling done(); the executor stops its own action. Accepts NULL. */
void build_free(struct build *build);
/* The layers of a stage that is built, or of an image to copy from, base first; their number. */
uint32_t build_stage_layers(const struct build *build, int32_t stage,
			    struct store_layer ret[IMAGE_LAYERS_MAX]);
/* Whether the step that a lane is at sees files that came of a registry's cache. */
bool build_is_foreign(const struct build *build, unsigned lane);
/*
 * What the files are that a cache mount of the step a lane is at begins with: with other files it
 * is another cache, as at BuildKit. False: it begins empty.
 */
bool build_cache_seed(const struct build *build, unsigned lane, const struct build_mount *mount,
		      struct digest *ret_seed);
/* The body of a FILES_MSG_COPY that brings `source` of the context, as .dockerignore leaves it, to
 * the same place below another root. */
int build_context_copy(struct build *build, int32_t from, const char *source, struct buf *out,
		       struct err *err);
/*
 * What a build that ended well made or found, for its cache: the steps of the target and of those
 * stages it stands upon, or of all stages. ret has room for OCI_CACHE_STEPS_MAX; their number.
 */
uint32_t build_steps(const struct build *build, bool all, struct oci_cache_step *ret);
/* "Step 3/7 : RUN apk add curl", for `ps`. Lives as long as the build. */
const char *build_status(const struct build *build);

#endif
