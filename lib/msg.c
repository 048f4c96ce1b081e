/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns one message on one SEQPACKET socket: header, body, fds. Every role runs it; PID 1 and the
 * shim without a heap. It must never look into a body, and must close each fd it was sent and does
 * not hand on.
 */
#include "lib/msg.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>
#include "lib/msg_wire.h"
#include "lib/own.h"
#include "lib/sys.h"

enum {
	MSG_CONTROL_MAX = CMSG_SPACE(sizeof(int) * (MSG_FDS_MAX + 1)),
	MSG_SEALS = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE,
};

static const unsigned char msg_magic[4] = { 'H', 'O', 'Y', '1' };

/* The buffer of the message in hand; `lent` until its msg_done(). */
static unsigned char receive_buffer[MSG_HEADER_SIZE + MSG_BODY_INLINE_MAX];
static bool lent;

void msg_done(struct msg *msg)
{
	if (!msg)
		return;
	for (size_t i = 0; i < msg->nfds && i < MSG_FDS_MAX; i++)
		own_close(&msg->fds[i]);
	if (msg->memory == receive_buffer)
		lent = false;
	else if (msg->mapped > 0)
		(void)munmap(msg->memory, msg->mapped);
	else
		free(msg->memory);
	*msg = (struct msg){ 0 };
}

int msg_take_fd(struct msg *msg, size_t i)
{
	return i < msg->nfds ? take_fd(&msg->fds[i]) : -1;
}

/* ---- sending ---- */

static void put_le(unsigned char *dst, uint32_t v, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		dst[i] = (unsigned char)(v >> (8 * i));
}

void msg_encode_header(const struct msg *msg, unsigned char header[MSG_HEADER_SIZE])
{
	bool apart = msg->body.len > MSG_BODY_INLINE_MAX;

	memcpy(header, msg_magic, sizeof(msg_magic));
	put_le(header + 4, msg->type, 2);
	put_le(header + 6, (uint32_t)(msg->flags & ~MSG_FLAG_MEMFD) | (apart ? MSG_FLAG_MEMFD : 0),
	       2);
	put_le(header + 8, msg->serial, 4);
	put_le(header + 12, (uint32_t)msg->body.len, 4);
	put_le(header + 16, (uint32_t)msg->nfds, 2);
	put_le(header + 18, 0, 2);
}

int msg_check_outgoing(const struct msg *msg, struct err *err)
{
	if (msg->body.len > MSG_BODY_MAX)
		return err_set(err, -EMSGSIZE, "message %u: a body of %zu bytes is too long",
			       msg->type, msg->body.len);
	if (msg->nfds > MSG_FDS_MAX)
		return err_set(err, -EMSGSIZE, "message %u: %zu fds are too many", msg->type,
			       msg->nfds);
	return 0;
}

int msg_body_memfd(const struct msg *msg, struct err *err)
{
	OWN_FD int fd = sys_memfd("hoy-msg");
	const char *at = msg->body.ptr;
	size_t left = msg->body.len;
	int r = fd;

	while (r >= 0 && left > 0) {
		ssize_t n = sys_write(fd, at, left);

		if (n == -EINTR)
			continue;
		if (n <= 0) {
			r = n < 0 ? (int)n : -EIO;
			break;
		}
		at += n;
		left -= (size_t)n;
	}
	if (r >= 0)
		r = sys_fcntl(fd, F_ADD_SEALS, MSG_SEALS);
	if (r < 0)
		return err_sys(err, r, "message %u: store its long body", msg->type);
	return take_fd(&fd);
}

/* sendmsg(2) only reads, but its vector is shared with recvmsg(2). */
static struct iovec readable(const void *data, size_t len)
{
	union {
		const void *given;
		void *base;
	} at = { .given = data };

	return (struct iovec){ .iov_base = at.base, .iov_len = len };
}

