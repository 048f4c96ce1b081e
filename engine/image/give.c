/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A push or save job: gathers the records, sees to the blobs, answers the role that sends them.
 * Runs in engine main; must never read a blob, nor let one be collected while it is on its way.
 */
#include "engine/image/give.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "engine/api/store_msg.h"
#include "engine/image/blobs.h"
#include "engine/oci/image.h"
#include "engine/worker/worker.h"
#include "lib/fs.h"
#include "lib/own.h"

enum { GIVE_ARENA_MAX = 48 << 20 };

struct image_give {
	struct image_give_env env;
	struct image_give_ops ops;
	void *owner;
	struct worker role;
	struct loop_timer burial;
	struct arena arena; /* names and records */
	const char **names;
	struct image *images;
	uint32_t count, at;
	bool held; /* what the image at work names is leased: the store was asked once */
	bool docker, finished;
	int out_fd;	  /* -1 = a push */
	struct buf start; /* of a push */
	struct image_lease lease;
	struct image_blobs blobs;
	struct oci_cache_step *steps; /* a cache of builds: what its documents say; NULL = none */
	uint32_t step_count;
	struct image_blob texts[2]; /* those documents */
	uint32_t text_count;
	uint32_t source_serial; /* of the SOURCE call that waits for the store, 0 = none */
};

static void give_bury(struct loop_timer *timer)
{
	struct image_give *give = timer->owner;

	arena_done(&give->arena);
	free(give);
}

static void give_free(struct image_give *give)
{
	image_blobs_done(&give->blobs);
	for (uint32_t i = 0; i < give->text_count; i++)
		own_close(&give->texts[i].fd);
	if (msg_peer_alive(give->env.store))
		msg_peer_forget(give->env.store, give);
	worker_stop(&give->role);
	image_lease_drop(give->env.leases, &give->lease);
	own_close(&give->out_fd);
	buf_done(&give->start);
	/* We may be inside a callback of the role's peer, which looks at itself afterwards. */
	loop_timer_set(give->env.loop, &give->burial, 0, give_bury, give);
}

static void give_end(struct image_give *give, const struct image_gave *gave, const struct err *err)
{
	struct image_give_ops ops = give->ops;
	struct err copy = { 0 };
	void *owner = give->owner;

	if (err)
		copy = *err;
	give_free(give);
	ops.done(owner, gave, err ? &copy : NULL);
}

/* ---- what the role asks for ---- */

static void on_progress(struct msg_peer *peer, struct msg *msg)
{
	const struct worker *role = peer->owner;
	const struct image_give *give = role->owner;
	struct arena arena OWN(arena_done) = { 0 };
	struct pull_progress progress;
	char line[120];

	arena_init(&arena, 4096);
	if (pull_progress_decode(msg->body, &arena, &progress, NULL) < 0)
		return;
	if (give->ops.stage)
		give->ops.stage(give->owner, &progress);
	if (give->ops.stage || !give->ops.progress || progress.stage != PULL_STAGE_MOVE)
		return;
	pull_progress_line(&progress, line, sizeof(line));
	give->ops.progress(give->owner, line);
}

static void on_stored(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct image_give *give = owner;
	uint32_t serial = give->source_serial;
	struct msg_peer *role = &give->role.peer;

	(void)peer;
	give->source_serial = 0;
	if (reply)
		(void)msg_reply(role, PULL_MSG_SOURCE, serial, reply->body, reply->fds,
				reply->nfds);
	else
		(void)msg_reply_err(role, PULL_MSG_SOURCE, serial, err);
}

static void give_made(struct msg_peer *peer, const struct msg *msg, const struct image_blob *made)
{
	struct buf body OWN(buf_done) = { 0 };

	buf_init(&body, 16);
	wire_put_u64(&body, made->bytes);
	(void)msg_reply(peer, msg->type, msg->serial, buf_str(&body), &made->fd, 1);
}

