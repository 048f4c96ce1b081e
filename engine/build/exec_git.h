/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_BUILD_EXEC_GIT_H
#define HOY_ENGINE_BUILD_EXEC_GIT_H

#include "engine/api/pull_msg.h"
#include "engine/git/git.h"
#include "lib/arena.h"
#include "lib/err.h"

struct build_lane;
struct build_op;

/* The directory that a repository becomes, below its number. */
#define BUILD_GIT_NAME "git"

/*
 * Brings a repository with its submodules into NUMBER/git of the lane's fetch directory. done():
 * once, unless it is stopped; err NULL = it is whole. A failure to start is returned, and then the
 * caller has to stop it.
 */
int build_git_start(struct build_lane *lane, unsigned number, const struct git_source *source,
		    void (*done)(struct build_lane *lane, const struct err *err), struct err *err);
void build_git_stop(struct build_lane *lane); /* accepts a lane without one */

/* ---- exec_fetch.c, for both kinds of sources ---- */

int build_job_fetch(void *owner, unsigned number, const struct build_op *op, struct err *err);
int build_job_fetch_then(struct build_lane *lane, const struct build_op *op,
			 void (*then)(struct build_lane *lane), struct err *err);
/* Ends a download; and takes away what was downloaded. */
void build_job_fetch_stop(struct build_lane *lane);
void build_job_fetch_clear(struct build_lane *lane);

#endif
