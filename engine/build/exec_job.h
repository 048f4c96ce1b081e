/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_BUILD_EXEC_JOB_H
#define HOY_ENGINE_BUILD_EXEC_JOB_H

#include "engine/build/build.h"
#include "engine/build/cache.h"
#include "engine/build/exec.h"
#include "engine/build/exec_cache.h"
#include "engine/build/exec_context.h"
#include "engine/build/exec_files.h"
#include "engine/container/layers.h"
#include "engine/image/layer.h"
#include "engine/image/take.h"
#include "engine/oci/reference.h"
#include "engine/worker/worker.h"

/* One build and the actions it is at. */
enum { BUILD_JOB_LAYERS_MAX = 256, BUILD_JOB_BODY_MAX = 1 << 20, BUILD_JOB_LOG_MAX = 4 << 20 };

/* What RUN --mount=type=secret shows; nowhere but in memory and on the run tmpfs. */
struct build_secret {
	char *id;
	struct buf data;
};

/* What RUN --mount needs, made one mount after the other before the container starts. */
struct build_mounting {
	uint32_t next; /* of op->mounts */
	struct def_mount list[DOCKERFILE_MOUNTS_MAX + 1];
	uint32_t count;
	struct arena arena;
	struct image_texts env; /* secrets and sockets: of the process, kept nowhere */
	char scratch[DOCKERFILE_MOUNTS_MAX][CONTAINER_ID_LEN + 1]; /* directories and overlays */
	uint32_t scratch_count;
	char points[DOCKERFILE_MOUNTS_MAX][CONTAINER_ID_LEN + 1]; /* binds */
	uint32_t point_count;
	char secrets[DOCKERFILE_MOUNTS_MAX][CONTAINER_ID_LEN + 1]; /* files of the run directory */
	uint32_t secret_count;
	struct build_cache_use *caches;		/* in use by this step */
	const struct build_cache_use *measured; /* whose size is asked for */
	struct layers_job layers;
	int root_fd;			  /* the tree that the bind under way is taken from */
	char cache[BUILD_CACHE_NAME_MAX]; /* the one under way */
	struct loop_timer retry;
};

/*
 * A step that makes a layer: mount the layers (and the source's), do the work over a fresh upper,
 * then walk the upper into pack. `scratch` names the directory below /data/containers.
 */
struct build_step {
	char scratch[CONTAINER_ID_LEN + 1]; /* "" = none */
	char source[CONTAINER_ID_LEN + 1];  /* read-only mount of COPY --from, "" = none */
	struct digest layers[BUILD_JOB_LAYERS_MAX], from[BUILD_JOB_LAYERS_MAX];
	uint32_t layer_count, from_count;
	struct layers_job mounting;
	struct container *container; /* RUN */
	struct build_mounting mounts;
	const struct build_op *op;
	uint16_t files_type; /* COPY, DIR: what the files role is asked */
	bool remote;	     /* COPY: at its remotes */
	struct buf body;
	struct buf archives; /* ADD: wire texts, paths that are still to be taken apart */
	uint32_t archive_count;
	char archive[FILES_PATH_MAX]; /* the one under way */
	struct worker unpack;
	bool unpack_done, extract_done;
	struct err unpack_error, extract_error;
	int root_fd, source_fd, upper_fd, feed_fd;
	uint64_t memory_bytes; /* the upper is in memory, and may take so many; 0 = on the disk */
	int log_fd;	       /* RUN: what it prints, followed by log_timer */
	uint64_t log_at;
	struct loop_timer log_timer;
	struct image_layer_job packing;
	bool diff_done, pack_done;
	struct build_answer answer;
	struct err error;
};

struct build_lane;
/* Remote sources of an ADD: they stay from the question for their digest to the copy of them. */
struct build_fetch {
	const struct build_op *op; /* whose they are; NULL = none */
	bool whole;
	char scratch[CONTAINER_ID_LEN + 1]; /* below containers/; its upper holds NUMBER/NAME */
	int fd, file_fd;		    /* that upper; the unnamed file under way */
	uint32_t at;
	int64_t mtime_s;
	struct sha256 key;
	struct worker role;
	struct build_git *git;		       /* one that is under way, NULL = none */
	struct loop_timer limit;	       /* when it gives up */
	void (*then)(struct build_lane *lane); /* NULL: the action is answered */
};

/* One of the actions that may be under way at the same time. */
struct build_lane {
	struct build_job *job;
	struct build_found found;
	struct build_fetch fetch;
	struct worker files;
	int32_t files_of; /* the context that it may be asked about again, 0 = none */
	uint64_t files_count, files_bytes; /* of the context's files that were hashed last */
	struct build_step step;
};

