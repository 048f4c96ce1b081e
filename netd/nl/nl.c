/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns netlink framing and the exchange on a netlink socket. Run by netd main (netlink answers are
 * kernel input); the reading half is fuzzed. It must never read past what the kernel returned and
 * never wait for ever: the kernel answers within sendmsg(2), so a missing answer is an error.
 */
#include <endian.h>
#include <errno.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include "lib/own.h"
#include "netd/nl/nl.h"

enum {
	NL_SOCKET_BUFFER = 4 << 20,
	NL_WAIT_S = 5,
	NL_DATAGRAMS_MAX = 65536, /* of one answer: ends a stream that never ends */
};

static void pad(struct buf *out)
{
	static const char zero[4];

	buf_add(out, zero, (4 - out->len % 4) % 4);
}

size_t nl_begin(struct buf *out, uint16_t type, uint16_t flags, const void *header, size_t len)
{
	struct nlmsghdr nlh = { .nlmsg_type = type,
				.nlmsg_flags = (uint16_t)(flags | NLM_F_REQUEST) };
	size_t start = out->len;

	buf_add(out, &nlh, sizeof(nlh));
	buf_add(out, header, len);
	pad(out);
	return start;
}

void nl_end(struct buf *out, size_t start)
{
	uint32_t len;

	if (buf_error(out) < 0)
		return;
	len = (uint32_t)(out->len - start);
	memcpy(out->data + start, &len, sizeof(len));
	pad(out);
}

void nl_put(struct buf *out, uint16_t type, const void *data, size_t len)
{
	struct nlattr nla = { .nla_type = type };

	if (len > UINT16_MAX - sizeof(nla)) {
		out->error = out->error ? out->error : -EMSGSIZE;
		return;
	}
	nla.nla_len = (uint16_t)(sizeof(nla) + len);
	buf_add(out, &nla, sizeof(nla));
	buf_add(out, data, len);
	pad(out);
}

void nl_put_u8(struct buf *out, uint16_t type, uint8_t v)
{
	nl_put(out, type, &v, sizeof(v));
}

void nl_put_u16(struct buf *out, uint16_t type, uint16_t v)
{
	nl_put(out, type, &v, sizeof(v));
}

void nl_put_u32(struct buf *out, uint16_t type, uint32_t v)
{
	nl_put(out, type, &v, sizeof(v));
}

void nl_put_be16(struct buf *out, uint16_t type, uint16_t v)
{
	const uint8_t bytes[2] = { (uint8_t)(v >> 8), (uint8_t)v };

	nl_put(out, type, bytes, sizeof(bytes));
}

void nl_put_be64(struct buf *out, uint16_t type, uint64_t v)
{
	const uint64_t be = htobe64(v);

	nl_put(out, type, &be, sizeof(be));
}

void nl_put_be32(struct buf *out, uint16_t type, uint32_t v)
{
	const uint8_t bytes[4] = { (uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8),
				   (uint8_t)v };

	nl_put(out, type, bytes, sizeof(bytes));
}

void nl_put_text(struct buf *out, uint16_t type, const char *text)
{
	nl_put(out, type, text, strlen(text) + 1);
}

size_t nl_nest(struct buf *out, uint16_t type)
{
	size_t start = out->len;

	nl_put(out, (uint16_t)(type | NLA_F_NESTED), NULL, 0);
	return start;
}

void nl_nest_end(struct buf *out, size_t start)
{
	uint16_t len;

	if (buf_error(out) < 0)
		return;
	if (out->len - start > UINT16_MAX) {
		out->error = -EMSGSIZE;
		return;
	}
	len = (uint16_t)(out->len - start);
	memcpy(out->data + start, &len, sizeof(len));
}

bool nl_attr_next(struct str *rest, struct nl_attr *ret_attr)
{
	struct nlattr nla;
	size_t step;

	if (rest->len < sizeof(nla)) {
		*rest = (struct str){ 0 };
		return false;
	}
	memcpy(&nla, rest->ptr, sizeof(nla));
	if (nla.nla_len < sizeof(nla) || nla.nla_len > rest->len) {
		*rest = (struct str){ 0 };
		return false;
	}
	ret_attr->type = nla.nla_type & (uint16_t) ~(NLA_F_NESTED | NLA_F_NET_BYTEORDER);
	ret_attr->data = str_make(rest->ptr + sizeof(nla), nla.nla_len - sizeof(nla));
	step = ((size_t)nla.nla_len + 3) & ~(size_t)3;
	*rest = str_skip(*rest, step < rest->len ? step : rest->len);
	return true;
}

uint8_t nl_attr_u8(const struct nl_attr *attr)
{
	return attr->data.len == 1 ? (uint8_t)attr->data.ptr[0] : 0;
}

uint32_t nl_attr_u32(const struct nl_attr *attr)
{
	uint32_t v = 0;

	if (attr->data.len == sizeof(v))
		memcpy(&v, attr->data.ptr, sizeof(v));
	return v;
}

