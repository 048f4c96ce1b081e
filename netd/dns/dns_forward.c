/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the questions in flight to upstream servers. Run by the dns role alone. It must never take
 * a reply whose source, id, question and letter case are not those of the question it sent.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include "lib/log.h"
#include "lib/own.h"
#include "lib/random.h"
#include "netd/dns/dns_forward.h"
#include "netd/dns/dns_link.h"

enum {
	TRY_MS = 800,	  /* per server: four of them before a client's five seconds are over */
	STREAM_MS = 2500, /* the same question over a connection, which may have to be made first */
	TRIES_MAX = 4,
	CLIENT_MS = 5000,   /* how long clients wait */
	RESTING_MS = 30000, /* how long a silent server is asked last */
	DATAGRAMS_PER_WAKE = 8,
};

struct pending {
	bool used;
	struct dns_question question; /* as the first client wrote it */
	struct dns_question sent;     /* with mixed case */
	uint16_t id;
	int fd;
	bool stream; /* it is on the server's connection */
	struct mono sent_at;
	struct loop_io io;
	struct loop_timer timer;
	size_t server;	/* index into upstreams */
	uint32_t tried; /* bit set of servers */
	unsigned tries;
	struct mono until; /* nobody waits for the answer any more */
	struct dns_client waiters[DNS_WAITERS_MAX];
	size_t waiter_count;
};

static struct {
	struct loop *loop;
	dns_deliver_fn *deliver;
	struct dns_upstreams upstreams;
	struct mono rests_until[DNS_UPSTREAMS_MAX];
	struct dns_cache cache;
	struct pending pending[DNS_PENDING_MAX];
} forward;

static void try_next(struct pending *p);
static int ask_by_stream(struct pending *p);
static void park(struct pending *p, uint32_t busy);
static void take_message(size_t server, struct str message);
static void take_lost(size_t server, bool served);

int dns_forward_init(struct loop *loop, dns_deliver_fn *deliver, dns_link_state_fn *state)
{
	static struct dns_link_events events;
	uint32_t seed;

	random_must(&seed, sizeof(seed));
	forward.loop = loop;
	forward.deliver = deliver;
	events = (struct dns_link_events){ take_message, take_lost, state };
	dns_link_init(loop, &events);
	return dns_cache_init(&forward.cache, seed);
}

