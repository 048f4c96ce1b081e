/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_BUILD_BUILD_STATE_H
#define HOY_ENGINE_BUILD_BUILD_STATE_H

#include "engine/build/build.h"

/* What a build is at. Shared by build.c, which acts, and build_take.c, which takes the answers. */
enum { BUILD_STATUS_MAX = 300 };

enum build_state {
	BUILD_STATE_READ,	/* the Dockerfile */
	BUILD_STATE_IGNORE_OWN, /* Dockerfile.dockerignore */
	BUILD_STATE_IGNORE,	/* .dockerignore, where that is not there */
	BUILD_STATE_PATTERNS,
	BUILD_STATE_NAMED, /* .dockerignore of a named context */
	BUILD_STATE_NAMED_PATTERNS,
	BUILD_STATE_BASES, /* which images */
	BUILD_STATE_IMAGE, /* one of them */
	BUILD_STATE_PLAN,
	BUILD_STATE_STEPS, /* lanes are at work; the next five are theirs */
	BUILD_STATE_FETCH, /* what is elsewhere */
	BUILD_STATE_HASH,  /* of the files of one operation */
	BUILD_STATE_LOOK,  /* into the cache */
	BUILD_STATE_MAKE,
	BUILD_STATE_KEEP, /* in the cache */
	BUILD_STATE_FINISH,
	BUILD_STATE_ENDED,
};

/* What a stage consists of so far. */
struct stage_result {
	struct image_layer layers[IMAGE_LAYERS_MAX];
	uint32_t count;
	struct digest key;
	bool begun, done;
	bool foreign; /* something below was taken from a registry's cache, or made upon that */
	struct oci_cache_step *steps; /* of its own operations that are done; size is the tar's */
	uint32_t step_count;
};

/* A stage that is being built. */
struct build_track {
	bool used, waiting; /* for an answer */
	enum build_state state;
	uint32_t stage, op; /* where it is */
	uint32_t hashed;    /* contexts that it takes files from, so far */
	struct digest files, remotes, key;
	struct digest contexts[DOCKERFILE_MOUNTS_MAX]; /* of a RUN: what it takes of each of them */
	struct digest store_key;		       /* that the store knows the step by */
	bool foreign; /* the operation sees files of a stage that is */
	struct store_cached made;
};

/* What .dockerignore leaves out. */
struct build_patterns {
	struct files_ignore *items;
	uint32_t count;
};

struct build {
	const struct build_exec *exec;
	void *owner;
	struct arena arena;
	struct build_params params;
	struct image_pairs args, labels, contexts;
	enum build_state state;
	bool driving, told; /* inside of drive(); done() was called */
	struct err error;   /* code 0 = none */
	struct str dockerfile, ignore, named_ignore;
	struct build_patterns patterns[1 + BUILD_CONTEXTS_MAX]; /* the context's, the named ones' */
	uint32_t named;						/* the context that is read */
	struct files_copy copy;
	struct build_plan plan;
	struct image *bases;
	bool *fetched; /* which of them are there: those that the target needs */
	uint32_t base; /* the image that is asked for */
	struct build_track tracks[BUILD_LANES_MAX];
	bool *step_told; /* of each step */
	struct stage_result *results;
	struct image image;
	char status[BUILD_STATUS_MAX];
};

/* The operation that a lane works at. */
const struct build_op *build_current_op(const struct build *build, const struct build_track *track);
/* Gives stages that can begin to lanes that are free; whether all of the target is done. */
bool build_assign(struct build *build, struct err *err);
/* Takes an answer to what the state asked for and goes to the next state. */
int build_take(struct build *build, struct build_track *track, const struct build_answer *answer,
	       struct err *err);
/* The keys of the operation that a lane is at, from the digests it was told. */
/* The context that a RUN mounts files of as its `number`th, from 0; false: it has no more. */
bool build_context_of(const struct build_op *op, uint32_t number, int32_t *ret_from);
/* One digest into the other. */
void build_mix(struct digest *digest, const struct digest *more);
void build_track_keys(struct build *build, struct build_track *track);
/* All of the target is done: the image goes to exec->finish(). */
int build_finish(struct build *build, struct err *err);
/* The end, with this error. */
void build_fail(struct build *build, const struct err *err);

#endif
