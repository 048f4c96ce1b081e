/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The message side of pull and load. Runs in those roles. It must never answer a job as done before
 * each blob it handed over was acknowledged.
 */
#include "engine/registry/serve.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>
#include "engine/api/pull_msg.h"
#include "engine/registry/archive.h"
#include "engine/registry/feed.h"
#include "engine/registry/pull.h"
#include "lib/log.h"
#include "lib/msg.h"
#include "lib/own.h"

enum {
	SERVE_ARENA_MAX = 64 << 20,
	SERVE_FOREVER = -1,
};

struct job {
	int fd;
	uint32_t serial;
	uint16_t type;
};

/* ---- the sink: questions to main ---- */

static int ask_blob(void *owner, const struct pull_blob *blob, int *ret_fd, struct err *err)
{
	const struct job *job = owner;
	struct buf body OWN(buf_done);
	struct msg reply = { 0 };
	int r;

	buf_init(&body, 4096);
	pull_blob_encode(blob, &body);
	r = buf_error(&body);
	if (r == 0)
		r = msg_call_sync(job->fd, PULL_MSG_BLOB, buf_str(&body), NULL, 0, SERVE_FOREVER,
				  &reply, err);
	if (r < 0)
		return r;
	r = reply.body.len == 1 && reply.body.ptr[0] == 1;
	if (r == 0) {
		*ret_fd = msg_take_fd(&reply, 0);
		if (*ret_fd < 0)
			r = err_set(err, -EBADMSG, "no pipe came for a blob");
	}
	msg_done(&reply);
	return r;
}

static int ask_blob_end(void *owner, const struct digest *digest, struct err *err)
{
	const struct job *job = owner;
	struct msg reply = { 0 };
	int r = msg_call_sync(job->fd, PULL_MSG_BLOB_END, str_make(digest, sizeof(*digest)), NULL,
			      0, SERVE_FOREVER, &reply, err);

	msg_done(&reply);
	return r;
}

/* One-way, and only for the eye: one that does not fit now is dropped. */
static void tell_progress(void *owner, const struct pull_progress *progress)
{
	const struct job *job = owner;
	struct buf body OWN(buf_done);
	struct msg msg = { .type = PULL_MSG_PROGRESS };

	buf_init(&body, 512);
	pull_progress_encode(progress, &body);
	msg.body = buf_str(&body);
	(void)msg_send(job->fd, &msg, NULL);
}

/* ---- answers ---- */

static void send_reply(const struct job *job, uint16_t flags, struct str body)
{
	struct msg msg = { .type = job->type,
			   .flags = (uint16_t)(MSG_FLAG_REPLY | flags),
			   .serial = job->serial,
			   .body = body };
	struct err err = { 0 };

	if (msg_send(job->fd, &msg, &err) < 0)
		log_err("answer: %s", err_text(&err));
}

static void send_error(const struct job *job, const struct err *err)
{
	struct buf body OWN(buf_done);

	buf_init(&body, 1024);
	wire_put_u32(&body, (uint32_t)(err->code < 0 ? err->code : -EIO));
	wire_put_text(&body, err_text(err));
	send_reply(job, MSG_FLAG_ERROR, buf_str(&body));
}

static int send_record(const struct job *job, uint16_t flags, const struct image *image,
		       struct err *err)
{
	struct buf body OWN(buf_done);
	int r;

	buf_init(&body, IMAGE_RECORD_MAX);
	image_encode(image, &body);
	r = buf_error(&body);
	if (r < 0)
		return err_set(err, r, "the image's settings are over %d bytes", IMAGE_RECORD_MAX);
	send_reply(job, flags, buf_str(&body));
	return 0;
}

/* ---- jobs ---- */

static int run_pull(struct job *job, struct str body, struct str system_ca, struct err *err)
{
	const struct pull_sink sink = { ask_blob, ask_blob_end, tell_progress, job };
	struct arena arena OWN(arena_done);
	struct pull_start start;
	struct image image;
	int r;

	arena_init(&arena, SERVE_ARENA_MAX);
	r = pull_start_decode(body, &arena, &start, err);
	if (r == 0)
		r = pull_image(&start, system_ca, &sink, &arena, &image, err);
	return r < 0 ? r : send_record(job, 0, &image, err);
}

static int on_image(void *owner, const struct image *image, struct err *err)
{
	return send_record(owner, MSG_FLAG_MORE, image, err);
}

static int run_load(struct job *job, struct str body, int archive_fd, struct err *err)
{
	const struct pull_sink sink = { ask_blob, ask_blob_end, tell_progress, job };
	struct arena arena OWN(arena_done);
	struct pull_archive wanted;
	struct buf count OWN(buf_done);
	int r;

	arena_init(&arena, SERVE_ARENA_MAX);
	buf_init(&count, 16);
	r = pull_archive_decode(body, &arena, &wanted, err);
	if (r == 0 && archive_fd < 0)
		r = err_set(err, -EBADMSG, "no archive came with the call");
	if (r == 0)
		r = archive_load(archive_fd, &wanted, &sink, on_image, job, err);
	if (r < 0)
		return r;
	wire_put_u32(&count, (uint32_t)r);
	send_reply(job, 0, buf_str(&count));
	return 0;
}

/* The next call: 1, 0 = the other side is gone. */
static int next_call(int fd, struct msg *ret_msg)
{
	struct pollfd watch = { .fd = fd, .events = POLLIN };
	struct err err = { 0 };
	int r;

	for (;;) {
		r = msg_recv(fd, ret_msg, &err);
		if (r == -EAGAIN) {
			(void)poll(&watch, 1, -1);
			continue;
		}
		if (r < 0)
			log_err("%s", err_text(&err));
		return r > 0;
	}
}

/* What a job needs of its call is copied: the receive buffer serves the answers that come next. */
static int serve(int fd, uint16_t type, struct str system_ca)
{
	struct msg msg = { 0 };

	while (next_call(fd, &msg)) {
		struct job job = { .fd = fd, .serial = msg.serial, .type = msg.type };
		OWN_FD int archive_fd = msg_take_fd(&msg, 0);
		struct buf body OWN(buf_done);
		struct err err = { 0 };
		int r = 0;

		buf_init(&body, PULL_START_MAX);
		buf_add_str(&body, msg.body);
		if (!(msg.flags & MSG_FLAG_CALL) || msg.type != type)
			r = err_set(&err, -EBADMSG, "a message of type %u is not taken here",
				    msg.type);
		else if (buf_error(&body))
			r = err_set(&err, buf_error(&body), "a call that is too long");
		msg_done(&msg);
		if (r == 0)
			r = type == PULL_MSG_START
				    ? run_pull(&job, buf_str(&body), system_ca, &err)
				    : run_load(&job, buf_str(&body), archive_fd, &err);
		if (r < 0)
			send_error(&job, &err);
	}
	return 0;
}

int serve_pull(int fd, struct str system_ca)
{
	return serve(fd, PULL_MSG_START, system_ca);
}

int serve_load(int fd)
{
	return serve(fd, PULL_MSG_ARCHIVE, (struct str){ 0 });
}
