/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wires a files and a pack role together, so that a tree becomes a tar. Runs in engine main, which
 * must never read a byte of what flows between them.
 */
#include "engine/image/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "engine/api/store_msg.h"
#include "lib/own.h"

enum rank { RANK_WALK = 1, RANK_WRITE = 2, RANK_NONE = 9 };

static void tree_end(struct image_tree *tree, const struct err *err)
{
	image_tree_done_fn *done = tree->done;

	tree->done = NULL;
	if (done)
		done(tree->owner, err ? NULL : &tree->result, err);
}

/* What the walk says is nearer to the cause than "the stream just stopped". */
static void heard(struct image_tree *tree, enum rank rank, const struct err *err)
{
	if (!tree->done)
		return;
	if (err && (int)rank < tree->error_rank) {
		tree->error_rank = (int)rank;
		tree->error = *err;
	}
	if (--tree->pending > 0)
		return;
	tree_end(tree, tree->error_rank == RANK_NONE ? NULL : &tree->error);
}

static void on_walked(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct image_tree *tree = owner;
	struct err bad = { 0 };
	struct wire in;

	(void)peer;
	if (!reply) {
		heard(tree, RANK_WALK, err);
		return;
	}
	wire_init(&in, reply->body.ptr, reply->body.len);
	(void)wire_u64(&in);
	(void)wire_u64(&in);
	tree->result.size = wire_u64(&in);
	tree->result.mode = wire_u32(&in);
	tree->result.mtime_s = wire_i64(&in);
	wire_text(&in, tree->result.link, sizeof(tree->result.link));
	if (wire_end(&in) < 0)
		err_set(&bad, -EBADMSG, "role files: malformed answer");
	heard(tree, RANK_WALK, bad.code ? &bad : NULL);
}

static void on_written(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct image_tree *tree = owner;
	struct err bad = { 0 };
	struct wire in;

	(void)peer;
	if (!reply) {
		heard(tree, RANK_WRITE, err);
		return;
	}
	wire_init(&in, reply->body.ptr, reply->body.len);
	store_digest_get(&in, &tree->result.digest);
	tree->result.bytes = wire_u64(&in);
	if (wire_end(&in) < 0)
		err_set(&bad, -EBADMSG, "role pack: malformed answer");
	heard(tree, RANK_WRITE, bad.code ? &bad : NULL);
}

static int start_walk(struct image_tree *tree, const struct image_tree_wanted *wanted, int out_fd,
		      struct err *err)
{
	const int fds[2] = { wanted->root_fd, out_fd };
	struct buf body OWN(buf_done) = { 0 };
	int64_t r;

	buf_init(&body, 3 * FILES_PATH_MAX);
	wire_put_u8(&body, !wanted->layer);
	wire_put_text(&body, wanted->path);
	wire_put_text(&body, wanted->name);
	r = worker_start(&tree->files, tree->loop, "files", NULL, 0, &wanted->userns_fd,
			 wanted->userns_fd > 0 ? 1 : 0, NULL, tree, err);
	if (r >= 0)
		r = msg_peer_call(&tree->files.peer, FILES_MSG_TREE, buf_str(&body), fds, 2,
				  on_walked, tree, err);
	return r < 0 ? (int)r : 0;
}

static int start_write(struct image_tree *tree, const struct image_tree_wanted *wanted, int in_fd,
		       struct err *err)
{
	const int fds[2] = { in_fd, wanted->out_fd };
	const uint8_t kind = wanted->layer	     ? PACK_TAR_LAYER
			     : !wanted->front	     ? PACK_TAR_TREE
			     : *wanted->front == '/' ? PACK_TAR_SLASH
						     : PACK_TAR_DOT;
	int64_t r =
		worker_start(&tree->pack, tree->loop, "pack", NULL, 0, NULL, 0, NULL, tree, err);

	if (r >= 0)
		r = msg_peer_call(&tree->pack.peer, PACK_MSG_TAR, str_make(&kind, 1), fds, 2,
				  on_written, tree, err);
	return r < 0 ? (int)r : 0;
}

int image_tree_start(struct image_tree *tree, struct loop *loop,
		     const struct image_tree_wanted *wanted, image_tree_done_fn *done, void *owner,
		     struct err *err)
{
	int read_fd OWN_FD = -1, write_fd OWN_FD = -1, fds[2];
	int r;

	memset(tree, 0, sizeof(*tree));
	tree->loop = loop;
	tree->files.pidfd = tree->pack.pidfd = -1;
	tree->pending = 2;
	tree->error_rank = RANK_NONE;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(err, -errno, "pipe for a tree");
	read_fd = fds[0];
	write_fd = fds[1];
	(void)fcntl(write_fd, F_SETPIPE_SZ, 256 << 10);
	r = start_write(tree, wanted, read_fd, err);
	if (r >= 0)
		r = start_walk(tree, wanted, write_fd, err);
	if (r < 0) {
		image_tree_done(tree);
		return r;
	}
	tree->done = done;
	tree->owner = owner;
	return 0;
}

void image_tree_done(struct image_tree *tree)
{
	if (!tree->loop)
		return;
	tree->done = NULL;
	worker_stop(&tree->files);
	worker_stop(&tree->pack);
	tree->loop = NULL;
}
