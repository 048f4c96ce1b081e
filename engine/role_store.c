/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store role: answers engine main about images, blobs and layers, as the only process that
 * changes /data/store. Root is that directory, no network, no capabilities. Must never interpret a
 * byte of a blob; long work is cut into slices, so that a small question waits for a slice only.
 */
#include "engine/role_store.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "engine/role.h"
#include "engine/store/claim.h"
#include "engine/store/trailer.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/own.h"

struct store_role store_role;

/* ---- answering ---- */

void store_role_answer(const struct msg *msg, struct buf *body, int fd)
{
	struct err err = { 0 };
	if (buf_error(body) == 0) {
		(void)msg_reply(&store_role.service.main, msg->type, msg->serial, buf_str(body),
				&fd, fd < 0 ? 0 : 1);
		return;
	}
	err_set(&err, buf_error(body), "store: answer does not fit");
	(void)msg_reply_err(&store_role.service.main, msg->type, msg->serial, &err);
}

void store_role_refuse(const struct msg *msg, const struct err *err)
{
	(void)msg_reply_err(&store_role.service.main, msg->type, msg->serial, err);
}

void store_role_refuse_malformed(const struct msg *msg)
{
	struct err err = { 0 };
	err_set(&err, -EBADMSG, "store: malformed message %u", msg->type);
	store_role_refuse(msg, &err);
}

void store_role_answer_empty(const struct msg *msg, int result, const struct err *err)
{
	struct buf body OWN(buf_done) = { 0 };
	buf_init(&body, 64);
	if (result < 0)
		store_role_refuse(msg, err);
	else
		store_role_answer(msg, &body, -1);
}

/* ---- blobs ---- */

static void on_blob_have(struct msg_peer *peer, struct msg *msg)
{
	struct buf body OWN(buf_done) = { 0 };
	struct digest digest;
	struct err err = { 0 };
	struct wire in;
	uint64_t size = 0;
	(void)peer;
	wire_init(&in, msg->body.ptr, msg->body.len);
	store_digest_get(&in, &digest);
	int r = store_blob_stat(&store_role.store, &digest, &size, &err);
	/* Something else in its place makes room for the blob when that comes. */
	if (r < 0 && r != -ENOENT && r != -EBADMSG) {
		store_role_refuse(msg, &err);
		return;
	}
	buf_init(&body, 64);
	wire_put_u8(&body, r == 0);
	wire_put_u64(&body, size);
	store_role_answer(msg, &body, -1);
}

static void on_blob_open(struct msg_peer *peer, struct msg *msg)
{
	struct buf body OWN(buf_done) = { 0 };
	struct digest digest;
	struct err err = { 0 };
	struct wire in;
	uint64_t size = 0;
	(void)peer;
	wire_init(&in, msg->body.ptr, msg->body.len);
	store_digest_get(&in, &digest);
	OWN_FD int fd = store_blob_open(&store_role.store, &digest, &size, &err);
	if (fd < 0) {
		store_role_refuse(msg, &err);
		return;
	}
	buf_init(&body, 64);
	wire_put_u64(&body, size);
	store_role_answer(msg, &body, fd);
}

static void on_put_done(void *owner, struct put *put, uint64_t size, const struct err *err)
{
	struct role_put *slot = owner;
	struct buf body OWN(buf_done) = { 0 };
	struct msg msg = { .type = STORE_MSG_BLOB_PUT, .serial = slot->serial };
	(void)put;
	slot->busy = false;
	if (err) {
		store_role_refuse(&msg, err);
		return;
	}
	buf_init(&body, 64);
	wire_put_u64(&body, size);
	store_role_answer(&msg, &body, -1);
}

static void on_blob_put(struct msg_peer *peer, struct msg *msg)
{
	struct store_put_args args;
	struct err err = { 0 };
	struct wire in;
	struct role_put *slot = NULL;
	(void)peer;
	wire_init(&in, msg->body.ptr, msg->body.len);
	store_put_args_get(&in, &args);
	if (wire_end(&in) < 0) {
		store_role_refuse_malformed(msg);
		return;
	}
	for (size_t i = 0; i < STORE_PUTS_MAX && !slot; i++)
		if (!store_role.puts[i].busy)
			slot = &store_role.puts[i];
	if (!slot) {
		err_set(&err, -EBUSY, "store: %d blobs are on their way in already",
			STORE_PUTS_MAX);
		store_role_refuse(msg, &err);
		return;
	}
	slot->serial = msg->serial;
	slot->busy = true;
	int source = msg_take_fd(msg, 0), tee = msg_take_fd(msg, 1);
	if (put_start(&slot->put, &store_role.service.loop, &store_role.store, &args, source, tee,
		      on_put_done, slot, &err) < 0) {
		slot->busy = false;
		store_role_refuse(msg, &err);
	}
}

/* ---- layers ---- */

