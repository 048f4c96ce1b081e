/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_DNS_DNS_MSG_H
#define HOY_NETD_DNS_DNS_MSG_H

/* From netd main to its dns role; one way. Bodies: */
enum dns_msg {
	/* struct netd_attach with every address filled in and no ports; fds: [0] UDP and [1] TCP
	 * socket inside the container, or none: the sockets it has stay. */
	DNS_MSG_ATTACH = 0x0301,
	DNS_MSG_DETACH = 0x0302,   /* {text id} */
	DNS_MSG_UPSTREAM = 0x0303, /* {u32 count, then of each u8 v6, u32 ip4, 16 bytes ip6,
				    * u32 scope}: asked in this order */
};

enum { DNS_UPSTREAMS_MAX = 4 };

#endif
