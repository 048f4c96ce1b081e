/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a job of pull or load asks engine main on its way: a pipe for a blob, whether it was stored,
 * room, a file to push. Runs in those roles. An answer belongs to the serial of its question; ends
 * of blobs are answered while others are asked.
 */
#include "engine/registry/ask.h"

#include <errno.h>
#include <poll.h>
#include "engine/api/pull_msg.h"
#include "lib/msg.h"
#include "lib/own.h"

static int read_error(const struct msg *reply, struct err *err)
{
	struct str text;
	struct wire in;
	int code;

	wire_init(&in, reply->body.ptr, reply->body.len);
	code = (int)wire_u32(&in);
	text = wire_str(&in, ERR_TEXT_MAX);
	return err_set(err, code < 0 ? code : -EBADMSG, "%.*s", STR_ARG(text));
}

/* An answer that nobody waits for at this moment: the end of some blob. */
static void note_end(struct ask *ask, const struct msg *reply)
{
	for (size_t i = 0; i < ASK_ENDS_MAX; i++) {
		struct ask_ending *end = &ask->ends[i];

		if (!end->serial || end->serial != reply->serial)
			continue;
		end->answered = true;
		if (reply->flags & MSG_FLAG_ERROR)
			read_error(reply, &end->err);
		return;
	}
}

/* The next message of main: 0, -EAGAIN (wait = false and none there), -errno. */
static int receive(struct ask *ask, bool wait, struct msg *ret_msg, struct err *err)
{
	struct pollfd watch = { .fd = ask->fd, .events = POLLIN };
	int r;

	for (;;) {
		r = poll(&watch, 1, wait ? -1 : 0);
		if (r == 0 || (r < 0 && errno != EINTR))
			return r == 0 ? -EAGAIN : -errno;
		if (r < 0)
			continue;
		r = msg_recv(ask->fd, ret_msg, err);
		if (r != -EAGAIN)
			break;
	}
	if (r == 0)
		return err_set(err, -EPIPE, "the engine is gone");
	return r < 0 ? r : 0;
}

static int send_call(struct ask *ask, uint16_t type, struct str body, struct err *err)
{
	struct msg call = { .type = type, .flags = MSG_FLAG_CALL, .body = body };
	struct pollfd watch = { .fd = ask->fd, .events = POLLOUT };
	int r;

	if (++ask->last_call == 0)
		ask->last_call = 1;
	call.serial = ask->last_call;
	while ((r = msg_send(ask->fd, &call, err)) == -EAGAIN)
		(void)poll(&watch, 1, -1);
	return r;
}

/* A question and its answer; ends of blobs that are answered meanwhile are noted. */
static int ask_call(struct ask *ask, uint16_t type, struct str body, struct msg *ret_reply,
		    struct err *err)
{
	uint32_t serial;
	int r = send_call(ask, type, body, err);

	serial = ask->last_call;
	while (r == 0) {
		r = receive(ask, true, ret_reply, err);
		if (r < 0)
			break;
		if ((ret_reply->flags & MSG_FLAG_REPLY) && ret_reply->serial == serial) {
			if (!(ret_reply->flags & MSG_FLAG_ERROR))
				return 0;
			r = read_error(ret_reply, err);
		} else if (ret_reply->flags & MSG_FLAG_REPLY) {
			note_end(ask, ret_reply);
		}
		msg_done(ret_reply);
	}
	return r;
}

static int ask_blob(void *owner, const struct pull_blob *blob, int *ret_fd, struct err *err)
{
	struct ask *ask = owner;
	struct buf body OWN(buf_done);
	struct msg reply = { 0 };
	int r;

	buf_init(&body, 4096);
	pull_blob_encode(blob, &body);
	r = buf_error(&body);
	if (r == 0)
		r = ask_call(ask, PULL_MSG_BLOB, buf_str(&body), &reply, err);
	if (r < 0)
		return r;
	r = reply.body.len == 1 && reply.body.ptr[0] == 1;
	if (r == 0 && !blob->probe) {
		*ret_fd = msg_take_fd(&reply, 0);
		if (*ret_fd < 0)
			r = err_set(err, -EBADMSG, "no pipe came for a blob");
	}
	msg_done(&reply);
	return r;
}

static int send_end(void *owner, const struct digest *digest, uint32_t *ret_token, struct err *err)
{
	struct ask *ask = owner;
	int r;

	for (size_t i = 0; i < ASK_ENDS_MAX; i++) {
		if (ask->ends[i].serial)
			continue;
		r = send_call(ask, PULL_MSG_BLOB_END, str_make(digest, sizeof(*digest)), err);
		if (r < 0)
			return r;
		ask->ends[i] = (struct ask_ending){ .serial = ask->last_call };
		*ret_token = ask->last_call;
		return 0;
	}
	return err_set(err, -EBUSY, "too many blobs at once");
}

static int take_end(void *owner, uint32_t token, struct err *err)
{
	struct ask *ask = owner;
	struct msg reply = { 0 };
	int r = 0;

	while ((r = receive(ask, false, &reply, err)) == 0) {
		if (reply.flags & MSG_FLAG_REPLY)
			note_end(ask, &reply);
		msg_done(&reply);
	}
	if (r != -EAGAIN)
		return r;
	for (size_t i = 0; i < ASK_ENDS_MAX; i++) {
		struct ask_ending *end = &ask->ends[i];

		if (end->serial != token || !end->answered)
			continue;
		end->serial = 0;
		if (end->err.code && err)
			*err = end->err;
		return end->err.code;
	}
	return -EAGAIN;
}

/* One-way, and only for the eye: one that does not fit now is dropped. */
static void tell_progress(void *owner, const struct pull_progress *progress)
{
	const struct ask *ask = owner;
	struct buf body OWN(buf_done);
	struct msg msg = { .type = PULL_MSG_PROGRESS };

	buf_init(&body, 512);
	pull_progress_encode(progress, &body);
	msg.body = buf_str(&body);
	(void)msg_send(ask->fd, &msg, NULL);
}

static int ask_need(void *owner, uint64_t bytes, struct err *err)
{
	struct buf body OWN(buf_done) = { 0 };
	struct msg reply = { 0 };
	int r;

	buf_init(&body, 16);
	wire_put_u64(&body, bytes);
	r = ask_call(owner, PULL_MSG_NEED, buf_str(&body), &reply, err);
	if (r == 0)
		msg_done(&reply);
	return r;
}

static int open_source(void *owner, const struct digest *digest, uint64_t *ret_size,
		       struct err *err)
{
	struct msg reply = { 0 };
	struct wire in;
	int r = ask_call(owner, PULL_MSG_SOURCE, str_make(digest, sizeof(*digest)), &reply, err);

	if (r < 0)
		return r;
	wire_init(&in, reply.body.ptr, reply.body.len);
	*ret_size = wire_u64(&in);
	r = wire_end(&in) < 0 ? -EBADMSG : msg_take_fd(&reply, 0);
	msg_done(&reply);
	return r >= 0 ? r : err_set(err, -EBADMSG, "no file came for a blob");
}

struct pull_sink ask_sink(struct ask *ask)
{
	return (struct pull_sink){ ask_blob, send_end, take_end, tell_progress,
				   ask_need, ask,      ask->fd };
}

struct push_source ask_source(struct ask *ask)
{
	return (struct push_source){ open_source, tell_progress, ask };
}
