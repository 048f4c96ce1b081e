/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the copies of the resolvers' and the splice role's sockets that outlive this process. Run by
 * netd main. It must never have less in the pair than what is served: a message is put back before
 * the next is taken, so that a kill at any moment costs one container's copy at most.
 */
#include <errno.h>
#include <sys/socket.h>
#include "lib/log.h"
#include "lib/msg.h"
#include "lib/own.h"
#include "netd/container/keep.h"

enum {
	KEEP_MSG_SOCKETS = 0x0401, /* body: the id; fds: UDP, TCP */
	/* 1,024 messages with their overhead in the kernel. */
	ROOM_BYTES = 4 << 20,
};

static bool is_socket(int fd)
{
	int type;
	socklen_t len = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_SEQPACKET;
}

void keep_open(struct keep *keep, int write_fd, int read_fd)
{
	const int room = ROOM_BYTES;

	*keep = (struct keep){ .write_fd = -1, .read_fd = -1 };
	if (!is_socket(write_fd) || !is_socket(read_fd)) {
		log_info("no store for sockets: resolvers are silent while netd is restarted");
		return;
	}
	if (setsockopt(write_fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) < 0)
		(void)setsockopt(write_fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	keep->write_fd = write_fd;
	keep->read_fd = read_fd;
}

/* One message that lies there; false when there is none or it cannot be read. */
static bool take(struct keep *keep, struct msg *ret_msg)
{
	char data;

	/* The sockets may be blocking: look first. */
	if (keep->read_fd < 0 || recv(keep->read_fd, &data, 1, MSG_PEEK | MSG_DONTWAIT) <= 0)
		return false;
	return msg_recv(keep->read_fd, ret_msg, NULL) == 1;
}

/* Of the sockets that belong to no container. */
static const struct str own_id = { "::1", 3 };

static void send_copy(struct keep *keep, struct str id, int udp_fd, int tcp_fd)
{
	const struct msg msg = {
		.type = KEEP_MSG_SOCKETS, .body = id, .fds = { udp_fd, tcp_fd }, .nfds = 2
	};
	struct err err;

	if (msg_send(keep->write_fd, &msg, &err) < 0)
		log_warn("the sockets of %.*s will be gone after a restart: %s", STR_ARG(id),
			 err_text(&err));
	else
		keep->count++;
}

static void put_pair(int udp_fd, int tcp_fd, int *ret_udp_fd, int *ret_tcp_fd)
{
	own_close(ret_udp_fd);
	own_close(ret_tcp_fd);
	*ret_udp_fd = udp_fd;
	*ret_tcp_fd = tcp_fd;
}

void keep_load(struct keep *keep, struct attachments *attachments, int *ret_udp_fd, int *ret_tcp_fd)
{
	struct msg msg = { 0 };

	*ret_udp_fd = *ret_tcp_fd = -1;
	while (take(keep, &msg)) {
		struct attachment *a = attachment_find(attachments, msg.body);
		int udp = msg_take_fd(&msg, 0), tcp = msg_take_fd(&msg, 1);

		if (udp >= 0 && tcp >= 0 && str_eq(msg.body, own_id)) {
			put_pair(udp, tcp, ret_udp_fd, ret_tcp_fd);
		} else if (udp >= 0 && tcp >= 0 && a) {
			put_pair(udp, tcp, &a->udp_fd, &a->tcp_fd);
		} else {
			own_close(&udp);
			own_close(&tcp);
		}
		msg_done(&msg);
	}
	keep->count = 0;
	if (*ret_udp_fd >= 0)
		keep_put_own(keep, *ret_udp_fd, *ret_tcp_fd);
	for (const struct attachment *a = attachments->first; a; a = a->next)
		if (a->udp_fd >= 0 && a->tcp_fd >= 0 && keep->write_fd >= 0)
			send_copy(keep, a->attach.id, a->udp_fd, a->tcp_fd);
}

void keep_drop(struct keep *keep, struct str id)
{
	struct msg msg = { 0 };

	for (uint32_t left = keep->count; left && take(keep, &msg); left--) {
		keep->count--;
		if (!str_eq(msg.body, id) && msg.nfds == 2)
			send_copy(keep, msg.body, msg.fds[0], msg.fds[1]);
		msg_done(&msg);
	}
}

void keep_put(struct keep *keep, const struct attachment *attachment)
{
	if (keep->write_fd < 0 || attachment->udp_fd < 0 || attachment->tcp_fd < 0)
		return;
	keep_drop(keep, attachment->attach.id);
	send_copy(keep, attachment->attach.id, attachment->udp_fd, attachment->tcp_fd);
}

void keep_put_own(struct keep *keep, int udp_fd, int tcp_fd)
{
	if (keep->write_fd >= 0)
		send_copy(keep, own_id, udp_fd, tcp_fd);
}
