/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns what ping, traceroute and dig have in common: waiting, rows, names, error queues. Run by the
 * probe role. It must never wait longer than it was asked to, nor for somebody who has gone.
 */
#include "netd/probe/probe.h"

#include <time.h> /* errqueue.h relies on it */

#include <arpa/inet.h>
#include <errno.h>
#include <linux/errqueue.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include "lib/msg.h"
#include "lib/own.h"
#include "netd/api/netd_rows_msg.h"

enum { ROW_MAX = 65000 };

bool probe_over(const struct probe *probe)
{
	return probe->stopped || probe->gone || !mono_before(mono_now(), probe->end);
}

int64_t probe_us_since(struct mono then)
{
	return (mono_now().ns - then.ns) / 1000;
}

static void take_word(struct probe *probe)
{
	struct msg msg OWN(msg_done) = { 0 };
	int r = msg_recv(probe->fd, &msg, NULL);

	if (r == 0 || (r < 0 && r != -EAGAIN))
		probe->gone = true;
	else if (r > 0 && msg.type == PROBE_MSG_STOP)
		probe->stopped = true;
}

int probe_wait(struct probe *probe, int fd, short events, struct mono until)
{
	while (!probe_over(probe)) {
		struct pollfd fds[2] = { { .fd = fd, .events = events },
					 { .fd = probe->fd, .events = POLLIN } };
		struct mono end = mono_before(until, probe->end) ? until : probe->end;
		int64_t left = mono_diff_ms(end, mono_now());

		/* Rounded down: the last part of a millisecond is waited for, too. */
		if (poll(fds, 2, left < 0 ? 0 : (int)left + (mono_before(mono_now(), end))) < 0)
			return 0;
		if (fds[1].revents)
			take_word(probe);
		if (fds[0].revents)
			return 1;
		if (!mono_before(mono_now(), end))
			return 0;
	}
	return 0;
}

/* ---- rows ---- */

void probe_row_begin(struct buf *row, const char *event)
{
	buf_init(row, ROW_MAX);
	probe_row_text(row, "event", event);
}

void probe_row_text(struct buf *row, const char *name, const char *text)
{
	netd_row_put(row, name, NETD_FIELD_TEXT, str_from(text), 0);
}

void probe_row_number(struct buf *row, const char *name, int64_t number)
{
	netd_row_put(row, name, NETD_FIELD_NUMBER, STR(""), number);
}

void probe_row_end(struct probe *probe, struct buf *row)
{
	struct msg msg = { .type = PROBE_MSG_ROW };
	int r;

	netd_row_end(row);
	msg.body = buf_str(row);
	r = buf_error(row) < 0 ? 0 : msg_send(probe->fd, &msg, NULL);
	probe->gone = probe->gone || (r < 0 && r != -EAGAIN);
	buf_done(row);
}

/* ---- names ---- */

const char *probe_address_text(const struct sockaddr_storage *address, char dst[PROBE_TEXT_MAX])
{
	const void *bytes = &((const struct sockaddr_in *)(const void *)address)->sin_addr;

	*dst = 0;
	if (address->ss_family == AF_INET6)
		bytes = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
	if (address->ss_family == AF_INET || address->ss_family == AF_INET6)
		(void)inet_ntop(address->ss_family, bytes, dst, PROBE_TEXT_MAX);
	return dst;
}

int probe_resolve(struct str host, uint8_t family, struct probe_place *ret_place, struct err *err)
{
	const struct addrinfo hints = { .ai_family = family == 6   ? AF_INET6
						     : family == 4 ? AF_INET
								   : AF_UNSPEC,
					.ai_socktype = SOCK_DGRAM };
	char name[PROBE_HOST_MAX + 1], shown[PROBE_HOST_MAX * 4 + 8];
	struct addrinfo *list = NULL;
	int r;

	(void)str_escape(host, shown, sizeof(shown));
	if (str_copy(host, name, sizeof(name)) < 0)
		return err_set(err, -EINVAL, "%s is no name", shown);
	r = getaddrinfo(name, NULL, &hints, &list);
	if (r == EAI_AGAIN)
		return err_set(err, -ETIMEDOUT,
			       "no name server answers for %s; `network dns` lists them", shown);
	if (r != 0 || !list)
		return err_set(err, -ENOENT, "there is no address of %s%s", shown,
			       family == 6   ? " for IPv6"
			       : family == 4 ? " for IPv4"
					     : "");
	*ret_place =
		(struct probe_place){ .len = list->ai_addrlen, .v6 = list->ai_family == AF_INET6 };
	memcpy(&ret_place->address, list->ai_addr, list->ai_addrlen);
	(void)probe_address_text(&ret_place->address, ret_place->text);
	freeaddrinfo(list);
	return 0;
}

/* ---- errors ---- */

struct cmsghdr *probe_control_next(const struct msghdr *message, struct cmsghdr *control)
{
	size_t at = (size_t)((char *)control - (char *)message->msg_control);
	size_t step = CMSG_ALIGN(control->cmsg_len);

	if (step < sizeof(*control) || message->msg_controllen - at < step + sizeof(*control))
		return NULL;
	return (struct cmsghdr *)(void *)((char *)control + step);
}

int probe_take_error(int fd, struct probe_icmp *ret_icmp)
{
	union {
		struct cmsghdr head;
		char bytes[512];
	} control;
	struct probe_icmp icmp = { .remote = false };
	struct iovec part = { icmp.data, sizeof(icmp.data) };
	struct msghdr message = { .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT);

	if (n < 0)
		return 0;
	icmp.len = (size_t)n;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = probe_control_next(&message, c)) {
		struct sock_extended_err error;
		size_t head = (size_t)(CMSG_DATA(c) - (unsigned char *)c) + sizeof(error), left;

		if (!(c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) &&
		    !(c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR))
			continue;
		if (c->cmsg_len < head)
			continue;
		left = c->cmsg_len - head;
		memcpy(&error, CMSG_DATA(c), sizeof(error));
		icmp.v6 = error.ee_origin == SO_EE_ORIGIN_ICMP6;
		icmp.remote = icmp.v6 || error.ee_origin == SO_EE_ORIGIN_ICMP;
		icmp.type = error.ee_type;
		icmp.code = error.ee_code;
		icmp.code_errno = (int)error.ee_errno;
		/* The offender stands behind it. */
		memcpy(&icmp.from, CMSG_DATA(c) + sizeof(error),
		       left < sizeof(icmp.from) ? left : sizeof(icmp.from));
	}
	*ret_icmp = icmp;
	return 1;
}
