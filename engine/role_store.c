/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store role: answers engine main about images, blobs and layers, as the only process that
 * changes /data/store. Root is that directory, no network, no capabilities. Must never interpret a
 * byte of a blob; long work is cut into slices, so that a small question waits for a slice only.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "engine/role.h"
#include "engine/role_start.h"
#include "engine/store/put.h"
#include "engine/store/sum.h"
#include "engine/store/store.h"
#include "engine/store/trailer.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/own.h"

enum {
	ROLE_UID =
		920, /* the data partition's reserve is this user's: names change on a full disk */
	ROLE_FILES_MAX = 256,
	ROLE_BODY_MAX = STORE_RECORD_MAX + 4096,
	ROLE_LIST_MAX = 15 << 20,
	ROLE_TRASH_MS = 50,
};

/* A put with the call it answers. */
struct role_put {
	struct put put;
	uint32_t serial;
	bool busy;
};

struct role {
	struct role_service service;
	struct store store;
	struct loop_timer trash_timer;
	struct role_put puts[STORE_PUTS_MAX];
	struct sum_queue sums;
};

static struct role role;

/* ---- answering ---- */

static void answer(const struct msg *msg, struct buf *body, int fd)
{
	struct err err = { 0 };
	if (buf_error(body) == 0) {
		(void)msg_reply(&role.service.main, msg->type, msg->serial, buf_str(body), &fd,
				fd < 0 ? 0 : 1);
		return;
	}
	err_set(&err, buf_error(body), "store: answer does not fit");
	(void)msg_reply_err(&role.service.main, msg->type, msg->serial, &err);
}

static void refuse(const struct msg *msg, const struct err *err)
{
	(void)msg_reply_err(&role.service.main, msg->type, msg->serial, err);
}

static void refuse_malformed(const struct msg *msg)
{
	struct err err = { 0 };
	err_set(&err, -EBADMSG, "store: malformed message %u", msg->type);
	refuse(msg, &err);
}

/* {} or the error. */
static void answer_empty(const struct msg *msg, int result, const struct err *err)
{
	struct buf body OWN(buf_done) = { 0 };
	buf_init(&body, 64);
	if (result < 0)
		refuse(msg, err);
	else
		answer(msg, &body, -1);
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
	int r = store_blob_stat(&role.store, &digest, &size, &err);
	if (r < 0 && r != -ENOENT) {
		refuse(msg, &err);
		return;
	}
	buf_init(&body, 64);
	wire_put_u8(&body, r == 0);
	wire_put_u64(&body, size);
	answer(msg, &body, -1);
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
	OWN_FD int fd = store_blob_open(&role.store, &digest, &size, &err);
	if (fd < 0) {
		refuse(msg, &err);
		return;
	}
	buf_init(&body, 64);
	wire_put_u64(&body, size);
	answer(msg, &body, fd);
}

static void on_put_done(void *owner, struct put *put, uint64_t size, const struct err *err)
{
	struct role_put *slot = owner;
	struct buf body OWN(buf_done) = { 0 };
	struct msg msg = { .type = STORE_MSG_BLOB_PUT, .serial = slot->serial };
	(void)put;
	slot->busy = false;
	if (err) {
		refuse(&msg, err);
		return;
	}
	buf_init(&body, 64);
	wire_put_u64(&body, size);
	answer(&msg, &body, -1);
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
		refuse_malformed(msg);
		return;
	}
	for (size_t i = 0; i < STORE_PUTS_MAX && !slot; i++)
		if (!role.puts[i].busy)
			slot = &role.puts[i];
	if (!slot) {
		err_set(&err, -EBUSY, "store: %d blobs are on their way in already",
			STORE_PUTS_MAX);
		refuse(msg, &err);
		return;
	}
	slot->serial = msg->serial;
	slot->busy = true;
	int source = msg_take_fd(msg, 0), tee = msg_take_fd(msg, 1);
	if (put_start(&slot->put, &role.service.loop, &role.store, &args, source, tee, on_put_done,
		      slot, &err) < 0) {
		slot->busy = false;
		refuse(msg, &err);
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
	OWN_FD int fd = store_layer_new(&role.store, wire_u64(&in), &err);
	if (fd < 0) {
		refuse(msg, &err);
		return;
	}
	buf_init(&body, 64);
	answer(msg, &body, fd);
}