static void on_layer_new(struct msg_peer *peer, struct msg *msg)
{
	struct buf body OWN(buf_done) = { 0 };
	struct err err = { 0 };
	struct wire in;
	(void)peer;
	wire_init(&in, msg->body.ptr, msg->body.len);
	OWN_FD int fd = store_layer_new(&store_role.store, wire_u64(&in), &err);
	if (fd < 0) {
		store_role_refuse(msg, &err);
		return;
	}
	buf_init(&body, 64);
	store_role_answer(msg, &body, fd);
}

static void on_commit_done(void *owner, uint32_t serial, const struct store_layer *layer,
			   const struct err *err)
{
	struct buf body OWN(buf_done) = { 0 };
	struct msg msg = { .type = STORE_MSG_LAYER_COMMIT, .serial = serial };
	(void)owner;
	if (err) {
		store_role_refuse(&msg, err);
		return;
	}
	buf_init(&body, 256);
	store_layer_put(&body, layer);
	store_role_answer(&msg, &body, -1);
}

static void on_layer_commit(struct msg_peer *peer, struct msg *msg)
{
	struct store_layer layer;
	struct err err = { 0 };
	struct wire in;
	(void)peer;
	wire_init(&in, msg->body.ptr, msg->body.len);
	store_layer_get(&in, &layer);
	if (wire_end(&in) < 0) {
		store_role_refuse_malformed(msg);
		return;
	}
	if (sum_commit(&store_role.sums, msg_take_fd(msg, 0), &layer, msg->serial, &err) < 0)
		store_role_refuse(msg, &err);
}

static void on_layer_have(struct msg_peer *peer, struct msg *msg)
{
	struct buf body OWN(buf_done) = { 0 };
	struct store_layer layer = { 0 };
	struct digest digest;
	struct err err = { 0 };
	struct wire in;
	wire_init(&in, msg->body.ptr, msg->body.len);
	store_digest_get(&in, &digest);
	(void)peer;
	OWN_FD int fd = store_layer_open(&store_role.store, &digest, &layer, &err);
	/* A damaged one is made again: the commit puts the new file into its place. */
	if (fd == -EBADMSG)
		log_warn("%s", err_text(&err));
	if (fd < 0 && fd != -ENOENT && fd != -EBADMSG) {
		store_role_refuse(msg, &err);
		return;
	}
	buf_init(&body, 256);
	wire_put_u8(&body, fd >= 0);
	store_layer_put(&body, &layer);
	store_role_answer(msg, &body, -1);
}

static void on_layer_open(struct msg_peer *peer, struct msg *msg)
{
	struct buf body OWN(buf_done) = { 0 };
	struct store_layer layer;
	struct digest digest;
	struct err err = { 0 };
	struct wire in;
	(void)peer;
	wire_init(&in, msg->body.ptr, msg->body.len);
	store_digest_get(&in, &digest);
	OWN_FD int fd = store_layer_open(&store_role.store, &digest, &layer, &err);
	if (fd < 0) {
		store_role_refuse(msg, &err);
		return;
	}
	buf_init(&body, 256);
	store_layer_put(&body, &layer);
	store_role_answer(msg, &body, fd);
}

enum { D = SHA256_SIZE, LAYER = 2 * SHA256_SIZE + 8 };

