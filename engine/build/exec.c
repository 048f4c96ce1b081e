/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hands of a build: reads the context through the files role, runs RUN steps as containers,
 * turns what they changed into layers. Runs in engine main. Must never read a file of the context
 * or of the image itself.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "engine/build/cache.h"
#include "engine/build/exec_git.h"
#include "engine/build/exec_job.h"
#include "engine/build/exec_memory.h"
#include "engine/image/take.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/own.h"
#include "lib/wire.h"

/* ---- answers ---- */

static unsigned lane_number(const struct build_lane *lane)
{
	return (unsigned)(lane - lane->job->lanes);
}

/* Before the steps, and behind them, there is one action at a time. */
static struct build_lane *first_lane(void *owner)
{
	struct build_job *job = owner;

	return &job->lanes[0];
}

void build_job_fail(struct build_lane *lane, const struct err *err)
{
	struct err copy = *err;

	lane->files_of = 0;
	build_job_clear(lane);
	build_answer(lane->job->build, lane_number(lane), NULL, &copy);
}

/* Another process works at what comes next while the step's mounts go; job and lane may be gone
 * then. */
void build_job_done(struct build_lane *lane, const struct build_answer *answer)
{
	struct build_rest rest = build_job_rest(lane);

	build_job_clear(lane);
	build_answer(lane->job->build, lane_number(lane), answer, NULL);
	build_job_bury(&rest);
}

/* ---- the context ---- */

static int exec_read(void *owner, int32_t from, const char *path, uint32_t max, struct err *err)
{
	struct build_job *job = owner;
	struct build_lane *lane = first_lane(owner);

	return job->remotes.at < job->remotes.count ? build_job_remotes_read(lane, path, max, err)
						    : build_job_read(lane, from, path, max, err);
}

/* ---- the api role and the store ---- */

static void on_bytes(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct build_lane *lane = owner;
	struct build_answer answer = { .found = true };
	struct buf copy OWN(buf_done) = { 0 };

	(void)peer;
	if (!reply) {
		build_job_fail(lane, err);
		return;
	}
	buf_init(&copy, BUILD_BODY_MAX);
	(void)buf_add_str(&copy, reply->body);
	answer.bytes = buf_str(&copy);
	build_job_done(lane, &answer);
}

int build_job_ask_api(struct build_job *job, uint16_t type, struct str body, struct err *err)
{
	struct build_lane *lane = first_lane(job);
	int64_t r = msg_peer_call(job->env->api, type, body, NULL, 0, on_bytes, lane, err);

	return r < 0 ? (int)r : 0;
}

static int exec_ask(void *owner, enum build_msg type, struct str body, struct err *err)
{
	struct build_job *job = owner;

	if (type == BUILD_MSG_PLAN && job->caches.import_count && !job->check)
		return build_job_import(job, body, err);
	if (type != BUILD_MSG_BASES || !job->ops.inputs)
		return build_job_ask_api(job, (uint16_t)type, body, err);
	buf_init(&job->held, BUILD_BODY_MAX);
	if (buf_add_str(&job->held, body) < 0)
		return err_set(err, -ENOMEM, "no memory for a build");
	job->ops.inputs(job->owner, body);
	return 0;
}

int build_job_go(struct build_job *job, const struct build_request *more, struct err *err)
{
	struct err bad = { 0 };
	int r;

	if (!job || !job->held.len)
		return err_set(err, -EINVAL, "the build waits for nothing");
	r = build_job_secrets(job, more, &bad);
	if (r >= 0)
		r = build_job_logins(job, more, &bad);
	if (r >= 0)
		r = build_job_agents(job, more, &bad);
	if (r >= 0)
		r = build_job_ask_api(job, BUILD_MSG_BASES, buf_str(&job->held), &bad);
	buf_done(&job->held);
	if (r < 0)
		build_job_fail(first_lane(job), &bad);
	return 0;
}

