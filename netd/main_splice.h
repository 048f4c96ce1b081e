/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_MAIN_SPLICE_H
#define HOY_NETD_MAIN_SPLICE_H

#include "netd/main.h"

/* Ports published on ::1 (netd/splice/README.md). */

/* The sockets that the firewall leads them to, before the firewall is loaded. */
void main_splice_listen(struct netd *netd);
/* Starts the role where one of these is published on ::1. */
void main_splice_need(struct netd *netd, const struct nft_port *rows, size_t count);
void main_splice_begin(struct netd *netd); /* the role is new */
/* These ports lead elsewhere now: UDP flows to them end. */
void main_splice_forget(struct netd *netd, const struct nft_port *rows, size_t count);
void main_splice_where(struct msg_peer *peer, struct msg *msg);

#endif
