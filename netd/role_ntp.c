/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the ntp role: one socket for each question to a time server. The only process that parses
 * SNTP packets; it has no capability and cannot set a clock. It must never answer anybody.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include "lib/log.h"
#include "lib/own.h"
#include "lib/random.h"
#include "netd/ip4.h"
#include "netd/ip6.h"
#include "netd/ntp/ntp_client.h"
#include "netd/ntp/ntp_msg.h"
#include "netd/role.h"

enum { FILES_MAX = 32, PORT = 123, PACKETS_PER_WAKE = 8, ADDRESSES_MAX = 8 };

struct source {
	char text[DOMAIN_MAX];
	struct ip_any ip;
	bool known; /* ip counts; else a name that is not resolved (yet) */
	bool name;
	unsigned tried; /* addresses of the name */
	int fd;
	struct loop_io io;
};

static struct {
	struct loop loop;
	struct msg_peer main;
	struct ntp_client client;
	struct source sources[NTP_SERVERS_MAX];
	struct loop_timer timer;
	enum ntp_state shown; /* after the last event */
} role;

static uint64_t random64(void)
{
	uint64_t number;

	random_must(&number, sizeof(number));
	return number;
}

static int64_t wall_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void tell(uint16_t type, struct buf *body)
{
	struct err err;

	if (msg_peer_send(&role.main, type, buf_str(body), NULL, 0, &err) < 0)
		log_warn("message to main: %s", err_text(&err));
}

static void tell_adjust(const struct ntp_action *action)
{
	OWN(buf_done) struct buf body = { 0 };

	buf_init(&body, 32);
	wire_put_i64(&body, action->offset_ns);
	wire_put_u8(&body, action->kind == NTP_ACTION_STEP);
	tell(NTP_MSG_ADJUST, &body);
}

static void tell_state(void)
{
	OWN(buf_done) struct buf body = { 0 };

	buf_init(&body, 32);
	wire_put_u8(&body, (uint8_t)role.client.verdict);
	wire_put_u8(&body, (uint8_t)role.client.agreed);
	wire_put_u8(&body, role.client.synchronised);
	wire_put_i64(&body, role.client.offset_ns);
	tell(NTP_MSG_STATE, &body);
}

static void close_source(struct source *source)
{
	loop_remove(&role.loop, &source->io);
	own_close(&source->fd);
}

static void run_actions(const struct ntp_actions *actions);

static void packet_ready(struct loop_io *io, uint32_t events)
{
	struct source *source = io->owner;
	char data[NTP_PACKET_MAX + 1];

	(void)events;
	for (int i = 0; i < PACKETS_PER_WAKE && source->fd >= 0; i++) {
		struct ntp_actions actions = { .count = 0 };
		ssize_t n = recv(source->fd, data, sizeof(data), MSG_DONTWAIT);
		size_t index = (size_t)(source - role.sources);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			ntp_client_unreachable(&role.client, mono_now(), index, &actions);
		else
			ntp_client_receive(&role.client, mono_now(), index,
					   str_make(data, (size_t)n), &actions);
		run_actions(&actions);
	}
}