static void on_commit_done(void *owner, uint32_t serial, const struct store_layer *layer,
			   const struct err *err)
{
	struct buf body OWN(buf_done) = { 0 };
	struct msg msg = { .type = STORE_MSG_LAYER_COMMIT, .serial = serial };
	(void)owner;
	if (err) {
		refuse(&msg, err);
		return;
	}
	buf_init(&body, 256);
	store_layer_put(&body, layer);
	answer(&msg, &body, -1);
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
		refuse_malformed(msg);
		return;
	}
	if (sum_commit(&role.sums, msg_take_fd(msg, 0), &layer, msg->serial, &err) < 0)
		refuse(msg, &err);
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
	OWN_FD int fd = store_layer_open(&role.store, &digest, &layer, &err);
	/* A damaged one is made again: the commit puts the new file into its place. */
	if (fd == -EBADMSG)
		log_warn("%s", err_text(&err));
	if (fd < 0 && fd != -ENOENT && fd != -EBADMSG) {
		refuse(msg, &err);
		return;
	}
	buf_init(&body, 256);
	wire_put_u8(&body, fd >= 0);
	store_layer_put(&body, &layer);
	answer(msg, &body, -1);
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
	OWN_FD int fd = store_layer_open(&role.store, &digest, &layer, &err);
	if (fd < 0) {
		refuse(msg, &err);
		return;
	}
	buf_init(&body, 256);
	store_layer_put(&body, &layer);
	answer(msg, &body, fd);
}

/* ---- names ---- */

static void on_image_set(struct msg_peer *peer, struct msg *msg)
{
	struct buf body OWN(buf_done) = { 0 };
	bool replaced = false;
	struct err err = { 0 };
	struct wire in;
	(void)peer;
	wire_init(&in, msg->body.ptr, msg->body.len);
	struct str reference = wire_str(&in, STORE_REFERENCE_MAX - 1);
	if (in.error != 0) {
		refuse_malformed(msg);
		return;
	}
	struct str record = str_make(in.ptr, in.left);
	if (store_image_set(&role.store, reference, record, &replaced, &err) < 0) {
		refuse(msg, &err);
		return;
	}
	buf_init(&body, 16);
	wire_put_u8(&body, replaced);
	answer(msg, &body, -1);
}

static void on_image_get(struct msg_peer *peer, struct msg *msg)
{
	char name[STORE_REFERENCE_MAX];
	struct str record;
	struct err err = { 0 };
	struct wire in;
	(void)peer;
	wire_init(&in, msg->body.ptr, msg->body.len);
	wire_text(&in, name, sizeof(name));
	if (wire_end(&in) < 0)
		refuse_malformed(msg);
	else if (store_image_get(&role.store, name, &record, &err) < 0)
		refuse(msg, &err);
	else
		(void)msg_reply(&role.service.main, msg->type, msg->serial, record, NULL, 0);
}

static void on_image_list(struct msg_peer *peer, struct msg *msg)
{
	struct buf body OWN(buf_done) = { 0 };
	const struct refs *refs = &role.store.refs;
	(void)peer;
	buf_init(&body, ROLE_LIST_MAX);
	wire_put_u32(&body, refs->image_count);
	for (uint32_t i = 0; i < refs->image_count; i++) {
		wire_put_text(&body, refs->images[i]->reference);
		wire_put_str(&body, buf_str(&refs->images[i]->record));
		wire_put_u64(&body,
			     store_image_disk(&role.store, buf_str(&refs->images[i]->record)));
	}
	answer(msg, &body, -1);
}

static void on_image_remove(struct msg_peer *peer, struct msg *msg)
{
	char name[STORE_REFERENCE_MAX];
	struct err err = { 0 };
	struct wire in;
	(void)peer;
	wire_init(&in, msg->body.ptr, msg->body.len);
	wire_text(&in, name, sizeof(name));
	if (wire_end(&in) < 0)
		refuse_malformed(msg);
	else
		answer_empty(msg, store_image_remove(&role.store, name, &err), &err);
}

static void on_cache_get(struct msg_peer *peer, struct msg *msg)
{
	struct buf body OWN(buf_done) = { 0 };
	struct store_cached cached;
	struct digest key;
	struct err err = { 0 };
	struct wire in;
	bool found = false;
	(void)peer;
	wire_init(&in, msg->body.ptr, msg->body.len);
	store_digest_get(&in, &key);
	if (store_cache_get(&role.store, &key, &found, &cached, &err) < 0) {
		refuse(msg, &err);
		return;
	}
	buf_init(&body, 256);
	wire_put_u8(&body, found);
	store_cached_put(&body, &cached);
	answer(msg, &body, -1);
}

static void on_cache_set(struct msg_peer *peer, struct msg *msg)
{
	struct store_cached cached;
	struct digest key;
	struct err err = { 0 };
	struct wire in;
	(void)peer;
	wire_init(&in, msg->body.ptr, msg->body.len);
	store_digest_get(&in, &key);
	store_cached_get(&in, &cached);
	if (wire_end(&in) < 0)
		refuse_malformed(msg);
	else
		answer_empty(msg, store_cache_set(&role.store, &key, &cached, &err), &err);
}

/* ---- housekeeping ---- */

