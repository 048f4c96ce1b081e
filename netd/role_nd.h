/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_ROLE_ND_H
#define HOY_NETD_ROLE_ND_H

#include "lib/loop.h"
#include "lib/msg.h"

/* The part of the dhcp role that hears the routers of IPv6. */
void role_nd_init(struct loop *loop, struct msg_peer *main_peer);
void role_nd_start(struct msg_peer *peer, struct msg *msg); /* DHCP_MSG_ND_START */
void role_nd_stop(struct msg_peer *peer, struct msg *msg);  /* DHCP_MSG_ND_STOP */
void role_nd_carrier(uint32_t index, bool carrier);

#endif
