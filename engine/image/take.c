/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pull or load job: answers the role's questions for blobs, runs one layer job for each missing
 * layer, records the image at the end. Runs in engine main; must never parse what came from a
 * registry or an archive: it sees digests, sizes and checked records only.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "engine/image/layer.h"
#include "engine/image/take.h"
#include "engine/oci/oci.h"
#include "engine/oci/reference.h"
#include "engine/worker/worker.h"
#include "lib/own.h"

enum { TAKE_BLOBS_MAX = 8 };

/* A blob the role is handing over at this moment. */
struct take_blob {
	struct image_take *take;
	bool used;
	bool is_layer;
	bool ready;	     /* stored, or failed */
	struct err error;    /* code 0 = stored */
	uint32_t end_serial; /* of the BLOB_END call that waits, 0 = none yet */
	uint32_t ask_serial; /* of the BLOB call that waits for LAYER_HAVE */
	struct pull_blob blob;
	char media_type[128];
	struct image_layer_job job;
};

struct image_take {
	struct image_take_env env;
	struct worker role;
	struct loop_timer burial;
	struct image_take_ops ops;
	void *owner;
	struct take_blob blobs[TAKE_BLOBS_MAX];
	struct image_lease lease; /* everything the role asked for so far */
	bool replaced;		  /* an image of the same name was there */
	struct buf start;     /* the role's call, held back until the store said what is known */
	struct buf known;     /* the record that the reference has, empty = none */
	uint32_t need_serial; /* of the NEED call that waits for the store, 0 = none */
	unsigned setting;     /* IMAGE_SET calls that are not answered yet */
	bool finished;	      /* the role's last reply came */
	bool archive;
	int archive_fd;	 /* a pipe, until the role has it; -1 = none */
	bool known_held; /* what `known` names is leased */
	char reference[IMAGE_REFERENCE_MAX];
	char image[OCI_REFERENCE_MAX]; /* whose record `known` is */
};

const char *image_take_architecture(void)
{
	return oci_platform_own().architecture;
}

static void take_bury(struct loop_timer *timer)
{
	free(timer->owner);
}

static void take_free(struct image_take *take)
{
	for (size_t i = 0; i < TAKE_BLOBS_MAX; i++)
		image_layer_done(&take->blobs[i].job);
	for (size_t i = 0; i < TAKE_BLOBS_MAX && msg_peer_alive(take->env.store); i++)
		msg_peer_forget(take->env.store, &take->blobs[i]);
	if (msg_peer_alive(take->env.store))
		msg_peer_forget(take->env.store, take);
	image_lease_drop(take->env.leases, &take->lease);
	if (take->replaced)
		image_leases_collect(take->env.leases);
	worker_stop(&take->role);
	own_close(&take->archive_fd);
	buf_done(&take->start);
	buf_done(&take->known);
	/* We may be inside a callback of the role's peer, which looks at itself afterwards. */
	loop_timer_set(take->env.loop, &take->burial, 0, take_bury, take);
}

static void take_end(struct image_take *take, const struct err *err)
{
	struct image_take_ops ops = take->ops;
	struct err copy = { 0 };
	void *owner = take->owner;

	if (err)
		copy = *err;
	take_free(take);
	ops.done(owner, err ? &copy : NULL);
}

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