int msg_send_raw(int fd, const unsigned char header[MSG_HEADER_SIZE], struct str body,
		 const int *fds, size_t nfds)
{
	union {
		char bytes[MSG_CONTROL_MAX];
		struct cmsghdr align;
	} control = { .bytes = { 0 } };
	struct iovec parts[2];
	struct msghdr packet = { .msg_iov = parts, .msg_iovlen = body.len > 0 ? 2 : 1 };
	ssize_t n;

	parts[0] = readable(header, MSG_HEADER_SIZE);
	parts[1] = readable(body.ptr, body.len);
	if (nfds > 0) {
		struct cmsghdr *rights;

		packet.msg_control = control.bytes;
		packet.msg_controllen = (socklen_t)CMSG_SPACE(sizeof(int) * nfds);
		rights = CMSG_FIRSTHDR(&packet);
		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = (socklen_t)CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(rights), fds, sizeof(int) * nfds);
	}
	do {
		n = sys_sendmsg(fd, &packet, MSG_NOSIGNAL);
	} while (n == -EINTR);
	return n < 0 ? (int)n : 0;
}

int msg_send(int fd, const struct msg *msg, struct err *err)
{
	unsigned char header[MSG_HEADER_SIZE];
	int fds[MSG_FDS_MAX + 1];
	OWN_FD int memfd = -1;
	struct str body = msg->body;
	size_t nfds = 0;
	int r = msg_check_outgoing(msg, err);

	if (r < 0)
		return r;
	if (body.len > MSG_BODY_INLINE_MAX) {
		memfd = msg_body_memfd(msg, err);
		if (memfd < 0)
			return memfd;
		fds[nfds++] = memfd;
		body = (struct str){ 0 };
	}
	for (size_t i = 0; i < msg->nfds; i++)
		fds[nfds++] = msg->fds[i];
	msg_encode_header(msg, header);
	r = msg_send_raw(fd, header, body, fds, nfds);
	return r < 0 ? err_sys(err, r, "send message %u", msg->type) : 0;
}

/* ---- receiving ---- */

static uint32_t get_le(const unsigned char *src, size_t bytes)
{
	uint32_t v = 0;

	for (size_t i = 0; i < bytes; i++)
		v |= (uint32_t)src[i] << (8 * i);
	return v;
}

int msg_decode_header(const unsigned char *packet, size_t len, size_t nfds, struct msg *ret_msg,
		      struct err *err)
{
	struct msg msg = { 0 };
	uint32_t body_len, fd_count;
	bool apart;

	if (len < MSG_HEADER_SIZE || memcmp(packet, msg_magic, sizeof(msg_magic)) != 0)
		return err_set(err, -EBADMSG, "a packet of %zu bytes is no message", len);
	msg.type = (uint16_t)get_le(packet + 4, 2);
	msg.flags = (uint16_t)get_le(packet + 6, 2);
	msg.serial = get_le(packet + 8, 4);
	body_len = get_le(packet + 12, 4);
	fd_count = get_le(packet + 16, 2);
	apart = (msg.flags & MSG_FLAG_MEMFD) != 0;
	if (msg.flags >= 2 * MSG_FLAG_CALL || get_le(packet + 18, 2) != 0)
		return err_set(err, -EBADMSG, "message %u has unknown flags", msg.type);
	if (fd_count > MSG_FDS_MAX || nfds != fd_count + (apart ? 1 : 0))
		return err_set(err, -EBADMSG, "message %u: %u fds announced, %zu came", msg.type,
			       fd_count, nfds);
	if (apart ? body_len <= MSG_BODY_INLINE_MAX || body_len > MSG_BODY_MAX ||
			    len != MSG_HEADER_SIZE
		  : body_len != len - MSG_HEADER_SIZE)
		return err_set(err, -EBADMSG, "message %u: body of %u bytes announced, %zu came",
			       msg.type, body_len, len - MSG_HEADER_SIZE);
	msg.nfds = fd_count;
	msg.body.len = body_len;
	if (!apart && body_len > 0)
		msg.body.ptr = (const char *)packet + MSG_HEADER_SIZE;
	*ret_msg = msg;
	return 0;
}

