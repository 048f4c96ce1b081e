/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the questions in flight to upstream servers. Run by the dns role alone. It must never take
 * a reply whose source, id, question and letter case are not those of the question it sent.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>
#include "lib/log.h"
#include "lib/own.h"
#include "netd/dns/dns_forward.h"

enum {
	TRY_MS = 800,	  /* per server: four of them before a client's five seconds are over */
	STREAM_MS = 2500, /* the same question over TCP */
	TRIES_MAX = 4,
	RESTING_MS = 30000, /* how long a silent server is asked last */
	DATAGRAMS_PER_WAKE = 8,
};

struct upstream {
	struct ip_any address;
	struct mono rests_until;
};

struct pending {
	bool used;
	struct dns_question question; /* as the first client wrote it */
	struct dns_question sent;     /* with mixed case */
	uint16_t id;
	int fd;
	bool stream;
	struct loop_io io;
	struct loop_timer timer;
	size_t server;	/* index into upstreams */
	uint32_t tried; /* bit set of servers */
	unsigned tries;
	struct buf stream_out, stream_in;
	struct dns_client waiters[DNS_WAITERS_MAX];
	size_t waiter_count;
};

static struct {
	struct loop *loop;
	dns_deliver_fn *deliver;
	struct upstream upstreams[DNS_UPSTREAMS_MAX];
	size_t upstream_count;
	struct dns_cache cache;
	struct pending pending[DNS_PENDING_MAX];
} forward;

static void random_bytes(void *data, size_t len)
{
	if (getrandom(data, len, 0) != (ssize_t)len)
		fatal("no random numbers from the kernel");
}

int dns_forward_init(struct loop *loop, dns_deliver_fn *deliver)
{
	uint32_t seed;

	random_bytes(&seed, sizeof(seed));
	forward.loop = loop;
	forward.deliver = deliver;
	return dns_cache_init(&forward.cache, seed);
}

void dns_forward_upstreams(const struct ip_any *servers, size_t count)
{
	forward.upstream_count = 0;
	for (size_t i = 0; i < count && i < DNS_UPSTREAMS_MAX; i++)
		forward.upstreams[forward.upstream_count++] =
			(struct upstream){ .address = servers[i] };
	dns_cache_clear(&forward.cache); /* another network may tell other things */
}

static void close_attempt(struct pending *p)
{
	loop_remove(forward.loop, &p->io);
	loop_timer_stop(forward.loop, &p->timer);
	own_close(&p->fd);
	buf_done(&p->stream_in);
	buf_done(&p->stream_out);
	p->stream = false;
}

static void finish(struct pending *p, struct str message)
{
	close_attempt(p);
	/* Delivery may ask again (a client that is told at once): the slot stays taken until the
	 * end. */
	for (size_t i = 0; i < p->waiter_count; i++)
		forward.deliver(&p->waiters[i], message);
	p->used = false;
	p->waiter_count = 0;
}

/* The first server in order that was not tried, resting ones last; -1 when all were. */
static int choose_server(const struct pending *p)
{
	struct mono now = mono_now();
	int resting = -1;

	for (size_t i = 0; i < forward.upstream_count; i++) {
		if (p->tried >> i & 1)
			continue;
		if (!mono_before(now, forward.upstreams[i].rests_until))
			return (int)i;
		if (resting < 0)
			resting = (int)i;
	}
	return resting;
}