uint32_t nl_attr_be32(const struct nl_attr *attr)
{
	uint8_t b[4] = { 0 };

	if (attr->data.len == sizeof(b))
		memcpy(b, attr->data.ptr, sizeof(b));
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

bool nl_attr_text(const struct nl_attr *attr, char *dst, size_t cap)
{
	size_t len = attr->data.len ? strnlen(attr->data.ptr, attr->data.len) : 0;

	if (len >= cap)
		return false;
	if (len)
		memcpy(dst, attr->data.ptr, len);
	dst[len] = 0;
	return true;
}

bool nl_message_next(struct str *rest, struct nl_message *ret_message)
{
	struct nlmsghdr nlh;
	size_t step;

	if (rest->len < sizeof(nlh)) {
		*rest = (struct str){ 0 };
		return false;
	}
	memcpy(&nlh, rest->ptr, sizeof(nlh));
	if (nlh.nlmsg_len < sizeof(nlh) || nlh.nlmsg_len > rest->len) {
		*rest = (struct str){ 0 };
		return false;
	}
	*ret_message = (struct nl_message){
		.type = nlh.nlmsg_type,
		.flags = nlh.nlmsg_flags,
		.seq = nlh.nlmsg_seq,
		.body = str_make(rest->ptr + sizeof(nlh), nlh.nlmsg_len - sizeof(nlh)),
	};
	step = ((size_t)nlh.nlmsg_len + 3) & ~(size_t)3;
	*rest = str_skip(*rest, step < rest->len ? step : rest->len);
	return true;
}

int nl_message_error(const struct nl_message *message, char *text, size_t cap)
{
	size_t skip = sizeof(int) + sizeof(struct nlmsghdr);
	struct nlmsghdr inner;
	struct nl_attr attr;
	struct str rest;
	int code;

	text[0] = 0;
	if (message->body.len < skip)
		return -EBADMSG;
	memcpy(&code, message->body.ptr, sizeof(code));
	memcpy(&inner, message->body.ptr + sizeof(code), sizeof(inner));
	if (!(message->flags & NLM_F_ACK_TLVS))
		return code > 0 ? -EBADMSG : code;
	if (!(message->flags & NLM_F_CAPPED) && inner.nlmsg_len >= sizeof(inner))
		skip = sizeof(int) + (((size_t)inner.nlmsg_len + 3) & ~(size_t)3);
	if (skip <= message->body.len) {
		rest = str_skip(message->body, skip);
		while (nl_attr_next(&rest, &attr))
			if (attr.type == NLMSGERR_ATTR_MSG && !nl_attr_text(&attr, text, cap))
				text[0] = 0;
	}
	return code > 0 ? -EBADMSG : code;
}

int nl_adopt(struct nl *nl, int fd, struct err *err)
{
	const struct timeval wait = { .tv_sec = NL_WAIT_S };
	const int one = 1, size = NL_SOCKET_BUFFER;

	nl->fd = fd;
	nl->seq = 1;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) < 0)
		return err_sys(err, -errno, "set the timeout of a netlink socket");
	/* Big batches and dumps; a refusal only costs speed. */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
	return 0;
}

int nl_open(struct nl *nl, int protocol, struct err *err)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK };
	OWN_FD int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);

	nl->fd = -1;
	if (fd < 0)
		return err_sys(err, -errno, "open a netlink socket (protocol %d)", protocol);
	if (bind(fd, (struct sockaddr *)(void *)&address, sizeof(address)) < 0)
		return err_sys(err, -errno, "bind a netlink socket (protocol %d)", protocol);
	return nl_adopt(nl, take_fd(&fd), err);
}

