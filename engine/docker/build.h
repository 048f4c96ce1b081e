/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_DOCKER_BUILD_H
#define HOY_ENGINE_DOCKER_BUILD_H

#include "engine/api/context_msg.h"
#include "engine/docker/server.h"

/* POST /build, between build.c (the request) and build_stream.c (the answer). */
struct build {
	struct docker_client *client;
	struct engine_context wanted;
	bool quiet;	 /* only the image's id is told, or all when it failed */
	struct buf kept; /* what was not told so far */
	bool clipped;	 /* output was left out, and that was said */
	bool gone;	 /* freed once no callback of it runs any more */
	struct loop_timer burial;
	bool answered;	       /* engine main has said the last word */
	int32_t failed_status; /* of a RUN, 0 = none */
	const char *failed_command;
};

/* What engine main answers to ENGINE_MSG_BUILD_CONTEXT; the owner is the client. */
void build_on_said(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err);
/* ---- build_limits.c ---- */
/* Of the query, into wanted->limits and its network. -EINVAL, -EACCES. */
int build_read_limits(struct docker_client *client, struct engine_context *wanted, struct err *err);
/* A network mode of RUN, "" = the default; the text lives on. */
int build_take_network(const char *mode, enum docker_role role, struct engine_context *wanted,
		       struct err *err);

/* A number of its own for a build: struct engine_context. */
uint64_t docker_build_token(void);
/* Nobody wants the build of this token any more: engine main hears of it, if that is there. */
void docker_build_cancel(struct msg_peer *to_main, uint64_t token);
/* What RUN printed, out of a note of engine main (it is still the inside of a JSON string). The
 * text lives as long as *doc, which the caller gives back. */
struct str docker_build_output(struct str text, struct json_doc *ret_doc);
/* The work of a client from here on; NULL: no memory. */
struct build *build_new_work(struct docker_client *client);

#endif
