/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_DNS_DNS_SERVER_H
#define HOY_NETD_DNS_DNS_SERVER_H

#include "lib/loop.h"
#include "netd/dns/dns_forward.h"
#include "netd/dns/dns_table.h"

/*
 * The resolver that containers see on 127.0.0.11:53: their sockets, TCP clients, and the decision
 * between a container's name, an upstream and a refusal. A client that talks TCP and says nothing,
 * or sends nonsense, costs one slot for ten seconds.
 */
enum { DNS_STREAMS_MAX = 64, DNS_STREAMS_PER_CONTAINER = 16, DNS_LOCAL_TTL_S = 2 };

int dns_server_init(struct loop *loop, struct dns_table *table);
/* The container at this index of the table is served on these sockets from now on (-1: the ones it
 * has stay). Takes both fds over. */
int dns_server_add(int index, int udp_fd, int tcp_fd, struct err *err);
void dns_server_remove(int index);
/* A dns_deliver_fn. */
void dns_server_deliver(const struct dns_client *client, struct str message);

#endif
