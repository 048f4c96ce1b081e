/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What clients ask about the files of containers: changes, exports, archives in and out, copies.
 * Runs in engine main, which hands fds from one role to the other and reads none of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "engine/api/files_msg.h"
#include "engine/api/image_msg.h"
#include "engine/role_main_tree.h"
#include "engine/run/user_namespace.h"
#include "lib/own.h"

enum { TREES_REPLY_MAX = 8 << 20 };

/* The first text of every call here is the container; the rest is taken by `take`. */
static struct tree_work *begin(struct msg_peer *peer, struct msg *msg,
			       int (*take)(struct tree_work *tree, struct msg *msg, struct wire *in,
					   struct err *err),
			       bool root, int (*ready)(struct tree_work *tree, struct err *err))
{
	struct tree_work *tree = tree_new(peer, msg, sizeof(*tree));
	char name[ENGINE_NAME_MAX];
	struct err err = { 0 };
	struct wire in;
	int r;

	if (!tree)
		return NULL;
	wire_init(&in, msg->body.ptr, msg->body.len);
	wire_text(&in, name, sizeof(name));
	r = take(tree, msg, &in, &err);
	if (r >= 0)
		r = tree_open(tree, name, root, ready, &err);
	if (r < 0)
		work_fail(&tree->work, &err);
	return tree;
}

static int malformed(const struct wire *in, struct err *err)
{
	return wire_end(in) < 0 ? err_set(err, -EBADMSG, "malformed request") : 0;
}

/* The last component of a path as docker names it in an archive; "." and "/" have none. */
static const char *last_name(const struct tree_work *tree, char dst[ENGINE_PATH_MAX])
{
	struct str rest = str_from(*tree->shown ? tree->shown : tree->path), part, last = { 0 };

	while (str_cut(&rest, '/', &part))
		if (part.len > 0)
			last = part;
	if (str_is(last, ".") || str_is(last, ".."))
		last.len = 0;
	(void)str_copy(last, dst, ENGINE_PATH_MAX);
	return dst;
}

/* ---- changes ---- */

static int take_nothing(struct tree_work *tree, struct msg *msg, struct wire *in, struct err *err)
{
	(void)tree;
	(void)msg;
	return malformed(in, err);
}

/* FILES_MSG_CHANGES -> ENGINE_MSG_CHANGES: the paths get their slash. */
static void on_changes(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct tree_work *tree = owner;
	struct buf body OWN(buf_done) = { 0 };
	char path[FILES_PATH_MAX + 1] = "/";
	struct err bad = { 0 };
	struct wire in;
	uint32_t count;

	(void)peer;
	if (!reply) {
		work_fail(&tree->work, err);
		return;
	}
	wire_init(&in, reply->body.ptr, reply->body.len);
	buf_init(&body, TREES_REPLY_MAX);
	count = wire_count(&in, FILES_CHANGES_MAX);
	wire_put_u32(&body, count);
	for (uint32_t i = 0; i < count && !in.error; i++) {
		wire_put_u8(&body, wire_u8(&in));
		wire_text(&in, path + 1, sizeof(path) - 1);
		wire_put_text(&body, path);
	}
	if (wire_end(&in) == 0 && buf_error(&body) == 0) {
		work_reply(&tree->work, buf_str(&body));
		return;
	}
	err_set(&bad, -EBADMSG, "role files: malformed answer");
	work_fail(&tree->work, &bad);
}

static int ask_changes(struct tree_work *tree, struct err *err)
{
	int r = tree_open_below(tree, err);
	const int fds[2] = { tree->upper_fd, tree->below_fd };

	return r < 0 ? r : tree_files(tree, FILES_MSG_CHANGES, STR(""), fds, 2, on_changes, err);
}

void engine_changes_call(struct msg_peer *peer, struct msg *msg)
{
	(void)begin(peer, msg, take_nothing, false, ask_changes);
}

/* ---- a root, or a part of it, as a tar ---- */

static void on_tar(void *owner, const struct image_tree_result *result, const struct err *err)
{
	struct tree_work *tree = owner;
	struct buf body OWN(buf_done) = { 0 };
	char name[ENGINE_PATH_MAX];

	if (!result) {
		work_fail(&tree->work, err);
		return;
	}
	work_keep_file(&tree->work);
	buf_init(&body, 3 * ENGINE_PATH_MAX);
	if (tree->work.type == ENGINE_MSG_EXPORT) {
		wire_put_u64(&body, result->bytes);
	} else {
		const struct engine_path_stat st = { .name = last_name(tree, name),
						     .link = result->link,
						     .size = result->size,
						     .mode = result->mode,
						     .mtime_s = result->mtime_s };

		engine_path_stat_put(&body, &st);
	}
	work_reply(&tree->work, buf_str(&body));
}

