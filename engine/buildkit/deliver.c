/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moves the files of an image from engine main to a client's session. Runs in the api role. Must
 * never tell an output as whole before engine main and the client have said that it is, nor keep
 * more of it than a pipe, a call and one record hold.
 */
#include "engine/buildkit/deliver.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "engine/api/image_msg.h"
#include "engine/buildkit/fileset.h"
#include "engine/buildkit/pb.h"
#include "engine/docker/call.h"
#include "lib/own.h"

enum {
	DELIVER_CHUNK = 64 << 10,
	DELIVER_HIGH = 1 << 20, /* bytes of the call that the client has not taken */
	/* What is asked for at the same time is sent in one reading. */
	DELIVER_GATHER_MS = 10,
};

static const char method[] = "/moby.filesync.v1.FileSend/DiffCopy";

struct deliver {
	struct docker_server *server;
	struct grpc_call *call; /* NULL once it has ended */
	const char *who, *from;
	char image[DIGEST_TEXT_MAX];
	bool files;
	struct fileset set;
	struct loop_io io;
	int fd;	   /* the pipe, -1 = nothing is read now */
	bool said; /* engine main has: all is in the pipe */
	struct buf in;
	struct loop_timer gather, end;
	uint64_t moved;
	bool last; /* the client has all */
	struct err error;
	const struct sync_ops *ops;
	void *owner;
};

static void pipe_close(struct deliver *deliver)
{
	if (deliver->fd >= 0)
		loop_remove(deliver->server->loop, &deliver->io);
	own_close(&deliver->fd);
	docker_call_forget(deliver->server, deliver);
}

static void deliver_free(struct deliver *deliver)
{
	pipe_close(deliver);
	loop_timer_stop(deliver->server->loop, &deliver->gather);
	loop_timer_stop(deliver->server->loop, &deliver->end);
	fileset_done(&deliver->set);
	buf_done(&deliver->in);
	free(deliver);
}

void deliver_cancel(struct deliver *deliver)
{
	if (!deliver)
		return;
	if (deliver->call)
		grpc_cancel(deliver->call);
	deliver_free(deliver);
}

static void tell_end(struct loop_timer *timer)
{
	struct deliver *deliver = timer->owner;
	const struct sync_ops *ops = deliver->ops;
	struct err error = deliver->error;
	void *owner = deliver->owner;

	deliver_free(deliver);
	ops->done(owner, error.code ? &error : NULL);
}

/* From the loop: whoever is told may end everything that stands on the stack here. */
static void deliver_end(struct deliver *deliver, const struct err *err)
{
	if (err && !deliver->error.code)
		deliver->error = *err;
	if (deliver->call)
		grpc_cancel(deliver->call);
	deliver->call = NULL;
	pipe_close(deliver);
	loop_timer_stop(deliver->server->loop, &deliver->gather);
	loop_timer_set(deliver->server->loop, &deliver->end, 0, tell_end, deliver);
}

static void deliver_fail(struct deliver *deliver, int code, const char *text)
{
	struct err err = { 0 };

	err_set(&err, code, "%s", text);
	deliver_end(deliver, &err);
}

/* ---- to the client ---- */

static bool is_full(const struct deliver *deliver)
{
	return !deliver->call || deliver->call->out.len >= DELIVER_HIGH;
}

static void tell_moved(struct deliver *deliver, uint64_t bytes)
{
	if (deliver->ops->moved)
		deliver->ops->moved(deliver->owner, bytes);
}

static void send_tar(struct deliver *deliver)
{
	struct buf message OWN(buf_done) = { 0 };

	if (!deliver->in.len)
		return;
	buf_init(&message, 2 * DELIVER_CHUNK);
	pb_put_bytes(&message, 1, buf_str(&deliver->in));
	grpc_send(deliver->call, buf_str(&message));
	deliver->moved += deliver->in.len;
	buf_clear(&deliver->in);
	tell_moved(deliver, deliver->moved);
}

static void send_packet(struct deliver *deliver, enum packet_type type)
{
	struct buf packet OWN(buf_done) = { 0 };

	buf_init(&packet, 64);
	packet_put(&packet, type, 0);
	grpc_send(deliver->call, buf_str(&packet));
}

