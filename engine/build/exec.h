/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_BUILD_EXEC_H
#define HOY_ENGINE_BUILD_EXEC_H

#include "engine/api/build_call_msg.h"
#include "engine/api/pull_msg.h"
#include "engine/container/container.h"
#include "engine/oci/image.h"
#include "lib/err.h"
#include "lib/msg.h"

/*
 * Carries a build out (engine/build/build.h decides what comes next): containers for RUN, the files
 * role for COPY and for reading the context, pack and store for each layer.
 */
struct build_job;
struct build_op;
struct build_mount;

struct build_env {
	struct container_env *containers;
	struct msg_peer *api; /* parses Dockerfiles */
	bool keep_blobs;      /* of base images that are pulled */
	/* Fills in how the registry of a reference is reached; texts live in the arena. */
	void (*hosts)(void *owner, const char *reference, struct arena *arena,
		      struct pull_start *start);
	void *owner;
};

struct build_job_ops {
	void (*progress)(void *owner, const char *line); /* NULL where note is given */
	/* Once, unless cancelled; image NULL = it failed. The record lives until the call returns.
	 */
	void (*done)(void *owner, const struct image *image, const struct err *err);
	/* All that happens, what RUN prints too. May be NULL: then progress gets the lines. */
	void (*note)(void *owner, const struct build_note *note);
	/*
	 * What is built is known (struct build_inputs, as plan.h encodes it): the build waits for
	 * build_job_go(). NULL: it does not.
	 */
	void (*inputs)(void *owner, struct str inputs);
	/* A RUN ended with another status than 0: done() follows. May be NULL. */
	void (*run_failed)(void *owner, const struct build_op *op, int32_t code);
};

/* A client's own login at a registry, for this build. */
struct build_login {
	const char *host, *user, *password, *token; /* "" = none */
};

/* A cache in a registry; all and may_fail are of those that are written. */
struct build_cache_at {
	const char *reference; /* normalised */
	bool all, may_fail;
};

/* A secret by value, or a file of the machine. */
struct build_secret_given {
	const char *id, *path; /* path NULL: value */
	struct str value;
};

struct build_request {
	const char *context; /* a directory of the machine with its whole path, or a repository */
	int context_fd;	     /* instead, where context_open; duplicated */
	bool context_open;
	const char *const *references;	    /* names of the result, normalised; none: its id */
	uint32_t reference_count;	    /* at most BUILD_REFERENCES_MAX */
	const char *dockerfile, *target;    /* "" = Dockerfile, the last stage */
	const struct image_pairs *args;	    /* --build-arg, NULL = none */
	const struct image_pairs *labels;   /* NULL = none */
	const struct image_pairs *contexts; /* plan.h, struct build_inputs; NULL = none */
	/* Directories among them that are given without a path, duplicated; -1 = none, NULL = all.
	 */
	const int *context_fds;
	const struct image_pairs *hosts; /* name and address for RUN; NULL = none */
	const struct build_secret_given *secrets;
	uint32_t secret_count;
	const char *platform; /* NULL or "" = the machine's */
	struct str text;      /* of the Dockerfile; ptr NULL = in the context */
	bool no_cache, pull, network_none;
	bool keep_unnamed; /* what its names meant before stays (STORE_MSG_IMAGE_MOVE) */
	bool network_host, host_allowed;  /* plan.h, struct build_inputs */
	const struct image_pairs *ssh;	  /* id and path of an agent's socket; NULL = none */
	const struct build_login *logins; /* copied */
	uint32_t login_count;
	bool check;		    /* only the warnings: done() gets neither image nor error */
	struct build_limits limits; /* copied */
	const struct build_cache_at *cache_from, *cache_to; /* copied */
	uint32_t cache_from_count, cache_to_count;
};

enum {
	BUILD_REFERENCES_MAX = 16,
	BUILD_SECRETS_MAX = 32,
	BUILD_SECRET_BYTES_MAX = 512 << 10,
	BUILD_LOGINS_MAX = 32,
	BUILD_CACHES_MAX = 8,
};

/*
 * A build argument SOURCE_DATE_EPOCH (seconds) becomes the time of the image and of all that its
 * steps made later; -EINVAL when it is none.
 */
struct build_job *build_job_start(struct build_env *env, const struct build_request *request,
				  const struct build_job_ops *ops, void *owner, struct err *err);
/* After inputs(): secrets, logins and agents of the request are the build's too, and it goes on.
 * -EINVAL: it does not wait; an error else ends it. */
int build_job_go(struct build_job *job, const struct build_request *more, struct err *err);
/* The directory of secrets and agents' sockets in the run directory; gone with build_sweep(). */
#define BUILD_SECRETS "secrets"
/* A socket in it that listens, for a path of build_request.ssh; its name is the caller's to remove.
 */
int build_agent_listen(struct container_env *env, char name[CONTAINER_ID_LEN + 1], struct err *err);
/* The mode and the owner that the mount asks for, where the socket is ours: one of this machine
 * keeps its own. Of steps side by side that want one agent's in different ways the last one counts.
 */
int build_agent_own(struct container_env *env, const char *path, const struct build_mount *mount,
		    struct err *err);
void build_agent_remove(struct container_env *env, const char *name); /* accepts "" */
/* How the host of an URL is reached, without any login of it; texts live in the arena. */
void build_fetch_settings(const struct build_env *env, const char *url, struct arena *arena,
			  struct pull_start *start);
/* What a download into this directory may take: containers need some room to go on. */
int build_fetch_room(int dir_fd, uint64_t *ret_bytes, struct err *err);
/* One more of at most BUILD_CACHES_MAX; how: the words of cache-to (engine/api/build_call_msg.h).
 */
int build_cache_add(struct arena *arena, const char *name, struct str how,
		    struct build_cache_at *list, uint32_t *count, struct err *err);
/* Whether a context, or a named one, is a repository (engine/git/git.h, or "github.com/..."). */
bool build_context_is_remote(const char *text);
/* Takes away what builds of an engine that was killed have left in the run directory. */
void build_sweep(struct container_env *env);
void build_job_cancel(struct build_job *job); /* accepts NULL */

#endif
