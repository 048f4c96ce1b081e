/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pull or load job: starts the role with what is known, asks for room, records the image at the
 * end; its blobs are take_blob.c's. Runs in engine main; must never parse what came from a
 * registry or an archive: it sees digests, sizes and checked records only.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "engine/api/cache_msg.h"
#include "engine/image/take_job.h"
#include "engine/oci/oci.h"
#include "lib/own.h"

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
	image_take_blobs_done(take);
	if (msg_peer_alive(take->env.store))
		msg_peer_forget(take->env.store, take);
	if (take->env.leases->forget_room)
		take->env.leases->forget_room(take->env.leases->owner, take);
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

void image_take_end(struct image_take *take, const struct err *err)
{
	struct image_take_ops ops = take->ops;
	struct err copy = { 0 };
	void *owner = take->owner;

	if (err)
		copy = *err;
	take_free(take);
	ops.done(owner, err ? &copy : NULL);
}

static void on_role_progress(struct msg_peer *peer, struct msg *msg)
{
	struct worker *role = peer->owner;
	struct image_take *take = role->owner;
	struct arena arena OWN(arena_done) = { 0 };
	struct pull_progress progress;
	char line[120];

	arena_init(&arena, 4096);
	if (pull_progress_decode(msg->body, &arena, &progress, NULL) < 0)
		return;
	if (take->ops.stage)
		take->ops.stage(take->owner, &progress);
	if (take->ops.stage || !take->ops.progress || progress.stage != PULL_STAGE_MOVE)
		return;
	pull_progress_line(&progress, line, sizeof(line));
	take->ops.progress(take->owner, line);
}

/* ---- room ---- */

static int ask_room(struct image_take *take, struct err *err);

static void answer_need(struct image_take *take, const struct err *err)
{
	uint32_t serial = take->need_serial;

	take->need_serial = 0;
	if (err)
		(void)msg_reply_err(&take->role.peer, PULL_MSG_NEED, serial, err);
	else
		(void)msg_reply(&take->role.peer, PULL_MSG_NEED, serial, STR(""), NULL, 0);
}

static void on_room_made(void *owner)
{
	struct image_take *take = owner;
	struct err err = { 0 };

	if (ask_room(take, &err) < 0)
		answer_need(take, &err);
}

/* What does not fit may fit when images that nobody uses have gone: asked twice at most. */
static void on_room(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct image_take *take = owner;
	const struct image_leases *leases = take->env.leases;

	(void)peer;
	if (!reply && err->code == -ENOSPC && !take->room_made && leases->make_room) {
		take->room_made = true;
		leases->make_room(leases->owner, take->need, on_room_made, take);
		return;
	}
	answer_need(take, reply ? NULL : err);
}

static int ask_room(struct image_take *take, struct err *err)
{
	struct buf body OWN(buf_done) = { 0 };
	int64_t r;

	buf_init(&body, 1024);
	wire_put_u64(&body, take->need);
	wire_put_text(&body, *take->image ? take->image : "an image");
	r = msg_peer_call(take->env.store, STORE_MSG_ROOM, buf_str(&body), NULL, 0, on_room, take,
			  err);
	return r < 0 ? (int)r : 0;
}

/* Unpacked, layers take about 2.5 times what is transferred; the blob stays beside where kept. */
static void on_role_need(struct msg_peer *peer, struct msg *msg)
{
	const struct worker *role = peer->owner;
	struct image_take *take = role->owner;
	struct err err = { 0 };
	struct wire in;
	uint64_t bytes;

	if (take->need_serial) {
		err_set(&err, -EBADMSG, "room is asked for twice");
		(void)msg_reply_err(peer, msg->type, msg->serial, &err);
		return;
	}
	wire_init(&in, msg->body.ptr, msg->body.len);
	bytes = wire_u64(&in);
	bytes = bytes > UINT64_MAX / 4 ? UINT64_MAX / 4 : bytes;
	take->need = bytes * 5 / 2 + (take->env.keep_blobs ? bytes : 0);
	take->need_serial = msg->serial;
	if (ask_room(take, &err) < 0)
		answer_need(take, &err);
}