/* A base image that is there: from now on until the build ends it stays. */
static void on_record(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct build_lane *lane = owner;
	struct arena arena OWN(arena_done) = { 0 };
	struct image_leases *leases = lane->job->env->containers->leases;
	struct err bad = { 0 };
	struct image image;
	struct wire in;
	int r = 0;

	if (!reply) {
		build_job_fail(lane, err);
		return;
	}
	arena_init(&arena, 8 << 20);
	wire_init(&in, reply->body.ptr, reply->body.len);
	r = image_decode(&in, &arena, &image, &bad);
	for (uint32_t i = 0; r >= 0 && i < image.layer_count; i++)
		r = image_lease_add(leases, &lane->job->lease, &image.layers[i].blob, 1, &bad);
	if (r < 0)
		build_job_fail(lane, &bad);
	else
		on_bytes(peer, owner, reply, err);
}

static int ask_image(struct build_lane *lane, msg_reply_fn *fn, struct err *err)
{
	struct buf body OWN(buf_done) = { 0 };
	char reference[OCI_REFERENCE_MAX];
	int64_t r = oci_reference_normalise(str_from(lane->job->base_reference), reference, err);

	if (r < 0)
		return err_prefix(err, "FROM %s", lane->job->base_reference);
	buf_init(&body, 1024);
	wire_put_text(&body, reference);
	r = msg_peer_call(lane->job->env->containers->store, STORE_MSG_IMAGE_GET, buf_str(&body),
			  NULL, 0, fn, lane, err);
	return r < 0 ? (int)r : 0;
}

static void on_pulled(void *owner, const struct err *err)
{
	struct build_lane *lane = owner;
	struct err bad = { 0 };

	lane->job->take = NULL;
	if (err)
		build_job_fail(lane, err);
	else if (ask_image(lane, on_record, &bad) < 0)
		build_job_fail(lane, &bad);
}

static void tell(struct build_job *job, const struct build_note *note)
{
	if (job->ops.note)
		job->ops.note(job->owner, note);
	else if (note->kind != BUILD_NOTE_DONE && note->kind != BUILD_NOTE_STDOUT &&
		 note->kind != BUILD_NOTE_STDERR)
		job->ops.progress(job->owner, note->text);
}

static void on_pull_progress(void *owner, const char *line)
{
	const struct build_note note = { .kind = BUILD_NOTE_TEXT, .text = line };
	struct build_lane *lane = owner;

	tell(lane->job, &note);
}

static int pull_base(struct build_lane *lane, struct err *err)
{
	static const struct image_take_ops ops = { .progress = on_pull_progress,
						   .done = on_pulled };
	struct image_take_env env = { .loop = lane->job->env->containers->loop,
				      .store = lane->job->env->containers->store,
				      .leases = lane->job->env->containers->leases,
				      .keep_blobs = lane->job->env->keep_blobs };
	struct arena arena OWN(arena_done) = { 0 };
	struct pull_start start;

	arena_init(&arena, 4 << 20);
	lane->job->env->hosts(lane->job->env->owner, lane->job->base_reference, &arena, &start);
	build_job_login(lane->job, lane->job->base_reference, &arena, &start);
	lane->job->take = image_take_pull(&env, &start, &ops, lane, err);
	return lane->job->take ? 0 : (err ? err->code : -EIO);
}

static void on_base(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct build_lane *lane = owner;
	struct err bad = { 0 };

	struct build_answer none = { 0 };

	if (reply || err->code != -ENOENT)
		on_record(peer, owner, reply, err);
	else if (lane->job->check)
		build_job_done(lane, &none);
	else if (pull_base(lane, &bad) < 0)
		build_job_fail(lane, &bad);
}

static int exec_base(void *owner, const char *reference, const char *platform, struct err *err)
{
	struct build_lane *lane = first_lane(owner);
	int r = str_copy(str_from(reference), lane->job->base_reference,
			 sizeof(lane->job->base_reference));

	if (r < 0)
		return err_set(err, r, "FROM: the reference is too long");
	r = build_job_platform(platform, err);
	if (r < 0)
		return err_prefix(err, "FROM");
	return lane->job->pull && !lane->job->check ? pull_base(lane, err)
						    : ask_image(lane, on_base, err);
}

