/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_ROLE_SPLICE_H
#define HOY_NETD_ROLE_SPLICE_H

#include <netinet/in.h>
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/msg.h"
#include "lib/wire.h"
#include "netd/splice/splice_msg.h"

enum { SPLICE_FLOWS_MAX = 256 }; /* of TCP, and as many of UDP */

/* Where a published port leads, as main says it. */
struct splice_place {
	uint16_t published;
	struct sockaddr_in6 ip6;
	struct sockaddr_in ip4; /* tried when the first refuses; port 0 = none */
};

/* Reads main's answer; ends the process where it is malformed. */
void splice_place_read(const struct msg *reply, struct splice_place *ret_place);

/* The part of the splice role that carries datagrams. */
void role_splice_udp_init(struct loop *loop, struct msg_peer *main_peer);
/* Takes the socket that they are led to; flows of an older one end. Idle ones end after idle_ms. */
void role_splice_udp_listen(int fd, uint32_t idle_ms);
/* SPLICE_MSG_FORGET: flows to these published ports end. */
void role_splice_udp_forget(struct msg_peer *peer, struct msg *msg);

#endif
