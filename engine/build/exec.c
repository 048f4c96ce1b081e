/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hands of a build: reads the context through the files role, runs RUN steps as containers,
 * turns what they changed into layers. Runs in engine main. Must never read a file of the context
 * or of the image itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "engine/build/cache.h"
#include "engine/build/exec_job.h"
#include "engine/image/take.h"
#include "engine/oci/oci.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/own.h"
#include "lib/wire.h"

/* ---- answers ---- */

void build_job_fail(struct build_job *job, const struct err *err)
{
	struct err copy = *err;

	build_job_clear(job);
	build_answer(job->build, NULL, &copy);
}

void build_job_done(struct build_job *job, const struct build_answer *answer)
{
	build_job_clear(job);
	build_answer(job->build, answer, NULL);
}

/* ---- the files role, on the context ---- */

static void on_read(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct build_job *job = owner;
	struct build_answer answer = { 0 };
	struct err bad = { 0 };
	struct buf copy OWN(buf_done) = { 0 };
	struct wire in;

	(void)peer;
	if (!reply) {
		build_job_fail(job, err);
		return;
	}
	wire_init(&in, reply->body.ptr, reply->body.len);
	answer.found = wire_bool(&in);
	buf_init(&copy, FILES_READ_MAX);
	(void)buf_add_str(&copy, wire_blob(&in, FILES_READ_MAX));
	if (wire_end(&in) < 0 || buf_error(&copy)) {
		err_set(&bad, -EBADMSG, "role files: malformed answer");
		build_job_fail(job, &bad);
		return;
	}
	answer.bytes = buf_str(&copy);
	build_job_done(job, &answer);
}

static int exec_read(void *owner, const char *path, uint32_t max, struct err *err)
{
	struct build_job *job = owner;
	struct buf body OWN(buf_done) = { 0 };

	buf_init(&body, 8192);
	wire_put_text(&body, path);
	wire_put_u32(&body, max);
	return build_job_files(job, FILES_MSG_READ, buf_str(&body), &job->context_fd, 1, on_read,
			       err);
}

static void on_hash(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct build_job *job = owner;
	struct build_answer answer = { 0 };
	struct err bad = { 0 };
	struct wire in;

	(void)peer;
	if (!reply) {
		build_job_fail(job, err);
		return;
	}
	wire_init(&in, reply->body.ptr, reply->body.len);
	store_digest_get(&in, &answer.digest);
	(void)wire_u64(&in);
	if (wire_end(&in) < 0) {
		err_set(&bad, -EBADMSG, "role files: malformed answer");
		build_job_fail(job, &bad);
		return;
	}
	build_job_done(job, &answer);
}

int build_job_context(const struct build_job *job, int32_t from)
{
	return from == BUILD_CONTEXT ? job->context_fd : job->named_fds[BUILD_NAMED - from];
}

static int exec_hash(void *owner, int32_t from, struct str body, struct err *err)
{
	struct build_job *job = owner;
	const int fd = build_job_context(job, from);

	return build_job_files(job, FILES_MSG_HASH, body, &fd, 1, on_hash, err);
}

/* ---- the api role and the store ---- */

static void on_bytes(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct build_job *job = owner;
	struct build_answer answer = { .found = true };
	struct buf copy OWN(buf_done) = { 0 };

	(void)peer;
	if (!reply) {
		build_job_fail(job, err);
		return;
	}
	buf_init(&copy, BUILD_BODY_MAX);
	(void)buf_add_str(&copy, reply->body);
	answer.bytes = buf_str(&copy);
	build_job_done(job, &answer);
}

static int exec_ask(void *owner, enum build_msg type, struct str body, struct err *err)
{
	struct build_job *job = owner;
	int64_t r = msg_peer_call(job->env->api, (uint16_t)type, body, NULL, 0, on_bytes, job, err);

	return r < 0 ? (int)r : 0;
}

/* A base image that is there: from now on until the build ends it stays. */
static void on_record(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct build_job *job = owner;
	struct arena arena OWN(arena_done) = { 0 };
	struct image_leases *leases = job->env->containers->leases;
	struct err bad = { 0 };
	struct image image;
	struct wire in;
	int r = 0;

	if (!reply) {
		build_job_fail(job, err);
		return;
	}
	arena_init(&arena, 8 << 20);
	wire_init(&in, reply->body.ptr, reply->body.len);
	r = image_decode(&in, &arena, &image, &bad);
	for (uint32_t i = 0; r >= 0 && i < image.layer_count; i++)
		r = image_lease_add(leases, &job->lease, &image.layers[i].blob, 1, &bad);
	if (r < 0)
		build_job_fail(job, &bad);
	else
		on_bytes(peer, owner, reply, err);
}