static const struct msg_rule role_rules[] = {
	{ PULL_MSG_NEED, "need", 8, 8, 0, 0, 1, on_role_need },
	{ PULL_MSG_BLOB, "blob", 40, 8192, 0, 0, 1, image_take_on_blob },
	{ PULL_MSG_BLOB_END, "blob-end", 32, 32, 0, 0, 1, image_take_on_blob_end },
	{ PULL_MSG_PROGRESS, "progress", 32, 1024, 0, 0, 1, on_role_progress },
};

static void on_set(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct image_take *take = owner;

	(void)peer;
	take->setting--;
	if (!reply) {
		image_take_end(take, err);
		return;
	}
	take->replaced |= reply->body.len == 1 && reply->body.ptr[0];
	if (take->finished && !take->setting)
		image_take_end(take, NULL);
}

bool image_take_same(const struct image_take *take)
{
	return take->same;
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
	r = msg_peer_call(take->env.store,
			  take->env.keep_unnamed ? STORE_MSG_IMAGE_MOVE : STORE_MSG_IMAGE_SET,
			  buf_str(&body), NULL, 0, on_set, take, err);
	if (r < 0)
		return (int)r;
	take->setting++;
	take->same = take->known_held &&
		     memcmp(&take->known_id, &image.config, sizeof(image.config)) == 0;
	if (take->ops.image)
		take->ops.image(take->owner, &image);
	return 0;
}

static void on_job(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct image_take *take = owner;
	struct err bad = { 0 };
	bool more;

	(void)peer;
	if (!reply) {
		image_take_end(take, image_take_cause(take, err));
		return;
	}
	more = (reply->flags & MSG_FLAG_MORE) != 0;
	if ((more || !(take->archive || take->layer)) && take_record(take, reply->body, &bad) < 0) {
		image_take_end(take, &bad);
		return;
	}
	if (more)
		return;
	take->finished = true;
	if (!take->setting)
		image_take_end(take, NULL);
}

static void on_role_ended(struct worker *role)
{
	struct image_take *take = role->owner;
	struct err err = { 0 };

	if (take->finished)
		return;
	err_set(&err, -ECHILD, "role %s ended before its work was done (%s)", role->role,
		role->why);
	image_take_end(take, &err);
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
	take->known_id = image.config;
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
			image_take_end(take, &bad);
		return;
	}
	if (reply && buf_add_str(&take->known, reply->body) == 0)
		pull_start_add_known(&take->start, reply->body);
	if (msg_peer_call(&take->role.peer, PULL_MSG_START, buf_str(&take->start), NULL, 0, on_job,
			  take, &bad) < 0)
		image_take_end(take, &bad);
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

struct image_take *image_take_layer(const struct image_take_env *env,
				    const struct pull_start *start, const struct digest *layer,
				    uint64_t size, const struct image_take_ops *ops, void *owner,
				    struct err *err)
{
	struct image_take *take = take_new(env, "pull", ops, owner, err);
	struct buf body OWN(buf_done) = { 0 };
	int64_t r;

	if (!take)
		return NULL;
	take->layer = true;
	take->env.keep_blobs = false;
	(void)str_copy(str_from("a layer of a build's cache"), take->image, sizeof(take->image));
	buf_init(&body, PULL_START_MAX);
	wire_put_bytes(&body, layer->bytes, sizeof(layer->bytes));
	wire_put_u64(&body, size);
	pull_start_encode(start, &body);
	r = msg_peer_call(&take->role.peer, PULL_MSG_CACHE_LAYER, buf_str(&body), NULL, 0, on_job,
			  take, err);
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
		image_take_end(take, err);
		return;
	}
	if (fds[1] < 0)
		err_set(&bad, -EBADMSG, "store: no file came with LAYER_NEW");
	else
		(void)call_load(take, buf_str(&take->start), fds, 2, &bad);
	own_close(&take->archive_fd);
	if (bad.code)
		image_take_end(take, &bad);
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
