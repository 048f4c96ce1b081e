/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One layer: wires the store, an unpack and a pack process together, waits for what each of them
 * has to say, and lets the store publish the result. Runs in engine main, which must never read a
 * byte of what flows through the pipes.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "engine/api/pack_msg.h"
#include "engine/api/unpack_msg.h"
#include "engine/image/layer.h"
#include "lib/own.h"

enum rank { RANK_STORE = 1, RANK_UNPACK = 2, RANK_PACK = 3, RANK_NONE = 9 };

static void layer_finish(struct image_layer_job *job, const struct store_layer *layer,
			 const struct err *err)
{
	image_layer_done_fn *done = job->done;

	if (!done)
		return;
	job->done = NULL;
	if (err) {
		/* Whoever still writes must find the pipe broken, not wait for a reader for ever.
		 */
		own_close(&job->feed_fd);
		worker_stop(&job->unpack);
		worker_stop(&job->pack);
	}
	done(job->owner, job, layer, err);
}

static void on_commit(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct image_layer_job *job = owner;
	struct store_layer layer;
	struct err bad = { 0 };
	struct wire in;

	(void)peer;
	if (!reply) {
		layer_finish(job, NULL, err);
		return;
	}
	wire_init(&in, reply->body.ptr, reply->body.len);
	store_layer_get(&in, &layer);
	if (wire_end(&in) < 0) {
		err_set(&bad, -EBADMSG, "store: malformed answer to a layer commit");
		layer_finish(job, NULL, &bad);
		return;
	}
	if (job->use_records)
		layer.size = job->blob_size; /* what a manifest has to say of it */
	layer_finish(job, &layer, NULL);
}

static void layer_commit(struct image_layer_job *job)
{
	struct buf body OWN(buf_done) = { 0 };
	struct err err = { 0 };
	int64_t r;

	/* Nobody may hold the file for writing when it is sealed. */
	worker_stop(&job->unpack);
	worker_stop(&job->pack);
	if (job->use_records && !job->entries) {
		layer_finish(job, NULL, NULL);
		return;
	}
	if (job->lease &&
	    image_lease_add(job->leases, job->lease, &job->layer.digest, 1, &err) < 0) {
		layer_finish(job, NULL, &err);
		return;
	}
	buf_init(&body, 4096);
	store_layer_put(&body, &job->layer);
	r = msg_peer_call(job->store, STORE_MSG_LAYER_COMMIT, buf_str(&body), &job->layer_fd, 1,
			  on_commit, job, &err);
	if (r < 0)
		layer_finish(job, NULL, &err);
	own_close(&job->layer_fd);
}

/* One of the parties has answered. The last one decides. */
static void layer_heard(struct image_layer_job *job, enum rank rank, const struct err *err)
{
	if (!job->done)
		return;
	if (err && (int)rank < job->error_rank) {
		job->error_rank = (int)rank;
		job->first_error = *err;
	}
	if (--job->pending > 0)
		return;
	if (job->error_rank != RANK_NONE)
		layer_finish(job, NULL, &job->first_error);
	else
		layer_commit(job);
}

static void on_put(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	(void)peer;
	(void)reply;
	layer_heard(owner, RANK_STORE, err);
}

static void on_unpack(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct image_layer_job *job = owner;
	struct unpack_result result;
	struct err bad = { 0 };

	(void)peer;
	if (!reply) {
		layer_heard(job, RANK_UNPACK, err);
		return;
	}
	if (unpack_result_decode(reply->body, &result, &bad) < 0) {
		layer_heard(job, RANK_UNPACK, &bad);
		return;
	}
	job->layer.diff = result.diff;
	layer_heard(job, RANK_UNPACK, NULL);
}

static void on_pack(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct image_layer_job *job = owner;
	struct pack_result result;
	struct err bad = { 0 };
	struct wire in;

	(void)peer;
	if (!reply) {
		layer_heard(job, RANK_PACK, err);
		return;
	}
	wire_init(&in, reply->body.ptr, reply->body.len);
	pack_result_get(&in, &result);
	if (wire_end(&in) < 0) {
		err_set(&bad, -EBADMSG, "pack: malformed answer");
		layer_heard(job, RANK_PACK, &bad);
		return;
	}
	job->entries = result.entries;
	if (job->use_records) {
		job->layer.digest = result.tar;
		job->layer.diff = result.tar;
		job->blob_size = result.tar_bytes;
	}
	layer_heard(job, RANK_PACK, NULL);
}

static int layer_pipe(int *ret_read, int *ret_write, struct err *err)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(err, -errno, "pipe for a layer");
	/* Bigger pipes mean fewer switches between four processes; the default works as well. */
	(void)fcntl(fds[1], F_SETPIPE_SZ, 256 << 10);
	*ret_read = fds[0];
	*ret_write = fds[1];
	return 0;
}

static int start_pack(struct image_layer_job *job, int records_fd, struct err *err)
{
	const int fds[2] = { records_fd, job->layer_fd };
	int64_t r = worker_start(&job->pack, job->loop, "pack", NULL, 0, NULL, 0, NULL, job, err);

	if (r >= 0)
		r = msg_peer_call(&job->pack.peer, PACK_MSG_START,
				  job->use_records ? STR("\1") : STR("\0"), fds, 2, on_pack, job,
				  err);
	return r < 0 ? (int)r : 0;
}

