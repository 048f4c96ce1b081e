/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The blobs of a pull or load: what is there already is skipped, the rest goes to the store, and
 * layers on through unpack and pack. Runs in engine main; must never let a blob be skipped that no
 * lease holds.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "engine/image/take_job.h"
#include "lib/own.h"

/* Answers a BLOB_END that waits and frees the slot. */
static void blob_settle(struct take_blob *blob)
{
	struct msg_peer *peer = &blob->take->role.peer;

	if (!blob->ready || !blob->end_serial)
		return;
	if (blob->error.code)
		(void)msg_reply_err(peer, PULL_MSG_BLOB_END, blob->end_serial, &blob->error);
	else
		(void)msg_reply(peer, PULL_MSG_BLOB_END, blob->end_serial, STR(""), NULL, 0);
	image_layer_done(&blob->job);
	blob->used = false;
}

static void blob_finished(struct take_blob *blob, const struct err *err)
{
	blob->ready = true;
	if (err)
		blob->error = *err;
	blob_settle(blob);
}

static void on_layer(void *owner, struct image_layer_job *job, const struct store_layer *layer,
		     const struct err *err)
{
	(void)job;
	(void)layer;
	blob_finished(owner, err);
}

static void on_blob_put(struct msg_peer *peer, void *owner, struct msg *reply,
			const struct err *err)
{
	(void)peer;
	blob_finished(owner, reply ? NULL : err);
}

/* The role gets the write end of the pipe, or the news that it need not send. */
static void blob_answer(struct take_blob *blob, bool skip, int feed_fd, const struct err *err)
{
	struct msg_peer *peer = &blob->take->role.peer;
	struct buf body OWN(buf_done) = { 0 };
	uint32_t serial = blob->ask_serial;

	if (err) {
		(void)msg_reply_err(peer, PULL_MSG_BLOB, serial, err);
		blob->used = false;
		return;
	}
	buf_init(&body, 16);
	wire_put_u8(&body, skip);
	(void)msg_reply(peer, PULL_MSG_BLOB, serial, buf_str(&body), &feed_fd,
			feed_fd >= 0 ? 1 : 0);
	if (feed_fd < 0)
		blob->used = false;
}

static int blob_begin_plain(struct take_blob *blob, int *ret_feed, struct err *err)
{
	struct store_put_args args = { .digest = blob->blob.digest,
				       .size = blob->blob.size,
				       .keep = true };
	struct buf body OWN(buf_done) = { 0 };
	int read_fd OWN_FD = -1, write_fd OWN_FD = -1, fds[2];
	int64_t r;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(err, -errno, "pipe for a blob");
	read_fd = fds[0];
	write_fd = fds[1];
	buf_init(&body, 4096);
	store_put_args_put(&body, &args);
	r = msg_peer_call(blob->take->env.store, STORE_MSG_BLOB_PUT, buf_str(&body), &read_fd, 1,
			  on_blob_put, blob, err);
	if (r < 0)
		return (int)r;
	*ret_feed = take_fd(&write_fd);
	return 0;
}

static int ask_have(struct take_blob *blob, uint16_t type, struct err *err);

/* What LAYER_HAVE or BLOB_HAVE said. A blob of another size than it has to have is damaged. */
static bool is_there(const struct take_blob *blob, struct str body)
{
	struct wire in;
	bool have;

	wire_init(&in, body.ptr, body.len);
	have = wire_u8(&in) != 0;
	if (have && (!blob->is_layer || blob->unpacked) && blob->blob.size > 0)
		have = wire_u64(&in) == blob->blob.size;
	return have;
}

static void on_have(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct take_blob *blob = owner;
	const struct image_take_env *env = &blob->take->env;
	bool have = reply && is_there(blob, reply->body);
	int feed OWN_FD = -1;
	struct err bad = { 0 };
	int r;

	(void)peer;
	if (!reply) {
		blob_answer(blob, false, -1, err);
		return;
	}
	if (have && blob->is_layer && env->keep_blobs && !blob->unpacked) {
		blob->unpacked = true;
		if (ask_have(blob, STORE_MSG_BLOB_HAVE, &bad) < 0)
			blob_answer(blob, false, -1, &bad);
		return;
	}
	if (blob->blob.probe || have) {
		blob_answer(blob, have, -1, NULL);
		return;
	}
	if (blob->is_layer)
		r = image_layer_blob(&blob->job, env->loop, env->store, &blob->blob.digest,
				     blob->blob.size, env->keep_blobs, blob->media_type,
				     blob->blob.has_diff ? &blob->blob.diff : NULL, on_layer, blob,
				     &feed, &bad);
	else
		r = blob_begin_plain(blob, &feed, &bad);
	blob_answer(blob, false, feed, r < 0 ? &bad : NULL);
}

