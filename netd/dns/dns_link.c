/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the connections to upstream servers, by TCP and TLS. Run by the dns role alone. It must
 * never send a byte in plain text to a server that is to be asked by TLS.
 */
#include "netd/dns/dns_link.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include "lib/log.h"
#include "lib/own.h"
#include "netd/dns/dns_codec.h"
#include "netd/dns/dns_tls.h"

enum {
	CONNECT_MS = 4000,
	IDLE_TCP_MS = 10000,
	IDLE_TLS_MS = 60000,
	REST_FIRST_MS = 250,
	REST_MAX_MS = 15000,
	OUT_MAX = 256 << 10,
	READ_SIZE = 16384, /* a TLS record at most: mbedtls then keeps nothing that epoll does not
			      see */
	READS_PER_WAKE = 8,
	UNACKED_MS = 2500, /* nobody is at the other end: known before a question is given up */
};

enum link_state { LINK_CLOSED, LINK_CONNECTING, LINK_HANDSHAKE, LINK_READY };

struct link {
	struct dns_upstream upstream;
	enum link_state state;
	int fd;
	struct dns_tls *tls;
	struct loop_io io;
	struct loop_timer timer; /* how long the present state may last */
	struct buf out, in;
	struct mono rests_until, heard;
	struct mono doubted; /* when an answer was missed first since it was heard; 0 = never */
	unsigned failures;
	bool served;	 /* this connection has brought an answer */
	uint32_t serial; /* of this connection */
	char told[DNS_LINK_STATE_MAX];
};

static struct {
	struct loop *loop;
	const struct dns_link_events *events;
	struct dns_trust *trust;
	struct link links[DNS_UPSTREAMS_MAX];
	uint32_t serial;
} all;

void dns_link_init(struct loop *loop, const struct dns_link_events *events)
{
	all.loop = loop;
	all.events = events;
	for (size_t i = 0; i < DNS_UPSTREAMS_MAX; i++)
		all.links[i] = (struct link){ .fd = -1 };
}

static size_t number_of(const struct link *link)
{
	return (size_t)(link - all.links);
}

static void close_link(struct link *link)
{
	loop_remove(all.loop, &link->io);
	loop_timer_stop(all.loop, &link->timer);
	dns_tls_free(link->tls);
	link->tls = NULL;
	own_close(&link->fd);
	buf_done(&link->in);
	buf_done(&link->out);
	link->state = LINK_CLOSED;
}

static void tell(struct link *link, const char *text, bool trouble)
{
	char name[DNS_UPSTREAM_TEXT_MAX];

	if (!strcmp(link->told, text))
		return;
	(void)snprintf(link->told, sizeof(link->told), "%s", text);
	dns_upstream_text(&link->upstream, name);
	if (trouble)
		log_warn("name server %s: %s", name, link->told);
	else
		log_info("name server %s: %s", name, link->told);
	all.events->state(number_of(link), link->told);
}

/* The connection is over. */
static void lose(struct link *link, const char *why)
{
	bool served = link->served;

	close_link(link);
	if (served) {
		link->failures = 0;
	} else {
		link->rests_until =
			mono_add_ms(mono_now(), backoff_ms(link->failures++, REST_FIRST_MS,
							   REST_MAX_MS, (uint32_t)mono_now().ns));
		tell(link, why, true);
	}
	all.events->lost(number_of(link), served);
}

void dns_link_servers(const struct dns_upstreams *upstreams, struct dns_trust *trust)
{
	for (size_t i = 0; i < DNS_UPSTREAMS_MAX; i++) {
		close_link(&all.links[i]);
		all.links[i] = (struct link){ .fd = -1 };
		if (i < upstreams->count)
			all.links[i].upstream = upstreams->list[i];
	}
	dns_trust_free(all.trust);
	all.trust = trust;
}

static void link_late(struct loop_timer *timer)
{
	struct link *link = timer->owner;

	if (link->state == LINK_READY)
		close_link(link); /* nobody has asked for long: nothing is on its way */
	else
		lose(link, link->state == LINK_CONNECTING ? "no answer to the connection"
							  : "no answer to the TLS handshake");
}

static void watch(struct link *link, uint32_t events)
{
	if (link->io.events != events)
		(void)loop_change(all.loop, &link->io, events);
}

/* Hands on whole messages. The owner may ask again meanwhile, and may end the connection. */
static void take_messages(struct link *link)
{
	OWN(buf_done) struct buf held = link->in;
	uint32_t serial = link->serial;
	size_t at = 0;

	buf_init(&link->in, DNS_MESSAGE_MAX + 2 + READ_SIZE);
	while (link->serial == serial && link->state == LINK_READY && held.len - at >= 2) {
		size_t len = dns_get16(held.data + at);

		if (held.len - at - 2 < len)
			break;
		link->served = true;
		link->failures = 0;
		at += 2 + len;
		all.events->message(number_of(link), str_make(held.data + at - len, len));
	}
	if (link->serial == serial && link->state == LINK_READY)
		buf_add(&link->in, held.data + at, held.len - at);
}

static ssize_t receive(struct link *link, void *dst, size_t cap)
{
	ssize_t n;

	if (link->tls)
		return dns_tls_read(link->tls, dst, cap);
	n = recv(link->fd, dst, cap, MSG_DONTWAIT);
	return n < 0 ? -errno : n;
}