static int ask_image(struct build_job *job, msg_reply_fn *fn, struct err *err)
{
	struct buf body OWN(buf_done) = { 0 };
	char reference[OCI_REFERENCE_MAX];
	int64_t r = oci_reference_normalise(str_from(job->base_reference), reference, err);

	if (r < 0)
		return err_prefix(err, "FROM %s", job->base_reference);
	buf_init(&body, 1024);
	wire_put_text(&body, reference);
	r = msg_peer_call(job->env->containers->store, STORE_MSG_IMAGE_GET, buf_str(&body), NULL, 0,
			  fn, job, err);
	return r < 0 ? (int)r : 0;
}

static void on_pulled(void *owner, const struct err *err)
{
	struct build_job *job = owner;
	struct err bad = { 0 };

	job->take = NULL;
	if (err)
		build_job_fail(job, err);
	else if (ask_image(job, on_record, &bad) < 0)
		build_job_fail(job, &bad);
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

	tell(owner, &note);
}

static int pull_base(struct build_job *job, struct err *err)
{
	static const struct image_take_ops ops = { on_pull_progress, NULL, on_pulled };
	struct image_take_env env = { .loop = job->env->containers->loop,
				      .store = job->env->containers->store,
				      .leases = job->env->containers->leases,
				      .keep_blobs = job->env->keep_blobs };
	struct arena arena OWN(arena_done) = { 0 };
	struct pull_start start;

	arena_init(&arena, 4 << 20);
	job->env->hosts(job->env->owner, job->base_reference, &arena, &start);
	job->take = image_take_pull(&env, &start, &ops, job, err);
	return job->take ? 0 : (err ? err->code : -EIO);
}

static void on_base(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct build_job *job = owner;
	struct err bad = { 0 };

	struct build_answer none = { 0 };

	if (reply || err->code != -ENOENT)
		on_record(peer, owner, reply, err);
	else if (job->check)
		build_job_done(job, &none);
	else if (pull_base(job, &bad) < 0)
		build_job_fail(job, &bad);
}

static int exec_base(void *owner, const char *reference, const char *platform, struct err *err)
{
	struct build_job *job = owner;
	int r = str_copy(str_from(reference), job->base_reference, sizeof(job->base_reference));

	if (r < 0)
		return err_set(err, r, "FROM: the reference is too long");
	if (*platform && !strstr(platform, image_take_architecture()))
		return err_set(err, -ENOTSUP, "FROM --platform=%s: only linux/%s can run here",
			       platform, image_take_architecture());
	return job->pull && !job->check ? pull_base(job, err) : ask_image(job, on_base, err);
}

static void on_cached(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct build_job *job = owner;
	struct build_answer answer = { 0 };
	struct err bad = { 0 };
	struct wire in;

	(void)peer;
	if (!reply) {
		build_job_fail(job, err);
		return;
	}
	wire_init(&in, reply->body.ptr, reply->body.len);
	answer.found = wire_bool(&in);
	store_cached_get(&in, &answer.layer);
	if (wire_end(&in) < 0)
		err_set(&bad, -EBADMSG, "store: malformed cache entry");
	else if (answer.found && answer.layer.has_layer)
		(void)image_lease_add(job->env->containers->leases, &job->lease,
				      &answer.layer.layer.digest, 1, &bad);
	if (bad.code) {
		build_job_fail(job, &bad);
		return;
	}
	build_job_done(job, &answer);
}

static int exec_cache_get(void *owner, const struct digest *key, struct err *err)
{
	struct build_job *job = owner;
	struct buf body OWN(buf_done) = { 0 };
	int64_t r;

	buf_init(&body, 64);
	store_digest_put(&body, key);
	r = msg_peer_call(job->env->containers->store, STORE_MSG_CACHE_GET, buf_str(&body), NULL, 0,
			  on_cached, job, err);
	return r < 0 ? (int)r : 0;
}

static int exec_cache_set(void *owner, const struct digest *key, const struct store_cached *cached,
			  struct err *err)
{
	struct build_job *job = owner;
	struct buf body OWN(buf_done) = { 0 };
	int64_t r;

	buf_init(&body, 256);
	store_digest_put(&body, key);
	store_cached_put(&body, cached);
	r = msg_peer_call(job->env->containers->store, STORE_MSG_CACHE_SET, buf_str(&body), NULL, 0,
			  on_bytes, job, err);
	return r < 0 ? (int)r : 0;
}

static int set_name(struct build_job *job, struct err *err);

