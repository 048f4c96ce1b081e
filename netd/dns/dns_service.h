/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_DNS_DNS_SERVICE_H
#define HOY_NETD_DNS_DNS_SERVICE_H

#include "netd/dns/dns_table.h"

/*
 * Services of containers (RFC 2782): _PORT._tcp.NAME or _udp, where NAME is a container's name or
 * alias and PORT the number of a port in the container that it publishes, or the usual name of that
 * number ("_http._tcp.web"). Each container of that name gives one record: its own name as target.
 */
enum dns_service_verdict {
	DNS_SERVICE_FOREIGN, /* nothing of ours: forward it */
	DNS_SERVICE_NONE,    /* below a container's name, and not there */
	DNS_SERVICE_EMPTY,   /* "_tcp.NAME": it is there and has nothing */
	DNS_SERVICE_FOUND,
};

enum dns_service_verdict dns_service_find(struct dns_table *table, int asker,
					  const struct dns_name *name,
					  struct dns_targets *ret_targets);

#endif