static void on_cached(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct build_lane *lane = owner;
	struct build_answer answer = { 0 };
	struct err bad = { 0 };
	struct wire in;

	(void)peer;
	if (!reply) {
		build_job_fail(lane, err);
		return;
	}
	wire_init(&in, reply->body.ptr, reply->body.len);
	answer.found = wire_bool(&in);
	store_cached_get(&in, &answer.layer);
	if (wire_end(&in) < 0)
		err_set(&bad, -EBADMSG, "store: malformed cache entry");
	else if (answer.found && answer.layer.has_layer)
		(void)image_lease_add(lane->job->env->containers->leases, &lane->job->lease,
				      &answer.layer.layer.digest, 1, &bad);
	if (bad.code)
		build_job_fail(lane, &bad);
	else if (answer.found || build_job_import_find(lane) == 0)
		build_job_done(lane, &answer);
}

static int exec_cache_get(void *owner, unsigned number, const struct digest *key,
			  const struct digest *step, struct err *err)
{
	struct build_lane *lane = &((struct build_job *)owner)->lanes[number];
	struct buf body OWN(buf_done) = { 0 };
	int64_t r;

	lane->found.key = *step;
	buf_init(&body, 64);
	store_digest_put(&body, key);
	r = msg_peer_call(lane->job->env->containers->store, STORE_MSG_CACHE_GET, buf_str(&body),
			  NULL, 0, on_cached, lane, err);
	return r < 0 ? (int)r : 0;
}

static int exec_cache_set(void *owner, unsigned number, const struct digest *key,
			  const struct store_cached *cached, struct err *err)
{
	struct build_lane *lane = &((struct build_job *)owner)->lanes[number];
	struct buf body OWN(buf_done) = { 0 };
	int64_t r;

	buf_init(&body, 256);
	store_digest_put(&body, key);
	store_cached_put(&body, cached);
	r = msg_peer_call(lane->job->env->containers->store, STORE_MSG_CACHE_SET, buf_str(&body),
			  NULL, 0, on_bytes, lane, err);
	return r < 0 ? (int)r : 0;
}

static int set_name(struct build_lane *lane, struct err *err);

static void on_named(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct build_lane *lane = owner;
	struct err bad = { 0 };

	lane->job->replaced |= reply && reply->body.len == 1 && reply->body.ptr[0];
	if (!reply || ++lane->job->named >= lane->job->reference_count)
		on_bytes(peer, owner, reply, err);
	else if (set_name(lane, &bad) < 0)
		build_job_fail(lane, &bad);
}

/* The finished record under the next of its names. */
static int set_name(struct build_lane *lane, struct err *err)
{
	struct buf body OWN(buf_done) = { 0 };
	struct image image = *lane->job->image;
	char id[DIGEST_TEXT_MAX];
	int64_t r;

	image.reference = lane->job->reference_count ? lane->job->references[lane->job->named] : "";
	buf_init(&body, STORE_RECORD_MAX);
	wire_put_text(&body, *image.reference ? image.reference : digest_text(&image.config, id));
	image_encode(&image, &body);
	r = msg_peer_call(lane->job->env->containers->store,
			  lane->job->keep_unnamed ? STORE_MSG_IMAGE_MOVE : STORE_MSG_IMAGE_SET,
			  buf_str(&body), NULL, 0, on_named, lane, err);
	return r < 0 ? (int)r : 0;
}

static int exec_finish(void *owner, const struct image *image, struct err *err)
{
	struct build_lane *lane = first_lane(owner);

	lane->job->image = image;
	lane->job->named = 0;
	return set_name(lane, err);
}

static void exec_note(void *owner, const struct build_note *note)
{
	struct build_job *job = owner;

	if (*note->text)
		log_info("build %s: %s", job->name, note->text);
	tell(job, note);
}

void build_job_note(struct build_job *job, const struct build_note *note)
{
	tell(job, note);
}