/* What stands in front of each name where the path itself has none: as Docker's archives. */
static const char *front_of(const struct tree_work *tree)
{
	struct str path = str_from(*tree->shown ? tree->shown : tree->path);
	bool dot = str_find(path, '.') >= 0;
	char name[ENGINE_PATH_MAX];

	if (tree->work.type != ENGINE_MSG_PATH_GET || *last_name(tree, name))
		return NULL;
	return dot ? "./" : "/";
}

static int write_tar(struct tree_work *tree, struct err *err)
{
	char name[ENGINE_PATH_MAX];
	const struct image_tree_wanted wanted = { .root_fd = tree->root_fd,
						  .out_fd = tree->work.file_fd,
						  .path = tree->path,
						  .userns_fd = tree->userns.userns_fd,
						  .name = last_name(tree, name),
						  .front = front_of(tree) };
	int r = image_tree_start(&tree->tree, &tree->work.engine->loop, &wanted, on_tar, tree, err);

	own_close(&tree->work.file_fd); /* whoever reads a pipe waits for its end */
	return r;
}

static int write_path(struct tree_work *tree, struct err *err)
{
	int r = tree_enter_mount(tree, false, err);

	return r < 0 ? r : write_tar(tree, err);
}

static int take_export(struct tree_work *tree, struct msg *msg, struct wire *in, struct err *err)
{
	struct str path = wire_str(in, ENGINE_PATH_MAX - 1);
	int r = malformed(in, err);

	return r < 0 ? r : work_open_file(&tree->work, msg, path, true, err);
}

void engine_export_call(struct msg_peer *peer, struct msg *msg)
{
	(void)begin(peer, msg, take_export, true, write_tar);
}

static int take_get(struct tree_work *tree, struct msg *msg, struct wire *in, struct err *err)
{
	int r;

	wire_text(in, tree->path, sizeof(tree->path));
	r = malformed(in, err);
	return r < 0 ? r : work_open_file(&tree->work, msg, STR(""), true, err);
}

void engine_path_get_call(struct msg_peer *peer, struct msg *msg)
{
	(void)begin(peer, msg, take_get, true, write_path);
}

/* ---- what a path is ---- */

static void on_stat(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct tree_work *tree = owner;
	struct buf body OWN(buf_done) = { 0 };
	char name[ENGINE_PATH_MAX], link[FILES_PATH_MAX];
	struct engine_path_stat st = { .name = last_name(tree, name), .link = link };
	struct err bad = { 0 };
	struct wire in;

	(void)peer;
	if (!reply && tree->fresh && err->code == -ENOENT) {
		st.mode = S_IFDIR | 0755; /* as it will be */
		link[0] = '\0';
		buf_init(&body, 3 * ENGINE_PATH_MAX);
		engine_path_stat_put(&body, &st);
		work_reply(&tree->work, buf_str(&body));
		return;
	}
	if (!reply) {
		work_fail(&tree->work, err);
		return;
	}
	wire_init(&in, reply->body.ptr, reply->body.len);
	st.size = wire_u64(&in);
	st.mode = wire_u32(&in);
	st.mtime_s = wire_i64(&in);
	wire_text(&in, link, sizeof(link));
	buf_init(&body, 3 * ENGINE_PATH_MAX);
	engine_path_stat_put(&body, &st);
	if (wire_end(&in) == 0) {
		work_reply(&tree->work, buf_str(&body));
		return;
	}
	err_set(&bad, -EBADMSG, "role files: malformed answer");
	work_fail(&tree->work, &bad);
}

static int ask_stat(struct tree_work *tree, struct err *err)
{
	struct buf body OWN(buf_done) = { 0 };
	int r = tree_enter_mount(tree, false, err);

	if (r < 0)
		return r;
	buf_init(&body, 2 * ENGINE_PATH_MAX);
	wire_put_text(&body, tree->path);
	return tree_files(tree, FILES_MSG_STAT, buf_str(&body), &tree->root_fd, 1, on_stat, err);
}

static int take_path(struct tree_work *tree, struct msg *msg, struct wire *in, struct err *err)
{
	(void)msg;
	wire_text(in, tree->path, sizeof(tree->path));
	return malformed(in, err);
}

void engine_path_stat_call(struct msg_peer *peer, struct msg *msg)
{
	(void)begin(peer, msg, take_path, true, ask_stat);
}

/* ---- an archive into a container ---- */

static int put_done(struct tree_work *tree, struct err *err)
{
	if (tree->error.code) {
		*err = tree->error;
		return err->code;
	}
	work_reply(&tree->work, STR(""));
	return 0;
}