static void on_source(struct msg_peer *peer, struct msg *msg)
{
	const struct worker *role = peer->owner;
	struct image_give *give = role->owner;
	const struct image_blob *made;
	struct digest digest;
	struct err err = { 0 };

	memcpy(digest.bytes, msg->body.ptr, sizeof(digest.bytes));
	made = image_blobs_find(&give->blobs, &digest);
	for (uint32_t i = 0; !made && i < give->text_count; i++) {
		if (memcmp(&give->texts[i].digest, &digest, sizeof(digest)) == 0)
			made = &give->texts[i];
	}
	if (made) {
		give_made(peer, msg, made);
		return;
	}
	if (give->source_serial) {
		err_set(&err, -EBADMSG, "one blob is asked for after the other");
		(void)msg_reply_err(peer, msg->type, msg->serial, &err);
		return;
	}
	give->source_serial = msg->serial;
	if (msg_peer_call(give->env.store, STORE_MSG_BLOB_OPEN, msg->body, NULL, 0, on_stored, give,
			  &err) >= 0)
		return;
	give->source_serial = 0;
	(void)msg_reply_err(peer, msg->type, msg->serial, &err);
}

static const struct msg_rule role_rules[] = {
	{ PULL_MSG_PROGRESS, "progress", 32, 1024, 0, 0, 1, on_progress },
	{ PULL_MSG_SOURCE, "source", 32, 32, 0, 0, 1, on_source },
};

static void on_role_ended(struct worker *role)
{
	struct image_give *give = role->owner;
	struct err err = { 0 };

	if (give->finished)
		return;
	err_set(&err, -ECHILD, "role %s ended before its work was done (%s)", role->role,
		role->why);
	give_end(give, NULL, &err);
}

static void on_given(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct image_give *give = owner;
	struct image_gave gave = { 0 };
	struct err bad = { 0 };
	struct wire in;

	(void)peer;
	give->finished = true;
	if (!reply) {
		give_end(give, NULL, err);
		return;
	}
	wire_init(&in, reply->body.ptr, reply->body.len);
	if (give->out_fd < 0)
		store_digest_get(&in, &gave.manifest);
	gave.bytes = wire_u64(&in);
	if (wire_end(&in) < 0)
		err_set(&bad, -EBADMSG, "role %s: malformed answer", give->role.role);
	give_end(give, bad.code ? NULL : &gave, bad.code ? &bad : NULL);
}

/* ---- the job: record after record, then the role ---- */

static void next(struct image_give *give);

static int call_role(struct image_give *give, const char *name, uint16_t type, struct str body,
		     struct err *err)
{
	int64_t r = worker_start(&give->role, give->env.loop, name, role_rules,
				 ARRAY_LEN(role_rules), NULL, 0, on_role_ended, give, err);

	if (r >= 0)
		r = msg_peer_call(&give->role.peer, type, body, &give->out_fd,
				  give->out_fd >= 0 ? 1 : 0, on_given, give, err);
	return r < 0 ? (int)r : 0;
}

static int begin_push(struct image_give *give, struct err *err)
{
	struct buf record OWN(buf_done) = { 0 };

	buf_init(&record, STORE_RECORD_MAX);
	image_encode(&give->images[0], &record);
	pull_start_add_known(&give->start, buf_str(&record));
	if (buf_error(&record) < 0 || buf_error(&give->start) < 0)
		return err_set(err, -E2BIG, "the image's settings are too long to be sent");
	return call_role(give, "pull", PULL_MSG_PUSH, buf_str(&give->start), err);
}

static int begin_save(struct image_give *give, struct err *err)
{
	struct buf body OWN(buf_done) = { 0 }, records OWN(buf_done) = { 0 };
	struct pull_save save = { .docker = give->docker, .count = give->count };
	size_t ends[PULL_SAVE_MAX + 1] = { 0 };

	buf_init(&records, PULL_SAVE_BODY_MAX);
	buf_init(&body, PULL_SAVE_BODY_MAX);
	for (uint32_t i = 0; i < give->count; i++) {
		image_encode(&give->images[i], &records);
		ends[i + 1] = records.len;
	}
	for (uint32_t i = 0; i < give->count && buf_error(&records) == 0; i++)
		save.records[i] = str_make(records.data + ends[i], ends[i + 1] - ends[i]);
	pull_save_encode(&save, &body);
	if (buf_error(&records) < 0 || buf_error(&body) < 0)
		return err_set(err, -E2BIG, "the images' settings do not fit into one archive");
	return call_role(give, "load", PULL_MSG_SAVE, buf_str(&body), err);
}