int nl_join(struct nl *nl, int group, struct err *err)
{
	if (setsockopt(nl->fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
		return err_sys(err, -errno, "join netlink group %d", group);
	return 0;
}

void nl_done(struct nl *nl)
{
	if (nl && nl->fd >= 0)
		own_close(&nl->fd);
}

/* Numbers the messages from nl->seq on and asks for an acknowledgement of the last one. */
static int number_messages(struct nl *nl, struct buf *batch, uint16_t last_flags,
			   uint32_t *ret_last)
{
	struct nlmsghdr nlh;
	size_t at = 0;
	bool any = false;

	while (at + sizeof(nlh) <= batch->len) {
		size_t step;

		memcpy(&nlh, batch->data + at, sizeof(nlh));
		if (nlh.nlmsg_len < sizeof(nlh) || nlh.nlmsg_len > batch->len - at)
			return -EINVAL;
		step = ((size_t)nlh.nlmsg_len + 3) & ~(size_t)3;
		nlh.nlmsg_seq = ++nl->seq;
		*ret_last = nlh.nlmsg_seq;
		if (at + step >= batch->len)
			nlh.nlmsg_flags |= last_flags;
		memcpy(batch->data + at, &nlh, sizeof(nlh));
		at += step;
		any = true;
	}
	return any ? 0 : -EINVAL;
}

static int send_all(struct nl *nl, const struct buf *batch, const char *what, struct err *err)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct iovec iov = { .iov_base = batch->data, .iov_len = batch->len };
	struct msghdr msg = {
		.msg_name = &kernel, .msg_namelen = sizeof(kernel), .msg_iov = &iov, .msg_iovlen = 1
	};
	ssize_t n;

	do
		n = sendmsg(nl->fd, &msg, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(err, -errno, "%s: send to the kernel", what);
	return 0;
}

/* One datagram from the kernel (nobody else may answer). */
static ssize_t receive(int fd, void *data, size_t cap, int flags)
{
	struct sockaddr_nl from;
	struct iovec iov = { .iov_base = data, .iov_len = cap };
	struct msghdr msg = {
		.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1
	};
	ssize_t n;

	for (int i = 0; i < NL_DATAGRAMS_MAX; i++) {
		n = recvmsg(fd, &msg, flags);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (msg.msg_flags & MSG_TRUNC)
			return -EMSGSIZE;
		if (msg.msg_namelen == sizeof(from) && from.nl_pid == 0)
			return n;
	}
	return -EBADMSG;
}

int nl_receive(struct nl *nl, void *data, size_t cap)
{
	ssize_t n = receive(nl->fd, data, cap, MSG_DONTWAIT);

	return n == -EAGAIN ? 0 : (int)n;
}

static int kernel_said(struct err *err, int code, const char *what, const char *text)
{
	if (text[0])
		return err_sys(err, code, "%s (%s)", what, text);
	return err_sys(err, code, "%s", what);
}

int nl_call(struct nl *nl, struct buf *batch, const char *what, struct err *err)
{
	char data[8192], text[160];
	uint32_t first = nl->seq + 1, last = 0;
	bool done = false;
	int code = 0, r;

	r = buf_error(batch) < 0 ? buf_error(batch) : number_messages(nl, batch, NLM_F_ACK, &last);
	if (r < 0)
		return err_sys(err, r, "%s: request could not be built", what);
	r = send_all(nl, batch, what, err);
	if (r < 0)
		return r;
	for (int i = 0; i < NL_DATAGRAMS_MAX; i++) {
		/* All answers are queued when sendmsg returned: after the last one never wait. */
		ssize_t n = receive(nl->fd, data, sizeof(data), done || code ? MSG_DONTWAIT : 0);
		struct str rest = str_make(data, n > 0 ? (size_t)n : 0);
		struct nl_message message;

		if (n == -EAGAIN && (done || code))
			return code;
		if (n < 0)
			return code ? code : err_sys(err, (int)n, "%s: no answer", what);
		while (nl_message_next(&rest, &message)) {
			if (message.type != NLMSG_ERROR || message.seq < first ||
			    message.seq > last)
				continue;
			r = nl_message_error(&message, text, sizeof(text));
			if (r < 0 && !code)
				code = kernel_said(err, r, what, text);
			done |= message.seq == last;
		}
	}
	return err_set(err, -EBADMSG, "%s: the kernel's answer does not end", what);
}

static int ask(struct nl *nl, struct buf *request, uint16_t flags, nl_dump_fn *fn, void *owner,
	       const char *what, struct err *err)
{
	/* One thread, and no callback asks: memory that is not mapped anew for each question. */
	static char data[NL_DATAGRAM_MAX];
	char text[160];
	uint32_t seq = 0;
	int result = 0, r;

	r = buf_error(request) < 0 ? buf_error(request) : number_messages(nl, request, flags, &seq);
	if (r < 0)
		return err_sys(err, r, "%s: request could not be built", what);
	r = send_all(nl, request, what, err);
	if (r < 0)
		return r;
	for (int i = 0; i < NL_DATAGRAMS_MAX; i++) {
		ssize_t n = receive(nl->fd, data, NL_DATAGRAM_MAX, 0);
		struct str rest = str_make(data, n > 0 ? (size_t)n : 0);
		struct nl_message message;

		if (n < 0)
			return err_sys(err, (int)n, "%s: no answer", what);
		while (nl_message_next(&rest, &message)) {
			if (message.seq != seq)
				continue;
			if (message.type == NLMSG_DONE)
				return result;
			if (message.type == NLMSG_ERROR) {
				r = nl_message_error(&message, text, sizeof(text));
				return r < 0 ? kernel_said(err, r, what, text) : result;
			}
			if (!result)
				result = fn(&message, owner, err);
		}
	}
	return err_set(err, -EBADMSG, "%s: the kernel's answer does not end", what);
}

int nl_dump(struct nl *nl, struct buf *request, nl_dump_fn *fn, void *owner, const char *what,
	    struct err *err)
{
	return ask(nl, request, NLM_F_DUMP, fn, owner, what, err);
}

int nl_get(struct nl *nl, struct buf *request, nl_dump_fn *fn, void *owner, const char *what,
	   struct err *err)
{
	return ask(nl, request, NLM_F_ACK, fn, owner, what, err);
}
