/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_MAIN_DNS_H
#define HOY_NETD_MAIN_DNS_H

#include "lib/msg.h"
#include "netd/dns_upstream.h"

struct netd;

/* What role dns was told last, and what it said of it (main_dns.c). */
struct main_dns {
	uint32_t serial;
	bool stale; /* network.ini says something else now */
	struct dns_upstreams upstreams;
	char states[DNS_UPSTREAMS_MAX][160]; /* of its connections; "" = none yet */
	int udp_fd, tcp_fd;		     /* the machine's own resolver; 0 = not needed so far */
};

/* Tells role dns whom to ask, and how; and serves the machine where it asks there itself. */
void main_dns_upstreams(struct netd *netd);
void main_dns_link(struct msg_peer *peer, struct msg *msg);
/* The machine itself asks by role dns: resolv.conf could not say how. */
bool main_dns_own(const struct netd *netd);
void main_dns_show(const struct netd *netd, struct buf *out);

#endif