static socklen_t place_of(const struct ip_any *address, struct sockaddr_storage *ret_place)
{
	struct sockaddr_in *in = (void *)ret_place;
	struct sockaddr_in6 *in6 = (void *)ret_place;

	memset(ret_place, 0, sizeof(*ret_place));
	if (!address->v6) {
		in->sin_family = AF_INET;
		in->sin_port = htons(53);
		in->sin_addr.s_addr = htonl(address->ip4);
		return sizeof(*in);
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(53);
	memcpy(&in6->sin6_addr, address->ip6.b, sizeof(in6->sin6_addr));
	in6->sin6_scope_id = address->scope;
	return sizeof(*in6);
}

static int connect_server(struct pending *p, int type, struct err *err)
{
	struct sockaddr_storage to;
	socklen_t len = place_of(&forward.upstreams[p->server].address, &to);
	OWN_FD int fd = socket(to.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return err_sys(err, -errno, "open a socket");
	if (connect(fd, (const struct sockaddr *)(const void *)&to, len) < 0 &&
	    errno != EINPROGRESS)
		return err_sys(err, -errno, "connect to a name server");
	p->fd = take_fd(&fd);
	return 0;
}

static void try_next(struct pending *p);
static void stream_start(struct pending *p);

static void attempt_late(struct loop_timer *timer)
{
	struct pending *p = timer->owner;

	if (p->server < forward.upstream_count)
		forward.upstreams[p->server].rests_until = mono_add_ms(mono_now(), RESTING_MS);
	try_next(p);
}

/* Is this the reply to what we asked? The socket is connected, so the source is right. */
static bool reply_fits(const struct pending *p, struct str message, struct dns_reply *ret_reply)
{
	return dns_reply_read(message, ret_reply) == 0 && ret_reply->id == p->id &&
	       ret_reply->question.type == p->sent.type &&
	       ret_reply->question.class == p->sent.class &&
	       dns_name_equal(&ret_reply->question.name, &p->sent.name);
}

static bool server_refuses(const struct dns_reply *reply)
{
	unsigned rcode = reply->flags & DNS_FLAG_RCODE;

	return rcode == DNS_RCODE_FAILED || rcode == DNS_RCODE_REFUSED ||
	       rcode == DNS_RCODE_NOT_IMPLEMENTED || rcode == DNS_RCODE_FORMAT;
}

static void take_reply(struct pending *p, const struct dns_reply *reply, struct str message)
{
	if (p->server < forward.upstream_count)
		forward.upstreams[p->server].rests_until = (struct mono){ 0 };
	if (server_refuses(reply) && p->tries < TRIES_MAX && choose_server(p) >= 0) {
		try_next(p);
		return;
	}
	if ((reply->flags & DNS_FLAG_TRUNCATED) && !p->stream) {
		stream_start(p);
		return;
	}
	dns_cache_put(&forward.cache, mono_now(), reply, message);
	finish(p, message);
}

static void datagram_ready(struct loop_io *io, uint32_t events)
{
	static char data[DNS_UDP_MAX];
	struct pending *p = io->owner;

	(void)events;
	for (int i = 0; i < DATAGRAMS_PER_WAKE; i++) {
		struct dns_reply reply;
		ssize_t n = recv(p->fd, data, sizeof(data), MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) { /* refused or unreachable: no use in waiting */
			attempt_late(&p->timer);
			return;
		}
		if (reply_fits(p, str_make(data, (size_t)n), &reply)) {
			take_reply(p, &reply, str_make(data, (size_t)n));
			return;
		}
	}
}

static void try_next(struct pending *p)
{
	OWN(buf_done) struct buf query = { 0 };
	uint8_t random[DNS_NAME_MAX / 8 + 1];
	struct err err;
	int server;

	buf_init(&query, 1024);
	for (;;) {
		close_attempt(p);
		server = choose_server(p);
		if (server < 0 && p->tries < TRIES_MAX && p->tries > 0 && forward.upstream_count) {
			p->tried = 0; /* everybody was asked once: again from the start */
			server = choose_server(p);
		}
		if (server < 0 || p->tries >= TRIES_MAX) {
			finish(p, (struct str){ 0 });
			return;
		}
		p->tries++;
		p->tried |= UINT32_C(1) << server;
		p->server = (size_t)server;
		random_bytes(&p->id, sizeof(p->id));
		random_bytes(random, sizeof(random));
		p->sent = p->question;
		dns_name_mix_case(&p->sent.name, random, sizeof(random));
		buf_clear(&query);
		dns_query_write(p->id, &p->sent, &query);
		if (connect_server(p, SOCK_DGRAM, &err) == 0 &&
		    send(p->fd, query.data, query.len, MSG_DONTWAIT | MSG_NOSIGNAL) > 0 &&
		    loop_add(forward.loop, &p->io, p->fd, EPOLLIN, datagram_ready, p, &err) == 0)
			break;
	}
	loop_timer_set(forward.loop, &p->timer, TRY_MS, attempt_late, p);
}

/* ---- the same question over TCP ---- */

static void stream_failed(struct pending *p)
{
	attempt_late(&p->timer);
}

static void stream_whole(struct pending *p)
{
	/* take_reply() closes the attempt and with it the buffer the message lies in: hold it. */
	OWN(buf_done) struct buf held = p->stream_in;
	struct str message = str_make(held.data + 2, dns_get16(held.data));
	struct dns_reply reply;

	buf_init(&p->stream_in, 1);
	if (reply_fits(p, message, &reply))
		take_reply(p, &reply, message);
	else
		stream_failed(p);
}

static void stream_ready(struct loop_io *io, uint32_t events)
{
	struct pending *p = io->owner;
	ssize_t n;

	if ((events & EPOLLOUT) && p->stream_out.len) {
		n = send(p->fd, p->stream_out.data, p->stream_out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN) {
			stream_failed(p);
			return;
		}
		if (n > 0)
			buf_consume(&p->stream_out, (size_t)n);
		if (!p->stream_out.len)
			(void)loop_change(forward.loop, &p->io, EPOLLIN);
	}
	if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	if (buf_reserve(&p->stream_in, 4096) < 0) {
		stream_failed(p);
		return;
	}
	n = recv(p->fd, p->stream_in.data + p->stream_in.len, 4096, MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		stream_failed(p);
		return;
	}
	p->stream_in.len += (size_t)n;
	if (p->stream_in.len < 2 || p->stream_in.len - 2 < dns_get16(p->stream_in.data))
		return;
	stream_whole(p);
}

static void stream_start(struct pending *p)
{
	struct err err;

	close_attempt(p);
	p->stream = true;
	buf_init(&p->stream_out, 1024);
	buf_init(&p->stream_in, DNS_MESSAGE_MAX + 2 + 4096);
	buf_add(&p->stream_out, "\0\0", 2);
	dns_query_write(p->id, &p->sent, &p->stream_out);
	dns_put16(p->stream_out.data, (uint16_t)(p->stream_out.len - 2));
	if (connect_server(p, SOCK_STREAM, &err) < 0 ||
	    loop_add(forward.loop, &p->io, p->fd, EPOLLIN | EPOLLOUT, stream_ready, p, &err) < 0) {
		try_next(p);
		return;
	}
	loop_timer_set(forward.loop, &p->timer, STREAM_MS, attempt_late, p);
}

/* ---- asking ---- */

static struct pending *find_pending(const struct dns_question *question)
{
	for (size_t i = 0; i < DNS_PENDING_MAX; i++) {
		struct pending *p = &forward.pending[i];

		if (p->used && p->question.type == question->type &&
		    p->question.class == question->class &&
		    dns_name_same(&p->question.name, &question->name))
			return p;
	}
	return NULL;
}

static struct pending *free_pending(void)
{
	for (size_t i = 0; i < DNS_PENDING_MAX; i++)
		if (!forward.pending[i].used)
			return &forward.pending[i];
	return NULL;
}

void dns_forward_ask(const struct dns_client *client)
{
	OWN(buf_done) struct buf cached = { 0 };
	struct pending *p;

	buf_init(&cached, DNS_CACHE_MESSAGE_MAX + 1);
	if (dns_cache_get(&forward.cache, mono_now(), &client->query.question, &cached)) {
		forward.deliver(client, buf_str(&cached));
		return;
	}
	p = find_pending(&client->query.question);
	if (p && p->waiter_count < DNS_WAITERS_MAX) {
		p->waiters[p->waiter_count++] = *client;
		return;
	}
	if (!p)
		p = free_pending();
	else
		p = NULL;
	if (!p || !forward.upstream_count) {
		forward.deliver(client, (struct str){ 0 });
		return;
	}
	*p = (struct pending){ .used = true, .question = client->query.question, .fd = -1 };
	p->waiters[p->waiter_count++] = *client;
	try_next(p);
}
