/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_BUILD_PLAN_H
#define HOY_ENGINE_BUILD_PLAN_H

#include <stdbool.h>
#include <stdint.h>
#include "engine/api/store_msg.h"
#include "engine/dockerfile/dockerfile.h"
#include "engine/dockerfile/mount.h"
#include "engine/oci/image.h"
#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/wire.h"

/*
 * What a build will do, with every variable expanded: made in the api role out of the Dockerfile
 * and the base images' records (build_plan_make), carried out by engine main (build.h), which never
 * sees the Dockerfile's text but as titles.
 */
enum {
	BUILD_STAGES_MAX = 64,
	BUILD_ARGS_MAX = 256,
	BUILD_CONTEXT = -1, /* build_op.from: the build context */
	BUILD_NAMED = -2,   /* the first named context, the others below it */
	BUILD_CONTEXTS_MAX = 16,
	BUILD_REMOTES_MAX = 64,
	BUILD_NONE = -1,
};

enum build_op_kind {
	BUILD_OP_RUN,  /* a command in the stage's root */
	BUILD_OP_COPY, /* files into the stage's root */
	BUILD_OP_DIR,  /* WORKDIR: a directory that has to be there */
};

enum build_network { BUILD_NETWORK_DEFAULT, BUILD_NETWORK_NONE, BUILD_NETWORK_HOST };

/* RUN --mount. */
struct build_mount {
	enum dockerfile_mount_type type;
	enum dockerfile_sharing sharing;
	int32_t from;				/* bind, cache: as build_op.from */
	const char *source, *target, *id, *env; /* target absolute */
	bool read_only, required;
	uint32_t mode, uid, gid; /* of a new cache, or a secret */
	uint64_t size_bytes;	 /* tmpfs, 0 = none given */
};

/* Whether it takes files of a context: by a bind, or for a cache to begin with. */
static inline bool build_mount_of_context(const struct build_mount *mount)
{
	return mount->type == DOCKERFILE_MOUNT_BIND ? mount->from <= BUILD_CONTEXT
						    : mount->from <= BUILD_NAMED;
}

/* A here-document: a source of COPY, or the script of a RUN that starts with "#!". */
struct build_file {
	const char *name, *data;
};

/* A source of ADD that is elsewhere. */
struct build_remote {
	const char *url, *name; /* name: of the file, or directory, it becomes */
	const char *checksum;	/* "sha256:...", of a repository digits of its commit, "" = none */
	/* A repository (engine/git/git.h): */
	bool git, keep, no_submodules;
	const char *ref, *subdir;
};

struct build_op {
	enum build_op_kind kind;
	uint32_t line;			  /* of the Dockerfile */
	uint32_t step;			  /* 1-based number for "Step 3/7" */
	uint32_t history;		  /* index into the stage image's history */
	const char *title;		  /* "RUN apk add curl" */
	struct image_texts argv, env;	  /* RUN: argv complete with the shell; env with ARGs */
	const char *workdir, *user;	  /* RUN: run there, as; DIR: make it, owned by */
	const char *hostname;		  /* RUN: "" = any */
	int32_t from;			  /* COPY: stage index, BUILD_CONTEXT, BUILD_NAMED - n */
	struct image_texts sources;	  /* COPY */
	const char *dest, *chown, *chmod; /* COPY: dest absolute, '/' at its end kept */
	struct image_texts excludes;	  /* COPY */
	bool link, parents, unpack; /* COPY; unpack: archives among the sources, as ADD does */
	struct build_file *files;
	uint32_t file_count;
	struct build_remote *remotes; /* COPY; they come behind the sources */
	uint32_t remote_count;
	bool unpack_remotes;
	struct build_mount *mounts; /* RUN */
	uint32_t mount_count;
	struct image_texts proxy; /* RUN: more environment, which is no part of the key */
	enum build_network network;
};

struct build_stage {
	const char *name;   /* "" = none */
	int32_t base_stage; /* an earlier stage, or BUILD_NONE */
	int32_t base_image; /* index into references, or BUILD_NONE; both NONE: FROM scratch */
	/* While it is planned: a directory it begins with (BUILD_NAMED - n), or BUILD_NONE; none of
	 * its instructions counts, for a named context has its name. */
	int32_t base_context;
	bool replaced;
	bool needed; /* by the target; others are skipped */
	struct build_op *ops;
	uint32_t op_count;
	struct image image; /* config and history after the stage; no layers, no digests */
};

struct build_plan {
	struct build_stage stages[BUILD_STAGES_MAX];
	uint32_t stage_count;
	uint32_t target;	       /* index of the stage that is the result */
	uint32_t step_count;	       /* of the needed stages, for "Step 3/7" */
	struct image_texts references; /* images that stages start from or copy from */
	struct image_texts platforms;  /* one for each reference, "" = ours */
	struct dockerfile_warnings warnings;
	const char *epoch; /* SOURCE_DATE_EPOCH by an ARG in front of the first FROM, "" = none */
	const char *violation; /* why it fails after they are told, "" = it does not */
	struct image_texts
		steps; /* what each step of the needed stages says, the first is step 1 */
};

/* Inputs that come with a build request. */
struct build_inputs {
	struct str dockerfile;
	struct image_pairs args;   /* --build-arg */
	struct image_pairs labels; /* added to the result */
	const char *target;	   /* stage name or number, "" = the last */
	/* --build-context: name, and "docker-image://REFERENCE" or what main knows as a directory,
	 * or as a repository */
	struct image_pairs contexts;
	bool network_none; /* of RUN without --network */
	bool host_allowed; /* RUN --network=host, as --allow network.host */
	bool network_host; /* of RUN without --network */
	struct str ignore; /* .dockerignore, for the warnings */
};

/* {blob dockerfile, u32 count, {text, text}... args, the same of labels, text target, the same of
 * contexts, u8 without network, blob .dockerignore, u8 host allowed, u8 host network} */
void build_inputs_put(struct buf *out, const struct build_inputs *inputs);
int build_inputs_get(struct wire *in, struct arena *arena, struct build_inputs *ret_inputs,
		     struct err *err);

/*
 * First half: which images are needed. Fills references and platforms (and stages' bases); the
 * images come in the same order into build_plan_make. -EINVAL with "Dockerfile:LINE:COLUMN: ...".
 */
int build_plan_bases(const struct build_inputs *inputs, struct arena *arena,
		     struct build_plan *ret_plan, struct err *err);
/* The whole plan. bases[i] belongs to references[i]; unneeded ones may be empty records. */
int build_plan_make(const struct build_inputs *inputs, const struct image *bases,
		    uint32_t base_count, struct arena *arena, struct build_plan *ret_plan,
		    struct err *err);

void build_plan_put(struct buf *out, const struct build_plan *plan);
int build_plan_get(struct wire *in, struct arena *arena, struct build_plan *ret_plan,
		   struct err *err);

/*
 * Cache keys. They depend on what goes in and on nothing else (no time, no name of an image): the
 * root of a chain is the base's layers, each link adds the whole operation and, for COPY, the
 * digest of the files (of the context) or the key of the stage they come from.
 */
/* The digest of an operation's remotes: begun with sha256_init(), each in its order. */
void build_remote_key(struct sha256 *key, const char *name, const struct digest *sum);
void build_key_root(const struct image_layer *layers, uint32_t count, struct digest *ret_key);
void build_key_next(const struct digest *parent, const struct build_op *op,
		    const struct digest *files, struct digest *ret_key);

#endif