/* As many records as there is room for. */
static int send_files(struct deliver *deliver, struct err *err)
{
	struct buf packet OWN(buf_done) = { 0 };
	struct str rest = buf_str(&deliver->in);
	size_t used;
	int r = 1;

	buf_init(&packet, 2 * ENTRY_BODY_MAX);
	while (r > 0 && !is_full(deliver) && !deliver->set.state.ended) {
		buf_clear(&packet);
		r = fileset_step(&deliver->set, rest, &packet, &used, err);
		rest = str_skip(rest, used);
		if (r > 0 && packet.len)
			grpc_send(deliver->call, buf_str(&packet));
	}
	buf_consume(&deliver->in, deliver->in.len - rest.len);
	tell_moved(deliver, deliver->set.bytes);
	return r;
}

static void list_entries(struct deliver *deliver)
{
	struct buf packet OWN(buf_done) = { 0 };

	buf_init(&packet, 2 * ENTRY_BODY_MAX);
	while (!is_full(deliver)) {
		buf_clear(&packet);
		if (!fileset_tell(&deliver->set, &packet)) {
			deliver->call->room = NULL;
			send_packet(deliver, PACKET_STAT);
			return;
		}
		grpc_send(deliver->call, buf_str(&packet));
	}
}

static void on_room_to_list(struct grpc_call *call)
{
	list_entries(call->owner);
}

/* ---- from engine main ---- */

static void advance(struct deliver *deliver);
static void read_again(struct loop_timer *timer);

static void want_more(struct deliver *deliver)
{
	if (deliver->set.wanted_count && deliver->fd < 0)
		loop_timer_set(deliver->server->loop, &deliver->gather, DELIVER_GATHER_MS,
			       read_again, deliver);
}

/* A reading is over. */
static void read_end(struct deliver *deliver)
{
	struct err err = { 0 };

	pipe_close(deliver);
	deliver->call->room = NULL;
	if (!deliver->files) {
		deliver->last = true;
		grpc_end(deliver->call);
	} else if (!deliver->set.state.ended || deliver->in.len) {
		deliver_fail(deliver, -EBADMSG, "the result of the build ended too soon");
	} else if (deliver->set.order) {
		want_more(deliver);
	} else if (fileset_sort(&deliver->set, &err) < 0) {
		deliver_end(deliver, &err);
	} else {
		deliver->call->room = on_room_to_list;
		list_entries(deliver);
	}
}

static void on_answer(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct deliver *deliver = owner;

	(void)peer;
	if (!reply) {
		deliver_end(deliver, err);
		return;
	}
	deliver->said = true;
	if (deliver->fd < 0)
		read_end(deliver);
}

static void on_pipe(struct loop_io *io, uint32_t events)
{
	struct deliver *deliver = io->owner;
	char bytes[DELIVER_CHUNK];
	ssize_t n = read(deliver->fd, bytes, sizeof(bytes));

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0) {
		(void)buf_add(&deliver->in, bytes, (size_t)n);
		advance(deliver);
		return;
	}
	loop_remove(deliver->server->loop, &deliver->io);
	own_close(&deliver->fd);
	if (deliver->said)
		read_end(deliver);
}

static void on_room_to_send(struct grpc_call *call)
{
	advance(call->owner);
}

/* Silenced, a pipe would tell its hang-up: it is not watched where there is no room. */
static void watch(struct deliver *deliver)
{
	if (is_full(deliver))
		loop_remove(deliver->server->loop, &deliver->io);
	else if (deliver->fd >= 0 && !deliver->io.fn)
		(void)loop_add(deliver->server->loop, &deliver->io, deliver->fd, EPOLLIN, on_pipe,
			       deliver, NULL);
}

/* What was read goes to the client; then the pipe is read on, or not until there is room. */
static void advance(struct deliver *deliver)
{
	struct err err = { 0 };

	if (!deliver->call)
		return;
	if (!deliver->files)
		send_tar(deliver);
	else if (send_files(deliver, &err) < 0) {
		deliver_end(deliver, &err);
		return;
	}
	watch(deliver);
	deliver->call->room = is_full(deliver) ? on_room_to_send : NULL;
}

