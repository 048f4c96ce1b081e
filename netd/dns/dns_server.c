/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the sockets inside the containers and their TCP clients. Run by the dns role alone. It must
 * never let one client hold up another, and never forward a question of a container that may not
 * reach out.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "lib/own.h"
#include "netd/dns/dns_batch.h"
#include "netd/dns/dns_server.h"
#include "netd/dns/dns_service.h"

enum {
	STREAM_IDLE_MS = 10000,
	STREAM_QUERY_MAX = 4096,
	STREAM_OUT_MAX = 4 * (DNS_MESSAGE_MAX + 2),
	PER_WAKE = 16,
	LOCAL_ANSWER_MAX = 8192,
};

struct served {
	int udp_fd, tcp_fd; /* -1 = not served */
	uint32_t
		serial; /* of whoever sits in this slot: late answers to an older one are dropped */
	struct loop_io udp_io, tcp_io;
};

struct stream {
	int fd; /* -1 = free */
	uint32_t container, serial;
	struct loop_io io;
	struct loop_timer timer;
	struct buf in, out;
};

static struct {
	struct loop *loop;
	struct dns_table *table;
	struct served *served; /* DNS_CONTAINERS_MAX */
	struct stream streams[DNS_STREAMS_MAX];
	uint32_t serial;
	bool batching; /* answers are kept for one flush */
} server;

int dns_server_init(struct loop *loop, struct dns_table *table)
{
	server.loop = loop;
	server.table = table;
	server.served = calloc(DNS_CONTAINERS_MAX, sizeof(*server.served));
	if (!server.served)
		return -ENOMEM;
	for (int i = 0; i < DNS_CONTAINERS_MAX; i++)
		server.served[i].udp_fd = server.served[i].tcp_fd = -1;
	for (int i = 0; i < DNS_STREAMS_MAX; i++)
		server.streams[i].fd = -1;
	return 0;
}

/* ---- sending ---- */

static void close_stream(struct stream *stream)
{
	loop_remove(server.loop, &stream->io);
	loop_timer_stop(server.loop, &stream->timer);
	own_close(&stream->fd);
	buf_done(&stream->in);
	buf_done(&stream->out);
}

