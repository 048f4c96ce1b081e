/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_ROLE_DHCP6_H
#define HOY_NETD_ROLE_DHCP6_H

#include "lib/loop.h"
#include "lib/msg.h"

/* The part of the dhcp role that speaks DHCPv6. */
void role_dhcp6_init(struct loop *loop, struct msg_peer *main_peer);
void role_dhcp6_start(struct msg_peer *peer, struct msg *msg);
void role_dhcp6_stop(struct msg_peer *peer, struct msg *msg);
void role_dhcp6_decline(struct msg_peer *peer, struct msg *msg);
void role_dhcp6_carrier(uint32_t index, bool carrier);

#endif
