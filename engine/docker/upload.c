/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies of requests that are not kept: from the connection into a pipe whose other end engine main
 * gives to the role that reads archives. Runs in the api role. Must never read more from a client
 * than that role takes.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "engine/docker/reply.h"
#include "engine/docker/transfer.h"
#include "lib/own.h"

void docker_upload_done(struct docker_client *client)
{
	struct docker_upload *upload = &client->upload;

	if (upload->fd >= 0)
		loop_remove(client->server->loop, &upload->io);
	own_close(&upload->fd);
	upload->state = DOCKER_UPLOAD_NONE;
}

bool docker_upload_drop(struct docker_client *client)
{
	struct docker_upload *upload = &client->upload;
	bool going = upload->state != DOCKER_UPLOAD_NONE;

	docker_upload_done(client);
	if (going && upload->body.framing != HTTP_FRAMING_NONE &&
	    (!upload->body.done || upload->ready))
		upload->state = DOCKER_UPLOAD_DROPPED;
	return upload->state == DOCKER_UPLOAD_DROPPED;
}

/* The last byte has gone on: its reader sees the end. */
static void upload_ended(struct docker_client *client)
{
	bool answered = !client->waiting && !client->streaming;

	docker_upload_done(client);
	if (!answered)
		return;
	if (client->upload.close_after) {
		docker_finish(client);
		return;
	}
	if (client->in.len)
		docker_parse(client);
}

/* Moves what is ready; false: it has to wait. */
static bool push(struct docker_client *client)
{
	struct docker_upload *upload = &client->upload;
	ssize_t n = (ssize_t)upload->ready;

	if (upload->fd >= 0)
		n = write(upload->fd, client->in.data, upload->ready);
	if (n < 0 && errno == EINTR)
		return true;
	if (n < 0 && errno == EAGAIN) {
		(void)loop_change(client->server->loop, &upload->io, EPOLLOUT);
		return false;
	}
	if (n < 0) { /* who read has seen enough: its answer is on the way */
		(void)docker_upload_drop(client);
		return true;
	}
	buf_consume(&client->in, (size_t)n);
	upload->ready -= (size_t)n;
	return true;
}

void docker_upload_feed(struct docker_client *client)
{
	struct docker_upload *upload = &client->upload;

	while (upload->state == DOCKER_UPLOAD_FED || upload->state == DOCKER_UPLOAD_DROPPED) {
		struct err err = { 0 };
		struct str data;
		size_t used;
		int r;

		if (upload->ready) {
			if (!push(client))
				return;
			continue;
		}
		r = http_body_next(&upload->body, buf_str(&client->in), &used, &data, &err);
		if (r < 0) { /* where the next request begins is not known any more */
			docker_close(client);
			return;
		}
		upload->ready = data.len;
		if (!data.len)
			buf_consume(&client->in, used);
		if (r == 0 && !data.len) {
			upload_ended(client);
			return;
		}
		if (!used)
			return;
	}
}

static void on_pipe(struct loop_io *io, uint32_t events)
{
	struct docker_client *client = io->owner;

	if (events & EPOLLERR)
		(void)docker_upload_drop(client);
	else
		(void)loop_change(client->server->loop, io, 0);
	docker_upload_feed(client);
	if (client->fd >= 0)
		docker_flush(client); /* reads on if there is room */
}

void docker_upload(struct docker_client *client, uint16_t type, struct str body, msg_reply_fn *fn)
{
	struct docker_upload *upload = &client->upload;
	struct err err = { 0 };
	int reader OWN_FD = -1, fds[2];

	if (!docker_transfer_begin(client))
		return;
	if (pipe2(fds, O_CLOEXEC) < 0) {
		docker_reply_error(client, 503, "no pipe for an archive");
		return;
	}
	reader = fds[0];
	upload->fd = fds[1];
	(void)fcntl(upload->fd, F_SETFL, O_NONBLOCK);
	if (loop_add(client->server->loop, &upload->io, upload->fd, 0, on_pipe, client, &err) < 0) {
		own_close(&upload->fd);
		docker_reply_err(client, &err);
		return;
	}
	upload->state = DOCKER_UPLOAD_FED;
	docker_ask_fd(client, type, body, take_fd(&reader), fn);
	if (client->fd >= 0 && !upload->behind_head)
		docker_upload_feed(client);
	if (client->fd >= 0)
		docker_flush(client);
}
