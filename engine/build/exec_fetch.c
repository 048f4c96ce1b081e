/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sources of ADD that are elsewhere: a pull role downloads each into an unnamed file, a files role
 * says its digest, and only what has the right one gets a name. Runs in engine main. Must never
 * read a byte of them, nor believe the role that downloaded a file what is in it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>
#include "engine/build/exec_git.h"
#include "engine/build/exec_job.h"
#include "engine/http/url.h"
#include "lib/fs.h"
#include "lib/own.h"

/* Whatever a server does: each file ends after six hours. */
enum { FETCH_LIMIT_MS = 6 * 3600 * 1000, FETCH_LEAVES = 64 << 20 };

static int next_remote(struct build_lane *lane, struct err *err);

void build_job_fetch_stop(struct build_lane *lane)
{
	loop_timer_stop(lane->job->env->containers->loop, &lane->fetch.limit);
	build_git_stop(lane);
	worker_stop(&lane->fetch.role);
	own_close(&lane->fetch.file_fd);
}

void build_job_fetch_clear(struct build_lane *lane)
{
	struct build_fetch *fetch = &lane->fetch;

	build_job_fetch_stop(lane);
	own_close(&fetch->fd);
	if (*fetch->scratch)
		(void)container_remove(lane->job->env->containers, fetch->scratch, NULL);
	*fetch = (struct build_fetch){ .fd = -1, .file_fd = -1, .role = { .pidfd = -1 } };
}

static const struct build_remote *current(const struct build_lane *lane)
{
	return &lane->fetch.op->remotes[lane->fetch.at];
}

static void fail(struct build_lane *lane, const struct err *err)
{
	struct err why = *err;

	(void)err_prefix(&why, "ADD %.*s",
			 STR_ARG(str_head(url_shown(str_from(current(lane)->url)), 200)));
	lane->fetch.op = NULL;
	build_job_fetch_stop(lane);
	build_job_fail(lane, &why);
}

/* In a directory of its own: two of them may have the same name. */
static int keep(struct build_lane *lane, struct err *err)
{
	struct build_fetch *fetch = &lane->fetch;
	const struct timespec times[2] = { { .tv_sec = fetch->mtime_s },
					   { .tv_sec = fetch->mtime_s } };
	char number[12];
	int dir OWN_FD = -1;
	int r;

	(void)snprintf(number, sizeof(number), "%u", fetch->at);
	dir = fs_open_dir(fetch->fd, number, FS_BENEATH, 0755, err);
	if (dir < 0)
		return dir;
	if (futimens(fetch->file_fd, times) < 0)
		return err_sys(err, -errno, "cannot set the time");
	r = fs_publish(dir, fetch->file_fd, current(lane)->name, false, err);
	own_close(&fetch->file_fd);
	return r;
}

static int check(const struct build_lane *lane, const struct digest *sum, struct err *err)
{
	char text[DIGEST_TEXT_MAX];
	const char *wanted = current(lane)->checksum;

	if (!*wanted || strcmp(digest_text(sum, text), wanted) == 0)
		return 0;
	return err_set(err, -EBADMSG, "digest mismatch %s: %s", text, wanted);
}

/* The answer of role files to what it made a digest of: a file, or a tree. */
static int read_sum(const struct msg *reply, bool tree, struct digest *ret_sum, struct err *err)
{
	struct wire in;

	wire_init(&in, reply->body.ptr, reply->body.len);
	store_digest_get(&in, ret_sum);
	(void)wire_u64(&in);
	if (tree)
		(void)wire_u64(&in);
	return wire_end(&in) < 0 ? err_set(err, -EBADMSG, "role files: malformed answer") : 0;
}

/* The source is known by this digest from now on; begins with the next one. */
static int take_sum(struct build_lane *lane, const struct digest *sum, struct err *err)
{
	struct build_fetch *fetch = &lane->fetch;

	build_remote_key(&fetch->key, current(lane)->name, sum);
	fetch->at++;
	return next_remote(lane, err);
}