/* A document that is in no store, for the role to read. */
static int add_text(struct image_give *give, const struct digest *digest, const struct buf *text,
		    struct err *err)
{
	int fd OWN_FD = memfd_create("cache", MFD_CLOEXEC);
	int r;

	if (fd < 0)
		return err_sys(err, -errno, "no memory for a document");
	r = fs_write_fd(fd, text->data, text->len, err);
	if (r < 0)
		return r;
	give->texts[give->text_count++] =
		(struct image_blob){ .digest = *digest, .bytes = text->len, .fd = take_fd(&fd) };
	return 0;
}

static bool has_layer(const struct image *image, const struct digest *digest)
{
	for (uint32_t i = 0; i < image->layer_count; i++) {
		if (memcmp(&image->layers[i].blob, digest, sizeof(*digest)) == 0)
			return true;
	}
	return false;
}

/* The documents name what was built; what had to be made again has to be that. */
static int write_cache(struct image_give *give, struct err *err)
{
	struct buf config OWN(buf_done) = { 0 }, manifest OWN(buf_done) = { 0 };
	struct image *image = &give->images[0];
	int r;

	for (uint32_t i = 0; i < give->step_count; i++) {
		const struct oci_cache_step *step = &give->steps[i];

		if (step->has_layer && !has_layer(image, &step->layer))
			return err_set(err, -EBADMSG, "a layer is not what its step made any more");
	}
	buf_init(&config, OCI_DOCUMENT_MAX);
	buf_init(&manifest, OCI_DOCUMENT_MAX);
	r = oci_cache_write(image, give->steps, give->step_count, &config, &manifest, err);
	if (r >= 0)
		r = add_text(give, &image->config, &config, err);
	return r < 0 ? r : add_text(give, &image->manifest, &manifest, err);
}

static void on_blobs(void *owner, const struct err *err)
{
	struct image_give *give = owner;
	struct err bad = { 0 };

	if (!err && give->steps && write_cache(give, &bad) < 0)
		err = &bad;
	if (err) {
		give_end(give, NULL, err);
		return;
	}
	give->at++;
	give->held = false;
	next(give);
}

static int hold(struct image_give *give, const struct image *image, struct err *err)
{
	const struct digest heads[] = { image->source, image->manifest, image->config };
	int r = image_lease_add(give->env.leases, &give->lease, heads, ARRAY_LEN(heads), err);

	for (uint32_t i = 0; r >= 0 && i < image->layer_count; i++)
		r = image_lease_add(give->env.leases, &give->lease, &image->layers[i].blob, 1, err);
	return r;
}

/* Twice: before the lease a collection could have been under way. */
static void on_record(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct image_give *give = owner;
	struct image *image = &give->images[give->at];
	struct err bad = { 0 };
	struct wire in;

	(void)peer;
	if (!reply) {
		give_end(give, NULL, err);
		return;
	}
	wire_init(&in, reply->body.ptr, reply->body.len);
	if (image_decode(&in, &give->arena, image, &bad) < 0) {
		give_end(give, NULL, &bad);
		return;
	}
	if (give->held) {
		image_blobs_make(&give->blobs, image, on_blobs, give);
		return;
	}
	give->held = true;
	if (hold(give, image, &bad) < 0)
		give_end(give, NULL, &bad);
	else
		next(give);
}

static void next(struct image_give *give)
{
	struct buf body OWN(buf_done) = { 0 };
	struct err err = { 0 };
	int64_t r;

	if (give->at == give->count) {
		r = give->out_fd < 0 ? begin_push(give, &err) : begin_save(give, &err);
	} else {
		buf_init(&body, 1024);
		wire_put_text(&body, give->names[give->at]);
		r = msg_peer_call(give->env.store, STORE_MSG_IMAGE_GET, buf_str(&body), NULL, 0,
				  on_record, give, &err);
	}
	if (r < 0)
		give_end(give, NULL, &err);
}

static struct image_give *give_new(const struct image_give_env *env, const char *const *names,
				   uint32_t count, const struct image_give_ops *ops, void *owner,
				   struct err *err)
{
	struct image_give *give = calloc(1, sizeof(*give));