static void on_lease(struct msg_peer *peer, struct msg *msg)
{
	static struct digest digests[STORE_LEASE_DIGESTS_MAX];
	char name[STORE_REFERENCE_MAX];
	struct err err = { 0 };
	struct wire in;
	(void)peer;
	wire_init(&in, msg->body.ptr, msg->body.len);
	wire_text(&in, name, sizeof(name));
	uint32_t count = wire_count(&in, STORE_LEASE_DIGESTS_MAX);
	for (uint32_t i = 0; i < count; i++)
		store_digest_get(&in, &digests[i]);
	if (wire_end(&in) < 0)
		refuse_malformed(msg);
	else
		answer_empty(msg, store_lease_set(&role.store, name, digests, count, &err), &err);
}

static void on_trash(struct loop_timer *timer)
{
	struct err err = { 0 };
	int r = store_trash_step(&role.store, &err);
	if (r < 0)
		log_warn("%s", err_text(&err));
	if (r == 1)
		loop_timer_set(&role.service.loop, timer, ROLE_TRASH_MS, on_trash, NULL);
}

static void on_gc(struct msg_peer *peer, struct msg *msg)
{
	struct buf body OWN(buf_done) = { 0 };
	struct err err = { 0 };
	struct store_collected sum = { 0 };
	struct wire in;
	(void)peer;
	wire_init(&in, msg->body.ptr, msg->body.len);
	bool cache = msg->body.len > 0 && wire_bool(&in);
	if (wire_end(&in) < 0) {
		refuse_malformed(msg);
		return;
	}
	if ((cache && store_cache_clear(&role.store, &err) < 0) ||
	    store_gc(&role.store, &sum, &err) < 0) {
		refuse(msg, &err);
		return;
	}
	loop_timer_set(&role.service.loop, &role.trash_timer, 0, on_trash, NULL);
	buf_init(&body, 64);
	wire_put_u64(&body, sum.bytes);
	wire_put_u32(&body, sum.objects);
	wire_put_u32(&body, sum.leased);
	answer(msg, &body, -1);
}

static void on_check_line(void *owner, uint32_t serial, const char *line)
{
	struct buf body OWN(buf_done) = { 0 };
	(void)owner;
	buf_init(&body, 4096);
	wire_put_text(&body, line);
	(void)msg_reply_more(&role.service.main, STORE_MSG_CHECK, serial, buf_str(&body));
}

/* What a check found that images lack. */
struct lacking {
	uint32_t serial, count;
	struct buf names;
};

static void on_lacking(void *owner, const char *reference, const struct digest *layer)
{
	struct lacking *lacking = owner;
	char line[STORE_REFERENCE_MAX + 128], text[DIGEST_TEXT_MAX];
	(void)snprintf(line, sizeof(line), "image %s lacks its layer %s", reference,
		       digest_text(layer, text));
	on_check_line(NULL, lacking->serial, line);
	wire_put_text(&lacking->names, reference);
	lacking->count++;
}

static void on_check_done(void *owner, uint32_t serial, uint32_t checked, uint32_t damaged)
{
	struct lacking lacking = { .serial = serial };
	struct store_collected orphans = { 0 };
	char line[128];
	struct buf body OWN(buf_done) = { 0 };
	struct msg msg = { .type = STORE_MSG_CHECK, .serial = serial };
	(void)owner;
	buf_init(&body, ROLE_LIST_MAX);
	buf_init(&lacking.names, ROLE_LIST_MAX - 64);
	store_lacking(&role.store, on_lacking, &lacking);
	if (store_orphans(&role.store, &orphans, NULL) == 0 && orphans.objects > 0) {
		(void)snprintf(line, sizeof(line), "%u files that nothing uses, %llu KiB",
			       orphans.objects, (unsigned long long)(orphans.bytes >> 10));
		on_check_line(NULL, serial, line);
	}
	wire_put_u32(&body, checked);
	wire_put_u32(&body, damaged + lacking.count);
	wire_put_u32(&body, lacking.count);
	wire_put_bytes(&body, lacking.names.data, lacking.names.len);
	answer(&msg, &body, -1);
	buf_done(&lacking.names);
}

static void on_check(struct msg_peer *peer, struct msg *msg)
{
	struct err err = { 0 };
	(void)peer;
	if (sum_check(&role.sums, msg->serial, msg->body.ptr[0] != 0, &err) < 0)
		refuse(msg, &err);
}

static void on_space(struct msg_peer *peer, struct msg *msg)
{
	struct buf body OWN(buf_done) = { 0 };
	struct store_space space;
	struct err err = { 0 };
	(void)peer;
	if (store_space(&role.store, &space, &err) < 0) {
		refuse(msg, &err);
		return;
	}
	buf_init(&body, 64);
	wire_put_u64(&body, space.blob_bytes);
	wire_put_u64(&body, space.layer_bytes);
	wire_put_u64(&body, space.free_bytes);
	wire_put_u32(&body, space.images);
	wire_put_u32(&body, space.layers);
	answer(msg, &body, -1);
}