static void on_sum(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct build_lane *lane = owner;
	struct digest sum = { 0 };
	struct err bad = { 0 };
	int r;

	(void)peer;
	if (!reply) {
		fail(lane, err);
		return;
	}
	r = read_sum(reply, false, &sum, &bad);
	if (r >= 0)
		r = check(lane, &sum, &bad);
	if (r >= 0)
		r = keep(lane, &bad);
	if (r < 0)
		fail(lane, &bad);
	else if (take_sum(lane, &sum, &bad) < 0)
		build_job_fail(lane, &bad);
}

/* ---- repositories ---- */

static void on_tree(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct build_lane *lane = owner;
	struct digest sum = { 0 };
	struct err bad = { 0 };

	(void)peer;
	if (!reply)
		fail(lane, err);
	else if (read_sum(reply, true, &sum, &bad) < 0)
		fail(lane, &bad);
	else if (take_sum(lane, &sum, &bad) < 0)
		build_job_fail(lane, &bad);
}

/* Known by what is in it, as a context is. */
static void on_repository(struct build_lane *lane, const struct err *err)
{
	struct files_copy *copy OWN_FREE = calloc(1, sizeof(*copy));
	struct buf body OWN(buf_done) = { 0 };
	struct err bad = { 0 };
	char path[32];

	if (err) {
		fail(lane, err);
		return;
	}
	(void)snprintf(path, sizeof(path), "%u/%s/", lane->fetch.at, BUILD_GIT_NAME);
	buf_init(&body, BUILD_JOB_BODY_MAX);
	if (copy) {
		copy->sources[copy->source_count++] = str_from(path);
		copy->dest = STR("/");
		copy->context = true;
		files_copy_put(&body, copy);
	}
	if (!copy || buf_error(&body))
		err_set(&bad, -ENOMEM, "build: out of memory");
	if (bad.code || build_job_files(lane, FILES_MSG_HASH, buf_str(&body), &lane->fetch.fd, 1,
					on_tree, &bad) < 0)
		fail(lane, &bad);
}

static int start_repository(struct build_lane *lane, struct err *err)
{
	const struct build_remote *remote = current(lane);
	const struct git_source source = { .remote = remote->url,
					   .ref = remote->ref,
					   .subdir = remote->subdir,
					   .checksum = remote->checksum,
					   .keep = remote->keep,
					   .no_submodules = remote->no_submodules };
	int r = build_git_start(lane, lane->fetch.at, &source, on_repository, err);

	return r < 0 ? err_prefix(err, "ADD %.200s", remote->url) : 0;
}

/* ---- files ---- */

static void on_fetched(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct build_lane *lane = owner;
	struct build_fetch *fetch = &lane->fetch;
	struct err bad = { 0 };
	struct wire in;

	(void)peer;
	if (!reply) {
		fail(lane, err);
		return;
	}
	wire_init(&in, reply->body.ptr, reply->body.len);
	(void)wire_u64(&in);
	fetch->mtime_s = wire_i64(&in);
	if (wire_end(&in) < 0)
		err_set(&bad, -EBADMSG, "role pull: malformed answer");
	loop_timer_stop(lane->job->env->containers->loop, &fetch->limit);
	/* It has the file open for writing until it is gone. */
	worker_stop(&fetch->role);
	if (bad.code ||
	    build_job_files(lane, FILES_MSG_SUM, STR(""), &fetch->file_fd, 1, on_sum, &bad) < 0)
		fail(lane, &bad);
}

void build_fetch_settings(const struct build_env *env, const char *text, struct arena *arena,
			  struct pull_start *start)
{
	struct url url;
	const char *reference = "localhost/x";

