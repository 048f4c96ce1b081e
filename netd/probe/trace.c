/* SPDX-License-Identifier: Apache-2.0 */
/*
 * traceroute: UDP to ports that nobody listens on, with a growing number of hops; who sent each
 * packet back stands in the socket's error queue, so that no ICMP is parsed here. Run by the probe
 * role. It must never have more than one packet under way.
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>
#include "lib/own.h"
#include "netd/probe/echo.h"
#include "netd/probe/probe.h"

enum { FIRST_PORT = 33434, PAYLOAD = 32, TYPE_EXCEEDED = 11, TYPE6_EXCEEDED = 3 };

struct answer {
	bool came, last; /* last: from the place itself, or no way on */
	char address[PROBE_TEXT_MAX];
	const char *note; /* "" = one more hop */
	int64_t us;
};

/* As traceroute(8) writes it. */
static const char *note_of(const struct probe_icmp *icmp)
{
	bool v6 = icmp->v6;

	if (icmp->type != (v6 ? 1 : 3))
		return "!?";
	if (icmp->code == (v6 ? 4 : 3)) /* the port: it got there */
		return "";
	if (v6)
		return icmp->code == 0 ? "!N" : icmp->code == 3 ? "!H" : "!X";
	return icmp->code == 0 ? "!N" : icmp->code == 1 ? "!H" : icmp->code == 2 ? "!P" : "!X";
}

static void take_answer(int fd, struct answer *answer, struct mono sent,
			const struct probe_place *place)
{
	struct probe_icmp icmp;
	char byte;

	while (probe_take_error(fd, &icmp)) {
		answer->came = true;
		answer->us = probe_us_since(sent);
		if (!icmp.remote) {
			answer->last = true;
			answer->note = strerror(icmp.code_errno);
			return;
		}
		(void)probe_address_text(&icmp.from, answer->address);
		answer->last = icmp.type != (icmp.v6 ? TYPE6_EXCEEDED : TYPE_EXCEEDED);
		answer->note = answer->last ? note_of(&icmp) : "";
		return;
	}
	if (recv(fd, &byte, 1, MSG_DONTWAIT) >= 0) {
		answer->came = answer->last = true;
		answer->us = probe_us_since(sent);
		memcpy(answer->address, place->text, sizeof(answer->address));
	}
}

static int try_hop(struct probe *probe, const struct probe_place *place, int hops, uint16_t port,
		   struct answer *ret_answer, struct err *err)
{
	static const char payload[PAYLOAD] = "hoy";
	struct sockaddr_storage to = place->address;
	int fd OWN_FD = socket(place->v6 ? AF_INET6 : AF_INET,
			       SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1, level = place->v6 ? IPPROTO_IPV6 : IPPROTO_IP;
	struct answer answer = { .note = "" };
	struct mono sent, until;

	if (place->v6)
		((struct sockaddr_in6 *)(void *)&to)->sin6_port = htons(port);
	else
		((struct sockaddr_in *)(void *)&to)->sin_port = htons(port);
	if (fd < 0 ||
	    setsockopt(fd, level, place->v6 ? IPV6_RECVERR : IP_RECVERR, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, level, place->v6 ? IPV6_UNICAST_HOPS : IP_TTL, &hops, sizeof(hops)) <
		    0 ||
	    connect(fd, (const struct sockaddr *)(const void *)&to, place->len) < 0)
		return err_sys(err, -errno, "trace the way to %s", place->text);
	sent = mono_now();
	until = mono_add_ms(sent, probe->ask.wait_ms);
	if (send(fd, payload, sizeof(payload), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return err_sys(err, -errno, "send to %s", place->text);
	while (!answer.came && probe_wait(probe, fd, POLLIN, until) > 0)
		take_answer(fd, &answer, sent, place);
	*ret_answer = answer;
	return 0;
}

static void tell_answer(struct probe *probe, int hop, uint32_t attempt, const struct answer *answer)
{
	struct buf row = { 0 };

	probe_row_begin(&row, answer->came ? "hop" : "silence");
	probe_row_number(&row, "hop", hop);
	probe_row_number(&row, "try", attempt + 1);
	if (answer->came) {
		probe_row_text(&row, "address", answer->address);
		probe_row_number(&row, "time_us", answer->us);
		probe_row_text(&row, "note", answer->note);
	}
	probe_row_end(probe, &row);
}

static void tell_start(struct probe *probe, const struct probe_place *place)
{
	char name[PROBE_HOST_MAX + 1];
	struct buf row = { 0 };

	(void)str_copy(probe->ask.host, name, sizeof(name));
	probe_row_begin(&row, "start");
	probe_row_text(&row, "host", name);
	probe_row_text(&row, "address", place->text);
	probe_row_number(&row, "hops", probe->ask.hops);
	probe_row_end(probe, &row);
}

int probe_trace(struct probe *probe, struct err *err)
{
	struct probe_place place;
	bool last = false, arrived = false;
	uint16_t port = FIRST_PORT;
	int r = probe_resolve(probe->ask.host, probe->ask.family, &place, err);

	if (r < 0)
		return r;
	tell_start(probe, &place);
	for (int hop = 1; hop <= (int)probe->ask.hops && !last; hop++) {
		for (uint32_t i = 0; i < probe->ask.count; i++) {
			struct answer answer = { .came = false };

			r = try_hop(probe, &place, hop, port++, &answer, err);
			if (r < 0)
				return r;
			if (probe_over(probe) && !answer.came)
				return 0;
			last = last || answer.last;
			arrived = arrived || (answer.last && !strcmp(answer.address, place.text));
			tell_answer(probe, hop, i, &answer);
		}
	}
	if (!arrived && !probe_over(probe))
		return err_set(err, -EHOSTUNREACH, "%s was not reached", place.text);
	return 0;
}