static int ask(struct source *source, uint64_t nonce, struct err *err)
{
	struct sockaddr_storage to;
	socklen_t len = ip_any_place(&source->ip, PORT, &to);
	uint8_t packet[NTP_PACKET];

	close_source(source);
	if (!source->known)
		return err_set(err, -EADDRNOTAVAIL, "no address of %s", source->text);
	/* A new socket, so a new random port, each time; connected, so deaf to others. */
	source->fd = socket(to.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (source->fd < 0 ||
	    connect(source->fd, (const struct sockaddr *)(const void *)&to, len) < 0)
		return err_sys(err, -errno, "ask time server %s", source->text);
	ntp_request_write(nonce, packet);
	if (send(source->fd, packet, sizeof(packet), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return err_sys(err, -errno, "ask time server %s", source->text);
	return loop_add(&role.loop, &source->io, source->fd, EPOLLIN, packet_ready, source, err);
}

static void timer_due(struct loop_timer *timer);

static void run_actions(const struct ntp_actions *actions)
{
	for (size_t i = 0; i < actions->count; i++) {
		const struct ntp_action *action = &actions->list[i];
		struct source *source = &role.sources[action->server];
		struct ntp_actions more = { .count = 0 };
		struct err err;

		switch (action->kind) {
		case NTP_ACTION_ASK:
			if (ask(source, role.client.servers[action->server].nonce, &err) == 0)
				break;
			log_debug("%s", err_text(&err));
			close_source(source);
			ntp_client_unreachable(&role.client, mono_now(), action->server, &more);
			run_actions(&more);
			break;
		case NTP_ACTION_CLOSE:
			close_source(source);
			break;
		case NTP_ACTION_SLEW:
		case NTP_ACTION_STEP:
			tell_adjust(action);
			break;
		}
	}
	if (role.shown == NTP_STATE_ASKING && role.client.state == NTP_STATE_WAITING)
		tell_state();
	role.shown = role.client.state;
	if (role.client.state == NTP_STATE_IDLE)
		loop_timer_stop(&role.loop, &role.timer);
	else
		loop_timer_set(&role.loop, &role.timer, mono_diff_ms(role.client.due, mono_now()),
			       timer_due, &role);
}

/* The addresses of one family behind those that are there. */
static size_t look_up(const char *name, int family, struct ip_any *list, size_t count)
{
	const struct addrinfo hints = { .ai_family = family, .ai_socktype = SOCK_DGRAM };
	struct addrinfo *found = NULL;

	if (getaddrinfo(name, NULL, &hints, &found) != 0)
		return count;
	for (const struct addrinfo *a = found; a && count < ADDRESSES_MAX; a = a->ai_next) {
		struct ip_any ip = { .v6 = family == AF_INET6 };
		struct sockaddr_in6 in6;
		struct sockaddr_in in;

		if (ip.v6) {
			memcpy(&in6, a->ai_addr, sizeof(in6));
			memcpy(ip.ip6.b, &in6.sin6_addr, sizeof(ip.ip6.b));
		} else {
			memcpy(&in, a->ai_addr, sizeof(in));
			ip.ip4 = ntohl(in.sin_addr.s_addr);
		}
		list[count++] = ip;
	}
	freeaddrinfo(found);
	return count;
}

/* Blocks for a name server's time, which nobody waits for: no question is under way then. Each time
 * it is the name's next address: the one before did not answer, or there is no way to its family.
 */
static void resolve(struct source *source)
{
	struct ip_any list[ADDRESSES_MAX];
	size_t count = look_up(source->text, AF_INET, list, 0);

	count = look_up(source->text, AF_INET6, list, count);
	if (!count)
		return;
	source->ip = list[source->tried++ % count];
	source->known = true;
}

static void timer_due(struct loop_timer *timer)
{
	struct ntp_actions actions = { .count = 0 };
	enum ntp_state before = role.client.state;

	(void)timer;
	/* Names again after a round that failed: the pool's machines come and go. */
	for (size_t i = 0; i < role.client.server_count && before == NTP_STATE_WAITING; i++)
		if (role.sources[i].name &&
		    (!role.sources[i].known || role.client.verdict != NTP_VERDICT_AGREE))
			resolve(&role.sources[i]);
	ntp_client_timer(&role.client, mono_add_ms(mono_now(), 1), wall_now_ns(), &actions);
	run_actions(&actions);
}

static void take_servers(struct msg_peer *peer, struct msg *msg)
{
	struct ntp_actions actions = { .count = 0 };
	struct source fresh[NTP_SERVERS_MAX] = { 0 };
	struct wire in;
	uint32_t count;

	(void)peer;
	wire_init(&in, msg->body.ptr, msg->body.len);
	role.client.floor_s = wire_i64(&in);
	count = wire_count(&in, NTP_SERVERS_MAX);
	for (uint32_t i = 0; i < count; i++) {
		wire_text(&in, fresh[i].text, sizeof(fresh[i].text));
		fresh[i].known = ip_any_parse(str_from(fresh[i].text), &fresh[i].ip) == 0;
		fresh[i].name = !fresh[i].known;
	}
	if (wire_end(&in) < 0)
		fatal("malformed SERVERS from main");
	for (size_t i = 0; i < NTP_SERVERS_MAX; i++) {
		close_source(&role.sources[i]);
		fresh[i].fd = -1;
	}
	memcpy(role.sources, fresh, sizeof(fresh));
	ntp_client_start(&role.client, mono_now(), count, &actions);
	run_actions(&actions);
}

static void take_hurry(struct msg_peer *peer, struct msg *msg)
{
	const struct ntp_actions none = { .count = 0 };

	(void)peer;
	(void)msg;
	ntp_client_hurry(&role.client, mono_now());
	run_actions(&none);
}

static const struct msg_rule rules[] = {
	{ NTP_MSG_SERVERS, "SERVERS", 12, MSG_BODY_INLINE_MAX, 0, 0, 1, take_servers },
	{ NTP_MSG_HURRY, "HURRY", 0, 0, 0, 0, 1, take_hurry },
};

int role_ntp(void)
{
	role.client.random = random64;
	for (size_t i = 0; i < NTP_SERVERS_MAX; i++)
		role.sources[i].fd = -1;
	role_meet(&role.loop, &role.main, "ntp", rules, ARRAY_LEN(rules));
	return role_serve(&role.loop, SANDBOX_PROFILE_INET, ROLE_UID_NTP, FILES_MAX);
}