	if (url_parse(str_from(text), &url, NULL) == 0)
		reference = arena_printf(arena, url.ip6 ? "[%s]:%u/x" : "%s:%u/x", url.host,
					 (unsigned)url.port);
	env->hosts(env->owner, reference ? reference : "localhost/x", arena, start);
	for (uint32_t i = 0; i < start->host_count; i++) {
		start->hosts[i].user = start->hosts[i].password = start->hosts[i].token = "";
		start->hosts[i].client_cert = start->hosts[i].client_key = "";
	}
	start->docker_config = "";
}

static void on_limit(struct loop_timer *timer)
{
	struct build_lane *lane = timer->owner;
	struct err err = { 0 };

	worker_stop(&lane->fetch.role);
	err_set(&err, -ETIMEDOUT, "not whole after %d hours", FETCH_LIMIT_MS / 3600000);
	fail(lane, &err);
}

int build_fetch_room(int dir_fd, uint64_t *ret_bytes, struct err *err)
{
	struct statvfs fs;
	uint64_t bytes;

	if (fstatvfs(dir_fd, &fs) < 0)
		return err_sys(err, -errno, "cannot see how much space is free");
	bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	*ret_bytes = bytes > FETCH_LEAVES ? bytes - FETCH_LEAVES : 0;
	return 0;
}

static int next_remote(struct build_lane *lane, struct err *err)
{
	struct build_fetch *fetch = &lane->fetch;
	struct arena arena OWN(arena_done) = { 0 };
	struct buf body OWN(buf_done) = { 0 };
	struct build_answer answer = { 0 };
	struct pull_start start;
	uint64_t most = 0;
	int64_t r;

	if (fetch->at == fetch->op->remote_count) {
		void (*then)(struct build_lane * lane) = fetch->then;

		fetch->whole = true;
		fetch->then = NULL;
		sha256_end(&fetch->key, &answer.digest);
		if (then)
			then(lane);
		else
			build_job_done(lane, &answer);
		return 0;
	}
	if (current(lane)->git)
		return start_repository(lane, err);
	fetch->file_fd = fs_tmpfile(fetch->fd, 0600, err);
	if (fetch->file_fd < 0)
		return fetch->file_fd;
	r = build_fetch_room(fetch->fd, &most, err);
	if (r < 0)
		return (int)r;
	arena_init(&arena, 4 << 20);
	build_fetch_settings(lane->job->env, current(lane)->url, &arena, &start);
	buf_init(&body, PULL_START_MAX);
	wire_put_text(&body, current(lane)->url);
	wire_put_u64(&body, most);
	pull_start_encode(&start, &body);
	r = worker_start(&fetch->role, lane->job->env->containers->loop, "pull", NULL, 0, NULL, 0,
			 NULL, lane, err);
	if (r >= 0)
		r = msg_peer_call(&fetch->role.peer, PULL_MSG_FETCH, buf_str(&body),
				  &fetch->file_fd, 1, on_fetched, lane, err);
	if (r >= 0)
		loop_timer_set(lane->job->env->containers->loop, &fetch->limit, FETCH_LIMIT_MS,
			       on_limit, lane);
	return r < 0 ? (int)r : 0;
}

int build_job_fetch_then(struct build_lane *lane, const struct build_op *op,
			 void (*then)(struct build_lane *lane), struct err *err)
{
	struct build_fetch *fetch = &lane->fetch;
	int r;

	build_job_fetch_clear(lane);
	fetch->op = op;
	fetch->then = then;
	sha256_init(&fetch->key);
	r = build_job_name(fetch->scratch, err);
	if (r >= 0)
		r = build_job_scratch(lane, fetch->scratch, &fetch->fd, NULL, err);
	return r < 0 ? r : next_remote(lane, err);
}

int build_job_fetch(void *owner, unsigned number, const struct build_op *op, struct err *err)
{
	struct build_lane *lane = &((struct build_job *)owner)->lanes[number];

	return build_job_fetch_then(lane, op, NULL, err);
}
