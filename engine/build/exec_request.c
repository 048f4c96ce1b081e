/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a build is given: names, time, secrets, contexts. Runs in engine main. Must never read more
 * of the machine than the secrets that were named; contexts are only opened.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "engine/build/exec_job.h"
#include "engine/oci/oci.h"
#include "lib/fs.h"
#include "lib/own.h"

static int copy_names(struct build_job *job, const struct build_request *request, struct err *err)
{
	if (request->reference_count > BUILD_REFERENCES_MAX)
		return err_set(err, -EINVAL, "an image of a build has at most %d names",
			       BUILD_REFERENCES_MAX);
	for (uint32_t i = 0; i < request->reference_count; i++) {
		job->references[i] = strdup(request->references[i]);
		if (!job->references[i])
			return err_set(err, -ENOMEM, "no memory for a build");
		job->reference_count++;
	}
	return str_copy(str_head(str_from(job->reference_count ? job->references[0] : "unnamed"),
				 sizeof(job->name) - 1),
			job->name, sizeof(job->name));
}

int build_job_epoch(void *owner, const char *text, char created[BUILD_CREATED_MAX], struct err *err)
{
	struct build_job *job = owner;
	char shown[60];
	time_t epoch;
	struct tm tm;

	if (!*text)
		return 0;
	/* At most the end of the year 9999: what RFC 3339 can write. */
	if (str_to_i64(str_from(text), 0, INT64_C(253402300799), &job->newest_s) < 0) {
		(void)str_escape(str_from(text), shown, sizeof(shown));
		return err_set(err, -EINVAL,
			       "invalid SOURCE_DATE_EPOCH: %s: a number of seconds, \"context\" or "
			       "the name of a context is expected",
			       shown);
	}
	epoch = (time_t)job->newest_s;
	(void)gmtime_r(&epoch, &tm);
	(void)strftime(created, BUILD_CREATED_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm);
	return 0;
}

/* SOURCE_DATE_EPOCH among the arguments; what is no number is looked at once contexts are there. */
static int take_epoch(struct build_job *job, const struct image_pairs *args,
		      char created[BUILD_CREATED_MAX], struct err *err)
{
	int r = 0;

	created[0] = '\0';
	for (uint32_t i = 0; r >= 0 && args && i < args->count; i++)
		if (strcmp(args->items[i].key, "SOURCE_DATE_EPOCH") == 0 &&
		    isdigit((unsigned char)*args->items[i].value))
			r = build_job_epoch(job, args->items[i].value, created, err);
	return r;
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

int build_job_secrets(struct build_job *job, const struct build_request *request, struct err *err)
{
	int r = 0;

	if (request->secret_count > BUILD_SECRETS_MAX - job->secret_count)
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

	if (build_job_remotes(job, request, err) < 0)
		return -EINVAL;
	if (request->context_open)
		job->context_fd = fcntl(request->context_fd, F_DUPFD_CLOEXEC, 3);
	else if (!build_context_is_remote(request->context))
		job->context_fd = open_tree(request->context, err);
	if (job->context_fd < 0 && request->context_open)
		return err_sys(err, -errno, "build context");
	if (job->context_fd < 0 && !build_context_is_remote(request->context))
		return err_prefix(err, "build context");
	if (named && named->count > BUILD_CONTEXTS_MAX)
		return err_set(err, -E2BIG, "more than %d build contexts", BUILD_CONTEXTS_MAX);
	for (uint32_t i = 0; named && i < named->count; i++) {
		int fd = request->context_fds ? request->context_fds[i] : -1;

		if (fd < 0 && *named->items[i].value != '/')
			continue; /* an image */
		job->named_fds[i] = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 3)
					    : open_tree(named->items[i].value, err);
		if (job->named_fds[i] < 0 && fd >= 0)
			(void)err_sys(err, -errno, "duplicate its descriptor");
		if (job->named_fds[i] < 0)
			return err_prefix(err, "build context %.80s", named->items[i].key);
	}
	return 0;
}

/* Without an emulator the machine builds for itself alone. */
int build_job_platform(const char *platform, struct err *err)
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
		       "--platform=%.60s: only %s/%s can run here, there is no emulator", platform,
		       own.os, own.architecture);
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

int build_job_agents(struct build_job *job, const struct build_request *request, struct err *err)
{
	int r = 0;

	for (uint32_t i = 0; r >= 0 && request->ssh && i < request->ssh->count; i++) {
		const char *id = arena_text(&job->arena, str_from(request->ssh->items[i].key));
		const char *path = arena_text(&job->arena, str_from(request->ssh->items[i].value));

		r = id && path ? image_pairs_set(&job->arena, &job->ssh, id, path, err)
			       : err_set(err, -ENOMEM, "no memory for a build");
	}
	return r;
}

static const char *keep(struct build_job *job, const char *text, bool *good)
{
	const char *kept = arena_text(&job->arena, str_from(text ? text : ""));

	*good &= kept != NULL;
	return kept;
}

static int take_limits(struct build_job *job, const struct build_limits *from, struct err *err)
{
	struct build_limits *to = &job->limits;
	struct str rest = str_from(from->ulimits ? from->ulimits : ""), one;
	bool good = true;
	int r = 0;

	*to = *from;
	to->cpuset_cpus = keep(job, from->cpuset_cpus, &good);
	to->cpuset_mems = keep(job, from->cpuset_mems, &good);
	to->network = keep(job, from->network, &good);
	to->ulimits = "";
	while (good && r >= 0 && str_cut(&rest, ',', &one)) {
		const char *text = arena_text(&job->arena, one);

		good = text != NULL;
		r = good && *text ? image_texts_add(&job->arena, &job->ulimits, text, err) : 0;
	}
	return good ? r : err_set(err, -ENOMEM, "no memory for a build");
}

int build_job_take(struct build_job *job, const struct build_request *request,
		   char created[BUILD_CREATED_MAX], struct err *err)
{
	int r = copy_names(job, request, err);

	job->pull = request->pull;
	job->check = request->check;
	job->keep_unnamed = request->keep_unnamed;
	if (r >= 0)
		r = build_job_platform(request->platform, err);
	if (r >= 0)
		r = take_epoch(job, request->args, created, err);
	if (r >= 0)
		r = build_job_secrets(job, request, err);
	if (r >= 0)
		r = take_hosts(job, request->hosts, err);
	if (r >= 0)
		r = take_limits(job, &request->limits, err);
	if (r >= 0)
		r = build_job_agents(job, request, err);
	if (r >= 0)
		r = build_job_logins(job, request, err);
	if (r >= 0)
		r = build_job_caches(job, request, err);
	if (r >= 0)
		r = open_contexts(job, request, err);
	return r;
}
