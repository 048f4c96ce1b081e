/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_BUILD_EXEC_H
#define HOY_ENGINE_BUILD_EXEC_H

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
	void (*progress)(void *owner, const char *line);
	/* Once, unless cancelled; image NULL = it failed. The record lives until the call returns.
	 */
	void (*done)(void *owner, const struct image *image, const struct err *err);
};

/* context: absolute path of a directory on the machine. reference: the result's name, normalised.
 */
struct build_job *build_job_start(struct build_env *env, const char *context, const char *reference,
				  const struct build_job_ops *ops, void *owner, struct err *err);
void build_job_cancel(struct build_job *job); /* accepts NULL */

#endif