static void job_delete(struct build_job *job)
{
	for (uint32_t i = 0; i < job->secret_count; i++) {
		if (job->secrets[i].data.data)
			explicit_bzero(job->secrets[i].data.data, job->secrets[i].data.len);
		buf_done(&job->secrets[i].data);
		free(job->secrets[i].id);
	}
	buf_done(&job->held);
	build_free(job->build);
	build_job_caches_done(job);
	own_close(&job->context_fd);
	for (size_t i = 0; i < ARRAY_LEN(job->named_fds); i++)
		own_close(&job->named_fds[i]);
	arena_done(&job->arena);
	for (uint32_t i = 0; i < job->reference_count; i++)
		free(job->references[i]);
	free(job);
}

static void job_bury(struct loop_timer *timer)
{
	job_delete(timer->owner);
}

static void job_free(struct build_job *job)
{
	image_take_cancel(job->take);
	job->take = NULL;
	build_job_caches_stop(job);
	for (size_t i = 0; i < ARRAY_LEN(job->lanes); i++) {
		job->lanes[i].files_of = 0;
		build_job_clear(&job->lanes[i]);
		build_job_fetch_clear(&job->lanes[i]);
	}
	build_job_remotes_done(job);
	image_lease_drop(job->env->containers->leases, &job->lease);
	if (job->replaced)
		image_leases_collect(job->env->containers->leases);
	loop_timer_set(job->env->containers->loop, &job->burial, 0, job_bury, job);
}

void build_job_end(struct build_job *job, const struct err *err)
{
	job->ops.done(job->owner, err ? NULL : job->image, err);
	job_free(job);
}

static void exec_done(void *owner, const struct image *image, const struct err *err)
{
	struct build_job *job = owner;

	job->image = image;
	if (image && !err && job->caches.export_count)
		build_job_export(job);
	else
		build_job_end(job, err);
}

static const struct build_exec exec_table = {
	.read = exec_read,
	.ask = exec_ask,
	.base = exec_base,
	.fetch = build_job_fetch,
	.epoch = build_job_epoch,
	.context_time = build_job_context_time,
	.hash = build_job_hash,
	.cache_get = exec_cache_get,
	.cache_set = exec_cache_set,
	.run = build_job_run,
	.copy = build_job_copy,
	.dir = build_job_dir,
	.finish = exec_finish,
	.note = exec_note,
	.done = exec_done,
};

static int job_begin(struct build_job *job, const struct build_request *request, struct err *err)
{
	char created[BUILD_CREATED_MAX];
	struct build_params params = {
		.reference = request->reference_count ? request->references[0] : "",
		.dockerfile =
			request->dockerfile && *request->dockerfile ? request->dockerfile : NULL,
		.target = request->target ? request->target : "",
		.created = created,
		.args = request->args,
		.labels = request->labels,
		.contexts = request->contexts,
		.text = request->text,
		.no_cache = request->no_cache,
		.network_none = request->network_none,
		.network_host = request->network_host,
		.host_allowed = request->host_allowed,
		.check = request->check,
	};
	int r = build_job_take(job, request, created, err);

	if (r < 0)
		return r;
	(void)build_cache_prune(job->env->containers->data_fd, (int64_t)time(NULL),
				BUILD_CACHE_COUNT_MAX,
				build_cache_room(job->env->containers->data_fd), NULL);
	job->build = build_new(&params, &exec_table, job, err);
	return job->build ? 0 : (err ? err->code : -ENOMEM);
}

struct build_job *build_job_start(struct build_env *env, const struct build_request *request,
				  const struct build_job_ops *ops, void *owner, struct err *err)
{
	struct build_job *job = calloc(1, sizeof(*job));

	if (!job) {
		err_set(err, -ENOMEM, "no memory for a build");
		return NULL;
	}
	job->env = env;
	job->newest_s = INT64_MAX;
	job->ops = *ops;
	job->owner = owner;
	build_job_init(job);
	if (job_begin(job, request, err) < 0) {
		job_delete(job);
		return NULL;
	}
	return job;
}

void build_job_cancel(struct build_job *job)
{
	if (job)
		job_free(job);
}