static int start_unpack(struct image_layer_job *job, int in_fd, int records_fd, struct err *err)
{
	struct unpack_start start = { .flags = UNPACK_FLAG_LAYER, .has_diff = job->has_diff };
	const int fds[2] = { in_fd, records_fd };
	struct buf body OWN(buf_done) = { 0 };
	int64_t r;

	memcpy(start.media_type, job->media_type, sizeof(job->media_type));
	start.diff = job->layer.diff;
	buf_init(&body, 4096);
	unpack_start_encode(&start, &body);
	r = worker_start(&job->unpack, job->loop, "unpack", NULL, 0, NULL, 0, NULL, job, err);
	if (r >= 0)
		r = msg_peer_call(&job->unpack.peer, UNPACK_MSG_START, buf_str(&body), fds, 2,
				  on_unpack, job, err);
	return r < 0 ? (int)r : 0;
}

static int start_put(struct image_layer_job *job, int tee_fd, struct err *err)
{
	struct store_put_args args = { .digest = job->blob,
				       .size = job->blob_size,
				       .keep = job->keep };
	const int fds[2] = { job->feed_fd, tee_fd };
	struct buf body OWN(buf_done) = { 0 };
	int64_t r;

	buf_init(&body, 4096);
	store_put_args_put(&body, &args);
	r = msg_peer_call(job->store, STORE_MSG_BLOB_PUT, buf_str(&body), fds, 2, on_put, job, err);
	own_close(&job->feed_fd);
	return r < 0 ? (int)r : 0;
}

/* The unnamed file is there: now the processes around it can start. */
static int layer_connect(struct image_layer_job *job, struct err *err)
{
	int tee_r OWN_FD = -1, tee_w OWN_FD = -1, rec_r OWN_FD = -1, rec_w OWN_FD = -1;
	int r;

	if (job->use_records) {
		job->pending = 1;
		rec_r = take_fd(&job->feed_fd);
		return start_pack(job, rec_r, err);
	}
	job->pending = 3;
	r = layer_pipe(&tee_r, &tee_w, err);
	if (r >= 0)
		r = layer_pipe(&rec_r, &rec_w, err);
	if (r >= 0)
		r = start_pack(job, rec_r, err);
	if (r >= 0)
		r = start_unpack(job, tee_r, rec_w, err);
	if (r >= 0)
		r = start_put(job, tee_w, err);
	return r;
}

static void on_file(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct image_layer_job *job = owner;
	struct err bad = { 0 };

	(void)peer;
	if (!reply) {
		layer_finish(job, NULL, err);
		return;
	}
	job->layer_fd = msg_take_fd(reply, 0);
	if (job->layer_fd < 0) {
		err_set(&bad, -EBADMSG, "store: no file came with LAYER_NEW");
		layer_finish(job, NULL, &bad);
		return;
	}
	if (layer_connect(job, &bad) < 0)
		layer_finish(job, NULL, &bad);
}

static int layer_begin(struct image_layer_job *job, uint64_t size_hint, int *ret_feed,
		       struct err *err)
{
	struct buf body OWN(buf_done) = { 0 };
	int feed_w OWN_FD = -1;
	int64_t r;

	job->layer_fd = job->feed_fd = -1;
	job->unpack.pidfd = job->pack.pidfd = -1;
	job->error_rank = RANK_NONE;
	r = layer_pipe(&job->feed_fd, &feed_w, err);
	if (r < 0)
		return (int)r;
	buf_init(&body, 64);
	wire_put_u64(&body, size_hint);
	r = msg_peer_call(job->store, STORE_MSG_LAYER_NEW, buf_str(&body), NULL, 0, on_file, job,
			  err);
	if (r < 0) {
		own_close(&job->feed_fd);
		return (int)r;
	}
	*ret_feed = take_fd(&feed_w);
	return 0;
}

int image_layer_blob(struct image_layer_job *job, struct loop *loop, struct msg_peer *store,
		     const struct digest *blob, uint64_t size, bool keep, const char *media_type,
		     const struct digest *diff, image_layer_done_fn *done, void *owner,
		     int *ret_feed, struct err *err)
{
	int r;

	memset(job, 0, sizeof(*job));
	job->loop = loop;
	job->store = store;
	job->blob = *blob;
	job->layer.digest = *blob;
	job->blob_size = size;
	job->keep = keep;
	job->done = done;
	job->owner = owner;
	if (diff) {
		job->has_diff = true;
		job->layer.diff = *diff;
	}
	r = str_copy(str_from(media_type), job->media_type, sizeof(job->media_type));
	if (r < 0)
		return err_set(err, r, "media type of a layer is too long");
	return layer_begin(job, size, ret_feed, err);
}

int image_layer_records(struct image_layer_job *job, struct loop *loop, struct msg_peer *store,
			image_layer_done_fn *done, void *owner, int *ret_feed, struct err *err)
{
	memset(job, 0, sizeof(*job));
	job->loop = loop;
	job->store = store;
	job->use_records = true;
	job->done = done;
	job->owner = owner;
	return layer_begin(job, 0, ret_feed, err);
}

void image_layer_done(struct image_layer_job *job)
{
	if (!job->loop)
		return;
	job->done = NULL;
	if (msg_peer_alive(job->store))
		msg_peer_forget(job->store, job);
	worker_stop(&job->unpack);
	worker_stop(&job->pack);
	own_close(&job->layer_fd);
	own_close(&job->feed_fd);
	job->loop = NULL;
}
