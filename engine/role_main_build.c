/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A build that a person asks engine main for. Runs in engine main. Must never end a build because
 * whoever watched it went away: what it made so far would be made again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "engine/api/engine_msg.h"
#include "engine/build/plan.h"
#include "engine/oci/reference.h"
#include "engine/role_main.h"
#include "lib/own.h"

enum { BUILD_CALL_ARENA_MAX = 2 << 20, BUILD_CALL_PATH_MAX = 4096 };

/* What a call says; memory is the arena's. */
struct call {
	struct build_request request;
	struct image_pairs args, secrets;
	const char *names[BUILD_REFERENCES_MAX];
};

static void build_drop(struct engine_build *build)
{
	struct engine_build **at = &build->engine->asked_builds;

	while (*at != build)
		at = &(*at)->next;
	*at = build->next;
	free(build);
}

static void on_progress(void *owner, const char *line)
{
	struct engine_build *build = owner;
	struct buf body OWN(buf_done) = { 0 };

	buf_init(&body, 4096);
	wire_put_text(&body, line);
	if (build->peer)
		(void)msg_reply_more(build->peer, ENGINE_MSG_BUILD, build->serial, buf_str(&body));
}

static void on_done(void *owner, const struct image *image, const struct err *err)
{
	struct engine_build *build = owner;
	struct buf body OWN(buf_done) = { 0 };
	char digest[DIGEST_TEXT_MAX];

	buf_init(&body, 1024);
	if (image)
		wire_put_text(&body, digest_text(&image->config, digest));
	if (build->peer && image)
		(void)msg_reply(build->peer, ENGINE_MSG_BUILD, build->serial, buf_str(&body), NULL,
				0);
	else if (build->peer)
		(void)msg_reply_err(build->peer, ENGINE_MSG_BUILD, build->serial, err);
	if (image)
		manager_kick(&build->engine->manager, "an image was built");
	build_drop(build);
}

static const char *take_text(struct wire *in, struct arena *arena, size_t max)
{
	const char *text = arena_text(arena, wire_str(in, max));

	if (!text)
		in->error = -EBADMSG;
	return text ? text : "";
}

static int take_names(struct wire *in, struct arena *arena, struct call *call, struct err *err)
{
	char reference[OCI_REFERENCE_MAX];
	uint32_t count = wire_count(in, BUILD_REFERENCES_MAX);

	for (uint32_t i = 0; i < count; i++) {
		struct str name = wire_str(in, ENGINE_REF_MAX);
		int r = in->error ? 0 : oci_reference_normalise(name, reference, err);

		if (r < 0)
			return r;
		call->names[i] = arena_text(arena, str_from(reference));
		if (!call->names[i])
			return err_set(err, -ENOMEM, "no memory for a build");
		call->request.reference_count++;
	}
	return 0;
}

static int read_call(struct wire *in, struct arena *arena, struct call *call, struct err *err)
{
	int r = 0;

	call->request = (struct build_request){ .references = call->names,
						.args = &call->args,
						.secrets = &call->secrets };
	call->request.context = take_text(in, arena, BUILD_CALL_PATH_MAX);
	call->request.dockerfile = take_text(in, arena, BUILD_CALL_PATH_MAX);
	call->request.target = take_text(in, arena, 256);
	call->request.no_cache = wire_bool(in);
	uint32_t count = wire_count(in, BUILD_ARGS_MAX);
	for (uint32_t i = 0; r >= 0 && i < count; i++) {
		const char *key = take_text(in, arena, 1024);
		const char *value = take_text(in, arena, IMAGE_TEXT_MAX);

		r = image_pairs_set(arena, &call->args, key, value, err);
	}
	if (r >= 0)
		r = take_names(in, arena, call, err);
	count = wire_count(in, BUILD_SECRETS_MAX);
	for (uint32_t i = 0; r >= 0 && i < count; i++) {
		const char *id = take_text(in, arena, 256);
		const char *path = take_text(in, arena, BUILD_CALL_PATH_MAX);

		r = image_pairs_set(arena, &call->secrets, id, path, err);
	}
	if (r >= 0 && wire_end(in) < 0)
		r = err_set(err, -EBADMSG, "malformed request");
	if (r >= 0 && *call->request.context != '/')
		r = err_set(err, -EINVAL,
			    "build: the context has to be a directory with its whole "
			    "path, such as /config/hello");
	return r;
}

static int begin(struct engine_build *build, struct msg *msg, struct err *err)
{
	static const struct build_job_ops ops = { on_progress, on_done };
	struct engine *engine = build->engine;
	struct arena arena OWN(arena_done) = { 0 };
	struct call call = { 0 };
	struct wire in;
	int r;

	arena_init(&arena, BUILD_CALL_ARENA_MAX);
	wire_init(&in, msg->body.ptr, msg->body.len);
	r = read_call(&in, &arena, &call, err);
	if (r >= 0 && (!engine->data_ready || !engine->store_up))
		r = err_set(err, -EAGAIN, "build: the data partition or its store is not there");
	if (r < 0)
		return r;
	build->job = build_job_start(&engine->builds, &call.request, &ops, build, err);
	return build->job ? 0 : (err ? err->code : -EIO);
}

void engine_build_call(struct msg_peer *peer, struct msg *msg)
{
	struct engine *engine = engine_of(peer);
	struct engine_build *build = calloc(1, sizeof(*build));
	struct err err = { 0 };

	if (!build) {
		err_set(&err, -ENOMEM, "no memory for a build");
		(void)msg_reply_err(peer, msg->type, msg->serial, &err);
		return;
	}
	*build = (struct engine_build){
		.engine = engine, .peer = peer, .serial = msg->serial, .next = engine->asked_builds
	};
	engine->asked_builds = build;
	if (begin(build, msg, &err) < 0) {
		(void)msg_reply_err(peer, msg->type, msg->serial, &err);
		build_drop(build);
	}
}
