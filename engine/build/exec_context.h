/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_BUILD_EXEC_CONTEXT_H
#define HOY_ENGINE_BUILD_EXEC_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>
#include "engine/build/build.h"
#include "engine/container/container.h"
#include "engine/git/git.h"
#include "lib/err.h"

struct build_job;
struct build_lane;
struct build_request;

/* The contexts of a build that are repositories. */
struct build_contexts {
	struct git_source list[BUILD_CONTEXTS_MAX + 1];
	int32_t slots[BUILD_CONTEXTS_MAX + 1]; /* of named_fds; -1 = the build's own */
	int64_t times[BUILD_CONTEXTS_MAX + 1]; /* of their commits */
	uint32_t count, at;
	char scratch[CONTAINER_ID_LEN + 1]; /* below containers/; "" = none */
	const char *path;		    /* what is read once they are there */
	uint32_t max;
};

/* Which of a request's contexts are repositories. */
int build_job_remotes(struct build_job *job, const struct build_request *request, struct err *err);
/* Fetches them, then does build_job_read(). */
int build_job_remotes_read(struct build_lane *lane, const char *path, uint32_t max,
			   struct err *err);
void build_job_remotes_done(struct build_job *job);
/* Secrets, agents of a request in addition to those the build has. */
int build_job_secrets(struct build_job *job, const struct build_request *request, struct err *err);
int build_job_agents(struct build_job *job, const struct build_request *request, struct err *err);
/* A file of the build's own context; exec.c. */
int build_job_read(struct build_lane *lane, int32_t from, const char *path, uint32_t max,
		   struct err *err);

/* exec_request.c: the row of struct build_exec. */
int build_job_epoch(void *owner, const char *text, char created[BUILD_CREATED_MAX],
		    struct err *err);
/* The row of struct build_exec. */
int64_t build_job_context_time(void *owner, int32_t from);
/* exec_request.c: refuses, with -ENOTSUP, a platform that is not this machine's; NULL and "" are.
 */
int build_job_platform(const char *platform, struct err *err);

#endif
