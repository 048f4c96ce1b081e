/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Caches of builds in registries: read before the plan is asked for, looked into where the store
 * knows no step, written when the image has its names. Runs in engine main. Must never put what a
 * registry says into the store's own cache: it counts for builds that name that registry alone.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "engine/api/cache_msg.h"
#include "engine/build/exec_job.h"
#include "lib/log.h"
#include "lib/own.h"

enum { IMPORT_ARENA_MAX = 4 << 20 };

static void say(struct build_job *job, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void say(struct build_job *job, const char *format, ...)
{
	char line[600];
	const struct build_note note = { .kind = BUILD_NOTE_TEXT, .text = line };
	va_list list;

	va_start(list, format);
	(void)vsnprintf(line, sizeof(line), format, list);
	va_end(list);
	log_info("build %s: %s", job->name, line);
	build_job_note(job, &note);
}

/* As Go's strconv.ParseBool has it, which BuildKit reads it with. */
static bool take_bool(struct str word, bool *ret)
{
	static const char *const yes[] = { "1", "t", "T", "TRUE", "true", "True" };
	static const char *const no[] = { "0", "f", "F", "FALSE", "false", "False" };

	for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
		*ret = str_is(word, yes[i]);
		if (*ret || str_is(word, no[i]))
			return true;
	}
	return false;
}

static int take_how(struct str how, struct build_cache_at *cache, struct err *err)
{
	const struct str ignore = STR("ignore-error=");
	struct str word;

	while (str_cut(&how, ',', &word)) {
		if (str_is(word, "mode=max"))
			cache->all = true;
		else if (word.len && !str_is(word, "mode=min") &&
			 !(str_starts(word, ignore) &&
			   take_bool(str_skip(word, ignore.len), &cache->may_fail)))
			return err_set(err, -EINVAL, "build --cache-to: %.*s is not known here",
				       STR_ARG(str_head(word, 80)));
	}
	return 0;
}

int build_cache_add(struct arena *arena, const char *name, struct str how,
		    struct build_cache_at *list, uint32_t *count, struct err *err)
{
	char reference[OCI_REFERENCE_MAX];
	struct build_cache_at *cache = &list[*count];
	int r;

	if (*count == BUILD_CACHES_MAX)
		return err_set(err, -E2BIG, "more than %d caches of a build", BUILD_CACHES_MAX);
	r = oci_reference_normalise(str_from(name), reference, err);
	if (r < 0)
		return err_prefix(err, "cache");
	*cache = (struct build_cache_at){ .reference = arena_text(arena, str_from(reference)) };
	if (!cache->reference)
		return err_set(err, -ENOMEM, "no memory for a build");
	++*count;
	return take_how(how, cache, err);
}

int build_job_caches(struct build_job *job, const struct build_request *request, struct err *err)
{
	job->caches.role.pidfd = -1;
	arena_init(&job->caches.arena, IMPORT_ARENA_MAX);
	if (request->cache_from_count > BUILD_CACHES_MAX ||
	    request->cache_to_count > BUILD_CACHES_MAX)
		return err_set(err, -E2BIG, "more than %d caches of a build", BUILD_CACHES_MAX);
	for (uint32_t i = 0; i < request->cache_from_count; i++)
		job->caches.imports[job->caches.import_count++].reference =
			arena_text(&job->arena, str_from(request->cache_from[i].reference));
	for (uint32_t i = 0; i < request->cache_to_count; i++)
		job->caches.exports[job->caches.export_count++] = (struct build_export){
			.reference =
				arena_text(&job->arena, str_from(request->cache_to[i].reference)),
			.all = request->cache_to[i].all,
			.may_fail = request->cache_to[i].may_fail,
		};
	for (uint32_t i = 0; i < BUILD_CACHES_MAX; i++) {
		if ((i < job->caches.import_count && !job->caches.imports[i].reference) ||
		    (i < job->caches.export_count && !job->caches.exports[i].reference))
			return err_set(err, -ENOMEM, "no memory for a build");
	}
	return 0;
}