static struct take_blob *blob_slot(struct image_take *take)
{
	for (size_t i = 0; i < TAKE_BLOBS_MAX; i++) {
		if (!take->blobs[i].used)
			return &take->blobs[i];
	}
	return NULL;
}

/* The role gave a blob up and begins it anew, from another place: what came of it is dropped. */
static void drop_given_up(struct image_take *take, const struct digest *digest)
{
	for (size_t i = 0; i < TAKE_BLOBS_MAX; i++) {
		struct take_blob *blob = &take->blobs[i];

		if (!blob->used || memcmp(&blob->blob.digest, digest, sizeof(*digest)) != 0)
			continue;
		image_layer_done(&blob->job);
		msg_peer_forget(take->env.store, blob);
		blob->used = false;
	}
}

static int ask_have(struct take_blob *blob, uint16_t type, struct err *err)
{
	struct buf body OWN(buf_done) = { 0 };
	int64_t r;

	buf_init(&body, 64);
	store_digest_put(&body, &blob->blob.digest);
	r = msg_peer_call(blob->take->env.store, type, buf_str(&body), NULL, 0, on_have, blob, err);
	return r < 0 ? (int)r : 0;
}

static int blob_ask(struct take_blob *blob, struct err *err)
{
	struct image_take *take = blob->take;
	int r;

	/* First: what is there already must not go while the rest is on its way. */
	r = image_lease_add(take->env.leases, &take->lease, &blob->blob.digest, 1, err);
	if (r < 0)
		return r;
	return ask_have(blob, blob->is_layer ? STORE_MSG_LAYER_HAVE : STORE_MSG_BLOB_HAVE, err);
}

void image_take_on_blob(struct msg_peer *peer, struct msg *msg)
{
	struct worker *role = peer->owner;
	struct image_take *take = role->owner;
	struct arena arena OWN(arena_done) = { 0 };
	struct take_blob *blob;
	struct pull_blob wanted;
	struct err err = { 0 };
	char media_type[sizeof(blob->media_type)];

	arena_init(&arena, 16384);
	if (pull_blob_decode(msg->body, &arena, &wanted, &err) < 0 ||
	    str_copy(str_from(wanted.media_type), media_type, sizeof(media_type)) < 0) {
		/* It is confined, but it is broken or hostile. */
		image_take_end(take, &err);
		return;
	}
	drop_given_up(take, &wanted.digest);
	blob = blob_slot(take);
	if (!blob) {
		err_set(&err, -EBUSY, "too many blobs at once");
		(void)msg_reply_err(peer, msg->type, msg->serial, &err);
		return;
	}
	memset(blob, 0, sizeof(*blob));
	blob->take = take;
	blob->blob = wanted;
	memcpy(blob->media_type, media_type, sizeof(media_type));
	blob->blob.media_type = blob->media_type;
	blob->used = true;
	blob->is_layer = blob->blob.kind == PULL_KIND_LAYER;
	blob->ask_serial = msg->serial;
	if (blob_ask(blob, &err) < 0)
		blob_answer(blob, false, -1, &err);
}

void image_take_on_blob_end(struct msg_peer *peer, struct msg *msg)
{
	struct worker *role = peer->owner;
	struct image_take *take = role->owner;
	struct err err = { 0 };

	for (size_t i = 0; i < TAKE_BLOBS_MAX; i++) {
		struct take_blob *blob = &take->blobs[i];

		if (!blob->used || msg->body.len != SHA256_SIZE ||
		    memcmp(blob->blob.digest.bytes, msg->body.ptr, SHA256_SIZE) != 0)
			continue;
		blob->end_serial = msg->serial;
		blob_settle(blob);
		return;
	}
	err_set(&err, -EBADMSG, "end of a blob that was not begun");
	(void)msg_reply_err(peer, msg->type, msg->serial, &err);
}

void image_take_blobs_done(struct image_take *take)
{
	for (size_t i = 0; i < TAKE_BLOBS_MAX; i++) {
		image_layer_done(&take->blobs[i].job);
		if (msg_peer_alive(take->env.store))
			msg_peer_forget(take->env.store, &take->blobs[i]);
	}
}

const struct err *image_take_cause(const struct image_take *take, const struct err *err)
{
	for (size_t i = 0; i < TAKE_BLOBS_MAX; i++) {
		if (take->blobs[i].used && take->blobs[i].error.code)
			return &take->blobs[i].error;
	}
	return err;
}