/* The long body: nobody may change or cut it any more, else our reads could fault. */
static int map_body(int fd, struct msg *msg, struct err *err)
{
	struct stat st;
	int r = sys_fcntl(fd, F_GET_SEALS, 0);

	if (r < 0 || (r & (F_SEAL_SHRINK | F_SEAL_WRITE)) != (F_SEAL_SHRINK | F_SEAL_WRITE))
		return err_set(err, -EBADMSG, "message %u: its long body is not sealed", msg->type);
	r = sys_fstat(fd, &st);
	if (r < 0 || st.st_size != (off_t)msg->body.len)
		return err_set(err, -EBADMSG, "message %u: its long body has another length",
			       msg->type);
	r = sys_map_read(fd, msg->body.len, &msg->memory);
	if (r < 0)
		return err_sys(err, r, "message %u: map its long body", msg->type);
	msg->mapped = msg->body.len;
	msg->body.ptr = msg->memory;
	return 0;
}

/*
 * Collects the fds of all control records; the number of them. By hand, for the macro that steps to
 * the next record does not compile without warnings in every C library.
 */
static size_t collect_fds(const struct msghdr *packet, int fds[MSG_FDS_MAX + 1])
{
	const char *control = packet->msg_control;
	size_t len = packet->msg_controllen, at = 0, count = 0;
	struct cmsghdr head;

	for (; at + sizeof(head) <= len; at += CMSG_ALIGN(head.cmsg_len)) {
		memcpy(&head, control + at, sizeof(head));
		if (head.cmsg_len < CMSG_LEN(0) || head.cmsg_len > len - at)
			break;
		if (head.cmsg_level != SOL_SOCKET || head.cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = CMSG_LEN(0); i + sizeof(int) <= head.cmsg_len; i += sizeof(int)) {
			int fd;

			memcpy(&fd, control + at + i, sizeof(fd));
			if (count <= MSG_FDS_MAX)
				fds[count++] = fd;
			else
				own_close(&fd);
		}
	}
	return count;
}

/* Turns a packet into a message. On error the fds stay the caller's. */
static int accept_packet(unsigned char *data, size_t len, int *fds, size_t nfds,
			 struct msg *ret_msg, struct err *err)
{
	size_t first = 0;
	int r = msg_decode_header(data, len, nfds, ret_msg, err);

	if (r < 0)
		return r;
	if (ret_msg->flags & MSG_FLAG_MEMFD) {
		r = map_body(fds[0], ret_msg, err);
		if (r < 0)
			return r;
		own_close(&fds[0]);
		ret_msg->flags = (uint16_t)(ret_msg->flags & ~MSG_FLAG_MEMFD);
		first = 1;
	}
	for (size_t i = 0; i < ret_msg->nfds; i++)
		ret_msg->fds[i] = take_fd(&fds[first + i]);
	return 0;
}

static int receive_into(int fd, unsigned char *data, struct msg *ret_msg, struct err *err)
{
	union {
		char bytes[MSG_CONTROL_MAX];
		struct cmsghdr align;
	} control;
	struct iovec part = { .iov_base = data, .iov_len = sizeof(receive_buffer) };
	struct msghdr packet = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	int fds[MSG_FDS_MAX + 1];
	size_t nfds;
	ssize_t n;
	int r;

	do {
		n = sys_recvmsg(fd, &packet, MSG_CMSG_CLOEXEC);
	} while (n == -EINTR);
	if (n == 0 || n == -ECONNRESET)
		return 0;
	if (n < 0)
		return err_sys(err, (int)n, "receive a message");
	nfds = collect_fds(&packet, fds);
	if (packet.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
		r = err_set(err, -EBADMSG, "a message was too long or carried too many fds");
	else
		r = accept_packet(data, (size_t)n, fds, nfds, ret_msg, err);
	if (r < 0) {
		for (size_t i = 0; i < nfds; i++)
			own_close(&fds[i]);
		return r;
	}
	return 1;
}

int msg_recv(int fd, struct msg *ret_msg, struct err *err)
{
	OWN_FREE void *heap = NULL;
	unsigned char *data = receive_buffer;
	struct msg msg = { 0 };
	int r;

	if (lent) {
		/* Somebody holds a message while he receives another: no hot path does. */
		data = heap = malloc(sizeof(receive_buffer));
		if (!heap)
			return err_set(err, -ENOMEM, "no memory to receive a message");
	}
	r = receive_into(fd, data, &msg, err);
	if (r <= 0)
		return r;
	if (!msg.memory && msg.body.len > 0) {
		msg.memory = heap ? take_ptr(&heap) : receive_buffer;
		lent = true;
	}
	*ret_msg = msg;
	return 1;
}
