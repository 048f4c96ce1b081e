/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers that engine main's roles write: from a pipe into chunks. Runs in the api role. Must never
 * end an answer as if it were whole before engine main has said that it is.
 */
#include "engine/docker/transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "lib/log.h"
#include "lib/own.h"

enum { TRANSFER_CHUNK = 64 << 10 };

struct download {
	struct docker_client *client;
	struct loop_io io;
	int fd; /* -1 = it has ended */
	const char *type;
	bool said; /* engine main's answer was good */
};

/*
 * Engine main and its roles wait for as long as the transfer lasts: one who does not read or send
 * what is waited for is let go. What takes its time on our side does not count.
 */
static void on_stall(struct loop_timer *timer)
{
	struct docker_client *client = timer->owner;
	bool sends = client->upload.state == DOCKER_UPLOAD_FED && !client->upload.ready;
	bool slow = client->moved - client->moved_before < DOCKER_STALL_MIN;

	if (slow && (sends || client->out.len)) {
		log_notice("%s: an archive has stalled for %d s: its connection is closed",
			   client->who, DOCKER_STALL_MS / 1000);
		docker_close(client);
		return;
	}
	client->moved_before = client->moved;
	loop_timer_set(client->server->loop, timer, DOCKER_STALL_MS, on_stall, client);
}

bool docker_transfer_begin(struct docker_client *client)
{
	if (client->server->transfers >= DOCKER_TRANSFERS_MAX) {
		docker_reply_error(client, 503, "too many archives at once: try again later");
		return false;
	}
	client->server->transfers++;
	client->transfers = true;
	client->moved_before = client->moved;
	loop_timer_set(client->server->loop, &client->stall, DOCKER_STALL_MS, on_stall, client);
	return true;
}

static void download_close(struct download *download)
{
	loop_remove(download->client->server->loop, &download->io);
	own_close(&download->fd);
}

static void download_free(void *work)
{
	download_close(work);
}

/* After it the client may be gone. */
static bool begin_answer(struct docker_client *client, const struct download *download)
{
	if (!client->streaming)
		docker_stream_begin(client, download->type);
	return client->fd >= 0;
}

static void settle(struct docker_client *client, const struct download *download)
{
	if (download->said && download->fd < 0 && begin_answer(client, download))
		docker_stream_end(client);
}

static void on_pipe(struct loop_io *io, uint32_t events)
{
	struct download *download = io->owner;
	struct docker_client *client = download->client;
	char bytes[TRANSFER_CHUNK];
	ssize_t n = read(download->fd, bytes, sizeof(bytes));

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		download_close(download);
		settle(client, download);
		return;
	}
	if (!begin_answer(client, download))
		return;
	docker_stream_add(client, str_make(bytes, (size_t)n));
	if (client->fd >= 0 && docker_stream_full(client)) /* silenced, it would tell its hang-up */
		loop_remove(client->server->loop, &download->io);
}

static void on_room(struct docker_client *client)
{
	struct download *download = client->work;

	if (download->fd >= 0 && !download->io.fn)
		(void)loop_add(client->server->loop, &download->io, download->fd, EPOLLIN, on_pipe,
			       download, NULL);
}

static void on_answer(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct docker_client *client = owner;
	struct download *download = client->work;

	(void)peer;
	if (!reply) {
		download_close(download);
		docker_reply_err(client, err);
	} else if (!(reply->flags & MSG_FLAG_MORE)) {
		download->said = true;
		settle(client, download);
	}
}

void docker_download(struct docker_client *client, uint16_t type, struct str body,
		     const char *content_type)
{
	struct download *download = arena_alloc(&client->arena, sizeof(*download));
	struct err err = { 0 };
	int writer OWN_FD = -1, fds[2];

	if (!docker_transfer_begin(client))
		return;
	if (!download || pipe2(fds, O_CLOEXEC) < 0) {
		docker_reply_error(client, 503, "no pipe for an archive");
		return;
	}
	writer = fds[1];
	*download = (struct download){ .client = client, .fd = fds[0], .type = content_type };
	(void)fcntl(download->fd, F_SETFL, O_NONBLOCK);
	client->work = download;
	client->work_free = download_free;
	client->on_room = on_room;
	if (loop_add(client->server->loop, &download->io, download->fd, EPOLLIN, on_pipe, download,
		     &err) < 0)
		docker_reply_err(client, &err);
	else
		docker_ask_fd(client, type, body, take_fd(&writer), on_answer);
}
