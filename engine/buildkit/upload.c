/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moves what a client uploads from its session into a pipe. Runs in the api role. Must never look
 * at it, nor take a call that failed for one that is whole.
 */
#include "engine/buildkit/upload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "engine/buildkit/pb.h"
#include "lib/own.h"

enum { UPLOAD_HIGH = 256 << 10 };

static const char method[] = "/moby.upload.v1.Upload/Pull";

struct upload {
	struct loop *loop;
	struct grpc_call *call; /* NULL once it has ended */
	struct loop_io io;
	int fd;
	struct buf out; /* for the pipe */
	uint64_t moved;
	struct err error;
	const struct sync_ops *ops;
	void *owner;
	struct loop_timer end;
};

static void upload_close(struct upload *upload)
{
	if (upload->call)
		grpc_cancel(upload->call);
	upload->call = NULL;
	if (upload->fd >= 0)
		loop_remove(upload->loop, &upload->io);
	own_close(&upload->fd);
}

void upload_cancel(struct upload *upload)
{
	if (!upload)
		return;
	upload_close(upload);
	loop_timer_stop(upload->loop, &upload->end);
	buf_done(&upload->out);
	free(upload);
}

static void tell_end(struct loop_timer *timer)
{
	struct upload *upload = timer->owner;
	const struct sync_ops *ops = upload->ops;
	struct err error = upload->error;
	void *owner = upload->owner;

	upload_cancel(upload);
	ops->done(owner, error.code ? &error : NULL);
}

/* From the loop: whoever is told may end everything that stands on the stack here. */
static void upload_end(struct upload *upload, int code, const char *text)
{
	if (code && !upload->error.code)
		err_set(&upload->error, code, "%s", text);
	upload_close(upload);
	loop_timer_set(upload->loop, &upload->end, 0, tell_end, upload);
}

static void write_out(struct upload *upload)
{
	while (upload->out.len) {
		ssize_t n = write(upload->fd, upload->out.data, upload->out.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN) { /* who reads it has seen enough, and says why */
			upload_end(upload, -EPIPE, "the context is not wanted any more");
			return;
		}
		if (n < 0)
			break;
		buf_consume(&upload->out, (size_t)n);
	}
	if (!upload->call && !upload->out.len)
		upload_end(upload, 0, "");
	else
		(void)loop_change(upload->loop, &upload->io,
				  upload->out.len ? (uint32_t)EPOLLOUT : (uint32_t)0);
}

static void on_message(struct grpc_call *call, struct str message)
{
	struct upload *upload = call->owner;
	struct pb_field f;

	if (upload->fd < 0)
		return;
	while (pb_next(&message, &f) > 0) {
		if (f.number != 1 || !f.is_bytes)
			continue;
		(void)buf_add_str(&upload->out, f.bytes);
		upload->moved += f.bytes.len;
	}
	if (buf_error(&upload->out)) {
		upload_end(upload, -ENOMEM, "no memory for a build context");
		return;
	}
	upload->ops->moved(upload->owner, upload->moved);
	write_out(upload);
	if (upload->call)
		upload->call->held = upload->out.len >= UPLOAD_HIGH;
}

static void on_closed(struct grpc_call *call)
{
	struct upload *upload = call->owner;

	upload->call = NULL;
	if (call->held)
		grpc_drain(call);
	if (upload->fd < 0)
		return;
	if (call->status != GRPC_OK)
		upload_end(upload, -EIO, *call->text ? call->text : "the client's session is gone");
	else
		write_out(upload);
}

static void on_pipe(struct loop_io *io, uint32_t events)
{
	struct upload *upload = io->owner;

	if (events & EPOLLERR) {
		upload_end(upload, -EPIPE, "the context is not wanted any more");
		return;
	}
	write_out(upload);
	if (upload->call && upload->call->held && upload->out.len < UPLOAD_HIGH)
		grpc_hold(upload->call, false);
}

struct upload *upload_start(struct session *session, const char *id, int fd,
			    const struct sync_ops *ops, void *owner, struct err *err)
{
	int own OWN_FD = fd;
	char path[SESSION_ID_MAX + 2];
	const char *const headers[] = { "urlpath", path, "urlhost", "buildkit-session", NULL };
	struct upload *upload;

	if (!session_offers(session, method) || strlen(id) >= SESSION_ID_MAX) {
		err_set(err, -ENOTSUP, "the client's session offers no upload");
		return NULL;
	}
	path[0] = '/';
	(void)str_copy(str_from(id), path + 1, sizeof(path) - 1);
	upload = calloc(1, sizeof(*upload));
	if (upload)
		*upload = (struct upload){ .loop = session->grpc->client->server->loop,
					   .fd = -1,
					   .ops = ops,
					   .owner = owner };
	if (!upload || !(upload->call = grpc_call(session->grpc, method, headers))) {
		free(upload);
		err_set(err, -ENOMEM, "no room for what the client uploads");
		return NULL;
	}
	upload->call->owner = upload;
	upload->call->message = on_message;
	upload->call->closed = on_closed;
	buf_init(&upload->out, 2 * GRPC_MESSAGE_MAX);
	(void)fcntl(own, F_SETFL, O_NONBLOCK);
	if (loop_add(upload->loop, &upload->io, own, 0, on_pipe, upload, err) < 0) {
		upload_cancel(upload);
		return NULL;
	}
	upload->fd = take_fd(&own);
	grpc_end(upload->call);
	return upload;
}