void build_job_caches_stop(struct build_job *job)
{
	image_give_cancel(job->caches.give);
	job->caches.give = NULL;
	job->caches.asked = false;
	worker_stop(&job->caches.role);
	loop_timer_stop(job->env->containers->loop, &job->caches.next);
}

void build_job_caches_done(struct build_job *job)
{
	arena_done(&job->caches.arena);
	buf_done(&job->caches.plan);
}

/* How the registry of a cache is reached, with the client's own login. */
static void settings(struct build_job *job, const char *reference, struct arena *arena,
		     struct pull_start *start)
{
	arena_init(arena, 4 << 20);
	job->env->hosts(job->env->owner, reference, arena, start);
	build_job_login(job, reference, arena, start);
}

/* ---- reading ---- */

static int next_import(struct build_job *job, struct err *err);

static void on_next(struct loop_timer *timer)
{
	struct build_job *job = timer->owner;
	struct err err = { 0 };

	worker_stop(&job->caches.role);
	job->caches.import_at++;
	if (next_import(job, &err) < 0)
		build_job_fail(&job->lanes[0], &err);
}

static int take_steps(struct build_job *job, struct str body, struct err *err)
{
	struct build_import *import = &job->caches.imports[job->caches.import_at];
	struct wire in;
	uint32_t count;

	wire_init(&in, body.ptr, body.len);
	count = wire_count(&in, OCI_CACHE_STEPS_MAX);
	import->steps = arena_array(&job->caches.arena, count + 1, sizeof(*import->steps));
	if (!import->steps)
		return err_set(err, -ENOMEM, "the caches are too big");
	for (uint32_t i = 0; i < count; i++) {
		struct oci_cache_step *step = &import->steps[i];

		wire_bytes(&in, step->key.bytes, sizeof(step->key.bytes));
		step->has_layer = wire_bool(&in);
		wire_bytes(&in, step->layer.bytes, sizeof(step->layer.bytes));
		step->size = wire_u64(&in);
	}
	if (wire_end(&in) < 0)
		return err_set(err, -EBADMSG, "role pull: malformed answer");
	import->count = count;
	return 0;
}

/* A cache that is not there yet, or is none, costs time alone. */
static void on_steps(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct build_job *job = owner;
	const char *reference = job->caches.imports[job->caches.import_at].reference;
	struct err bad = { 0 };

	(void)peer;
	if (!job->caches.asked)
		return;
	job->caches.asked = false;
	if (reply && take_steps(job, reply->body, &bad) < 0)
		err = &bad;
	if (reply && !bad.code)
		say(job, "importing cache manifest from %.300s: %u steps", reference,
		    job->caches.imports[job->caches.import_at].count);
	else
		say(job, "importing cache manifest from %.200s failed: %s", reference,
		    err_text(err));
	/* Not from within a call of the role's own peer. */
	loop_timer_set(job->env->containers->loop, &job->caches.next, 0, on_next, job);
}

static int next_import(struct build_job *job, struct err *err)
{
	struct arena arena OWN(arena_done) = { 0 };
	struct buf body OWN(buf_done) = { 0 };
	struct pull_start start;
	int64_t r;

	if (job->caches.import_at == job->caches.import_count) {
		r = build_job_ask_api(job, BUILD_MSG_PLAN, buf_str(&job->caches.plan), err);
		buf_done(&job->caches.plan);
		return (int)r;
	}
	settings(job, job->caches.imports[job->caches.import_at].reference, &arena, &start);
	start.reference = job->caches.imports[job->caches.import_at].reference;
	buf_init(&body, PULL_START_MAX);
	pull_start_encode(&start, &body);
	r = worker_start(&job->caches.role, job->env->containers->loop, "pull", NULL, 0, NULL, 0,
			 NULL, job, err);
	if (r >= 0)
		r = msg_peer_call(&job->caches.role.peer, PULL_MSG_CACHE, buf_str(&body), NULL, 0,
				  on_steps, job, err);
	job->caches.asked = r >= 0;
	return r < 0 ? (int)r : 0;
}