static void take_bytes(struct link *link)
{
	char why[64];
	ssize_t n = 0;

	for (int i = 0; i < READS_PER_WAKE; i++) {
		if (link->in.len >= DNS_MESSAGE_MAX + 2) /* whole ones go before more is read */
			take_messages(link);
		if (link->state != LINK_READY || buf_reserve(&link->in, READ_SIZE) < 0)
			return;
		n = receive(link, link->in.data + link->in.len, READ_SIZE);
		if (n <= 0)
			break;
		link->heard = mono_now();
		link->doubted = (struct mono){ 0 };
		link->in.len += (size_t)n;
	}
	take_messages(link);
	if (link->state != LINK_READY || n > 0 || n == -EAGAIN)
		return;
	(void)snprintf(why, sizeof(why), "connection lost: %s",
		       n ? strerror((int)-n) : "closed by the server");
	lose(link, why);
}

static void send_bytes(struct link *link)
{
	while (link->out.len) {
		ssize_t n = link->tls ? dns_tls_write(link->tls, link->out.data, link->out.len)
				      : send(link->fd, link->out.data, link->out.len,
					     MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && !link->tls)
			n = -errno;
		if (n == -EAGAIN)
			break;
		if (n <= 0) {
			lose(link, "connection lost while asking");
			return;
		}
		buf_consume(&link->out, (size_t)n);
	}
	watch(link, link->out.len ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void be_ready(struct link *link)
{
	link->state = LINK_READY;
	loop_timer_set(all.loop, &link->timer, link->tls ? IDLE_TLS_MS : IDLE_TCP_MS, link_late,
		       link);
	if (link->tls)
		tell(link, "connected by TLS", false);
	send_bytes(link);
}

static void shake_hands(struct link *link)
{
	uint32_t events = EPOLLIN;
	struct err err;
	int r = dns_tls_handshake(link->tls, &events, &err);

	if (r == 0)
		be_ready(link);
	else if (r == -EAGAIN)
		watch(link, events);
	else
		lose(link, err_text(&err));
}

static void connected(struct link *link)
{
	int error = 0, on = 1;
	unsigned unacked = UNACKED_MS;
	socklen_t len = sizeof(error);
	char why[64];
	struct err err;

	if (getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error) {
		(void)snprintf(why, sizeof(why), "no connection: %s", strerror(error));
		lose(link, why);
		return;
	}
	(void)setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(link->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacked, sizeof(unacked));
	if (!link->upstream.tls) {
		be_ready(link);
		return;
	}
	link->state = LINK_HANDSHAKE;
	if (!all.trust)
		lose(link, "no certificates are trusted: see the log of netd");
	else if (dns_tls_new(all.trust, link->fd, &link->upstream, &link->tls, &err) < 0)
		lose(link, err_text(&err));
	else
		shake_hands(link);
}

static void link_ready(struct loop_io *io, uint32_t events)
{
	struct link *link = io->owner;
	uint32_t serial = link->serial;

	if (link->state == LINK_CONNECTING) {
		connected(link);
		return;
	}
	if (link->state == LINK_HANDSHAKE) {
		shake_hands(link);
		return;
	}
	if (link->tls || (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		take_bytes(link);
	if (link->serial == serial && link->state == LINK_READY)
		send_bytes(link);
}

int dns_link_socket(const struct dns_upstream *upstream, int type, struct err *err)
{
	struct sockaddr_storage to;
	socklen_t len = ip_any_place(&upstream->address, dns_upstream_port(upstream), &to);
	OWN_FD int fd = socket(to.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return err_sys(err, -errno, "open a socket");
	if (connect(fd, (const struct sockaddr *)(const void *)&to, len) < 0 &&
	    errno != EINPROGRESS)
		return err_sys(err, -errno, "no connection");
	return take_fd(&fd);
}

static int open_link(struct link *link)
{
	struct err err;
	int r = dns_link_socket(&link->upstream, SOCK_STREAM, &err);

	if (r >= 0) {
		link->fd = r;
		r = loop_add(all.loop, &link->io, link->fd, EPOLLOUT, link_ready, link, &err);
	}
	if (r < 0) {
		close_link(link);
		link->rests_until = mono_add_ms(mono_now(), REST_FIRST_MS);
		tell(link, err_text(&err), true);
		return r;
	}
	link->state = LINK_CONNECTING;
	link->served = false;
	link->serial = ++all.serial;
	link->heard = mono_now();
	link->doubted = (struct mono){ 0 };
	buf_init(&link->out, OUT_MAX);
	buf_init(&link->in, DNS_MESSAGE_MAX + 2 + READ_SIZE);
	loop_timer_set(all.loop, &link->timer, CONNECT_MS, link_late, link);
	return 0;
}

int dns_link_send(size_t server, struct str message)
{
	struct link *link = &all.links[server];
	size_t before = link->out.len;
	char length[2];
	int r;

	if (link->state == LINK_CLOSED) {
		if (mono_before(mono_now(), link->rests_until))
			return -EBUSY;
		r = open_link(link);
		if (r < 0)
			return r;
		before = 0;
	}
	dns_put16(length, (uint16_t)message.len);
	buf_add(&link->out, length, sizeof(length));
	buf_add_str(&link->out, message);
	if (buf_error(&link->out) < 0) { /* it takes nothing for long: the rest is still whole */
		link->out.len = before;
		link->out.error = 0;
		return -ENOBUFS;
	}
	if (link->state == LINK_READY) {
		watch(link, EPOLLIN | EPOLLOUT);
		loop_timer_set(all.loop, &link->timer, link->tls ? IDLE_TLS_MS : IDLE_TCP_MS,
			       link_late, link);
	}
	return 0;
}

struct mono dns_link_rests(size_t server)
{
	return all.links[server].rests_until;
}

void dns_link_suspect(size_t server, struct mono since)
{
	struct link *link = &all.links[server];

	if (link->state != LINK_READY || mono_before(since, link->heard))
		return;
	if (!link->doubted.ns) {
		link->doubted = mono_now();
		return;
	}
	if (mono_before(since, link->doubted))
		return;
	link->served = false; /* it rests, however well it began */
	lose(link, "no answer");
}
