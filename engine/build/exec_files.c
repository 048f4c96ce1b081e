/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files role of a lane: a fresh one for each step's trees, one for all questions about the same
 * context, and the one that made a step's upper walks it too. Runs in engine main. Must never let
 * one that has seen the files of one tree near another's.
 */
#include "engine/build/exec_files.h"

#include <errno.h>
#include "engine/build/exec_context.h"
#include "engine/build/exec_job.h"
#include "lib/own.h"
#include "lib/wire.h"

int build_job_files(struct build_lane *lane, uint16_t type, struct str body, const int *fds,
		    size_t nfds, msg_reply_fn *fn, struct err *err)
{
	int64_t r;

	lane->files_of = 0;
	worker_stop(&lane->files);
	r = worker_start(&lane->files, lane->job->env->containers->loop, "files", NULL, 0, NULL, 0,
			 NULL, lane, err);
	if (r >= 0)
		r = msg_peer_call(&lane->files.peer, type, body, fds, nfds, fn, lane, err);
	return r < 0 ? (int)r : 0;
}

/* What it knows is this context alone: the next question about it needs no other one. */
static int files_of_context(struct build_lane *lane, int32_t from, uint16_t type, struct str body,
			    msg_reply_fn *fn, struct err *err)
{
	const int fd = build_job_context(lane, from);
	int64_t r;

	if (lane->files_of != from || !worker_running(&lane->files)) {
		r = build_job_files(lane, type, body, &fd, 1, fn, err);
		lane->files_of = r < 0 ? 0 : from;
		return (int)r;
	}
	r = msg_peer_call(&lane->files.peer, type, body, &fd, 1, fn, lane, err);
	return r < 0 ? (int)r : 0;
}

int build_job_files_again(struct build_lane *lane, uint16_t type, struct str body, const int *fds,
			  size_t nfds, msg_reply_fn *fn, struct err *err)
{
	int64_t r;

	if (!lane->step.files_type || lane->files_of || !worker_running(&lane->files))
		return build_job_files(lane, type, body, fds, nfds, fn, err);
	r = msg_peer_call(&lane->files.peer, type, body, fds, nfds, fn, lane, err);
	return r < 0 ? (int)r : 0;
}

/* ---- questions about a context ---- */

static void on_read(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct build_lane *lane = owner;
	struct build_answer answer = { 0 };
	struct err bad = { 0 };
	struct buf copy OWN(buf_done) = { 0 };
	struct wire in;

	(void)peer;
	if (!reply) {
		build_job_fail(lane, err);
		return;
	}
	wire_init(&in, reply->body.ptr, reply->body.len);
	answer.found = wire_bool(&in);
	buf_init(&copy, FILES_READ_MAX);
	(void)buf_add_str(&copy, wire_blob(&in, FILES_READ_MAX));
	if (wire_end(&in) < 0 || buf_error(&copy)) {
		err_set(&bad, -EBADMSG, "role files: malformed answer");
		build_job_fail(lane, &bad);
		return;
	}
	answer.bytes = buf_str(&copy);
	build_job_done(lane, &answer);
}

int build_job_read(struct build_lane *lane, int32_t from, const char *path, uint32_t max,
		   struct err *err)
{
	struct buf body OWN(buf_done) = { 0 };

	buf_init(&body, 8192);
	wire_put_text(&body, path);
	wire_put_u32(&body, max);
	return files_of_context(lane, from, FILES_MSG_READ, buf_str(&body), on_read, err);
}

static void on_hash(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
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
	store_digest_get(&in, &answer.digest);
	lane->files_count = wire_u64(&in);
	lane->files_bytes = wire_u64(&in);
	if (wire_end(&in) < 0) {
		err_set(&bad, -EBADMSG, "role files: malformed answer");
		build_job_fail(lane, &bad);
		return;
	}
	build_job_done(lane, &answer);
}

int build_job_context(const struct build_lane *lane, int32_t from)
{
	return from == BUILD_CONTEXT ? lane->job->context_fd
				     : lane->job->named_fds[BUILD_NAMED - from];
}

int build_job_hash(void *owner, unsigned number, int32_t from, struct str body, struct err *err)
{
	struct build_lane *lane = &((struct build_job *)owner)->lanes[number];

	return files_of_context(lane, from, FILES_MSG_HASH, body, on_hash, err);
}