static void close_attempt(struct pending *p)
{
	loop_remove(forward.loop, &p->io);
	loop_timer_stop(forward.loop, &p->timer);
	own_close(&p->fd);
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

/* The first server in order that is in neither set, resting ones last; -1 = none. */
static int choose_server(uint32_t tried, uint32_t busy)
{
	struct mono now = mono_now();
	int resting = -1;

	for (size_t i = 0; i < forward.upstreams.count; i++) {
		if ((tried | busy) >> i & 1)
			continue;
		if (!mono_before(now, forward.rests_until[i]))
			return (int)i;
		if (resting < 0)
			resting = (int)i;
	}
	return resting;
}

static void rest(size_t server)
{
	if (server < forward.upstreams.count)
		forward.rests_until[server] = mono_add_ms(mono_now(), RESTING_MS);
}

static void attempt_late(struct loop_timer *timer)
{
	struct pending *p = timer->owner;
	bool stream = p->stream;

	rest(p->server);
	p->stream = false; /* the connection's end is nothing to it any more */
	if (stream)
		dns_link_suspect(p->server, p->sent_at);
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
	if (p->server < forward.upstreams.count)
		forward.rests_until[p->server] = (struct mono){ 0 };
	if (server_refuses(reply) && p->tries < TRIES_MAX && choose_server(p->tried, 0) >= 0) {
		try_next(p);
		return;
	}
	if ((reply->flags & DNS_FLAG_TRUNCATED) && !p->stream) {
		int r = ask_by_stream(p);

		if (r == -EBUSY && choose_server(p->tried, 0) < 0) {
			p->tries--; /* nobody else to ask meanwhile */
			park(p, UINT32_C(1) << p->server);
		} else if (r < 0) {
			try_next(p);
		}
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

static bool ask_by_datagram(struct pending *p)
{
	OWN(buf_done) struct buf query = { 0 };
	struct err err;

	buf_init(&query, 1024);
	dns_query_write(p->id, &p->sent, &query);
	p->fd = dns_link_socket(&forward.upstreams.list[p->server], SOCK_DGRAM, &err);
	if (p->fd < 0 || send(p->fd, query.data, query.len, MSG_DONTWAIT | MSG_NOSIGNAL) <= 0 ||
	    loop_add(forward.loop, &p->io, p->fd, EPOLLIN, datagram_ready, p, &err) < 0)
		return false;
	loop_timer_set(forward.loop, &p->timer, TRY_MS, attempt_late, p);
	return true;
}

/* An id that no other question has on this server's connection, and new letters. */
static void draw(struct pending *p)
{
	uint8_t random[DNS_NAME_MAX / 8 + 1];
	bool taken;

	random_must(random, sizeof(random));
	p->sent = p->question;
	dns_name_mix_case(&p->sent.name, random, sizeof(random));
	do {
		taken = false;
		random_must(&p->id, sizeof(p->id));
		for (size_t i = 0; i < DNS_PENDING_MAX; i++) {
			const struct pending *other = &forward.pending[i];

			taken |= other != p && other->used && other->stream &&
				 other->server == p->server && other->id == p->id;
		}
	} while (taken);
}

static int ask_by_stream(struct pending *p)
{
	OWN(buf_done) struct buf query = { 0 };
	int r;

	close_attempt(p);
	draw(p);
	buf_init(&query, 2048);
	dns_query_write(p->id, &p->sent, &query);
	if (forward.upstreams.list[p->server].tls)
		dns_query_pad(&query);
	r = dns_link_send(p->server, buf_str(&query));
	if (r < 0)
		return r;
	p->stream = true;
	p->sent_at = mono_now();
	loop_timer_set(forward.loop, &p->timer, STREAM_MS, attempt_late, p);
	return 0;
}

static void park_over(struct loop_timer *timer)
{
	try_next(timer->owner);
}

/* Waits for the first of these connections that has rested enough, if a client still does then. */
static void park(struct pending *p, uint32_t busy)
{
	struct mono first = p->until;

	for (size_t i = 0; i < forward.upstreams.count; i++)
		if ((busy >> i & 1) && mono_before(dns_link_rests(i), first))
			first = dns_link_rests(i);
	if (!busy || !mono_before(first, p->until))
		finish(p, (struct str){ 0 });
	else
		loop_timer_set(forward.loop, &p->timer, mono_diff_ms(first, mono_now()) + 1,
			       park_over, p);
}

static void try_next(struct pending *p)
{
	uint32_t busy = 0; /* whose connections rest: that is no try */

	close_attempt(p);
	while (p->tries < TRIES_MAX) {
		int server = choose_server(p->tried, busy), r;

		if (server < 0 && (p->tried & ~busy)) {
			p->tried = 0; /* everybody was asked once: again from the start */
			server = choose_server(0, busy);
		}
		if (server < 0) {
			park(p, busy);
			return;
		}
		p->server = (size_t)server;
		if (forward.upstreams.list[server].tls) { /* and nothing in plain text */
			r = ask_by_stream(p);
		} else {
			draw(p);
			r = ask_by_datagram(p) ? 0 : -EIO;
		}
		if (r == -EBUSY) {
			busy |= UINT32_C(1) << server;
			continue;
		}
		p->tries++;
		p->tried |= UINT32_C(1) << server;
		if (r == 0)
			return;
		close_attempt(p);
	}
	finish(p, (struct str){ 0 });
}

/* ---- connections ---- */

static void take_message(size_t server, struct str message)
{
	struct dns_reply reply;

	for (size_t i = 0; i < DNS_PENDING_MAX; i++) {
		struct pending *p = &forward.pending[i];

		if (!p->used || !p->stream || p->server != server ||
		    !reply_fits(p, message, &reply))
			continue;
		take_reply(p, &reply, message);
		return;
	}
}

static void take_lost(size_t server, bool served)
{
	bool asked = false;

	for (size_t i = 0; i < DNS_PENDING_MAX; i++) {
		struct pending *p = &forward.pending[i];

		if (!p->used || !p->stream || p->server != server)
			continue;
		asked = true;
		if (served) /* servers close what was idle for long: that is no answer */
			p->tried &= ~(UINT32_C(1) << server);
		try_next(p);
	}
	if (asked && !served)
		rest(server);
}

void dns_forward_upstreams(const struct dns_upstreams *upstreams, struct dns_trust *trust)
{
	forward.upstreams = *upstreams;
	memset(forward.rests_until, 0, sizeof(forward.rests_until));
	dns_link_servers(upstreams, trust);
	dns_cache_clear(&forward.cache); /* another network may tell other things */
	/* What is on its way was asked of servers that may be there no more. */
	for (size_t i = 0; i < DNS_PENDING_MAX; i++) {
		struct pending *p = &forward.pending[i];

		if (!p->used)
			continue;
		p->tried = 0;
		p->tries = 0;
		try_next(p);
	}
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
		p->until = mono_add_ms(mono_now(), CLIENT_MS);
		return;
	}
	if (!p)
		p = free_pending();
	else
		p = NULL;
	if (!p || !forward.upstreams.count) {
		forward.deliver(client, (struct str){ 0 });
		return;
	}
	*p = (struct pending){ .used = true, .question = client->query.question, .fd = -1 };
	p->until = mono_add_ms(mono_now(), CLIENT_MS);
	p->waiters[p->waiter_count++] = *client;
	try_next(p);
}