	if (!give) {
		err_set(err, -ENOMEM, "no memory for an image on its way out");
		return NULL;
	}
	give->env = *env;
	give->ops = *ops;
	give->owner = owner;
	give->out_fd = -1;
	give->role.pidfd = -1;
	arena_init(&give->arena, GIVE_ARENA_MAX);
	buf_init(&give->start, PULL_START_MAX);
	image_blobs_init(&give->blobs, env->loop, env->store, env->rootfs);
	give->names = arena_array(&give->arena, count + 1, sizeof(*give->names));
	give->images = arena_array(&give->arena, count + 1, sizeof(*give->images));
	for (uint32_t i = 0; give->names && i < count; i++, give->count++)
		give->names[i] = arena_text(&give->arena, str_from(names[i]));
	if (!give->names || !give->images || (count > 0 && !give->names[count - 1])) {
		err_set(err, -ENOMEM, "no memory for an image on its way out");
		give_free(give);
		return NULL;
	}
	return give;
}

/* Later: nobody is called back from within the call that starts it. */
static void give_begin(struct loop_timer *timer)
{
	next(timer->owner);
}

struct image_give *image_give_push(const struct image_give_env *env, const struct pull_start *start,
				   const char *image, const struct image_give_ops *ops, void *owner,
				   struct err *err)
{
	struct image_give *give = give_new(env, &image, 1, ops, owner, err);

	if (!give)
		return NULL;
	pull_start_encode(start, &give->start);
	loop_timer_set(env->loop, &give->burial, 0, give_begin, give);
	return give;
}

/* Each layer once, as many as a manifest takes; the steps behind them stay here. */
static int take_steps(struct image_give *give, const struct oci_cache_step *steps, uint32_t count,
		      struct err *err)
{
	struct image *image = &give->images[0];

	image_init(image);
	image->layers = arena_array(&give->arena, IMAGE_LAYERS_MAX, sizeof(*image->layers));
	give->steps = arena_array(&give->arena, count + 1, sizeof(*give->steps));
	if (!image->layers || !give->steps)
		return err_set(err, -ENOMEM, "no memory for a cache");
	for (uint32_t i = 0; i < count; i++) {
		bool more = steps[i].has_layer && !has_layer(image, &steps[i].layer);

		if (more && image->layer_count == IMAGE_LAYERS_MAX)
			break;
		if (more)
			image->layers[image->layer_count++] =
				(struct image_layer){ .blob = steps[i].layer,
						      .diff = steps[i].layer,
						      .size = steps[i].size,
						      .media_type = OCI_MEDIA_LAYER_TAR };
		give->steps[give->step_count++] = steps[i];
	}
	return 0;
}

static void give_begin_blobs(struct loop_timer *timer)
{
	struct image_give *give = timer->owner;

	image_blobs_make(&give->blobs, &give->images[0], on_blobs, give);
}

struct image_give *image_give_cache(const struct image_give_env *env,
				    const struct pull_start *start,
				    const struct oci_cache_step *steps, uint32_t count,
				    const struct image_give_ops *ops, void *owner, struct err *err)
{
	struct image_give *give = give_new(env, &start->reference, 1, ops, owner, err);

	if (!give)
		return NULL;
	if (take_steps(give, steps, count, err) < 0) {
		give_free(give);
		return NULL;
	}
	pull_start_encode(start, &give->start);
	loop_timer_set(env->loop, &give->burial, 0, give_begin_blobs, give);
	return give;
}

struct image_give *image_give_save(const struct image_give_env *env, const char *const *images,
				   uint32_t count, bool docker, int out_fd,
				   const struct image_give_ops *ops, void *owner, struct err *err)
{
	struct image_give *give;

	if (count == 0 || count > PULL_SAVE_MAX) {
		err_set(err, -EINVAL, "one to %d images fit into one archive", PULL_SAVE_MAX);
		return NULL;
	}
	give = give_new(env, images, count, ops, owner, err);
	if (!give)
		return NULL;
	give->docker = docker;
	give->out_fd = fcntl(out_fd, F_DUPFD_CLOEXEC, 0);
	if (give->out_fd < 0) {
		err_sys(err, -errno, "no fd for an archive");
		give_free(give);
		return NULL;
	}
	loop_timer_set(env->loop, &give->burial, 0, give_begin, give);
	return give;
}

void image_give_cancel(struct image_give *give)
{
	if (give)
		give_free(give);
}