int build_job_import(struct build_job *job, struct str body, struct err *err)
{
	buf_init(&job->caches.plan, BUILD_BODY_MAX);
	if (buf_add_str(&job->caches.plan, body) < 0)
		return err_set(err, -ENOMEM, "no memory for a build");
	job->caches.import_at = 0;
	return next_import(job, err);
}

/* ---- one step of it ---- */

static void found(struct build_lane *lane)
{
	struct build_answer answer = lane->found.answer;

	build_job_done(lane, &answer);
}

/* Whatever went wrong: the step is made, as if nobody had known it. */
static void lost(struct build_lane *lane, const struct err *err)
{
	const struct build_answer none = { 0 };

	say(lane->job, "a layer of the cache cannot be had: %s", err_text(err));
	build_job_done(lane, &none);
}

static void on_layer(void *owner, const struct err *err)
{
	struct build_lane *lane = owner;

	lane->found.take = NULL;
	if (err)
		lost(lane, err);
	else
		found(lane);
}

static void on_layer_progress(void *owner, const char *line)
{
	const struct build_note note = { .kind = BUILD_NOTE_TEXT, .text = line };
	struct build_lane *lane = owner;

	build_job_note(lane->job, &note);
}

static int fetch_layer(struct build_lane *lane, struct err *err)
{
	static const struct image_take_ops ops = { .progress = on_layer_progress,
						   .done = on_layer };
	const struct container_env *env = lane->job->env->containers;
	const struct image_take_env take = { .loop = env->loop,
					     .store = env->store,
					     .leases = env->leases };
	const struct store_layer *layer = &lane->found.answer.layer.layer;
	struct arena arena OWN(arena_done) = { 0 };
	struct pull_start start;

	settings(lane->job, lane->found.import->reference, &arena, &start);
	start.reference = lane->found.import->reference;
	lane->found.take =
		image_take_layer(&take, &start, &layer->digest, layer->size, &ops, lane, err);
	return lane->found.take ? 0 : -EIO;
}

/*
 * 1: it is here and it is a plain tar, as the cache has to say; 0: it is not here. How big that tar
 * was the store does not know (its size is the file's): image_blobs_make() tells when it is sent.
 */
static int is_here(const struct build_lane *lane, struct str body, struct err *err)
{
	const struct store_layer *wanted = &lane->found.answer.layer.layer;
	struct store_layer layer;
	struct wire in;
	bool have;

	wire_init(&in, body.ptr, body.len);
	have = wire_bool(&in);
	store_layer_get(&in, &layer);
	if (wire_end(&in) < 0)
		return err_set(err, -EBADMSG, "store: malformed answer about a layer");
	if (have && (memcmp(&layer.digest, &wanted->digest, sizeof(layer.digest)) != 0 ||
		     memcmp(&layer.diff, &wanted->diff, sizeof(layer.diff)) != 0))
		return err_set(err, -EBADMSG, "it is no plain tar, which the cache says it is");
	return have;
}

static void on_have(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct build_lane *lane = owner;
	struct err bad = { 0 };
	int r;

	(void)peer;
	if (!reply) {
		lost(lane, err);
		return;
	}
	r = is_here(lane, reply->body, &bad);
	if (r == 0)
		r = fetch_layer(lane, &bad);
	else if (r > 0)
		found(lane);
	if (r < 0)
		lost(lane, &bad);
}

/* From now on nothing collects the layer; it may be here already. */
static int have_layer(struct build_lane *lane, struct err *err)
{
	const struct container_env *env = lane->job->env->containers;
	const struct digest *layer = &lane->found.answer.layer.layer.digest;
	struct buf body OWN(buf_done) = { 0 };
	int64_t r = image_lease_add(env->leases, &lane->job->lease, layer, 1, err);

	buf_init(&body, 64);
	store_digest_put(&body, layer);
	if (r >= 0)
		r = msg_peer_call(env->store, STORE_MSG_LAYER_HAVE, buf_str(&body), NULL, 0,
				  on_have, lane, err);
	return r < 0 ? (int)r : 0;
}