static int read_begin(struct deliver *deliver, struct err *err)
{
	struct buf body OWN(buf_done) = { 0 };
	int writer OWN_FD = -1, fds[2];
	struct docker_call_wish wish = { .who = deliver->who,
					 .from = deliver->from,
					 .type = ENGINE_MSG_IMAGE_TREE,
					 .fn = on_answer,
					 .owner = deliver };
	int r;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_set(err, -errno, "no pipe for the result of a build");
	deliver->fd = fds[0];
	wish.fd = writer = fds[1];
	deliver->said = false;
	buf_init(&body, 256);
	wire_put_text(&body, deliver->image);
	wire_put_u8(&body, deliver->files ? ENGINE_TREE_RECORDS : ENGINE_TREE_TAR);
	wish.body = buf_str(&body);
	fileset_again(&deliver->set);
	(void)fcntl(deliver->fd, F_SETFL, O_NONBLOCK);
	r = loop_add(deliver->server->loop, &deliver->io, deliver->fd, EPOLLIN, on_pipe, deliver,
		     err);
	return r < 0 ? r : docker_call(deliver->server, &wish, err);
}

static void read_again(struct loop_timer *timer)
{
	struct deliver *deliver = timer->owner;
	struct err err = { 0 };

	if (read_begin(deliver, &err) < 0)
		deliver_end(deliver, &err);
}

/* ---- from the client ---- */

static void take_packet(struct deliver *deliver, const struct packet *packet)
{
	struct err err = { 0 };

	switch (packet->type) {
	case PACKET_REQ:
		if (fileset_want(&deliver->set, packet->id, &err) < 0)
			deliver_end(deliver, &err);
		else
			want_more(deliver);
		break;
	case PACKET_FIN:
		if (deliver->set.wanted_count || !deliver->set.order || deliver->last) {
			deliver_fail(deliver, -EBADMSG, "the client ended its output too soon");
			break;
		}
		deliver->last = true;
		send_packet(deliver, PACKET_FIN);
		grpc_end(deliver->call);
		break;
	case PACKET_ERR:
		err_set(&err, -EIO, "error from receiver: %.*s",
			STR_ARG(str_head(packet->data, 300)));
		deliver_end(deliver, &err);
		break;
	case PACKET_STAT:
	case PACKET_DATA:
		deliver_fail(deliver, -EBADMSG, "the client sent files instead of taking them");
		break;
	}
}

static void on_message(struct grpc_call *call, struct str message)
{
	static struct packet packet;
	struct deliver *deliver = call->owner;
	struct err err = { 0 };

	if (!deliver->call || !deliver->files)
		return;
	if (packet_get(message, &packet, &err) < 0)
		deliver_end(deliver, &err);
	else
		take_packet(deliver, &packet);
}

static void on_closed(struct grpc_call *call)
{
	struct deliver *deliver = call->owner;

	deliver->call = NULL;
	if (deliver->last && call->status == GRPC_OK)
		deliver_end(deliver, NULL);
	else
		deliver_fail(deliver, -EIO,
			     *call->text ? call->text : "the client's session is gone");
}

/* ---- start ---- */

static struct grpc_call *call_client(struct session *session, const struct deliver_wish *wish)
{
	const char *const headers[] = { "buildkit-attachable-exporter-id", wish->output, NULL };

	return grpc_call(session->grpc, method, headers);
}

struct deliver *deliver_start(struct session *session, const struct deliver_wish *wish,
			      const struct sync_ops *ops, void *owner, struct err *err)
{
	struct deliver *deliver;

	if (!session_offers(session, method)) {
		err_set(err, -ENOTSUP, "the client's session takes no files");
		return NULL;
	}
	deliver = calloc(1, sizeof(*deliver));
	if (!deliver || !(deliver->call = call_client(session, wish))) {
		free(deliver);
		err_set(err, -ENOMEM, "no room for the result of a build");
		return NULL;
	}
	deliver->server = session->grpc->client->server;
	deliver->who = wish->who;
	deliver->from = wish->from;
	deliver->files = wish->files;
	(void)str_copy(str_from(wish->image), deliver->image, sizeof(deliver->image));
	deliver->fd = -1;
	deliver->ops = ops;
	deliver->owner = owner;
	fileset_init(&deliver->set);
	buf_init(&deliver->in, 2 * DELIVER_CHUNK + ENTRY_BODY_MAX);
	deliver->call->owner = deliver;
	deliver->call->message = on_message;
	deliver->call->closed = on_closed;
	if (read_begin(deliver, err) < 0) {
		deliver_cancel(deliver);
		return NULL;
	}
	return deliver;
}
