/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ping: echo requests over an ICMP datagram socket, which needs no capability: the kernel gives
 * only replies to our own. Run by the probe role. It must never send faster than it was asked to.
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>
#include "lib/own.h"
#include "netd/probe/echo.h"
#include "netd/probe/probe.h"

enum { PACKET_MAX = 2048 };

struct ping {
	struct probe *probe;
	struct probe_place place;
	int fd;
	uint64_t nonce;
	struct echo_count count;
	struct mono sent[PROBE_COUNT_MAX];
	bool answered[PROBE_COUNT_MAX], refused[PROBE_COUNT_MAX]; /* refused: an error came */
};

static int open_socket(struct ping *ping, struct err *err)
{
	int on = 1, v6 = ping->place.v6;

	ping->fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			  v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
	if (ping->fd < 0)
		return err_set(err, -errno, "the kernel gives no socket for echo requests (%s)",
			       err_name(-errno));
	(void)setsockopt(ping->fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP,
			 v6 ? IPV6_RECVHOPLIMIT : IP_RECVTTL, &on, sizeof(on));
	(void)setsockopt(ping->fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_RECVERR : IP_RECVERR,
			 &on, sizeof(on));
	return 0;
}

static void tell_start(struct ping *ping)
{
	char name[PROBE_HOST_MAX + 1];
	struct buf row = { 0 };

	(void)str_copy(ping->probe->ask.host, name, sizeof(name));
	probe_row_begin(&row, "start");
	probe_row_text(&row, "host", name);
	probe_row_text(&row, "address", ping->place.text);
	probe_row_number(&row, "size", ping->probe->ask.size);
	probe_row_end(ping->probe, &row);
}

static void tell_error(struct ping *ping, uint32_t seq, const char *from, const char *text)
{
	struct buf row = { 0 };

	ping->count.errors++;
	if (seq > 0 && seq <= ping->count.sent)
		ping->refused[seq - 1] = true;
	probe_row_begin(&row, "error");
	probe_row_text(&row, "address", from);
	probe_row_number(&row, "seq", seq);
	probe_row_text(&row, "text", text);
	probe_row_end(ping->probe, &row);
}

static int hops_left(struct msghdr *message)
{
	int hops = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = probe_control_next(message, c))
		if (((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TTL) ||
		     (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_HOPLIMIT)) &&
		    c->cmsg_len >= CMSG_LEN(sizeof(hops)))
			memcpy(&hops, CMSG_DATA(c), sizeof(hops));
	return hops;
}

static void take_reply(struct ping *ping, uint16_t seq, size_t bytes, int hops,
		       const struct sockaddr_storage *from)
{
	char address[PROBE_TEXT_MAX];
	struct buf row = { 0 };
	int64_t us;

	if (seq == 0 || seq > ping->count.sent || ping->answered[seq - 1])
		return;
	us = probe_us_since(ping->sent[seq - 1]);
	ping->answered[seq - 1] = true;
	echo_count_reply(&ping->count, us);
	probe_row_begin(&row, "reply");
	probe_row_text(&row, "address", probe_address_text(from, address));
	probe_row_number(&row, "bytes", (int64_t)bytes);
	probe_row_number(&row, "seq", seq);
	probe_row_number(&row, "ttl", hops);
	probe_row_number(&row, "time_us", us);
	probe_row_end(ping->probe, &row);
}

static void take_packet(struct ping *ping)
{
	union {
		struct cmsghdr head;
		char bytes[256];
	} control;
	char data[PACKET_MAX], address[PROBE_TEXT_MAX];
	struct sockaddr_storage from = { 0 };
	struct iovec part = { data, sizeof(data) };
	struct msghdr message = { .msg_name = &from,
				  .msg_namelen = sizeof(from),
				  .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	struct probe_icmp icmp;
	uint16_t seq = 0;
	ssize_t n;

	while (probe_take_error(ping->fd, &icmp)) {
		if (!echo_returned(str_make(icmp.data, icmp.len), ping->place.v6, &seq))
			seq = (uint16_t)ping->count.sent;
		tell_error(ping, seq, icmp.remote ? probe_address_text(&icmp.from, address) : "",
			   icmp.remote ? echo_error_text(icmp.v6, icmp.type, icmp.code)
				       : strerror(icmp.code_errno));
	}
	n = recvmsg(ping->fd, &message, MSG_DONTWAIT);
	if (n >= 0 && echo_read(str_make(data, (size_t)n), ping->place.v6, ping->nonce, &seq))
		take_reply(ping, seq, (size_t)n, hops_left(&message), &from);
}

static void send_one(struct ping *ping)
{
	struct buf packet OWN(buf_done) = { 0 };
	uint32_t seq = ++ping->count.sent;

	buf_init(&packet, PACKET_MAX);
	echo_write(ping->place.v6, (uint16_t)seq, ping->nonce, ping->probe->ask.size, &packet);
	ping->sent[seq - 1] = mono_now();
	if (sendto(ping->fd, packet.data, packet.len, MSG_DONTWAIT | MSG_NOSIGNAL,
		   (const struct sockaddr *)(const void *)&ping->place.address,
		   ping->place.len) < 0)
		tell_error(ping, seq, "", strerror(errno));
}

static void wait_until(struct ping *ping, uint32_t seq, struct mono until, bool leave)
{
	while (mono_before(mono_now(), until) && !probe_over(ping->probe) &&
	       !(leave && (ping->answered[seq - 1] || ping->refused[seq - 1])))
		if (probe_wait(ping->probe, ping->fd, POLLIN, until) > 0)
			take_packet(ping);
}

static void tell_end(struct ping *ping)
{
	const struct echo_count *count = &ping->count;
	struct buf row = { 0 };

	probe_row_begin(&row, "end");
	probe_row_number(&row, "sent", count->sent);
	probe_row_number(&row, "received", count->received);
	probe_row_number(&row, "errors", count->errors);
	probe_row_number(&row, "loss_permille", echo_count_loss(count));
	probe_row_number(&row, "min_us", count->min_us);
	probe_row_number(&row, "avg_us", echo_count_average(count));
	probe_row_number(&row, "max_us", count->max_us);
	probe_row_end(ping->probe, &row);
}

int probe_ping(struct probe *probe, struct err *err)
{
	static struct ping ping;
	int r;

	ping = (struct ping){ .probe = probe, .fd = -1 };
	r = probe_resolve(probe->ask.host, probe->ask.family, &ping.place, err);
	if (r == 0)
		r = open_socket(&ping, err);
	if (r < 0)
		return r;
	if (getrandom(&ping.nonce, sizeof(ping.nonce), 0) != (ssize_t)sizeof(ping.nonce))
		ping.nonce = (uint64_t)mono_now().ns;
	tell_start(&ping);
	for (uint32_t i = 1; i <= probe->ask.count && !probe_over(probe); i++) {
		bool last = i == probe->ask.count;
		struct buf row = { 0 };

		send_one(&ping);
		wait_until(&ping, i,
			   mono_add_ms(ping.sent[i - 1],
				       last ? probe->ask.wait_ms : probe->ask.interval_ms),
			   last);
		if (ping.answered[i - 1] || ping.refused[i - 1] || probe_over(probe))
			continue;
		probe_row_begin(&row, "silence");
		probe_row_number(&row, "seq", i);
		probe_row_end(probe, &row);
	}
	tell_end(&ping);
	(void)close(ping.fd);
	if (!ping.count.received)
		return err_set(err, -EHOSTUNREACH, "%s does not answer", ping.place.text);
	return 0;
}
