/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ADD of archives: the unpack role reads one, the files role makes what its records say. Runs in
 * engine main, which must never read a byte of what flows between them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "engine/api/unpack_msg.h"
#include "engine/build/exec_job.h"
#include "lib/own.h"

enum { ARCHIVES_BYTES_MAX = 4 << 20 };

static int next_archive(struct build_lane *lane, struct err *err);

static int source_fd(const struct build_lane *lane)
{
	return lane->step.remote    ? lane->fetch.fd
	       : *lane->step.source ? lane->step.source_fd
				    : build_job_context(lane, lane->step.op->from);
}

/* ---- what only looked like an archive ---- */

static void on_plain(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct build_lane *lane = owner;
	struct err bad = { 0 };

	(void)peer;
	if (!reply)
		build_job_fail(lane, err);
	else if (next_archive(lane, &bad) < 0)
		build_job_fail(lane, &bad);
}

static int copy_plainly(struct build_lane *lane, struct err *err)
{
	const struct build_op *op = lane->step.op;
	struct files_copy *copy OWN_FREE = calloc(1, sizeof(*copy));
	struct buf body OWN(buf_done) = { 0 };
	const int fds[2] = { source_fd(lane), lane->step.root_fd };

	if (!copy)
		return err_set(err, -ENOMEM, "build: out of memory");
	copy->sources[0] = str_from(lane->step.archive);
	copy->source_count = 1;
	copy->dest = str_from(op->dest);
	copy->chown = str_from(op->chown);
	copy->chmod = str_from(op->chmod);
	copy->context = op->from < 0;
	buf_init(&body, 64 << 10);
	files_copy_put(&body, copy);
	return build_job_files(lane, FILES_MSG_COPY, buf_str(&body), fds, 2, on_plain, err);
}

/* ---- both sides of the pipe ---- */

static void settle(struct build_lane *lane)
{
	struct build_step *step = &lane->step;
	struct err bad = { 0 };
	int r;

	if (!step->unpack_done || !step->extract_done)
		return;
	worker_stop(&step->unpack);
	if (step->unpack_error.code == -EBADMSG && step->extract_error.code == -ENODATA) {
		r = copy_plainly(lane, &bad);
	} else if (step->unpack_error.code && step->unpack_error.code != -EPIPE) {
		bad = step->unpack_error;
		r = err_prefix(&bad, "ADD %.200s", step->archive);
	} else if (step->extract_error.code) {
		bad = step->extract_error;
		r = err_prefix(&bad, "ADD %.200s", step->archive);
	} else {
		r = next_archive(lane, &bad);
	}
	if (r < 0)
		build_job_fail(lane, &bad);
}

static void on_unpacked(struct msg_peer *peer, void *owner, struct msg *reply,
			const struct err *err)
{
	struct build_lane *lane = owner;

	(void)peer;
	lane->step.unpack_done = true;
	if (!reply)
		lane->step.unpack_error = *err;
	settle(lane);
}

static void on_extracted(struct msg_peer *peer, void *owner, struct msg *reply,
			 const struct err *err)
{
	struct build_lane *lane = owner;

	(void)peer;
	lane->step.extract_done = true;
	if (!reply)
		lane->step.extract_error = *err;
	settle(lane);
}

static int start_unpack(struct build_lane *lane, int archive_fd, int records_fd, struct err *err)
{
	const struct unpack_start start = { .flags = UNPACK_FLAG_ROOTED };
	const int fds[2] = { archive_fd, records_fd };
	struct buf body OWN(buf_done) = { 0 };
	int64_t r;

	buf_init(&body, 4096);
	unpack_start_encode(&start, &body);
	r = worker_start(&lane->step.unpack, lane->job->env->containers->loop, "unpack", NULL, 0,
			 NULL, 0, NULL, lane, err);
	if (r >= 0)
		r = msg_peer_call(&lane->step.unpack.peer, UNPACK_MSG_START, buf_str(&body), fds, 2,
				  on_unpacked, lane, err);
	return r < 0 ? (int)r : 0;
}

static int take_apart(struct build_lane *lane, int archive_fd, struct err *err)
{
	struct build_step *step = &lane->step;
	struct buf body OWN(buf_done) = { 0 };
	int read_end OWN_FD = -1, write_end OWN_FD = -1, pair[2], fds[2];
	int r;

	if (pipe2(pair, O_CLOEXEC) < 0)
		return err_sys(err, -errno, "pipe for an archive");
	read_end = pair[0];
	write_end = pair[1];
	step->unpack_done = step->extract_done = false;
	memset(&step->unpack_error, 0, sizeof(step->unpack_error));
	memset(&step->extract_error, 0, sizeof(step->extract_error));
	r = start_unpack(lane, archive_fd, write_end, err);
	if (r < 0)
		return r;
	buf_init(&body, 8192);
	wire_put_text(&body, step->op->dest);
	wire_put_text(&body, step->op->chown);
	fds[0] = read_end;
	fds[1] = step->root_fd;
	return build_job_files(lane, FILES_MSG_EXTRACT, buf_str(&body), fds, 2, on_extracted, err);
}

static void on_opened(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct build_lane *lane = owner;
	struct err bad = { 0 };
	int fd OWN_FD = -1;
	int r = 0;

	(void)peer;
	if (!reply) {
		build_job_fail(lane, err);
		return;
	}
	fd = msg_take_fd(reply, 0);
	if (fd < 0)
		r = err_set(&bad, -EBADMSG, "role files: no file came with OPEN");
	else
		r = take_apart(lane, fd, &bad);
	if (r < 0)
		build_job_fail(lane, &bad);
}

static int next_archive(struct build_lane *lane, struct err *err)
{
	struct build_step *step = &lane->step;
	struct buf body OWN(buf_done) = { 0 };
	const int fd = source_fd(lane);
	struct wire in;

	if (step->archive_count == 0)
		return build_job_copy_more(lane, err);
	step->archive_count--;
	wire_init(&in, step->archives.data, step->archives.len);
	wire_text(&in, step->archive, sizeof(step->archive));
	if (in.error)
		return err_set(err, -EBADMSG, "role files: malformed answer");
	buf_consume(&step->archives, step->archives.len - in.left);
	buf_init(&body, 8192);
	wire_put_text(&body, step->archive);
	return build_job_files(lane, FILES_MSG_OPEN, buf_str(&body), &fd, 1, on_opened, err);
}

int build_job_copied(struct build_lane *lane, struct str body, struct err *err)
{
	struct build_step *step = &lane->step;
	struct wire in;

	wire_init(&in, body.ptr, body.len);
	(void)wire_u64(&in);
	(void)wire_u64(&in);
	step->archive_count = wire_count(&in, FILES_ARCHIVES_MAX);
	if (in.error)
		return err_set(err, -EBADMSG, "role files: malformed answer");
	buf_init(&step->archives, ARCHIVES_BYTES_MAX);
	if (buf_add(&step->archives, in.ptr, in.left) < 0)
		return err_set(err, -ENOMEM, "build: out of memory");
	return next_archive(lane, err);
}
