/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_BUILD_EXEC_CACHE_H
#define HOY_ENGINE_BUILD_EXEC_CACHE_H

#include "engine/build/build.h"
#include "engine/build/exec.h"
#include "engine/image/give.h"
#include "engine/image/take.h"
#include "engine/worker/worker.h"

/* Inside of exec*.c: caches of builds in registries. */
struct build_job;
struct build_lane;

/* One that steps are looked for in. */
struct build_import {
	const char *reference;
	struct oci_cache_step *steps;
	uint32_t count;
};

/* One that what was made is sent to. */
struct build_export {
	const char *reference;
	bool all;      /* of all stages, not of the target's alone */
	bool may_fail; /* then the build is good all the same */
};

/* Those of a build. */
struct build_caches {
	struct build_import imports[BUILD_CACHES_MAX];
	uint32_t import_count, import_at; /* the one that is asked for */
	struct arena arena;		  /* their steps */
	struct worker role;
	struct loop_timer next;
	bool asked;	 /* the role, and it has not answered */
	struct buf plan; /* the question that waits for the imports */
	struct build_export exports[BUILD_CACHES_MAX];
	uint32_t export_count, export_at;
	struct image_give *give;
};

/* A step that a lane found in one of them. */
struct build_found {
	struct digest key; /* that it is looked for by */
	struct build_import *import;
	struct build_answer answer;
	struct image_take *take; /* its layer, under way */
};

/* Takes in those that a request names. */
int build_job_caches(struct build_job *job, const struct build_request *request, struct err *err);
/* Reads all imports, then asks the api role for the plan. One that cannot be read is told of. */
int build_job_import(struct build_job *job, struct str body, struct err *err);
/* 1: a step that the store does not know is in an import and is answered; 0: it is not. */
int build_job_import_find(struct build_lane *lane);
/* Sends the cache to the exports, then the build has ended. */
void build_job_export(struct build_job *job);
/* Ends what is under way; and frees what was read. */
void build_job_caches_stop(struct build_job *job);
void build_job_caches_done(struct build_job *job);

#endif
