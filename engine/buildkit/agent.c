/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connects steps of a build with the SSH agent of its client. Runs in the api role. Must never look
 * at what they say, nor keep a connection whose other side is gone.
 */
#include "engine/buildkit/agent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "engine/buildkit/pb.h"
#include "lib/own.h"

enum { AGENT_PIECE = 16 << 10 };

static const char method[] = "/moby.sshforward.v1.SSH/ForwardAgent";

/* One connection to the socket. */
struct agent_link {
	struct agent_link *next;
	struct agent *agent;
	struct grpc_call *call; /* NULL once it has ended */
	struct loop_io io;
	int fd;
	bool ended;	/* the step sends no more */
	struct buf out; /* for the step */
	struct loop_timer burial;
};

struct agent {
	struct loop *loop;
	struct loop_io io;
	int fd;
	char id[SESSION_ID_MAX];
	const char *who, *session;
	enum docker_role role;
	struct agent_link *links;
	uint32_t link_count;
};

bool agent_is_offered(const struct session *session)
{
	return session_offers(session, method);
}

static void link_free(struct agent_link *link)
{
	struct agent_link **at = &link->agent->links;

	while (*at && *at != link)
		at = &(*at)->next;
	if (*at)
		*at = link->next;
	link->agent->link_count--;
	if (link->call)
		grpc_cancel(link->call);
	loop_timer_stop(link->agent->loop, &link->burial);
	loop_remove(link->agent->loop, &link->io);
	own_close(&link->fd);
	buf_done(&link->out);
	free(link);
}

static void link_bury(struct loop_timer *timer)
{
	link_free(timer->owner);
}

/* From the loop: it may stand on the stack here. */
static void link_end(struct agent_link *link)
{
	loop_timer_set(link->agent->loop, &link->burial, 0, link_bury, link);
}

static void link_watch(struct agent_link *link)
{
	uint32_t events = link->out.len ? (uint32_t)EPOLLOUT : 0;

	if (!link->ended)
		events |= EPOLLIN;
	(void)loop_change(link->agent->loop, &link->io, events);
}

static void write_out(struct agent_link *link)
{
	while (link->out.len) {
		ssize_t n = send(link->fd, link->out.data, link->out.len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN) {
			link_end(link);
			return;
		}
		if (n < 0)
			break;
		buf_consume(&link->out, (size_t)n);
	}
	if (!link->call && !link->out.len)
		link_end(link);
	else
		link_watch(link);
}

static void on_message(struct grpc_call *call, struct str message)
{
	struct agent_link *link = call->owner;
	struct pb_field f;

	while (pb_next(&message, &f) > 0) {
		if (f.number == 1 && f.is_bytes)
			(void)buf_add_str(&link->out, f.bytes);
	}
	if (buf_error(&link->out))
		link_end(link);
	else
		write_out(link);
}

static void on_closed(struct grpc_call *call)
{
	struct agent_link *link = call->owner;

	link->call = NULL;
	write_out(link);
}

static void read_in(struct agent_link *link)
{
	struct buf message OWN(buf_done) = { 0 };
	char piece[AGENT_PIECE];
	ssize_t n = recv(link->fd, piece, sizeof(piece), 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0 || !link->call || link->call->out.len > AGENT_BYTES_MAX) {
		link_end(link);
		return;
	}
	link->ended = n == 0;
	if (n == 0) {
		grpc_end(link->call);
		link_watch(link);
		return;
	}
	buf_init(&message, AGENT_PIECE + 64);
	pb_put_bytes(&message, 1, str_make(piece, (size_t)n));
	grpc_send(link->call, buf_str(&message));
}

static void on_link(struct loop_io *io, uint32_t events)
{
	struct agent_link *link = io->owner;

	if (events & EPOLLOUT)
		write_out(link);
	if (events & EPOLLIN)
		read_in(link);
	else if (events & (EPOLLERR | EPOLLHUP))
		link_end(link);
}

static void link_start(struct agent *agent, int fd)
{
	const char *const headers[] = { "buildkit.ssh.id", agent->id, NULL };
	const struct session *session = session_find(agent->who, agent->role, agent->session);
	struct agent_link *link;
	int own OWN_FD = fd;

	if (!session || agent->link_count == AGENT_LINKS_MAX || !(link = calloc(1, sizeof(*link))))
		return;
	link->agent = agent;
	link->fd = -1;
	buf_init(&link->out, AGENT_BYTES_MAX);
	link->next = agent->links;
	agent->links = link;
	agent->link_count++;
	link->call = grpc_call(session->grpc, method, headers);
	if (!link->call ||
	    loop_add(agent->loop, &link->io, own, EPOLLIN, on_link, link, NULL) < 0) {
		link_free(link);
		return;
	}
	link->fd = take_fd(&own);
	link->call->owner = link;
	link->call->message = on_message;
	link->call->closed = on_closed;
}

static void on_connection(struct loop_io *io, uint32_t events)
{
	struct agent *agent = io->owner;
	int fd;

	(void)events;
	while ((fd = accept4(agent->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0)
		link_start(agent, fd);
}

struct agent *agent_start(struct loop *loop, int fd, const char *id, const char *who,
			  enum docker_role role, const char *session)
{
	struct agent *agent = calloc(1, sizeof(*agent));
	int own OWN_FD = fd;

	if (!agent)
		return NULL;
	*agent = (struct agent){
		.loop = loop, .fd = -1, .who = who, .role = role, .session = session
	};
	if (str_copy(str_from(id), agent->id, sizeof(agent->id)) < 0 ||
	    loop_add(loop, &agent->io, own, EPOLLIN, on_connection, agent, NULL) < 0) {
		free(agent);
		return NULL;
	}
	agent->fd = take_fd(&own);
	return agent;
}

void agent_stop(struct agent *agent)
{
	if (!agent)
		return;
	while (agent->links)
		link_free(agent->links);
	loop_remove(agent->loop, &agent->io);
	own_close(&agent->fd);
	free(agent);
}
