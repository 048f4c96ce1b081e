/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the buffers that datagrams are received into and answered from in one go. Run by the dns
 * role alone. It must never send over another socket than the one that an answer was kept for.
 */
#include "netd/dns/dns_batch.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "netd/dns/dns_codec.h"

static struct {
	struct mmsghdr heads[DNS_BATCH_MAX];
	struct iovec parts[DNS_BATCH_MAX];
	struct sockaddr_in from[DNS_BATCH_MAX];
	char data[DNS_BATCH_MAX][DNS_UDP_MAX];
} in;

static struct {
	struct mmsghdr heads[DNS_BATCH_MAX];
	struct iovec parts[DNS_BATCH_MAX];
	struct sockaddr_in to[DNS_BATCH_MAX];
	char data[DNS_BATCH_MAX][DNS_UDP_SAFE];
	unsigned count;
	int fd;
} out;

int dns_batch_receive(int fd)
{
	int count;

	for (int i = 0; i < DNS_BATCH_MAX; i++) {
		in.parts[i] = (struct iovec){ .iov_base = in.data[i], .iov_len = DNS_UDP_MAX };
		in.heads[i].msg_hdr.msg_name = &in.from[i];
		in.heads[i].msg_hdr.msg_namelen = sizeof(in.from[i]);
		in.heads[i].msg_hdr.msg_iov = &in.parts[i];
		in.heads[i].msg_hdr.msg_iovlen = 1;
	}
	count = recvmmsg(fd, in.heads, DNS_BATCH_MAX, MSG_DONTWAIT, NULL);
	return count < 0 ? 0 : count;
}

struct str dns_batch_message(int i, struct sockaddr_in *ret_from)
{
	*ret_from = in.from[i];
	return str_make(in.data[i], in.heads[i].msg_len);
}

bool dns_batch_keep(int fd, const struct sockaddr_in *to, struct str message)
{
	unsigned i = out.count;

	if (i == DNS_BATCH_MAX || message.len > DNS_UDP_SAFE || (i && out.fd != fd))
		return false;
	memcpy(out.data[i], message.ptr, message.len);
	out.to[i] = *to;
	out.parts[i] = (struct iovec){ .iov_base = out.data[i], .iov_len = message.len };
	out.heads[i].msg_hdr.msg_name = &out.to[i];
	out.heads[i].msg_hdr.msg_namelen = sizeof(out.to[i]);
	out.heads[i].msg_hdr.msg_iov = &out.parts[i];
	out.heads[i].msg_hdr.msg_iovlen = 1;
	out.fd = fd;
	out.count++;
	return true;
}

void dns_batch_flush(void)
{
	unsigned sent = 0;

	/* The C library would send them one by one. Of an error the first datagram is to blame. */
	while (sent < out.count) {
		long n = syscall(SYS_sendmmsg, out.fd, out.heads + sent, out.count - sent,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		sent += n > 0 ? (unsigned)n : 1;
	}
	out.count = 0;
}
