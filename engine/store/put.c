/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns blobs that are streaming in. Runs in the store role. Must never name a blob whose size and
 * digest did not come out right, nor wait for one pipe while others have something.
 */
#include "engine/store/put.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "lib/fs.h"
#include "lib/own.h"

enum { PUT_TURNS = 8 /* pieces of one blob before the others have their turn */ };
/* Room is asked for in steps, because a blob's size may be unknown and others write too. */
#define PUT_ROOM_STEP (UINT64_C(8) << 20)

static void on_readable(struct loop_io *io, uint32_t events);
static void on_writable(struct loop_io *io, uint32_t events);

void put_stop(struct put *put)
{
	if (!put->loop)
		return;
	loop_remove(put->loop, &put->io);
	own_close(&put->in);
	own_close(&put->tee);
	own_close(&put->file);
	own_free(&put->piece);
	put->loop = NULL;
}

static void finish(struct put *put, const struct err *err)
{
	uint64_t size = put->size;
	put_stop(put);
	put->done(put->owner, put, size, err);
}

static int name_blob(const struct put *put, char *shown, struct err *err)
{
	(void)digest_text(&put->args.digest, shown);
	return err ? err_prefix(err, "blob %s", shown) : 0;
}

static int check_room(struct put *put, struct err *err)
{
	char shown[DIGEST_TEXT_MAX];
	uint64_t left =
		put->args.size == STORE_SIZE_UNKNOWN ? PUT_ROOM_STEP : put->args.size - put->size;
	if (!put->args.keep)
		return 0;
	put->checked = put->size + PUT_ROOM_STEP;
	return store_room(put->store, left, digest_text(&put->args.digest, shown), err);
}

static int write_file(struct put *put, struct err *err)
{
	struct err why = { 0 };
	if (put->file < 0)
		return 0;
	if (put->size >= put->checked && check_room(put, err) < 0)
		return -ENOSPC;
	int r = fs_write_fd(put->file, put->piece, put->piece_len, &why);
	if (r == -ENOSPC || r == -EDQUOT) {
		/* The room went while we wrote; this says how much is missing now. */
		r = check_room(put, err);
		return r < 0 ? r : err_set(err, -ENOSPC, "%s", err_text(&why));
	}
	return r < 0 ? err_set(err, r, "%s", err_text(&why)) : 0;
}

/* Size and digest decide; only then does the blob get its name. */
static int complete(struct put *put, struct err *err)
{
	char is[DIGEST_TEXT_MAX];
	struct digest digest;
	if (put->args.size != STORE_SIZE_UNKNOWN && put->size != put->args.size)
		return err_set(err, -EBADMSG, "ended after %llu of %llu bytes",
			       (unsigned long long)put->size, (unsigned long long)put->args.size);
	sha256_end(&put->hash, &digest);
	if (memcmp(&digest, &put->args.digest, sizeof(digest)) != 0)
		return err_set(err, -EBADMSG, "has the content of %s: refused",
			       digest_text(&digest, is));
	if (put->file < 0)
		return 0;
	return store_blob_publish(put->store, put->file, &digest, err);
}

static int watch(struct put *put, int fd, uint32_t events, loop_io_fn *fn, struct err *err)
{
	loop_remove(put->loop, &put->io);
	return loop_add(put->loop, &put->io, fd, events, fn, put, err);
}

/* Hands the piece on: 1 = all of it, 0 = the reader is slow (then on_writable goes on). */
static int send_piece(struct put *put)
{
	while (put->tee >= 0 && put->piece_sent < put->piece_len) {
		ssize_t n = write(put->tee, put->piece + put->piece_sent,
				  put->piece_len - put->piece_sent);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0)
			own_close(&put->tee); /* its reader ended and says why itself */
		else
			put->piece_sent += (size_t)n;
	}
	return 1;
}

/* 1 = a piece came, 0 = nothing now, -ENODATA = the end. */
static int read_piece(struct put *put, struct err *err)
{
	ssize_t n;
	do {
		n = read(put->in, put->piece, PUT_PIECE);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? 0 : err_sys(err, -errno, "cannot be read");
	if (n == 0)
		return -ENODATA;
	put->piece_len = (size_t)n;
	put->piece_sent = 0;
	if (put->args.size != STORE_SIZE_UNKNOWN && (uint64_t)n > put->args.size - put->size)
		return err_set(err, -EBADMSG, "is longer than its %llu bytes",
			       (unsigned long long)put->args.size);
	sha256_add(&put->hash, put->piece, put->piece_len);
	int r = write_file(put, err);
	if (r < 0)
		return r;
	put->size += (uint64_t)n;
	return 1;
}

static void on_readable(struct loop_io *io, uint32_t events)
{
	struct put *put = io->owner;
	char shown[DIGEST_TEXT_MAX];
	struct err err = { 0 };
	int r = 1;
	(void)events;
	for (int turn = 0; turn < PUT_TURNS && r == 1; turn++) {
		r = read_piece(put, &err);
		if (r == 1 && send_piece(put) == 0) {
			r = watch(put, put->tee, EPOLLOUT, on_writable, &err);
			break;
		}
	}
	if (r >= 0)
		return;
	if (r == -ENODATA && err.code == 0)
		r = complete(put, &err);
	if (r < 0)
		(void)name_blob(put, shown, &err);
	finish(put, r < 0 ? &err : NULL);
}

static void on_writable(struct loop_io *io, uint32_t events)
{
	struct put *put = io->owner;
	struct err err = { 0 };
	(void)events;
	if (send_piece(put) == 0)
		return;
	if (watch(put, put->in, EPOLLIN, on_readable, &err) < 0)
		finish(put, &err);
}

static int set_nonblock(int fd, struct err *err)
{
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return err_sys(err, -errno, "cannot make a blob's pipe non-blocking");
	return 0;
}

int put_start(struct put *put, struct loop *loop, struct store *store,
	      const struct store_put_args *args, int in_fd, int tee_fd, put_done_fn *done,
	      void *owner, struct err *err)
{
	char shown[DIGEST_TEXT_MAX];
	*put = (struct put){
		.loop = loop,
		.store = store,
		.args = *args,
		.in = in_fd,
		.tee = tee_fd,
		.file = -1,
		.io = { .fd = -1 },
		.done = done,
		.owner = owner,
	};
	sha256_init(&put->hash);
	int r = check_room(put, err);
	put->piece = malloc(PUT_PIECE);
	if (r == 0 && !put->piece)
		r = err_set(err, -ENOMEM, "out of memory");
	if (r == 0)
		r = set_nonblock(in_fd, err);
	if (r == 0 && tee_fd >= 0)
		r = set_nonblock(tee_fd, err);
	if (r == 0 && args->keep)
		r = put->file = store_blob_new(store, err);
	if (r >= 0)
		r = watch(put, in_fd, EPOLLIN, on_readable, err);
	if (r < 0) {
		(void)name_blob(put, shown, err);
		put_stop(put);
	}
	return r < 0 ? r : 0;
}