static void on_have(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct take_blob *blob = owner;
	const struct image_take_env *env = &blob->take->env;
	int feed OWN_FD = -1;
	struct err bad = { 0 };
	int r;

	(void)peer;
	if (!reply) {
		blob_answer(blob, false, -1, err);
		return;
	}
	if (blob->blob.probe || (reply->body.len && reply->body.ptr[0])) {
		blob_answer(blob, reply->body.len && reply->body.ptr[0], -1, NULL);
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

/* A message that does not parse ends the role: it is confined, but it is broken or hostile. */
static void drop_role(struct image_take *take, const struct err *err)
{
	take_end(take, err);
}

static int blob_ask(struct take_blob *blob, struct err *err)
{
	struct image_take *take = blob->take;
	uint16_t type = blob->is_layer ? STORE_MSG_LAYER_HAVE : STORE_MSG_BLOB_HAVE;
	struct buf body OWN(buf_done) = { 0 };
	int64_t r;

	/* First: what is there already must not go while the rest is on its way. */
	r = image_lease_add(take->env.leases, &take->lease, &blob->blob.digest, 1, err);
	if (r < 0)
		return (int)r;
	if (blob->is_layer && take->env.keep_blobs)
		type = STORE_MSG_BLOB_HAVE;
	buf_init(&body, 64);
	store_digest_put(&body, &blob->blob.digest);
	r = msg_peer_call(take->env.store, type, buf_str(&body), NULL, 0, on_have, blob, err);
	return r < 0 ? (int)r : 0;
}

static void on_role_blob(struct msg_peer *peer, struct msg *msg)
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
		drop_role(take, &err);
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

static void on_role_blob_end(struct msg_peer *peer, struct msg *msg)
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

static void on_role_progress(struct msg_peer *peer, struct msg *msg)
{
	struct worker *role = peer->owner;
	struct image_take *take = role->owner;
	struct arena arena OWN(arena_done) = { 0 };
	struct pull_progress progress;
	char line[120];

	arena_init(&arena, 4096);
	if (!take->ops.progress || pull_progress_decode(msg->body, &arena, &progress, NULL) < 0)
		return;
	pull_progress_line(&progress, line, sizeof(line));
	take->ops.progress(take->owner, line);
}

/* ---- room ---- */

static void on_room(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct image_take *take = owner;
	uint32_t serial = take->need_serial;

	(void)peer;
	take->need_serial = 0;
	if (reply)
		(void)msg_reply(&take->role.peer, PULL_MSG_NEED, serial, STR(""), NULL, 0);
	else
		(void)msg_reply_err(&take->role.peer, PULL_MSG_NEED, serial, err);
}

/* Unpacked, layers take about 2.5 times what is transferred; the blob stays beside where kept. */
static void on_role_need(struct msg_peer *peer, struct msg *msg)
{
	const struct worker *role = peer->owner;
	struct image_take *take = role->owner;
	struct buf body OWN(buf_done) = { 0 };
	struct err err = { 0 };
	struct wire in;
	uint64_t bytes;

	wire_init(&in, msg->body.ptr, msg->body.len);
	bytes = wire_u64(&in);
	bytes = bytes > UINT64_MAX / 4 ? UINT64_MAX / 4 : bytes;
	bytes = bytes * 5 / 2 + (take->env.keep_blobs ? bytes : 0);
	buf_init(&body, 1024);
	wire_put_u64(&body, bytes);
	wire_put_text(&body, *take->image ? take->image : "an image");
	if (take->need_serial)
		err_set(&err, -EBADMSG, "room is asked for twice");
	else if (msg_peer_call(take->env.store, STORE_MSG_ROOM, buf_str(&body), NULL, 0, on_room,
			       take, &err) >= 0)
		take->need_serial = msg->serial;
	if (err.code)
		(void)msg_reply_err(peer, msg->type, msg->serial, &err);
}

static const struct msg_rule role_rules[] = {
	{ PULL_MSG_NEED, "need", 8, 8, 0, 0, 1, on_role_need },
	{ PULL_MSG_BLOB, "blob", 40, 8192, 0, 0, 1, on_role_blob },
	{ PULL_MSG_BLOB_END, "blob-end", 32, 32, 0, 0, 1, on_role_blob_end },
	{ PULL_MSG_PROGRESS, "progress", 32, 1024, 0, 0, 1, on_role_progress },
};

static void on_set(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct image_take *take = owner;

	(void)peer;
	take->setting--;
	if (!reply) {
		take_end(take, err);
		return;
	}
	take->replaced |= reply->body.len == 1 && reply->body.ptr[0];
	if (take->finished && !take->setting)
		take_end(take, NULL);
}

/* Records one image under its reference and tells the owner. */
static int take_record(struct image_take *take, struct str record, struct err *err)
{
	struct arena arena OWN(arena_done) = { 0 };
	struct buf body OWN(buf_done) = { 0 };
	char id[DIGEST_TEXT_MAX];
	struct image image;
	struct wire in;
	int64_t r;

	arena_init(&arena, 8 << 20);
	wire_init(&in, record.ptr, record.len);
	r = image_decode(&in, &arena, &image, err);
	if (r < 0)
		return err_prefix(err, "role %s", take->role.role);
	if (!*image.reference)
		image.reference = take->reference;
	/* Also when nothing changed: the name may have been removed meanwhile. */
	buf_init(&body, STORE_RECORD_MAX);
	wire_put_text(&body, *image.reference ? image.reference : digest_text(&image.config, id));
	image_encode(&image, &body);
	r = msg_peer_call(take->env.store, STORE_MSG_IMAGE_SET, buf_str(&body), NULL, 0, on_set,
			  take, err);
	if (r < 0)
		return (int)r;
	take->setting++;
	if (take->ops.image)
		take->ops.image(take->owner, &image);
	return 0;
}

/* A role that found its pipe broken cannot know why: the store or unpack said so before. */
static const struct err *nearest_cause(const struct image_take *take, const struct err *err)
{
	for (size_t i = 0; i < TAKE_BLOBS_MAX; i++) {
		if (take->blobs[i].used && take->blobs[i].error.code)
			return &take->blobs[i].error;
	}
	return err;
}

static void on_job(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct image_take *take = owner;
	struct err bad = { 0 };
	bool more;

	(void)peer;
	if (!reply) {
		take_end(take, nearest_cause(take, err));
		return;
	}
	more = (reply->flags & MSG_FLAG_MORE) != 0;
	if ((more || !take->archive) && take_record(take, reply->body, &bad) < 0) {
		take_end(take, &bad);
		return;
	}
	if (more)
		return;
	take->finished = true;
	if (!take->setting)
		take_end(take, NULL);
}

static void on_role_ended(struct worker *role)
{
	struct image_take *take = role->owner;
	struct err err = { 0 };

	if (take->finished)
		return;
	err_set(&err, -ECHILD, "role %s ended before its work was done (%s)", role->role,
		role->why);
	take_end(take, &err);
}

static struct image_take *take_new(const struct image_take_env *env, const char *role,
				   const struct image_take_ops *ops, void *owner, struct err *err)
{
	struct image_take *take = calloc(1, sizeof(*take));

	if (!take) {
		err_set(err, -ENOMEM, "no memory for a pull");
		return NULL;
	}
	take->env = *env;
	take->ops = *ops;
	take->owner = owner;
	take->archive_fd = -1;
	if (worker_start(&take->role, env->loop, role, role_rules, ARRAY_LEN(role_rules), NULL, 0,
			 on_role_ended, take, err) < 0) {
		free(take);
		return NULL;
	}
	return take;
}

static int ask_known(struct image_take *take, struct err *err);

/* From now on nothing collects what the reference means, whatever happens to the name. */
static int hold_known(struct image_take *take, struct str record, struct err *err)
{
	struct arena arena OWN(arena_done) = { 0 };
	struct digest heads[3];
	struct image image;
	struct wire in;
	int r;

	arena_init(&arena, 8 << 20);
	wire_init(&in, record.ptr, record.len);
	r = image_decode(&in, &arena, &image, err);
	if (r < 0)
		return r;
	heads[0] = image.source;
	heads[1] = image.manifest;
	heads[2] = image.config;
	r = image_lease_add(take->env.leases, &take->lease, heads, ARRAY_LEN(heads), err);
	for (uint32_t i = 0; r >= 0 && i < image.layer_count; i++)
		r = image_lease_add(take->env.leases, &take->lease, &image.layers[i].blob, 1, err);
	return r;
}

/*
 * What the reference has so far is the role's to compare, or there is nothing: it begins. The store
 * is asked twice: before the lease a collection could have been under way.
 */
static void on_known(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct image_take *take = owner;
	struct err bad = { 0 };
	int r = 0;

	(void)peer;
	(void)err; /* there is none, or the role's next try says more */
	if (reply && !take->known_held) {
		take->known_held = true;
		r = hold_known(take, reply->body, &bad);
		if (r >= 0)
			r = ask_known(take, &bad);
		if (r < 0)
			take_end(take, &bad);
		return;
	}
	if (reply && buf_add_str(&take->known, reply->body) == 0)
		pull_start_add_known(&take->start, reply->body);
	if (msg_peer_call(&take->role.peer, PULL_MSG_START, buf_str(&take->start), NULL, 0, on_job,
			  take, &bad) < 0)
		take_end(take, &bad);
	else
		buf_done(&take->start);
}

static int ask_known(struct image_take *take, struct err *err)
{
	struct buf body OWN(buf_done) = { 0 };
	int64_t r;

	buf_init(&body, 1024);
	wire_put_text(&body, take->image);
	r = msg_peer_call(take->env.store, STORE_MSG_IMAGE_GET, buf_str(&body), NULL, 0, on_known,
			  take, err);
	return r < 0 ? (int)r : 0;
}

/* The role's call waits until the store has said what it knows as the reference. */
struct image_take *image_take_pull(const struct image_take_env *env, const struct pull_start *start,
				   const struct image_take_ops *ops, void *owner, struct err *err)
{
	struct image_take *take = take_new(env, "pull", ops, owner, err);
	int r;

	if (!take)
		return NULL;
	buf_init(&take->start, PULL_START_MAX);
	buf_init(&take->known, STORE_RECORD_MAX);
	pull_start_encode(start, &take->start);
	r = oci_reference_normalise(str_from(start->reference), take->image, err);
	if (r >= 0)
		r = ask_known(take, err);
	if (r >= 0)
		return take;
	take_free(take);
	return NULL;
}

static int call_load(struct image_take *take, struct str body, const int *fds, size_t nfds,
		     struct err *err)
{
	int64_t r = msg_peer_call(&take->role.peer, PULL_MSG_ARCHIVE, body, fds, nfds, on_job, take,
				  err);

	return r < 0 ? (int)r : 0;
}

/* The unnamed file that an archive out of a pipe is kept in while it is read. */
static void on_spool(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct image_take *take = owner;
	const int fds[2] = { take->archive_fd, reply && reply->nfds ? reply->fds[0] : -1 };
	struct err bad = { 0 };

	(void)peer;
	if (!reply) {
		take_end(take, err);
		return;
	}
	if (fds[1] < 0)
		err_set(&bad, -EBADMSG, "store: no file came with LAYER_NEW");
	else
		(void)call_load(take, buf_str(&take->start), fds, 2, &bad);
	own_close(&take->archive_fd);
	if (bad.code)
		take_end(take, &bad);
}

static int begin_archive(struct image_take *take, int fd, struct str body, struct err *err)
{
	struct buf size OWN(buf_done) = { 0 };
	int64_t r;

	if (lseek(fd, 0, SEEK_CUR) >= 0)
		return call_load(take, body, &fd, 1, err);
	take->archive_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (take->archive_fd < 0)
		return err_sys(err, -errno, "no fd for an archive");
	buf_init(&take->start, 8192);
	(void)buf_add_str(&take->start, body);
	buf_init(&size, 16);
	wire_put_u64(&size, 0);
	r = msg_peer_call(take->env.store, STORE_MSG_LAYER_NEW, buf_str(&size), NULL, 0, on_spool,
			  take, err);
	return r < 0 ? (int)r : 0;
}

struct image_take *image_take_archive(const struct image_take_env *env, int fd,
				      const char *reference, const struct image_take_ops *ops,
				      void *owner, struct err *err)
{
	struct pull_archive archive = { .reference = reference,
					.os = "linux",
					.architecture = image_take_architecture(),
					.variant = "" };
	struct image_take *take = take_new(env, "load", ops, owner, err);
	struct buf body OWN(buf_done) = { 0 };

	if (!take)
		return NULL;
	take->archive = true;
	(void)str_copy(str_from(reference), take->reference, sizeof(take->reference));
	buf_init(&body, 8192);
	pull_archive_encode(&archive, &body);
	if (begin_archive(take, fd, buf_str(&body), err) >= 0)
		return take;
	take_free(take);
	return NULL;
}

void image_take_cancel(struct image_take *take)
{
	if (take)
		take_free(take);
}