static void on_room(struct msg_peer *peer, struct msg *msg)
{
	char what[STORE_REFERENCE_MAX];
	struct err err = { 0 };
	struct wire in;
	(void)peer;
	wire_init(&in, msg->body.ptr, msg->body.len);
	uint64_t bytes = wire_u64(&in);
	wire_text(&in, what, sizeof(what));
	if (wire_end(&in) < 0)
		refuse_malformed(msg);
	else
		answer_empty(msg, store_room(&role.store, bytes, what, &err), &err);
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
	{ STORE_MSG_IMAGE_SET, "image-set", 4, ROLE_BODY_MAX, 0, 0, ROLE_PEER_MAIN, on_image_set },
	{ STORE_MSG_IMAGE_GET, "image-get", 4, 4096, 0, 0, ROLE_PEER_MAIN, on_image_get },
	{ STORE_MSG_IMAGE_LIST, "image-list", 0, 0, 0, 0, ROLE_PEER_MAIN, on_image_list },
	{ STORE_MSG_IMAGE_REMOVE, "image-remove", 4, 4096, 0, 0, ROLE_PEER_MAIN, on_image_remove },
	{ STORE_MSG_CACHE_GET, "cache-get", D, D, 0, 0, ROLE_PEER_MAIN, on_cache_get },
	{ STORE_MSG_CACHE_SET, "cache-set", D + 1 + LAYER, D + 1 + LAYER, 0, 0, ROLE_PEER_MAIN,
	  on_cache_set },
	{ STORE_MSG_LEASE, "lease", 8, 4096 + STORE_LEASE_DIGESTS_MAX *D, 0, 0, ROLE_PEER_MAIN,
	  on_lease },
	{ STORE_MSG_GC, "gc", 0, 1, 0, 0, ROLE_PEER_MAIN, on_gc },
	{ STORE_MSG_CHECK, "check", 1, 1, 0, 0, ROLE_PEER_MAIN, on_check },
	{ STORE_MSG_SPACE, "space", 0, 0, 0, 0, ROLE_PEER_MAIN, on_space },
	{ STORE_MSG_ROOM, "room", 12, 1024, 0, 0, ROLE_PEER_MAIN, on_room },
};

/* ---- starting ---- */

/* The directory exists before this process locks itself into it. */
static int make_root(struct err *err)
{
	OWN_FD int data = fs_open(AT_FDCWD, "/data", FS_HOST, O_PATH | O_DIRECTORY, 0, err);
	if (data < 0)
		return data;
	OWN_FD int fd = fs_open_dir(data, "store", FS_BENEATH_XDEV, 0700, err);
	if (fd < 0)
		return fd;
	if (fchown(fd, ROLE_UID, ROLE_UID) < 0)
		return err_sys(err, -errno, "cannot give /data/store to user %d", ROLE_UID);
	if (fchmod(fd, 0700) < 0)
		return err_sys(err, -errno, "cannot close /data/store to others");
	return 0;
}

static int open_store(struct err *err)
{
	struct buf notes OWN(buf_done) = { 0 };
	int root = fs_open(AT_FDCWD, "/", FS_HOST, O_RDONLY | O_DIRECTORY, 0, err);
	if (root < 0)
		return root;
	buf_init(&notes, 4096);
	int r = store_open(&role.store, root, &notes, err);
	for (struct str rest = buf_str(&notes), line; str_cut(&rest, '\n', &line);)
		if (line.len > 0)
			log_warn("%.*s", STR_ARG(line));
	return r;
}

int role_store(void)
{
	static const struct sum_events events = { on_commit_done, on_check_line, on_check_done };
	const struct sandbox sandbox = {
		.profile = SANDBOX_PROFILE_STORE,
		.uid = ROLE_UID,
		.gid = ROLE_UID,
		.root = "/data/store",
		.files_max = ROLE_FILES_MAX,
	};
	struct err err = { 0 };
	role.service.rules = role_rules;
	role.service.rule_count = ARRAY_LEN(role_rules);
	role.service.queue_max = 32 << 20;
	if (make_root(&err) < 0)
		fatal("%s", err_text(&err));
	role_begin(&role.service, &sandbox);
	if (open_store(&err) < 0)
		fatal("%s", err_text(&err));
	sum_init(&role.sums, &role.service.loop, &role.store, &events, NULL);
	loop_timer_set(&role.service.loop, &role.trash_timer, ROLE_TRASH_MS, on_trash, NULL);
	(void)role_run(&role.service);
	for (size_t i = 0; i < STORE_PUTS_MAX; i++)
		if (role.puts[i].busy)
			put_stop(&role.puts[i].put);
	sum_done(&role.sums);
	store_done(&role.store);
	return 0;
}
