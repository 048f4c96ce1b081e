/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_LINK_PACKET_H
#define HOY_NETD_LINK_PACKET_H

#include "lib/err.h"

/* Packet sockets of one link for the dhcp role, filtered in the kernel: UDP to port 68; ARP.
 * Without a link-level header (SOCK_DGRAM). The fd (caller owns) or a negative errno. Needs
 * CAP_NET_RAW. */
int packet_open_dhcp(int index, struct err *err);
int packet_open_arp(int index, struct err *err);

/* IPv6 packets that are router advertisements. */
int packet_open_nd(int index, struct err *err);

/* UDP to port 546 over IPv6 on one link, from the IPv6 header on. */
int packet_open_dhcp6(int index, struct err *err);

#endif
