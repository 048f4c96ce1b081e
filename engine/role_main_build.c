/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A build that a person asks engine main for. Runs in engine main. Must never end a build because
 * whoever watched it went away: what it made so far would be made again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "engine/api/build_call_msg.h"
#include "engine/api/engine_msg.h"
#include "engine/build/plan.h"
#include "engine/oci/reference.h"
#include "engine/role_main.h"
#include "lib/own.h"

enum { BUILD_CALL_PATH_MAX = 4096 };

/* What a call says; memory is the arena's. */
struct call {
	struct build_request request;
	struct image_pairs args, labels, contexts, hosts, ssh;
	struct build_secret_given secrets[BUILD_SECRETS_MAX];
	const char *names[BUILD_REFERENCES_MAX];
	struct build_cache_at cache_from[BUILD_CACHES_MAX], cache_to[BUILD_CACHES_MAX];
	bool notes;
};

static void build_drop(struct engine_build *build)
{
	struct engine_build **at = &build->engine->asked_builds;

	while (*at != build)
		at = &(*at)->next;
	*at = build->next;
	free(build);
}

static void on_note(void *owner, const struct build_note *note)
{
	struct engine_build *build = owner;
	struct buf body OWN(buf_done) = { 0 };
	bool for_notes = note->kind == BUILD_NOTE_DONE || note->kind == BUILD_NOTE_STDOUT ||
			 note->kind == BUILD_NOTE_STDERR;

	if (!build->peer || (for_notes && !build->notes))
		return;
	buf_init(&body, BUILD_CALL_VALUE_MAX);
	wire_put_text(&body, note->text);
	if (build->notes) {
		wire_put_u8(&body, (uint8_t)note->kind);
		wire_put_u32(&body, note->step);
		wire_put_u32(&body, note->line);
		wire_put_u32(&body, note->column);
		wire_put_text(&body, note->rule);
		wire_put_text(&body, note->description);
		wire_put_text(&body, note->url);
	}
	(void)msg_reply_more(build->peer, ENGINE_MSG_BUILD, build->serial, buf_str(&body));
}

