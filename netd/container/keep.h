/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_CONTAINER_KEEP_H
#define HOY_NETD_CONTAINER_KEEP_H

#include "netd/container/attachment.h"

/*
 * The sockets of the resolvers and of role splice, kept beyond the life of this process: messages
 * that nobody has read yet, in a socket pair that init made and holds open (fd 5 writes, fd 6
 * reads). Questions that come while netd is away wait in the sockets themselves.
 */
struct keep {
	int write_fd, read_fd; /* not owned; -1 = nothing is kept */
	uint32_t count;	       /* messages in the pair */
};

/* Uses the pair when both fds are sockets; else nothing is kept, and that is said. */
void keep_open(struct keep *keep, int write_fd, int read_fd);
/* Hands what lies there to the attachments with those ids, and what keep_put_own() left to the
 * caller (-1 = nothing); drops what belongs to nobody. */
void keep_load(struct keep *keep, struct attachments *attachments, int *ret_udp_fd,
	       int *ret_tcp_fd);
/* Keeps copies of the two that role splice serves, once for each load that gave none. */
void keep_put_own(struct keep *keep, int udp_fd, int tcp_fd);
/* Keeps copies of the attachment's sockets in place of earlier ones. */
void keep_put(struct keep *keep, const struct attachment *attachment);
void keep_drop(struct keep *keep, struct str id);

#endif