static void on_put_place(struct msg_peer *peer, void *owner, struct msg *reply,
			 const struct err *err)
{
	struct tree_work *tree = owner;
	struct err bad = { 0 };
	struct wire in;
	uint32_t mode;

	(void)peer;
	if (!reply) {
		work_fail(&tree->work, err);
		return;
	}
	wire_init(&in, reply->body.ptr, reply->body.len);
	(void)wire_u64(&in);
	mode = wire_u32(&in);
	if (!S_ISDIR(mode))
		err_set(&bad, -ENOTDIR, "%.200s is not a directory", tree->path);
	else
		(void)tree_extract(tree, tree->root_fd, tree->path, tree->keep_owners ? "" : "0:0",
				   put_done, &bad);
	if (bad.code)
		work_fail(&tree->work, &bad);
}

/* A directory that is not there is the caller's mistake: extract would make it. */
static int put_begin(struct tree_work *tree, struct err *err)
{
	struct buf body OWN(buf_done) = { 0 };
	char place[ENGINE_PATH_MAX + 1];
	int r = tree_enter_mount(tree, true, err);
	size_t len = strlen(tree->path);

	if (r < 0)
		return r;
	/* Its place in the root is made, and what is put there fills the volume at the start. */
	if (tree->fresh)
		return tree_extract(tree, tree->root_fd, tree->path, tree->keep_owners ? "" : "0:0",
				    put_done, err);
	memcpy(place, tree->path, len);
	place[len] = '/'; /* a link to a directory will do */
	buf_init(&body, 2 * ENGINE_PATH_MAX);
	wire_put_str(&body, str_make(place, len + 1));
	return tree_files(tree, FILES_MSG_STAT, buf_str(&body), &tree->root_fd, 1, on_put_place,
			  err);
}

static int take_put(struct tree_work *tree, struct msg *msg, struct wire *in, struct err *err)
{
	int r;

	wire_text(in, tree->path, sizeof(tree->path));
	tree->keep_owners = wire_bool(in);
	tree->empty_ok = true;
	r = malformed(in, err);
	return r < 0 ? r : work_open_file(&tree->work, msg, STR(""), false, err);
}

void engine_path_put_call(struct msg_peer *peer, struct msg *msg)
{
	(void)begin(peer, msg, take_put, true, put_begin);
}

/* ---- between a container and the machine ---- */

static void on_copied(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct tree_work *tree = owner;

	(void)peer;
	if (!reply)
		work_fail(&tree->work, err);
	else
		work_reply(&tree->work, str_head(reply->body, 16));
}

static int copy_begin(struct tree_work *tree, struct err *err)
{
	const char *source = tree->into ? tree->other : tree->path;
	const char *dest = tree->into ? tree->path : tree->other;
	struct files_copy *copy OWN_FREE = calloc(1, sizeof(*copy));
	int outside OWN_FD =
		work_open_path(&tree->work, STR("/data/transfer/"), O_RDONLY | O_DIRECTORY, err);
	int fds[2] = { tree->into ? outside : tree->root_fd, tree->into ? tree->root_fd : outside };
	struct buf body OWN(buf_done) = { 0 };
	int seen OWN_FD = -1;

	if (outside < 0)
		return outside;
	if (tree->userns.userns_fd >= 0) {
		seen = user_namespace_view_dir(tree->userns.userns_fd, outside, err);
		if (seen < 0)
			return seen;
		fds[tree->into ? 0 : 1] = seen;
	}
	if (!copy)
		return err_set(err, -ENOMEM, "no memory for a copy");
	buf_init(&body, 4 * ENGINE_PATH_MAX);
	copy->sources[0] = str_from(source);
	copy->source_count = 1;
	copy->dest = str_from(dest);
	copy->chown = STR("0:0");
	files_copy_put(&body, copy);
	return tree_files(tree, FILES_MSG_COPY, buf_str(&body), fds, 2, on_copied, err);
}

static int take_copy(struct tree_work *tree, struct msg *msg, struct wire *in, struct err *err)
{
	static const char transfer[] = "/data/transfer/";
	struct str path;

	(void)msg;
	wire_text(in, tree->path, sizeof(tree->path));
	tree->into = wire_bool(in);
	path = wire_str(in, ENGINE_PATH_MAX - 1);
	if (wire_end(in) < 0)
		return malformed(in, err);
	if (!str_starts(path, str_from(transfer)))
		return err_set(err, -EINVAL, "a path that begins with %s is expected", transfer);
	/* With its slash: below the directory that is the root then. */
	return str_copy(str_skip(path, sizeof(transfer) - 2), tree->other, sizeof(tree->other));
}

void engine_copy_call(struct msg_peer *peer, struct msg *msg)
{
	(void)begin(peer, msg, take_copy, true, copy_begin);
}