struct build_job {
	struct build_env *env;
	struct build *build;
	struct build_job_ops ops;
	void *owner;
	char name[128];
	char *references[BUILD_REFERENCES_MAX]; /* after the first: names that it gets too */
	uint32_t reference_count, named;
	const struct image *image;		       /* the result, while it gets them */
	int context_fd, named_fds[BUILD_CONTEXTS_MAX]; /* -1 = an image */
	struct arena arena;			       /* hosts */
	struct image_texts hosts;		       /* "name:address" */
	struct image_pairs ssh;			       /* id, path of a socket */
	bool pull, check, keep_unnamed;
	char base_reference[OCI_REFERENCE_MAX];
	struct image_take *take;
	struct image_lease lease; /* layers of bases, of the cache, and those it made */
	struct build_login logins[BUILD_LOGINS_MAX];
	uint32_t login_count;
	bool replaced; /* an image of the same name was there */
	struct build_secret secrets[BUILD_SECRETS_MAX];
	uint32_t secret_count;
	int64_t newest_s; /* of the files in layers: SOURCE_DATE_EPOCH, INT64_MAX = none */
	struct build_lane lanes[BUILD_LANES_MAX];
	struct loop_timer burial;
	struct build_caches caches;
	struct build_contexts remotes;
	struct build_limits limits;
	struct image_texts ulimits; /* of them */
	struct buf held; /* the question for the bases, until build_job_go(); len 0 = none */
};

void build_job_init(struct build_job *job);
/* Takes in what a request gives; created: SOURCE_DATE_EPOCH as RFC 3339, "" without it. */
int build_job_take(struct build_job *job, const struct build_request *request,
		   char created[BUILD_CREATED_MAX], struct err *err);
/* Ends whatever action is under way and takes its scratch away. */
void build_job_clear(struct build_lane *lane);
void build_job_fail(struct build_lane *lane, const struct err *err);
void build_job_done(struct build_lane *lane, const struct build_answer *answer);
/* The root of a context (build_op.from). */
int build_job_context(const struct build_lane *lane, int32_t from);
void build_job_note(struct build_job *job, const struct build_note *note);
/* The end, told to whoever asked for the build. */
void build_job_end(struct build_job *job, const struct err *err);
/* A call to the api role, whose answer is the action's. */
int build_job_ask_api(struct build_job *job, uint16_t type, struct str body, struct err *err);

/* exec_login.c: the request's logins, and the one for an image. */
int build_job_logins(struct build_job *job, const struct build_request *request, struct err *err);
void build_job_login(const struct build_job *job, const char *image, struct arena *arena,
		     struct pull_start *start);
/* The upper becomes a layer. */
int build_job_pack(struct build_lane *lane, struct err *err);
/* The answer to FILES_MSG_COPY: archives that it left out are taken apart, then the layer is made.
 */
int build_job_copied(struct build_lane *lane, struct str body, struct err *err);

/* exec_measure.c: the sizes of the caches that a RUN wrote to, then build_job_ran(). */
int build_job_measure(struct build_lane *lane, struct err *err);
/* What a RUN changed becomes a layer. */
int build_job_ran(struct build_lane *lane, struct err *err);
/* What was copied from the context is followed by what was downloaded; then the layer is made. */
int build_job_copy_more(struct build_lane *lane, struct err *err);

/* A random name for a scratch directory or mount. */
int build_job_name(char dst[CONTAINER_ID_LEN + 1], struct err *err);
/* containers/<name>/upper (and work), made. The fds are the caller's. */
int build_job_scratch(struct build_lane *lane, const char *name, int *ret_upper, int *ret_work,
		      struct err *err);
/* Makes the operation's mounts ready, then calls build_job_start_run(). */
int build_job_mounts(struct build_lane *lane, struct err *err);
/* The container of a RUN, once its mounts are there. */
int build_job_start_run(struct build_lane *lane, struct err *err);
/* The end of what the step printed, on one line that can be shown. */
void build_job_log_tail(struct build_lane *lane, char *dst, size_t cap);
/* What the step prints goes to build_job_note(), from the one call to the other. */
void build_job_log_start(struct build_lane *lane);
void build_job_log_end(struct build_lane *lane);
/* Takes the mounts away again. */
void build_job_mounts_clear(struct build_lane *lane);

/* Rows of struct build_exec. */
int build_job_run(void *owner, unsigned number, const struct build_op *op,
		  const struct store_layer *layers, uint32_t count, struct err *err);
int build_job_copy(void *owner, unsigned number, const struct build_op *op, struct str body,
		   const struct store_layer *from, uint32_t from_count,
		   const struct store_layer *layers, uint32_t count, struct err *err);
int build_job_dir(void *owner, unsigned number, const struct build_op *op,
		  const struct store_layer *layers, uint32_t count, struct err *err);

#endif