static const struct msg_rule role_rules[] = {
	{ STORE_MSG_BLOB_HAVE, "blob-have", D, D, 0, 0, ROLE_PEER_MAIN, on_blob_have },
	{ STORE_MSG_BLOB_PUT, "blob-put", D + 9, D + 9, 1, 2, ROLE_PEER_MAIN, on_blob_put },
	{ STORE_MSG_BLOB_OPEN, "blob-open", D, D, 0, 0, ROLE_PEER_MAIN, on_blob_open },
	{ STORE_MSG_LAYER_NEW, "layer-new", 8, 8, 0, 0, ROLE_PEER_MAIN, on_layer_new },
	{ STORE_MSG_LAYER_COMMIT, "layer-commit", LAYER, LAYER, 1, 1, ROLE_PEER_MAIN,
	  on_layer_commit },
	{ STORE_MSG_LAYER_HAVE, "layer-have", D, D, 0, 0, ROLE_PEER_MAIN, on_layer_have },
	{ STORE_MSG_LAYER_OPEN, "layer-open", D, D, 0, 0, ROLE_PEER_MAIN, on_layer_open },
	{ STORE_MSG_IMAGE_SET, "image-set", 4, ROLE_BODY_MAX, 0, 0, ROLE_PEER_MAIN,
	  store_role_image_set },
	{ STORE_MSG_IMAGE_GET, "image-get", 4, 4096, 0, 0, ROLE_PEER_MAIN, store_role_image_get },
	{ STORE_MSG_IMAGE_LIST, "image-list", 0, 0, 0, 0, ROLE_PEER_MAIN, store_role_image_list },
	{ STORE_MSG_IMAGE_REMOVE, "image-remove", 4, 4096, 0, 0, ROLE_PEER_MAIN,
	  store_role_image_remove },
	{ STORE_MSG_CACHE_GET, "cache-get", D, D, 0, 0, ROLE_PEER_MAIN, store_role_cache_get },
	{ STORE_MSG_CACHE_SET, "cache-set", D + 1 + LAYER, D + 1 + LAYER, 0, 0, ROLE_PEER_MAIN,
	  store_role_cache_set },
	{ STORE_MSG_LEASE, "lease", 8, 4096 + STORE_LEASE_DIGESTS_MAX *D, 0, 0, ROLE_PEER_MAIN,
	  store_role_lease },
	{ STORE_MSG_GC, "gc", 0, 1, 0, 0, ROLE_PEER_MAIN, store_role_gc },
	{ STORE_MSG_CHECK, "check", 1, 1, 0, 0, ROLE_PEER_MAIN, store_role_check },
	{ STORE_MSG_SPACE, "space", 0, 0, 0, 0, ROLE_PEER_MAIN, store_role_space },
	{ STORE_MSG_ROOM, "room", 12, 1024, 0, 0, ROLE_PEER_MAIN, store_role_room },
	{ STORE_MSG_CLEAN, "clean", 36, ROLE_LIST_MAX, 0, 0, ROLE_PEER_MAIN, store_role_clean },
	{ STORE_MSG_FALL_BACK, "fall-back", 4, 4096, 0, 0, ROLE_PEER_MAIN, store_role_fall_back },
	{ STORE_MSG_IMAGE_MOVE, "image-move", 4, ROLE_BODY_MAX, 0, 0, ROLE_PEER_MAIN,
	  store_role_image_set },
	{ STORE_MSG_CACHE_LIST, "cache-list", 0, 0, 0, 0, ROLE_PEER_MAIN, store_role_cache_list },
	{ STORE_MSG_CACHE_PRUNE, "cache-prune", 17, 17, 0, 0, ROLE_PEER_MAIN,
	  store_role_cache_prune },
	{ STORE_MSG_IMAGE_UNTAG, "image-untag", 4, 4096, 0, 0, ROLE_PEER_MAIN,
	  store_role_image_untag },
};

/* ---- starting ---- */

static void log_notes(const struct buf *notes)
{
	for (struct str rest = buf_str(notes), line; str_cut(&rest, '\n', &line);)
		if (line.len > 0)
			log_warn("%.*s", STR_ARG(line));
}

/* The directory exists before this process locks itself into it. */
static int make_root(struct err *err)
{
	OWN_FD int data = fs_open(AT_FDCWD, "/data", FS_HOST, O_PATH | O_DIRECTORY, 0, err);
	struct buf notes OWN(buf_done) = { 0 };
	if (data < 0)
		return data;
	OWN_FD int fd = fs_open_dir(data, "store", FS_BENEATH_XDEV, 0700, err);
	if (fd < 0)
		return fd;
	if (fchown(fd, ROLE_UID, ROLE_UID) < 0)
		return err_sys(err, -errno, "cannot give /data/store to user %d", ROLE_UID);
	if (fchmod(fd, 0700) < 0)
		return err_sys(err, -errno, "cannot close /data/store to others");
	buf_init(&notes, 4096);
	store_claim(fd, ROLE_UID, &notes);
	log_notes(&notes);
	return 0;
}

static int open_store(struct err *err)
{
	struct buf notes OWN(buf_done) = { 0 };
	int root = fs_open(AT_FDCWD, "/", FS_HOST, O_RDONLY | O_DIRECTORY, 0, err);
	if (root < 0)
		return root;
	buf_init(&notes, 4096);
	int r = store_open(&store_role.store, root, &notes, err);
	log_notes(&notes);
	return r;
}

int role_store(void)
{
	static const struct sum_events events = { on_commit_done, store_role_check_line,
						  store_role_check_done };
	const struct sandbox sandbox = {
		.profile = SANDBOX_PROFILE_STORE,
		.uid = ROLE_UID,
		.gid = ROLE_UID,
		.root = "/data/store",
		.files_max = ROLE_FILES_MAX,
	};
	struct err err = { 0 };
	store_role.service.rules = role_rules;
	store_role.service.rule_count = ARRAY_LEN(role_rules);
	store_role.service.queue_max = 32 << 20;
	if (make_root(&err) < 0)
		fatal("%s", err_text(&err));
	role_begin(&store_role.service, &sandbox);
	if (open_store(&err) < 0)
		fatal("%s", err_text(&err));
	sum_init(&store_role.sums, &store_role.service.loop, &store_role.store, &events, NULL);
	loop_timer_set(&store_role.service.loop, &store_role.trash_timer, ROLE_TRASH_MS,
		       store_role_trash, NULL);
	(void)role_run(&store_role.service);
	for (size_t i = 0; i < STORE_PUTS_MAX; i++)
		if (store_role.puts[i].busy)
			put_stop(&store_role.puts[i].put);
	sum_done(&store_role.sums);
	store_done(&store_role.store);
	return 0;
}