static const struct oci_cache_step *find(struct build_lane *lane, const struct digest *key)
{
	for (uint32_t i = 0; i < lane->job->caches.import_count; i++) {
		lane->found.import = &lane->job->caches.imports[i];
		for (uint32_t s = 0; s < lane->found.import->count; s++) {
			if (memcmp(&lane->found.import->steps[s].key, key, sizeof(*key)) == 0)
				return &lane->found.import->steps[s];
		}
	}
	return NULL;
}

int build_job_import_find(struct build_lane *lane)
{
	const struct oci_cache_step *step = find(lane, &lane->found.key);
	struct err err = { 0 };

	if (!step)
		return 0;
	lane->found.answer = (struct build_answer){ .found = true, .foreign = true };
	if (!step->has_layer) {
		found(lane);
		return 1;
	}
	/* A plain tar: its digest is its diffID, which unpack confirms, or did when it came here.
	 */
	lane->found.answer.layer = (struct store_cached){
		.has_layer = true,
		.layer = { .digest = step->layer, .diff = step->layer, .size = step->size }
	};
	if (have_layer(lane, &err) < 0)
		lost(lane, &err);
	return 1;
}

/* ---- writing ---- */

static void next_export(struct build_job *job);

static void on_gave(void *owner, const struct image_gave *gave, const struct err *err)
{
	struct build_job *job = owner;
	const struct build_export *export = &job->caches.exports[job->caches.export_at];
	struct err why = { 0 };

	(void)gave;
	job->caches.give = NULL;
	if (err) {
		why = *err;
		(void)err_prefix(&why, "exporting cache to %.200s", export->reference);
	}
	if (err && !export->may_fail) {
		build_job_end(job, &why);
		return;
	}
	if (err)
		say(job, "%s", err_text(&why));
	else
		say(job, "exported cache to %.300s", export->reference);
	job->caches.export_at++;
	next_export(job);
}

static void on_give_progress(void *owner, const char *line)
{
	const struct build_note note = { .kind = BUILD_NOTE_TEXT, .text = line };

	build_job_note(owner, &note);
}

static int begin_export(struct build_job *job, struct err *err)
{
	static const struct image_give_ops ops = { .progress = on_give_progress, .done = on_gave };
	struct container_env *env = job->env->containers;
	const struct image_give_env give = { .loop = env->loop,
					     .store = env->store,
					     .leases = env->leases,
					     .rootfs = &env->rootfs };
	const struct build_export *export = &job->caches.exports[job->caches.export_at];
	struct oci_cache_step *steps;
	struct arena arena OWN(arena_done) = { 0 };
	struct pull_start start;
	uint32_t count;

	settings(job, export->reference, &arena, &start);
	start.reference = export->reference;
	steps = arena_array(&arena, OCI_CACHE_STEPS_MAX, sizeof(*steps));
	if (!steps)
		return err_set(err, -ENOMEM, "no memory for a cache");
	count = build_steps(job->build, export->all, steps);
	job->caches.give = image_give_cache(&give, &start, steps, count, &ops, job, err);
	return job->caches.give ? 0 : -EIO;
}

static void next_export(struct build_job *job)
{
	struct err err = { 0 };

	if (job->caches.export_at == job->caches.export_count) {
		build_job_end(job, NULL);
		return;
	}
	say(job, "exporting cache to %.300s", job->caches.exports[job->caches.export_at].reference);
	if (begin_export(job, &err) < 0)
		on_gave(job, NULL, &err);
}

void build_job_export(struct build_job *job)
{
	job->caches.export_at = 0;
	next_export(job);
}