static void on_done(void *owner, const struct image *image, const struct err *err)
{
	struct engine_build *build = owner;
	struct buf body OWN(buf_done) = { 0 };
	char digest[DIGEST_TEXT_MAX];

	buf_init(&body, 1024);
	wire_put_text(&body, image ? digest_text(&image->config, digest) : "");
	if (build->peer && (image || !err))
		(void)msg_reply(build->peer, ENGINE_MSG_BUILD, build->serial, buf_str(&body), NULL,
				0);
	else if (build->peer)
		(void)msg_reply_err(build->peer, ENGINE_MSG_BUILD, build->serial, err);
	if (image) {
		engine_event(build->engine, "image", "create", digest, digest, NULL, 0);
		manager_kick(&build->engine->manager, "an image was built");
	}
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

static int take_pair(struct arena *arena, struct image_pairs *pairs, const char *name,
		     struct str value, struct err *err)
{
	const char *text = memchr(value.ptr, 0, value.len) ? NULL : arena_text(arena, value);

	if (!*name || !text)
		return err_set(err, -EINVAL, "build: malformed option");
	return image_pairs_set(arena, pairs, name, text, err);
}

static int take_secret(struct call *call, const char *id, const char *path, struct str value,
		       struct err *err)
{
	struct build_request *request = &call->request;

	if (request->secret_count == BUILD_SECRETS_MAX)
		return err_set(err, -E2BIG, "more than %d secrets", BUILD_SECRETS_MAX);
	call->secrets[request->secret_count++] =
		(struct build_secret_given){ .id = id, .path = path, .value = value };
	return 0;
}

static int take_network(struct build_request *request, struct str value, struct err *err)
{
	request->network_none = str_is(value, "none");
	request->network_host = str_is(value, "host");
	if (request->network_none || request->network_host || str_is(value, "default"))
		return 0;
	return err_set(err, -EINVAL,
		       "build --network=%.*s is not known here: default, none and host are",
		       STR_ARG(str_head(value, 40)));
}

/* One of engine/api/build_call_msg.h; the value's bytes are the message's. */
static int take_option(struct wire *in, struct arena *arena, struct call *call, struct err *err)
{
	struct build_request *request = &call->request;
	struct str key = wire_str(in, 64);
	const char *name = take_text(in, arena, 1024);
	struct str value = wire_blob(in, BUILD_CALL_VALUE_MAX);

	if (in->error)
		return err_set(err, -EBADMSG, "malformed request");
	if (str_is(key, "label"))
		return take_pair(arena, &call->labels, name, value, err);
	if (str_is(key, "context"))
		return take_pair(arena, &call->contexts, name, value, err);
	if (str_is(key, "host"))
		return take_pair(arena, &call->hosts, name, value, err);
	if (str_is(key, "ssh"))
		return take_pair(arena, &call->ssh, name, value, err);
	if (str_is(key, "secret"))
		return take_secret(call, name, NULL, value, err);
	if (str_is(key, "cache-from"))
		return build_cache_add(arena, name, STR(""), call->cache_from,
				       &request->cache_from_count, err);
	if (str_is(key, "cache-to"))
		return build_cache_add(arena, name, value, call->cache_to, &request->cache_to_count,
				       err);
	if (str_is(key, "dockerfile"))
		request->text = str_make(value.len ? value.ptr : "", value.len);
	else if (str_is(key, "platform"))
		request->platform = arena_text(arena, value);
	else if (str_is(key, "network"))
		return take_network(request, value, err);
	else if (str_is(key, "allow") && str_is(value, "network.host"))
		request->host_allowed = true;
	else if (str_is(key, "pull"))
		request->pull = true;
	else if (str_is(key, "check"))
		request->check = true;
	else if (str_is(key, "notes"))
		call->notes = true;
	else if (str_is(key, "allow"))
		return err_set(err, -EPERM, "build --allow %.*s: only network.host may be allowed",
			       STR_ARG(str_head(value, 40)));
	else
		return err_set(err, -EINVAL, "build: unknown option %.*s", STR_ARG(key));
	return 0;
}

static int take_secret_files(struct wire *in, struct arena *arena, struct call *call,
			     struct err *err)
{
	uint32_t count = wire_count(in, BUILD_SECRETS_MAX);
	int r = 0;

	for (uint32_t i = 0; r >= 0 && i < count; i++) {
		const char *id = take_text(in, arena, 256);
		const char *path = take_text(in, arena, BUILD_CALL_PATH_MAX);

		r = take_secret(call, id, path, (struct str){ 0 }, err);
	}
	return r;
}

static int read_call(struct wire *in, struct arena *arena, struct call *call, struct err *err)
{
	int r = 0;

	call->request = (struct build_request){ .references = call->names,
						.args = &call->args,
						.labels = &call->labels,
						.contexts = &call->contexts,
						.hosts = &call->hosts,
						.ssh = &call->ssh,
						.cache_from = call->cache_from,
						.cache_to = call->cache_to,
						.secrets = call->secrets };
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
	if (r >= 0)
		r = take_secret_files(in, arena, call, err);
	count = r >= 0 && in->left > 0 ? wire_count(in, BUILD_CALL_OPTIONS_MAX) : 0;
	for (uint32_t i = 0; r >= 0 && i < count; i++)
		r = take_option(in, arena, call, err);
	if (r >= 0 && wire_end(in) < 0)
		r = err_set(err, -EBADMSG, "malformed request");
	return r;
}

static int check_paths(const struct call *call, struct err *err)
{
	if (*call->request.context != '/' && !build_context_is_remote(call->request.context))
		return err_set(err, -EINVAL,
			       "build: the context has to be a directory with its whole "
			       "path, such as /config/hello, or a git repository");
	for (uint32_t i = 0; i < call->contexts.count; i++) {
		const char *where = call->contexts.items[i].value;

		if (!str_starts(str_from(where), STR("docker-image://")) && *where != '/' &&
		    !build_context_is_remote(where))
			return err_set(err, -ENOTSUP,
				       "build --build-context %.60s: docker-image://NAME, a "
				       "directory or a git repository is expected",
				       call->contexts.items[i].key);
	}
	return 0;
}

static int begin(struct engine_build *build, struct msg *msg, struct err *err)
{
	static const struct build_job_ops ops = { .done = on_done, .note = on_note };
	struct engine *engine = build->engine;
	struct arena arena OWN(arena_done) = { 0 };
	struct call *call OWN_FREE = calloc(1, sizeof(*call));
	struct wire in;
	int r;

	if (!call)
		return err_set(err, -ENOMEM, "no memory for a build");
	arena_init(&arena, BUILD_CALL_BYTES_MAX);
	wire_init(&in, msg->body.ptr, msg->body.len);
	r = read_call(&in, &arena, call, err);
	build->notes = call->notes;
	if (r >= 0)
		r = check_paths(call, err);
	if (r >= 0 && (!engine->data_ready || !engine->store_up))
		r = err_set(err, -EAGAIN, "build: the data partition or its store is not there");
	if (r < 0)
		return r;
	build->job = build_job_start(&engine->builds, &call->request, &ops, build, err);
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

void engine_builds_gone(struct engine *engine, const struct msg_peer *peer)
{
	for (struct engine_build *build = engine->asked_builds; build; build = build->next)
		if (build->peer == peer)
			build->peer = NULL;
}
