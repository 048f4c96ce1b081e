/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_BUILDKIT_REQUEST_H
#define HOY_ENGINE_BUILDKIT_REQUEST_H

#include "engine/api/context_msg.h"
#include "engine/buildkit/subrequest.h"

/*
 * What a client asks to be built: SolveRequest of Control (what becomes of the result, maybe the
 * frontend too) and of LLBBridge (the frontend), and what both mean for engine main.
 */
enum { REQUEST_PAIRS_MAX = 512, REQUEST_EXPORTERS_MAX = 8 };

struct solve_request {
	const char *ref, *session; /* of the build, of the client's session */
	const char *frontend;	   /* "" = it comes over LLBBridge, or nothing is built */
	struct image_pairs options;
	const char *exporter; /* "" = the result is kept in the cache alone */
	struct image_pairs export_options;
	uint32_t exporter_count;		 /* as newer clients list them */
	struct image_pairs cache_from, cache_to; /* engine/buildkit/cache.h */
	bool network_host;			 /* the entitlement */
	bool internal;				 /* no record of it is kept */
	enum subrequest subrequest;		 /* solve_request_translate() sets it */
	bool has_definition;			 /* LLB: nothing that a Dockerfile is needed for */
};

/* Memory is the arena's. -EBADMSG, -ENOMEM. */
int solve_request_get(struct str message, struct arena *arena, struct solve_request *ret_request,
		      struct err *err);
/* frontend and options of *request are set from LLBBridge's SolveRequest. */
int solve_request_frontend(struct str message, struct arena *arena, struct solve_request *request,
			   struct err *err);
/*
 * The options as a build of engine main; what is not carried out is refused by its name (-ENOTSUP,
 * -EINVAL). Names of the result are canonical.
 */
int solve_request_translate(struct solve_request *request, struct arena *arena,
			    struct engine_context *ret_context, struct err *err);
/* What becomes of the result: files of the client's, one by one or as a tar. */
bool solve_request_exports(const struct solve_request *request);
/* The id of a context that the client's session uploads, out of `context`; NULL: it is none. */
const char *solve_request_upload(const struct solve_request *request);
/* An option's value, "" where it is not given. */
const char *solve_request_option(const struct solve_request *request, const char *key);

#endif