static void on_named(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct build_job *job = owner;
	struct err bad = { 0 };

	job->replaced |= reply && reply->body.len == 1 && reply->body.ptr[0];
	if (!reply || ++job->named == job->reference_count)
		on_bytes(peer, owner, reply, err);
	else if (set_name(job, &bad) < 0)
		build_job_fail(job, &bad);
}

/* The finished record under the next of its names. */
static int set_name(struct build_job *job, struct err *err)
{
	struct buf body OWN(buf_done) = { 0 };
	struct image image = *job->image;
	int64_t r;

	image.reference = job->references[job->named];
	buf_init(&body, STORE_RECORD_MAX);
	wire_put_text(&body, image.reference);
	image_encode(&image, &body);
	r = msg_peer_call(job->env->containers->store, STORE_MSG_IMAGE_SET, buf_str(&body), NULL, 0,
			  on_named, job, err);
	return r < 0 ? (int)r : 0;
}

static int exec_finish(void *owner, const struct image *image, struct err *err)
{
	struct build_job *job = owner;

	job->image = image;
	job->named = 0;
	return set_name(job, err);
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

static void job_delete(struct build_job *job);

static void job_bury(struct loop_timer *timer)
{
	job_delete(timer->owner);
}

static void job_free(struct build_job *job)
{
	build_job_clear(job);
	image_lease_drop(job->env->containers->leases, &job->lease);
	if (job->replaced)
		image_leases_collect(job->env->containers->leases);
	loop_timer_set(job->env->containers->loop, &job->burial, 0, job_bury, job);
}

static void exec_done(void *owner, const struct image *image, const struct err *err)
{
	struct build_job *job = owner;
	struct build_job_ops ops = job->ops;
	void *target = job->owner;

	ops.done(target, image, err);
	job_free(job);
}

static const struct build_exec exec_table = {
	.read = exec_read,
	.ask = exec_ask,
	.base = exec_base,
	.hash = exec_hash,
	.cache_get = exec_cache_get,
	.cache_set = exec_cache_set,
	.run = build_job_run,
	.copy = build_job_copy,
	.dir = build_job_dir,
	.finish = exec_finish,
	.note = exec_note,
	.done = exec_done,
};

static int copy_names(struct build_job *job, const struct build_request *request, struct err *err)
{
	if (request->reference_count < 1 || request->reference_count > BUILD_REFERENCES_MAX)
		return err_set(err, -EINVAL, "a build needs one to %d names", BUILD_REFERENCES_MAX);
	for (uint32_t i = 0; i < request->reference_count; i++) {
		job->references[i] = strdup(request->references[i]);
		if (!job->references[i])
			return err_set(err, -ENOMEM, "no memory for a build");
		job->reference_count++;
	}
	return str_copy(str_head(str_from(request->references[0]), sizeof(job->name) - 1),
			job->name, sizeof(job->name));
}

/* SOURCE_DATE_EPOCH among the arguments: RFC 3339 into dst, "" without it. */
static int take_epoch(struct build_job *job, const struct image_pairs *args, char dst[32],
		      struct err *err)
{
	time_t epoch;
	struct tm tm;

	dst[0] = 0;
	for (uint32_t i = 0; args && i < args->count; i++) {
		if (strcmp(args->items[i].key, "SOURCE_DATE_EPOCH") != 0)
			continue;
		/* At most the end of the year 9999: what RFC 3339 can write. */
		if (str_to_i64(str_from(args->items[i].value), 0, INT64_C(253402300799),
			       &job->newest_s) < 0)
			return err_set(err, -EINVAL,
				       "SOURCE_DATE_EPOCH has to be a number of seconds");
		epoch = (time_t)job->newest_s;
		(void)gmtime_r(&epoch, &tm);
		(void)strftime(dst, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
	}
	return 0;
}

/* Read once, here, so that a build sees one state of each. */
static int take_secret(struct build_job *job, const struct build_secret_given *given,
		       struct err *err)
{
	struct build_secret *secret = &job->secrets[job->secret_count++];
	int fd OWN_FD = -1;
	int r;

	buf_init(&secret->data, BUILD_SECRET_BYTES_MAX + 1);
	secret->id = strdup(given->id);
	if (!secret->id)
		return err_set(err, -ENOMEM, "no memory for a build");
	if (!given->path) {
		r = buf_add_str(&secret->data, given->value);
		return r < 0 ? err_set(err, r, "secret %.100s is longer than %d KiB", given->id,
				       BUILD_SECRET_BYTES_MAX >> 10)
			     : 0;
	}
	fd = fs_open(-1, given->path, FS_HOST, O_RDONLY | O_NONBLOCK, 0, err);
	r = fd < 0 ? fd : fs_read_fd(fd, BUILD_SECRET_BYTES_MAX, &secret->data, err);
	return r < 0 ? err_prefix(err, "secret %.100s", secret->id) : 0;
}

static int take_secrets(struct build_job *job, const struct build_request *request, struct err *err)
{
	int r = 0;

	if (request->secret_count > BUILD_SECRETS_MAX)
		return err_set(err, -E2BIG, "more than %d secrets", BUILD_SECRETS_MAX);
	for (uint32_t i = 0; r >= 0 && i < request->secret_count; i++)
		r = take_secret(job, &request->secrets[i], err);
	return r;
}

static int open_tree(const char *path, struct err *err)
{
	return fs_open(-1, path, FS_HOST, O_RDONLY | O_DIRECTORY, 0, err);
}

static int open_contexts(struct build_job *job, const struct build_request *request,
			 struct err *err)
{
	const struct image_pairs *named = request->contexts;

	if (request->context_open)
		job->context_fd = fcntl(request->context_fd, F_DUPFD_CLOEXEC, 3);
	else
		job->context_fd = open_tree(request->context, err);
	if (job->context_fd < 0 && request->context_open)
		return err_sys(err, -errno, "build context");
	if (job->context_fd < 0)
		return err_prefix(err, "build context");
	if (named && named->count > BUILD_CONTEXTS_MAX)
		return err_set(err, -E2BIG, "more than %d build contexts", BUILD_CONTEXTS_MAX);
	for (uint32_t i = 0; named && i < named->count; i++) {
		if (*named->items[i].value != '/')
			continue; /* an image */
		job->named_fds[i] = open_tree(named->items[i].value, err);
		if (job->named_fds[i] < 0)
			return err_prefix(err, "build context %.80s", named->items[i].key);
	}
	return 0;
}

/* Without an emulator the machine builds for itself alone. */
static int check_platform(const char *platform, struct err *err)
{
	struct str rest = str_from(platform), os = { 0 }, arch = { 0 };
	struct oci_platform own = oci_platform_own();

	if (!platform || !*platform)
		return 0;
	(void)str_cut(&rest, '/', &os);
	if (!str_cut(&rest, '/', &arch)) {
		arch = os;
		os = STR("linux");
	}
	if (str_is(arch, "x86_64"))
		arch = STR("amd64");
	else if (str_is(arch, "aarch64"))
		arch = STR("arm64");
	if (str_is_nocase(os, own.os) && str_is_nocase(arch, own.architecture))
		return 0;
	return err_set(err, -ENOTSUP,
		       "build --platform=%.60s: only %s/%s can run here, there is no emulator",
		       platform, own.os, own.architecture);
}

static int take_hosts(struct build_job *job, const struct image_pairs *hosts, struct err *err)
{
	int r = 0;

	for (uint32_t i = 0; r >= 0 && hosts && i < hosts->count; i++) {
		const char *host = arena_printf(&job->arena, "%s:%s", hosts->items[i].key,
						hosts->items[i].value);

		r = host ? image_texts_add(&job->arena, &job->hosts, host, err)
			 : err_set(err, -ENOMEM, "no memory for a build");
	}
	return r;
}

static void job_delete(struct build_job *job)
{
	for (uint32_t i = 0; i < job->secret_count; i++) {
		if (job->secrets[i].data.data)
			explicit_bzero(job->secrets[i].data.data, job->secrets[i].data.len);
		buf_done(&job->secrets[i].data);
		free(job->secrets[i].id);
	}
	build_free(job->build);
	own_close(&job->context_fd);
	for (size_t i = 0; i < ARRAY_LEN(job->named_fds); i++)
		own_close(&job->named_fds[i]);
	arena_done(&job->arena);
	for (uint32_t i = 0; i < job->reference_count; i++)
		free(job->references[i]);
	free(job);
}

static int job_begin(struct build_job *job, const struct build_request *request, struct err *err)
{
	char created[32];
	struct build_params params = {
		.reference = request->references[0],
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
		.check = request->check,
	};
	int r = copy_names(job, request, err);

	job->pull = request->pull;
	job->check = request->check;
	if (r >= 0)
		r = check_platform(request->platform, err);
	if (r >= 0)
		r = take_epoch(job, request->args, created, err);
	if (r >= 0)
		r = take_secrets(job, request, err);
	if (r >= 0)
		r = take_hosts(job, request->hosts, err);
	if (r >= 0)
		r = open_contexts(job, request, err);
	if (r < 0)
		return r;
	(void)build_cache_prune(job->env->containers->data_fd, (int64_t)time(NULL),
				BUILD_CACHE_COUNT_MAX, NULL);
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
