/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_DNS_DNS_BATCH_H
#define HOY_NETD_DNS_DNS_BATCH_H

#include <netinet/in.h>
#include "lib/str.h"

/*
 * Datagrams of one socket, several with one system call each way. There is one batch in the
 * process: receive, look at each, answer some, flush.
 */
enum { DNS_BATCH_MAX = 16 };

/* Takes what waits in the socket, never waiting itself; how many there are. */
int dns_batch_receive(int fd);
/* Number i of them; the bytes stay until the next receive. */
struct str dns_batch_message(int i, struct sockaddr_in *ret_from);

/* Keeps an answer until the flush; false: it is too long, or there are as many as were received. */
bool dns_batch_keep(int fd, const struct sockaddr_in *to, struct str message);
/* Sends what was kept. What the socket does not take is lost, as datagrams are. */
void dns_batch_flush(void);

#endif