static void flush_stream(struct stream *stream)
{
	while (stream->out.len) {
		ssize_t n = send(stream->fd, stream->out.data, stream->out.len,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0) {
			close_stream(stream);
			return;
		}
		buf_consume(&stream->out, (size_t)n);
	}
	(void)loop_change(server.loop, &stream->io, stream->out.len ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void send_answer(const struct dns_client *client, struct str message)
{
	const struct served *served = &server.served[client->container];
	struct sockaddr_in to = { .sin_family = AF_INET };
	char length[2];

	if (client->stream != UINT32_MAX) {
		struct stream *stream = &server.streams[client->stream];

		if (stream->fd < 0 || stream->serial != client->stream_serial)
			return;
		dns_put16(length, (uint16_t)message.len);
		buf_add(&stream->out, length, 2);
		buf_add_str(&stream->out, message);
		if (buf_error(&stream->out) < 0)
			close_stream(stream); /* asks and does not read */
		else
			flush_stream(stream);
		return;
	}
	if (served->udp_fd < 0 || served->serial != client->container_serial)
		return;
	to.sin_addr.s_addr = client->from_ip4;
	to.sin_port = client->from_port;
	if (server.batching && dns_batch_keep(served->udp_fd, &to, message))
		return;
	(void)!sendto(served->udp_fd, message.ptr, message.len, MSG_DONTWAIT | MSG_NOSIGNAL,
		      (struct sockaddr *)(void *)&to, sizeof(to));
}

/* The longest message that this client takes the way it asked. */
static size_t message_max(const struct dns_client *client)
{
	return client->stream != UINT32_MAX		? DNS_MESSAGE_MAX
	       : client->query.udp_size < DNS_UDP_PLAIN ? DNS_UDP_PLAIN
	       : client->query.udp_size < DNS_UDP_SAFE	? client->query.udp_size
							: DNS_UDP_SAFE;
}

static void answer(const struct dns_client *client, struct dns_answer *a)
{
	OWN(buf_done) struct buf out = { 0 };

	buf_init(&out, LOCAL_ANSWER_MAX);
	a->id = client->query.id;
	a->flags = client->query.flags;
	a->edns = client->query.edns;
	dns_answer_write(a, &out);
	if (out.len > message_max(client) && a->targets && !a->bare) {
		a->bare = true; /* what is beside the answer may be left out (RFC 2181 9) */
		buf_clear(&out);
		dns_answer_write(a, &out);
	}
	if (out.len > message_max(client)) {
		struct dns_answer cut = { .id = a->id,
					  .flags = a->flags,
					  .edns = a->edns,
					  .question = a->question,
					  .truncated = true };

		buf_clear(&out);
		dns_answer_write(&cut, &out);
	}
	if (buf_error(&out) == 0)
		send_answer(client, buf_str(&out));
}

static void answer_code(const struct dns_client *client, enum dns_rcode rcode, bool truncated)
{
	struct dns_answer a = { .rcode = rcode,
				.truncated = truncated,
				.question = client->query.question.name.len
						    ? &client->query.question
						    : NULL };

	answer(client, &a);
}

void dns_server_deliver(const struct dns_client *client, struct str message)
{
	const struct dns_question *question = &client->query.question;
	size_t max = message_max(client);
	OWN(buf_done) struct buf out = { 0 };
	uint16_t flags;

	if (message.len < DNS_HEADER + (size_t)question->name.len + 4) {
		answer_code(client, DNS_RCODE_FAILED, false);
		return;
	}
	if (message.len > max) {
		answer_code(client, DNS_RCODE_OK, true);
		return;
	}
	buf_init(&out, DNS_MESSAGE_MAX + 1);
	if (buf_add_str(&out, message) < 0) {
		answer_code(client, DNS_RCODE_FAILED, false);
		return;
	}
	/* His id, his spelling; and we vouch for nothing, so no AA and no AD. */
	flags = dns_get16(out.data + 2);
	flags = (uint16_t)((flags & (DNS_FLAG_REPLY | DNS_FLAG_TRUNCATED | DNS_FLAG_RCODE)) |
			   DNS_FLAG_RECURSIVE | (client->query.flags & DNS_FLAG_RECURSE));
	dns_put16(out.data, client->query.id);
	dns_put16(out.data + 2, flags);
	memcpy(out.data + DNS_HEADER, question->name.wire, question->name.len);
	send_answer(client, buf_str(&out));
}

/* ---- deciding ---- */

static bool find_pointer(const struct dns_client *client, struct dns_name *ret_pointer)
{
	const struct dns_name *name = &client->query.question.name;
	struct ip6 ip6;
	uint32_t ip4;

	if (dns_name_reverse(name, &ip4))
		return dns_table_reverse(server.table, (int)client->container, ip4, ret_pointer);
	return dns_name_reverse6(name, &ip6) &&
	       dns_table_reverse6(server.table, (int)client->container, &ip6, ret_pointer);
}

/* Below a container's name nothing is anybody else's. */
static bool answer_service(const struct dns_client *client, struct dns_answer *a)
{
	struct dns_targets targets;

	switch (dns_service_find(server.table, (int)client->container, &client->query.question.name,
				 &targets)) {
	case DNS_SERVICE_FOREIGN:
		return false;
	case DNS_SERVICE_NONE:
		a->rcode = DNS_RCODE_NO_NAME;
		break;
	case DNS_SERVICE_EMPTY:
		break;
	case DNS_SERVICE_FOUND:
		if (client->query.question.type == DNS_TYPE_SRV)
			a->targets = &targets;
		break;
	}
	answer(client, a);
	return true;
}

static bool answer_locally(const struct dns_client *client)
{
	const struct dns_question *question = &client->query.question;
	struct dns_answer a = { .question = question,
				.authoritative = true,
				.ttl_s = DNS_LOCAL_TTL_S };
	struct dns_name pointer;
	struct dns_found found;

	if (question->class != DNS_CLASS_IN)
		return false;
	if (dns_table_lookup(server.table, (int)client->container, &question->name, &found)) {
		/* Other types: the name exists, that record does not (never "no such name"). */
		if (question->type == DNS_TYPE_A) {
			a.addresses = found.ip4;
			a.address_count = found.ip4_count;
		} else if (question->type == DNS_TYPE_AAAA) {
			a.addresses6 = found.ip6;
			a.address6_count = found.ip6_count;
		}
		answer(client, &a);
		return true;
	}
	if (question->type == DNS_TYPE_PTR && find_pointer(client, &pointer)) {
		a.pointer = &pointer;
		answer(client, &a);
		return true;
	}
	return answer_service(client, &a);
}

static void handle_query(struct dns_client *client, struct str message)
{
	switch (dns_query_read(message, &client->query)) {
	case 0:
		break;
	case -EINVAL:
		answer_code(client, DNS_RCODE_FORMAT, false);
		return;
	case -EOPNOTSUPP:
		answer_code(client, DNS_RCODE_NOT_IMPLEMENTED, false);
		return;
	default:
		return;
	}
	if (answer_locally(client))
		return;
	if (!server.table->entries[client->container].forward)
		answer_code(client, DNS_RCODE_NO_NAME, false);
	else
		dns_forward_ask(client);
}

/* ---- receiving ---- */

static void udp_ready(struct loop_io *io, uint32_t events)
{
	struct served *served = io->owner;
	int count = dns_batch_receive(served->udp_fd);

	(void)events;
	server.batching = true;
	for (int i = 0; i < count; i++) {
		struct sockaddr_in from;
		struct str message = dns_batch_message(i, &from);
		struct dns_client client = {
			.container = (uint32_t)(served - server.served),
			.container_serial = served->serial,
			.stream = UINT32_MAX,
			.from_ip4 = from.sin_addr.s_addr,
			.from_port = from.sin_port,
		};

		handle_query(&client, message);
	}
	server.batching = false;
	dns_batch_flush();
}

static void stream_late(struct loop_timer *timer)
{
	close_stream(timer->owner);
}

static void take_stream_queries(struct stream *stream)
{
	while (stream->fd >= 0 && stream->in.len >= 2) {
		size_t len = dns_get16(stream->in.data);
		char message[STREAM_QUERY_MAX];
		struct dns_client client = {
			.container = stream->container,
			.container_serial = server.served[stream->container].serial,
			.stream = (uint32_t)(stream - server.streams),
			.stream_serial = stream->serial,
		};

		if (len > sizeof(message) || len < DNS_HEADER) {
			close_stream(stream);
			return;
		}
		if (stream->in.len < 2 + len)
			return;
		memcpy(message, stream->in.data + 2, len);
		buf_consume(&stream->in, 2 + len);
		loop_timer_set(server.loop, &stream->timer, STREAM_IDLE_MS, stream_late, stream);
		handle_query(&client, str_make(message, len));
	}
}

static void stream_ready(struct loop_io *io, uint32_t events)
{
	struct stream *stream = io->owner;
	ssize_t n;

	if (events & EPOLLOUT) {
		flush_stream(stream);
		if (stream->fd < 0)
			return;
	}
	if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	if (buf_reserve(&stream->in, 1024) < 0) {
		close_stream(stream);
		return;
	}
	n = recv(stream->fd, stream->in.data + stream->in.len, 1024, MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		close_stream(stream);
		return;
	}
	stream->in.len += (size_t)n;
	take_stream_queries(stream);
}

static struct stream *free_stream(uint32_t container)
{
	struct stream *found = NULL;
	int mine = 0;

	for (int i = 0; i < DNS_STREAMS_MAX; i++) {
		struct stream *stream = &server.streams[i];

		if (stream->fd < 0)
			found = found ? found : stream;
		else if (stream->container == container)
			mine++;
	}
	return mine < DNS_STREAMS_PER_CONTAINER ? found : NULL;
}

static void tcp_ready(struct loop_io *io, uint32_t events)
{
	struct served *served = io->owner;
	uint32_t container = (uint32_t)(served - server.served);
	struct err err;

	(void)events;
	for (int i = 0; i < PER_WAKE; i++) {
		int fd = accept4(served->tcp_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		struct stream *stream;

		if (fd < 0)
			return;
		stream = free_stream(container);
		if (!stream) {
			own_close(&fd);
			continue;
		}
		stream->fd = fd;
		stream->container = container;
		stream->serial = ++server.serial;
		buf_init(&stream->in, STREAM_QUERY_MAX + 2 + 1024);
		buf_init(&stream->out, STREAM_OUT_MAX);
		if (loop_add(server.loop, &stream->io, fd, EPOLLIN, stream_ready, stream, &err) < 0)
			close_stream(stream);
		else
			loop_timer_set(server.loop, &stream->timer, STREAM_IDLE_MS, stream_late,
				       stream);
	}
}

static int set_nonblock(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : 0;
}

int dns_server_add(int index, int udp_fd, int tcp_fd, struct err *err)
{
	struct served *served = &server.served[index];
	OWN_FD int udp = udp_fd, tcp = tcp_fd;
	int r;

	if (udp < 0 || tcp < 0)
		return 0;
	/* Clients must be set free of waiting: the sockets were made by somebody else. */
	r = set_nonblock(udp);
	if (r == 0)
		r = set_nonblock(tcp);
	if (r < 0)
		return err_sys(err, r, "set up the resolver's sockets");
	dns_server_remove(index);
	served->serial = ++server.serial;
	served->udp_fd = take_fd(&udp);
	served->tcp_fd = take_fd(&tcp);
	r = loop_add(server.loop, &served->udp_io, served->udp_fd, EPOLLIN, udp_ready, served, err);
	if (r == 0)
		r = loop_add(server.loop, &served->tcp_io, served->tcp_fd, EPOLLIN, tcp_ready,
			     served, err);
	if (r < 0)
		dns_server_remove(index);
	return r;
}

void dns_server_remove(int index)
{
	struct served *served = &server.served[index];

	loop_remove(server.loop, &served->udp_io);
	loop_remove(server.loop, &served->tcp_io);
	own_close(&served->udp_fd);
	own_close(&served->tcp_fd);
	served->serial = 0;
	for (int i = 0; i < DNS_STREAMS_MAX; i++)
		if (server.streams[i].fd >= 0 && server.streams[i].container == (uint32_t)index)
			close_stream(&server.streams[i]);
}
